//! Complaints about words, as one line each: what is wrong, and what would be right.
//!
//! *Floor 5.* Knows the layout of clap's reports, and what options are called elsewhere: people
//! type what their last server understood.

use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::{Exit, listen, startup};

/// clap's report as one line. Its layout is for eyes: the message, tips and usage as paragraphs.
pub(super) fn exit(error: &clap::Error) -> Exit {
    let text = error.render().to_string();
    if !error.use_stderr() {
        return Exit::Asked(text);
    }
    let known = guessed(error).or_else(|| second_dir(error));
    let told = known.unwrap_or_else(|| one_line(&text) + &by_variable(error));
    let told = startup::printable(Path::new(&told));
    Exit::Usage(format!("{told} (httpoll --help lists the options)"))
}

/// What a wrong value of an option may also come from: nothing that was typed.
fn by_variable(error: &clap::Error) -> String {
    let Some(ContextValue::String(arg)) = error.get(ContextKind::InvalidArg) else {
        return String::new();
    };
    let option = arg.split([' ', '=', '[']).next().unwrap_or_default();
    let name = option.trim_start_matches('-').replace('-', "_");
    let variable = format!("HTTPOLL_{}", name.to_ascii_uppercase());
    let typed = std::env::args().any(|word| word.starts_with(option));
    match std::env::var_os(&variable) {
        Some(_) if !typed => format!(", from {variable}"),
        _ => String::new(),
    }
}

pub(super) fn one_line(text: &str) -> String {
    let told: Vec<_> = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        // A word that starts with a dash is an option here, and no value.
        .filter(|line| !line.is_empty() && !line.starts_with("tip: to pass "))
        .collect();
    let told = told.join(" ").replace(" tip: ", "; ");
    told.strip_prefix("error: ").unwrap_or(&told).to_owned()
}

/// What stands here for an option of other servers.
fn guessed(error: &clap::Error) -> Option<String> {
    let advice = guess(error)?;
    match error.get(ContextKind::InvalidArg)? {
        ContextValue::String(word) => Some(format!("there is no {word}: {advice}")),
        _ => None,
    }
}

/// The same without the option's name.
pub(super) fn guess(error: &clap::Error) -> Option<&'static str> {
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let ContextValue::String(word) = error.get(ContextKind::InvalidArg)? else {
        return None;
    };
    let known = match word.starts_with("--") {
        true => word.to_ascii_lowercase().replace('_', "-"),
        false => word.clone(), // -s and -S are two letters
    };
    let (_, advice) = GUESSES.iter().find(|(words, _)| {
        words
            .split(' ')
            .any(|guess| guess == *word || guess == known)
    })?;
    Some(advice)
}

/// What a word says that stands behind DIR.
fn second_dir(error: &clap::Error) -> Option<String> {
    match error.get(ContextKind::InvalidArg)? {
        ContextValue::String(word)
            if error.kind() == ErrorKind::UnknownArgument && !word.starts_with('-') =>
        {
            let second = format!("one directory or file is served, and {word} is a second");
            let meant = listen::typed_as_dir(word).map(|advice| format!("{second}; {advice}"));
            Some(meant.unwrap_or(second))
        }
        _ => None,
    }
}

