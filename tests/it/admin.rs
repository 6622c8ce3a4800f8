//! What operators are told: the numbers agree with what a client counted, and "ready" ends first.

#![expect(clippy::disallowed_methods, reason = "gives up after a while")]

use std::collections::{HashMap, HashSet};
use std::io::BufRead;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;
use rustix::process::{Pid, Signal};

use super::harness::{Answer, BACKENDS, Client, PATIENCE, Server, request};

/// The operators' side of a server.
struct Desk(SocketAddr);

impl Desk {
    /// Where `server` said it is, on the line after its address.
    fn of(server: &mut Server) -> Self {
        let mut line = String::new();
        server.out.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("admin: http://");
        let address = address.unwrap_or_else(|| panic!("{line}"));
        Self(address.split('/').next().unwrap().parse().unwrap())
    }

    fn get(&self, target: &str) -> Answer {
        self.connect().ask("GET", target, &[])
    }

    fn connect(&self) -> Client<TcpStream> {
        let stream = TcpStream::connect(self.0).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client::new(stream)
    }

    fn metrics(&self) -> Metrics {
        let answer = self.get("/metrics");
        let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        assert_eq!(answer.field("Content-Type"), Some(media_type));
        Metrics::parse(&answer.text())
    }

    /// The metrics as soon as `agree` with them: an answer may arrive before its turn has ended.
    fn metrics_when(&self, agree: impl Fn(&Metrics) -> bool) -> Metrics {
        let begun = Instant::now();
        loop {
            let metrics = self.metrics();
            if agree(&metrics) {
                return metrics;
            }
            assert!(begun.elapsed() < PATIENCE, "{:#?}", metrics.0);
        }
    }
}

// ---------------------------------------------------------------------- OpenMetrics, strictly

/// Samples by name and labels, as they are written.
struct Metrics(HashMap<String, f64>);

impl Metrics {
    fn get(&self, sample: &str) -> f64 {
        self.0.get(sample).copied().unwrap_or(0.0)
    }

    /// Reads the exposition format as OpenMetrics 1.0 has it: one `# EOF`, at the end; every
    /// sample below the descriptor of its own family, which comes once; suffixes by type; labels
    /// quoted; counters and buckets that do not go down.
    fn parse(text: &str) -> Self {
        let body = text.strip_suffix("# EOF\n").expect("it ends in # EOF");
        assert!(!body.contains("# EOF"), "once");
        let (mut samples, mut families) = (HashMap::new(), HashSet::new());
        let (mut family, mut kind, mut unit) = (String::new(), String::new(), String::new());
        for line in body.lines() {
            if let Some(descriptor) = line.strip_prefix("# ") {
                let [word, name, rest] = descriptor.splitn(3, ' ').collect::<Vec<_>>()[..] else {
                    panic!("a descriptor: {line}");
                };
                if name != family {
                    assert!(families.insert(name.to_owned()), "{name} twice");
                    assert!(is_name(name), "{line}");
                    (family, kind, unit) = (name.to_owned(), String::new(), String::new());
                }
                match word {
                    "TYPE" => kind = rest.to_owned(),
                    "UNIT" => unit = rest.to_owned(),
                    "HELP" => assert!(!rest.is_empty(), "{line}"),
                    _ => panic!("no such descriptor: {line}"),
                }
                assert!(
                    unit.is_empty() || name.ends_with(&format!("_{unit}")),
                    "{line}"
                );
                continue;
            }
            let (sample, value) = line.rsplit_once(' ').expect("a value");
            let (name, labels) = match sample.split_once('{') {
                Some((name, labels)) => (name, labels.strip_suffix('}').expect("a brace")),
                None => (sample, ""),
            };
            let suffix = name
                .strip_prefix(&family)
                .unwrap_or_else(|| panic!("{line} in {family}"));
            let right: &[&str] = match kind.as_str() {
                "counter" => &["_total"],
                "gauge" => &[""],
                "histogram" => &["_bucket", "_count", "_sum"],
                _ => panic!("no such type: {kind}"),
            };
            assert!(right.contains(&suffix), "{line} is no sample of a {kind}");
            check_labels(labels);
            assert_eq!(labels.contains("le="), suffix == "_bucket", "{line}");
            let value: f64 = value.parse().unwrap();
            assert!(value.is_finite() && value >= 0.0, "{line}");
            let before = samples.insert(sample.to_owned(), value);
            assert!(before.is_none(), "{sample} twice");
        }
        let metrics = Self(samples);
        metrics.check_histogram("httpoll_loop_lag_seconds", text);
        metrics
    }

