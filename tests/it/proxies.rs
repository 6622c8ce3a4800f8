//! Who is asking, when somebody else carries the question: on the running server, all backends.

use std::io::BufRead;

use super::harness::{BACKENDS, Server};

fn get(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n")
}

/// The address that the next access line names.
fn logged(server: &mut Server) -> String {
    let mut line = String::new();
    server.out.read_line(&mut line).unwrap();
    line.split(' ').nth(1).unwrap_or(&line).to_owned()
}

#[test]
fn the_log_names_the_client_that_a_trusted_proxy_speaks_for() {
    for backend in BACKENDS {
        let logging = ["--hello", "--log", "plain"];
        let trusting = [&logging[..], &["--trusted-proxy", "127.0.0.0/8"]].concat();
        let mut server = Server::start(backend, &trusting);
        let mut check = |fields: &str, expected: &str| {
            assert!(
                server
                    .raw(get(fields).as_bytes())
                    .ends_with("Hello, World!")
            );
            assert_eq!(logged(&mut server), expected, "{backend}: {fields}");
        };
        check("", "127.0.0.1");
        check("X-Forwarded-For: 6.6.6.6, 203.0.113.9\r\n", "203.0.113.9");
        check("Forwarded: for=\"[2001:db8::1]:4711\"\r\n", "2001:db8::1");
        check(
            "Forwarded: for=6.6.6.6\r\nX-Forwarded-For: 203.0.113.9\r\n",
            "127.0.0.1",
        );

        let distrusting = [&logging[..], &["--trusted-proxy", "10.0.0.0/8"]].concat();
        for words in [&logging[..], &distrusting] {
            let mut server = Server::start(backend, words);
            server.raw(get("X-Forwarded-For: 203.0.113.9\r\n").as_bytes());
            assert_eq!(logged(&mut server), "127.0.0.1", "{backend}: spoofed");
        }
    }
}

#[test]
fn the_names_it_answers_to_are_the_ones_given() {
    let server = Server::start("edge", &["--hello", "--allow-host", "a"]);
    let misdirected = get("").replace("Host: a", "Host: evil.example");
    assert!(
        server
            .raw(misdirected.as_bytes())
            .starts_with("HTTP/1.1 421 ")
    );
    assert!(server.raw(get("").as_bytes()).starts_with("HTTP/1.1 200 "));
}