/// Options of miniserve, serve, http-server, python -m http.server, darkhttpd, caddy, dufs and
/// static-web-server, and what stands for them here.
const GUESSES: &[(&str, &str)] = &[
    (
        "--bind --host --hostname --address --addr --ip --interface --interfaces --bind-address \
         --listen-address --server -a -i",
        "--listen ADDR says where, 0.0.0.0 for everybody who can reach this machine",
    ),
    (
        "--lan --public --share --expose --all-interfaces --network --external",
        "--listen 0.0.0.0 is for everybody who can reach this machine",
    ),
    (
        "--tls --ssl --https --https-redirect --https-redirect-host --https-redirect-from-port \
         --http2-tls-cert --http2-tls-key --ssl-pass --tls-password-file --acme --letsencrypt --cert --certificate --key --tls-cert --tls-key --ssl-cert --ssl-key \
         --certfile --keyfile -S -C -K",
        "it has no TLS; a proxy in front has, as in: caddy reverse-proxy --to 127.0.0.1:8080",
    ),
    (
        "--http2 --h2 --protocol --http3 --h3 --quic",
        "it speaks HTTP/1.1 only; a proxy in front may speak more",
    ),
    (
        "--basic-auth --password --username --credentials --token --login --user-password",
        "--auth USER:PASSWORD asks for a password, --auth-file FILE for one of several",
    ),
    (
        "--proxy --reverse-proxy --proxy-all --proxy-options --proxy-config --forward --forward-all --websocket --upstream",
        "it serves files and forwards nothing",
    ),
    (
        "-v -vv --verbose --debug --log-level",
        "--log plain prints a line per request, --trace each turn of the loop; -V prints the version",
    ),
    (
        "-q --quiet --silent --no-log --no-logging --no-request-logging --no-access-log",
        "--log off prints no line per request",
    ),
    (
        "--access-log --logfile --log-path --logging --logger --syslog",
        "--log plain prints a line per request, --log-file FILE keeps them",
    ),
    (
        "--log-format --log-style --json --json-log --combined --common --format",
        "--log takes plain, common, combined or json",
    ),
    (
        "-d --dir --directory --wwwroot --root --docroot --document-root --path --folder --serve -r",
        "the directory needs no option: httpoll DIR",
    ),
    (
        "-f --file --single-file",
        "one file needs no option: httpoll FILE",
    ),
    (
        "-s --single --fallback --page-fallback --render-spa --render-try-index --history --history-api-fallback --try-files --rewrite --rewrites",
        "--spa answers navigations to missing paths with index.html",
    ),
    (
        "-o --browser --open-browser --launch --launch-browser",
        "--open shows the address in a browser",
    ),
    ("--qrcode --qr-code", "--qr shows the address as a QR code"),
    (
        "-u --uploads --upload-files --allow-upload --put",
        "--upload takes files, by page, form or PUT",
    ),
    (
        "--allow-delete --allow-all --rm-files --enable-webdav --enable-delete --mkdir --webdav --dav --write -A",
        "files can be sent (--upload), but not changed, moved or deleted",
    ),
    (
        "-z --zip --tar --directory-listing-download --archive --enable-zip --enable-tar --enable-tar-gz --allow-archive",
        "a listed directory needs no option: URL/?zip, ?tar.gz or ?tar; --no-archive says no",
    ),
    (
        "-t --threads --thread --threads-multiplier --max-blocking-threads --worker -j --jobs --processes --process --cores --cpus -n",
        "--workers N runs N loops; --backend threads is a thread per connection",
    ),
    (
        "--edge --level --poll --select --blocking --epoll --kqueue --io-uring --uring --engine \
         --event-loop --mode -m",
        "--backend NAME takes edge, level, poll, select, threads or blocking",
    ),
    (
        "-c --cache --cache-control --cache-control-headers --cache-time --expires --ttl --no-cache",
        "--max-age SECONDS says how long browsers may keep files; without it they ask every time",
    ),
    (
        "-g --gzip --gz --brotli --zstd --compression -B",
        "--compress sends brotli or gzip to who takes it; file.br, file.zst or file.gz beside a file is used anyway",
    ),
    (
        "--no-index --no-list --no-dirlist --no-dir-listing --no-directory-listing \
         --no-autoindex --disable-indexing --no-browse",
        "--no-listing answers 404 for directories without an index file",
    ),
    (
        "--list --listing --dirlist --browse --autoindex --directory-listing --dir-listing",
        "directories without an index file are listed anyway",
    ),
    (
        "--dotfiles --show-hidden --hidden-files --all-files --include-hidden -H",
        "--hidden serves names that start with a dot",
    ),
    (
        "--follow --follow-symlinks --reveal-symlinks --follow-links --allow-symlink --no-symlinks --no-follow \
         --no-follow-symlinks --disable-symlinks --symlink -L -P",
        "--symlinks takes inside, follow or deny",
    ),
    (
        "--conf --config-file --config-path --show-config --dump-config --check-config --configtest --configuration --settings",
        "--config FILE reads options from a TOML file",
    ),
    (
        "--daemon --daemonize --pid --pidfile --pid-file --background --detach --fork -D",
        "it stays in the foreground; deploy/ has a systemd unit",
    ),
    (
        "--route-prefix --path-prefix --url-prefix --base --base-dir --base-path --base-url --mount",
        "--prefix /PATH serves the directory below a path",
    ),
    (
        "--404 --page404 --page-404 --error-page --error-404 --not-found --custom-404",
        "404.html in the directory is the page of a 404",
    ),
    (
        "--unix --unix-socket --socket --sock --uds",
        "--listen unix:PATH is a Unix socket",
    ),
    (
        "--timeout --keepalive --keep-alive --keep-alive-timeout --read-timeout --connect-timeout \
         --request-timeout -T",
        "--idle-timeout, --header-timeout, --body-timeout and --write-timeout limit one wait each",
    ),
    (
        "--max-clients --max-conn --max-conns --maxconn --connections --max-threads",
        "--max-connections N is how many there may be at once",
    ),
    (
        "--limit --rate --rate-limit --limit-rate --bandwidth --throttle",
        "it limits no speed; --max-per-ip N limits connections of one address",
    ),
    (
        "--enable-cors --allow-origin --cors-allow-headers --cors-expose-headers --cors-headers \
         --cors-methods --cors-allow-methods --cors-origin --cors-allow-origins",
        "--cors lets pages of any origin read the answers",
    ),
    (
        "--headers --add-header --extra-header",
        "--header 'Name: value' adds a field to every answer",
    ),
    (
        "--mime-type --mime-types --mimetype --mimetypes --content-type --type --types \
         --default-mimetype",
        "--mime EXT=TYPE is the media type of an extension",
    ),
    (
        "--uid --gid --group --setuid --chroot",
        "--user NAME:GROUP leaves root; it is confined to the directory anyway",
    ),
    (
        "--metrics --stats --experimental-metrics --status --health --healthz --prometheus",
        "--admin PORT answers /metrics and /healthz, and shows the loop",
    ),
    (
        "--server-name --virtual-host --vhost --domain --allowed-hosts --allowed-host",
        "--allow-host NAME answers to that name only",
    ),
    (
        "--reload --live --live-reload --livereload --hot",
        "--watch has open pages reload when a file changes",
    ),
    (
        "--temp-directory --temp-dir --tmp",
        "a file that is sent to --upload grows where it will be",
    ),
    (
        "--pretty-urls --clean-urls --ext -e",
        "names are not completed: give a page a directory with index.html",
    ),
    (
        "--random-route --secret",
        "--prefix /PATH serves the directory below a path of your choice",
    ),
    (
        "--default-sorting-method --default-sorting-order --directory-listing-order --sort --order \
         --dirs-first --size-display --directory-size --directory-listing-format",
        "who reads a listing sorts it; as JSON or text it comes by Accept",
    ),
    (
        "--color-scheme --color-scheme-dark --theme --title --hide-version-footer --templates \
         --hide-theme-selector --show-wget-footer --assets --file-external-url",
        "a listing has one look, light or dark as its reader has it; index.html stands in its place",
    ),
    (
        "--media-type --raw-media-type",
        "--upload takes files of any type",
    ),
    (
        "--on-duplicate-files --overwrite-files --overwrite",
        "--on-conflict takes refuse, rename or replace",
    ),
    (
        "--print-completions --generate --print-manpage --manpage",
        "--completions SHELL and --man print them",
    ),
    (
        "--chmod --unix-socket-mode --umask",
        "files and sockets get the rights that umask leaves: umask 007 before it starts",
    ),
    (
        "--log-color --log-with-ansi --no-color --no-colour --colour --colors --color-mode",
        "--color takes auto, always or never",
    ),
    (
        "--fd --fds --inherit",
        "listeners that a service manager leaves (LISTEN_FDS) are taken anyway",
    ),
    (
        "--page50x --page500 --error-500",
        "404.html in the directory is the page of a 404; there are no others",
    ),
    (
        "--index-files --index-file --render-index --default-file",
        "--index NAME stands for its directory",
    ),
    (
        "--precompressed --compression-static --static-compression",
        "file.br, file.zst or file.gz beside a file is used anyway",
    ),
    (
        "--security-headers --header-file --private-network-access --coop --coep",
        "--header 'Name: value' adds a field, --cross-origin-isolated sends COOP and COEP",
    ),
    (
        "--grace-period --shutdown-timeout --graceful",
        "--grace SECONDS is how long a stop waits for answers in flight",
    ),
    (
        "--trusted-proxies --trust-proxy --log-ip --log-remote-address --log-forwarded-for \
         --log-x-real-ip --real-ip",
        "--log names the client; --trusted-proxy CIDR says whose word about it is taken",
    ),
    (
        "--redirect-trailing-slash --trailing-slash",
        "a directory that is asked for without its slash is redirected anyway",
    ),
    (
        "--ignore-hidden-files --no-dotfiles --no-hidden",
        "names that start with a dot are not served, unless --hidden says so",
    ),
    (
        "--text-charset --encoding --utf8",
        "--charset on or off says whether text types say charset=utf-8",
    ),
    (
        "--maintenance-mode --maintenance-mode-status --maintenance-mode-file --maintenance",
        "it has no such mode; a proxy in front can answer 503",
    ),
    (
        "--memory-cache --cache-size",
        "--cache-memory SIZE is for small files, --cache-memory 0 for none",
    ),
    (
        "--allow-search --search",
        "the page of a listing has a box to filter by name",
    ),
    (
        "--allow-hash --no-etag --etags",
        "--etag takes stat, or content, whose tag is a hash",
    ),
    ("--cgi --php --exec", "it serves files and runs none"),
    (
        "--robots",
        "robots.txt in the directory is served as any file",
    ),
    (
        "--utc --local-time --timezone",
        "the times of its lines are UTC",
    ),
    (
        "--no-port-switching --no-clipboard",
        "a port that is taken is an error anyway, and the clipboard is left alone",
    ),
    (
        "--ipv6 --ipv4 --dual-stack",
        "--listen [::] is IPv6, --listen 0.0.0.0 IPv4; both may be given",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    use super::super::options::Options;

    fn told(words: &[&str]) -> String {
        let words = std::iter::once(&"httpoll").chain(words);
        match super::super::parse(words.map(Into::into)) {
            Err(Exit::Usage(line)) => line,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_others_call_it_leads_to_what_it_is_called_here() {
        for (words, advice) in GUESSES {
            for word in words.split(' ') {
                let line = told(&[word]);
                assert!(line.contains(advice), "{word}: {line}");
            }
        }
        let line = told(&["--bind=0.0.0.0", "-p", "80"]);
        assert!(
            line.starts_with("there is no --bind: --listen ADDR"),
            "{line}"
        );
        let line = told(&["--Access_Log", "x"]);
        assert!(
            line.starts_with("there is no --Access_Log: --log plain"),
            "{line}"
        );
    }

    /// An option named here exists, and is not itself called unknown.
    #[test]
    fn advice_names_options_that_exist() {
        let options = Options::command();
        let long: Vec<_> = options
            .get_arguments()
            .filter_map(|arg| arg.get_long())
            .collect();
        for (words, advice) in GUESSES {
            let named = advice
                .split([' ', ',', ';', ':', '\''])
                .filter_map(|w| w.strip_prefix("--"));
            for name in named.filter(|name| *name != "to") {
                assert!(long.contains(&name), "--{name} in {advice:?}");
            }
            for word in words.split(' ').filter_map(|word| word.strip_prefix("--")) {
                assert!(!long.contains(&word), "--{word} is an option");
            }
        }
    }
}