    fn check_histogram(&self, name: &str, text: &str) {
        let start = format!("{name}_bucket{{");
        let buckets = text.lines().filter(|line| line.starts_with(&start));
        let counts: Vec<f64> = buckets
            .map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
            .collect();
        assert!(counts.is_sorted(), "buckets are cumulative: {counts:?}");
        let last = self.get(&format!("{start}le=\"+Inf\"}}"));
        assert_eq!(counts.last(), Some(&last));
        assert_eq!(self.get(&format!("{name}_count")), last);
    }
}

fn is_name(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !name.starts_with(char::is_numeric)
}

fn check_labels(labels: &str) {
    let mut names = HashSet::new();
    for label in labels.split(',').filter(|_| !labels.is_empty()) {
        let (name, value) = label.split_once('=').expect("a label has a value");
        assert!(is_name(name) && names.insert(name), "{labels}");
        let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
        let plain = |value: &str| !value.contains(['"', '\\', '\n']);
        assert!(value.is_some_and(plain), "{labels}");
    }
}

// ---------------------------------------------------------------------- the tests

#[test]
fn the_numbers_agree_with_what_a_client_counted() {
    for backend in BACKENDS {
        let mut server = Server::start(backend, &["--hello", "--admin", "127.0.0.1:0"]);
        let desk = Desk::of(&mut server);
        let (mut statuses, mut bytes) = (HashMap::new(), 0);
        for target in ["/", "/", "/no", "/"] {
            let answer = server.get(target);
            *statuses.entry(answer.status).or_insert(0.0) += 1.0;
            bytes += answer.body.len();
        }
        let refused = server.raw(b"GET /\r\n\r\n");
        assert!(refused.starts_with("HTTP/1.1 400 "), "{refused}");
        statuses.insert(400, 1.0);
        bytes += refused.split("\r\n\r\n").nth(1).unwrap().len();
        let metrics = desk.metrics_when(|metrics| {
            let reasons = ["answered", "client_closed", "refused"];
            reasons.map(|why| ended(metrics, why)).iter().sum::<f64>() == 5.0
        });
        for (status, count) in statuses {
            let sample = format!("httpoll_responses_total{{code=\"{status}\"}}");
            assert_eq!(metrics.get(&sample), count, "{backend}: {status}");
        }
        let check = |sample: &str, expected: f64| {
            assert_eq!(metrics.get(sample), expected, "{backend}: {sample}");
        };
        check("httpoll_response_body_bytes_total", bytes as f64);
        check("httpoll_connections_accepted_total", 5.0);
        check("httpoll_connections_closed_total{reason=\"refused\"}", 1.0);
        let mut gauges = metrics.0.iter();
        let left =
            gauges.find(|(name, count)| name.starts_with("httpoll_connections{") && **count != 0.0);
        assert_eq!(left, None, "{backend}");
    }
}

fn ended(metrics: &Metrics, why: &str) -> f64 {
    metrics.get(&format!(
        "httpoll_connections_closed_total{{reason=\"{why}\"}}"
    ))
}

#[test]
fn system_calls_and_turns_are_counted_where_there_are_some() {
    for backend in BACKENDS {
        let mut server = Server::start(backend, &["--hello", "--admin", "127.0.0.1:0"]);
        let desk = Desk::of(&mut server);
        for _ in 0..3 {
            server.get("/");
        }
        let metrics = desk.metrics_when(|metrics| {
            ended(metrics, "client_closed") + ended(metrics, "answered") == 3.0
        });
        for call in ["wait", "accept", "read", "write"] {
            let count = metrics.get(&format!("httpoll_system_calls_total{{call=\"{call}\"}}"));
            let least = if call == "wait" { 1.0 } else { 3.0 };
            assert!(count >= least, "{backend}: {call} {count}");
        }
        assert!(
            metrics.get("httpoll_wakes_total{cause=\"ready\"}") > 0.0,
            "{backend}"
        );
        let has_loop = !matches!(backend, "threads" | "blocking");
        let turns = metrics.get("httpoll_loop_lag_seconds_count");
        assert_eq!(turns > 0.0, has_loop, "{backend}");
        let interest = metrics.0.keys().any(|name| name.contains("\"interest\""));
        assert_eq!(interest, !matches!(backend, "poll" | "select"), "{backend}");
    }
}

