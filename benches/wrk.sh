#!/usr/bin/env bash
# httpoll beside nginx under wrk, as one Markdown table.
#
#   cargo build --release && benches/wrk.sh
#   ROUNDS=15 SECONDS_EACH=3 CONNECTIONS=256 benches/wrk.sh
#
# One core for the server, another for wrk. The servers take turns, round by round, because the
# clock of a machine drifts more in a minute than two good servers differ; what is compared is the
# median, and the spread (lowest..highest) says how far to trust it: a difference within it means
# nothing. CPU per request is the steadier figure, for wrk's core often is the limit.
#
# nginx runs without an access log and without open_file_cache, so both see an edit at once.
# Loopback only, about 2 x 4 x ROUNDS x SECONDS_EACH seconds; ends what it started, nothing else.
set -euo pipefail

ROUNDS=${ROUNDS:-9}
SECONDS_EACH=${SECONDS_EACH:-2}
CONNECTIONS=${CONNECTIONS:-64}
PORT=${PORT:-18080} # and the next one
HTTPOLL=${HTTPOLL:-target/release/httpoll}
SERVER_CORE=0
CLIENT_CORE=1

die() { echo "wrk.sh: $*" >&2; exit 1; }

for tool in wrk taskset curl; do
    command -v "$tool" >/dev/null || die "$tool is not installed"
done
[[ -x $HTTPOLL ]] || die "$HTTPOLL is not there: cargo build --release"
NGINX=$(PATH=$PATH:/usr/sbin command -v nginx || true)
[[ -n $NGINX ]] || echo "wrk.sh: nginx is not installed: httpoll alone" >&2
(($(nproc) > CLIENT_CORE)) || die "needs two cores"

work=$(mktemp -d)
pids=()
cleanup() {
    ((${#pids[@]} == 0)) || kill "${pids[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

mkdir "$work/www"
head -c 1024 /dev/urandom >"$work/www/1k.bin"
head -c 102400 /dev/urandom >"$work/www/100k.bin"
mkdir "$work/www/many" # 0000 to 9999
head -c 40960000 /dev/urandom | split -b 4096 -d -a 4 - "$work/www/many/"
cat >"$work/many.lua" <<-'LUA'
	local requests, i = {}, -1
	function init()
	    for n = 0, 9999 do requests[n] = wrk.format("GET", ("/many/%04d"):format(n)) end
	end
	function request()
	    i = (i + 1) % 10000
	    return requests[i]
	end
	LUA

# start NAME PORT COMMAND...: on the server's core, until it answers.
declare -A pid_of url_of
start() {
    local name=$1 port=$2
    shift 2
    if curl -s -o "$work/answer" "http://127.0.0.1:$port/"; then
        die "port $port is taken: PORT=... benches/wrk.sh"
    fi
    taskset -c "$SERVER_CORE" "$@" >"$work/$name.log" 2>&1 &
    pids+=($!)
    pid_of[$name]=$!
    url_of[$name]=http://127.0.0.1:$port
    for _ in {1..50}; do
        curl -s -o "$work/answer" "http://127.0.0.1:$port/" && return
        sleep 0.1
    done
    cat "$work/$name.log" >&2
    die "$name does not answer"
}

stop_all() {
    kill "${pids[@]}"
    wait "${pids[@]}" 2>/dev/null || true
    pids=()
}

start_httpoll() { # hello is a program of its own, files are another
    if [[ $1 == / ]]; then
        start httpoll "$PORT" "$HTTPOLL" --hello --port "$PORT" --workers 1 --log off
    else
        start httpoll "$PORT" "$HTTPOLL" "$work/www" --port "$PORT" --workers 1 --log off
    fi
}

start_nginx() {
    cat >"$work/nginx.conf" <<-CONF
	daemon off; master_process off; pid $work/nginx.pid; error_log stderr crit;
	events { worker_connections 4096; }
	http {
	    access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
	    types { text/html html; } default_type application/octet-stream;
	    client_body_temp_path $work/t1; proxy_temp_path $work/t2; fastcgi_temp_path $work/t3;
	    uwsgi_temp_path $work/t4; scgi_temp_path $work/t5;
	    server {
	        listen 127.0.0.1:$((PORT + 1)); root $work/www;
	        location = / { default_type text/plain; return 200 "Hello, World!"; }
	    }
	}
	CONF
    start nginx $((PORT + 1)) "$NGINX" -p "$work" -c "$work/nginx.conf"
}

# cpu_ticks PID: user and system time of all its threads, in clock ticks (proc_pid_stat(5)).
cpu_ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"; }

# round NAME PATH: adds "requests_per_second cpu_us_per_request" to the workload's file.
round() {
    local name=$1 path=$2 before after script=()
    [[ $path != /many/ ]] || script=(-s "$work/many.lua")
    before=$(cpu_ticks "${pid_of[$name]}")
    taskset -c "$CLIENT_CORE" wrk -t1 -c"$CONNECTIONS" -d"$SECONDS_EACH"s "${script[@]}" "${url_of[$name]}$path" >"$work/wrk.log"
    after=$(cpu_ticks "${pid_of[$name]}")
    ! grep -E "Socket errors|Non-2xx" "$work/wrk.log" >&2 || die "$name $path: errors, no figures"
    awk -v ticks=$((after - before)) -v hz="$(getconf CLK_TCK)" '
        /requests in/ { n = $1 } /Requests\/sec/ { rate = $2 }
        END { printf "%.0f %.2f\n", rate, ticks * 1e6 / hz / n }' "$work/wrk.log" \
        >>"$work/$name${path//\//-}"
}

# summary FILE COLUMN: "median (lowest..highest)".
summary() {
    awk -v c="$2" '{ print $c }' "$1" | sort -g |
        awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] " (" v[1] ".." v[NR] ")" }'
}

echo "Linux $(uname -r), $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)," \
    "$("$HTTPOLL" --version)${NGINX:+, $("$NGINX" -v 2>&1 | sed 's/.*: //')};" \
    "$CONNECTIONS connections, $ROUNDS rounds of $SECONDS_EACH s, server on core $SERVER_CORE," \
    "wrk on core $CLIENT_CORE; median (lowest..highest)"
echo
echo "| request | server | requests/s | CPU per request, µs |"
echo "|---|---|---|---|"
for path in / /1k.bin /100k.bin /many/; do
    start_httpoll "$path"
    servers=(httpoll)
    if [[ -n $NGINX ]]; then
        start_nginx
        servers+=(nginx)
    fi
    for ((i = 0; i < ROUNDS; i++)); do
        for name in "${servers[@]}"; do round "$name" "$path"; done
    done
    for name in "${servers[@]}"; do
        file=$work/$name${path//\//-}
        echo "| \`GET $path\` | $name | $(summary "$file" 1) | $(summary "$file" 2) |"
    done
    stop_all
done