#[test]
fn connections_are_seen_in_their_phase() {
    for backend in ["edge", "level", "poll", "select", "threads"] {
        let mut server = Server::start(
            backend,
            &["--hello", "--admin", "127.0.0.1:0", "--workers", "1"],
        );
        let desk = Desk::of(&mut server);
        let in_phase = |metrics: &Metrics, phase: &str| {
            metrics.get(&format!("httpoll_connections{{phase=\"{phase}\"}}"))
        };
        let mut idle = server.connect();
        assert_eq!(idle.ask("GET", "/", &[]).status, 200);
        let mut begun = server.connect();
        begun.send(b"GET / HT");
        desk.metrics_when(|m| in_phase(m, "idle") == 1.0 && in_phase(m, "head") == 1.0);
        drop((idle, begun));
        desk.metrics_when(|m| in_phase(m, "idle") + in_phase(m, "head") == 0.0);
    }
}

/// The next access line, without its time, address and duration.
fn logged(server: &mut Server) -> String {
    let mut line = String::new();
    server.out.read_line(&mut line).unwrap();
    let (_, line) = line.split_once('"').unwrap_or(("", &line));
    let words = line.trim_end().split(' ');
    words
        .filter(|word| !word.ends_with("ms"))
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn uploads_are_counted_and_logged() {
    let other = format!("Repr-Digest: sha-256=:{}=:", "A".repeat(43));
    for backend in BACKENDS {
        let root = tempfile::tempdir().unwrap();
        let words = ["--upload", "--log=plain", "--admin", "127.0.0.1:0"];
        let mut server = Server::of(backend, root.path(), &words);
        let desk = Desk::of(&mut server);
        let mut put = |name: &str, fields: &[&str], content: &[u8], expected: &str| {
            let mut client = server.connect();
            client.send(request("PUT", name, fields).as_bytes());
            client.send(content);
            client.0.get_ref().shutdown(Shutdown::Write).unwrap();
            let (sent, expected) = (client.answer("PUT"), expected.split_once(' ').unwrap());
            assert_eq!(sent.status.to_string(), expected.0, "{backend} {name}");
            let (status, length, more) = (sent.status, sent.body.len(), expected.1);
            let expected = format!("PUT {name} HTTP/1.1\" {status} {length} {more}");
            assert_eq!(logged(&mut server), expected, "{backend}");
        };
        let all = ["Content-Length: 300000"];
        put("/a", &all, &[b'a'; 300_000], "201 in 300000");
        // Of chunks, the content counts.
        let coded = ["Transfer-Encoding: chunked"];
        put("/b", &coded, b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", "201 in 3");
        let damaged = ["Content-Length: 3", &other];
        put("/c", &damaged, b"abc", "400 in 3");
        put("/d", &all, b"abcd", "400 in 4");
        // A reset leaves nobody to be told.
        let mut client = server.connect();
        let fields = ["Content-Length: 300000", "Expect: 100-continue"];
        client.send(request("PUT", "/e", &fields).as_bytes());
        assert_eq!(client.head().status, 100, "{backend}");
        set_socket_linger(client.0.get_ref(), Some(Duration::ZERO)).unwrap();
        drop(client);
        let line = logged(&mut server);
        assert_eq!(line, "PUT /e HTTP/1.1\" 400 0 cut", "{backend}");
        let uploads = |metrics: &Metrics, outcome: &str| {
            metrics.get(&format!("httpoll_uploads_total{{outcome=\"{outcome}\"}}"))
        };
        let metrics = desk.metrics_when(|metrics| uploads(metrics, "dropped") == 3.0);
        assert_eq!(uploads(&metrics, "kept"), 2.0, "{backend}");
        let received = metrics.get("httpoll_request_body_bytes_total");
        assert_eq!(received, 300_010.0, "{backend}");
    }
}

#[test]
fn the_cache_is_counted() {
    // Not a file made here: one that has just been written is not believed yet.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("www");
    let mut server = Server::of("edge", &root, &["--admin", "127.0.0.1:0"]);
    let desk = Desk::of(&mut server);
    for _ in 0..3 {
        assert_eq!(server.get("/style.css").status, 200);
    }
    let metrics = desk.metrics_when(|m| m.get("httpoll_cache_hits_total") == 2.0);
    assert_eq!(metrics.get("httpoll_cache_misses_total"), 1.0);
    assert!(metrics.get("httpoll_cache_bytes") > 0.0);
}

#[test]
fn ready_ends_with_the_signal_and_healthy_does_not() {
    for backend in BACKENDS {
        let mut server = Server::start(backend, &["--hello", "--admin", "127.0.0.1:0"]);
        let desk = Desk::of(&mut server);
        assert_eq!(desk.get("/healthz").text(), "ok\n");
        assert_eq!(desk.get("/readyz").status, 200);
        assert_eq!(
            desk.get("/page").status,
            404,
            "nothing else is served there"
        );
        assert_eq!(server.get("/metrics").status, 404, "and nothing of it here");
        // A request whose content has not come yet keeps the server for a while.
        let mut busy = server.connect();
        busy.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n");
        let body = "httpoll_connections{phase=\"body\"}";
        desk.metrics_when(|metrics| metrics.get(body) == 1.0);
        let pid = Pid::from_raw(server.pid().cast_signed()).unwrap();
        rustix::process::kill_process(pid, Signal::TERM).unwrap();
        let begun = Instant::now();
        loop {
            let ready = desk.get("/readyz");
            if ready.status == 503 {
                assert_eq!(ready.text(), "draining\n");
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "{backend}: still ready");
        }
        assert_eq!(desk.get("/healthz").status, 200, "{backend}");
        busy.send(b"x");
        assert_eq!(busy.answer("POST").status, 405, "{backend}");
        assert!(server.child().wait().unwrap().success(), "{backend}");
        assert!(
            TcpStream::connect(desk.0).is_err(),
            "{backend}: it ends with the server"
        );
    }
}

/// DNS rebinding: a page of another site has its own name stand for our address.
#[test]
fn a_page_of_another_site_reads_no_metrics() {
    let check = |words: &[&str], rows: &[(&str, u16)]| {
        let words = [&["--hello", "--admin", "127.0.0.1:0"], words].concat();
        let mut server = Server::start("edge", &words);
        let desk = Desk::of(&mut server);
        for (host, expected) in rows {
            for target in ["/metrics", "/healthz", "/readyz"] {
                let mut client = desk.connect();
                let head = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
                client.send(head.as_bytes());
                let status = client.answer("GET").status;
                assert_eq!(status, *expected, "{target} of {host:?}, {words:?}");
            }
        }
    };
    let anyway = [
        ("localhost", 200),
        ("LocalHost.:9090", 200),
        ("app.localhost", 200),
        ("127.0.0.1:9090", 200),
        ("192.0.2.7", 200),
        ("[::1]:9090", 200),
        ("evil.example", 421),
        ("evil.example:9090", 421),
        ("localhost.evil.example", 421),
        ("notlocalhost", 421),
        ("127.0.0.1.evil.example", 421),
        ("0x7f.1", 421),
    ];
    // No browser speaks HTTP/1.0, and a probe of it may say no host.
    let mut server = Server::start("edge", &["--hello", "--admin", "127.0.0.1:0"]);
    let mut client = Desk::of(&mut server).connect();
    client.send(b"GET /healthz HTTP/1.0\r\n\r\n");
    assert_eq!(client.answer("GET").status, 200);
    let unless_named = [("ops.example", 421)];
    check(&[], &[&anyway[..], &unless_named].concat());
    let named = [("ops.example", 200), ("OPS.example.:1", 200)];
    let words = ["--allow-host", "ops.example"];
    check(&words, &[&anyway[..], &named].concat());
}

#[test]
fn an_address_that_is_taken_is_named_by_its_option() {
    let server = Server::start("edge", &["--hello"]);
    let program = env!("CARGO_BIN_EXE_httpoll");
    let admin = server.address.to_string();
    let words = ["--hello", "-l", "127.0.0.1:0", "--admin", &admin];
    let output = std::process::Command::new(program)
        .args(words)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("httpoll: --admin: port "), "{said}");
    assert!(said.contains("try --admin 127.0.0.1:0"), "{said}");
}
