//! What can be read in the programs, and how they begin and end.

use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;

use rustix::process::Signal;

use super::client::Client;
use super::{ALL, Site};
use crate::harness::{Ended, Program, lines_of_code, source};

const PROGRAMS: [&str; 9] = [
    "20_http_blocking",
    "21_http_threads",
    "22_http_select",
    "23_http_poll",
    "24_http_epoll_level",
    "25_http_epoll_edge",
    "26_http_mio",
    "27_http_loops",
    "28_oneshot",
];

/// So `diff` of two neighbours shows what waiting is, and nothing else.
#[test]
fn the_part_about_http_is_one_text() {
    let parts = PROGRAMS[..6].iter().map(|name| {
        let text = source(name);
        let begin = text.find("// ---------- HTTP over one socket");
        text[begin.unwrap()..].to_owned()
    });
    let parts: Vec<_> = parts.collect();
    for (name, part) in PROGRAMS.iter().zip(&parts) {
        assert!(*part == parts[0], "{name}");
    }
}

#[test]
fn every_header_says_what_it_shows_and_what_it_cannot() {
    let index = include_str!("../../../examples/README.md");
    for name in PROGRAMS {
        assert!(index.contains(&format!("| `{name}` |")), "{name}");
        let text = source(name);
        let header = text.lines().take_while(|line| line.starts_with("//!"));
        let header: String = header.collect();
        for part in [
            "cargo run --example ",
            "*Usage:*",
            "*Needs:* `cargo add ",
            "*Shows:*",
            "*Cannot:*",
        ] {
            assert!(header.contains(part), "{name} lacks {part}");
        }
        for cited in header.split('`').filter(|word| word.starts_with("src/")) {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(cited);
            assert!(path.exists(), "{name} cites {cited}");
        }
    }
}

/// Short enough to be read as one page, or nearly: HTTP itself is 120 lines of it.
#[test]
fn every_program_is_short() {
    for name in PROGRAMS {
        let limit = match &name[..2] {
            "22" | "23" | "24" | "25" => 180,
            "26" => 198,
            _ => 150,
        };
        let lines = lines_of_code(name);
        assert!(
            (40..=limit).contains(&lines),
            "{name}: {lines} lines of code"
        );
    }
}

#[test]
fn it_listens_where_it_is_told_and_ctrl_c_ends_it() {
    for server in &ALL {
        let mut site = Site::of(server);
        assert!(site.program.address().ip().is_loopback(), "{}", site.name);
        let _silent = Client::of(&site.program);
        let ended = site.program.interrupt();
        assert_eq!(ended, Ended::Signal(Signal::INT.as_raw()), "{}", site.name);
        let program = Program::run(server.0, &["[::1]:0"]).listening();
        assert!(program.address().is_ipv6(), "{}", site.name);
        assert_eq!(
            Client::of(&program).get("/style.css").status,
            200,
            "www is the default"
        );
    }
}

#[test]
fn what_cannot_be_is_said_with_exit_code_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for name in &PROGRAMS[..8] {
        let mut refused = Program::run(name, &[&port]);
        assert_eq!(refused.end(), Ended::Code(1), "{name}");
        let told = refused.told.as_str();
        assert!(
            told.contains(&port) && told.contains("Address already in use"),
            "{name}: {told}"
        );
        if name.starts_with("27") {
            continue;
        }
        let mut refused = Program::run(name, &["0", "none/such"]);
        assert_eq!(refused.end(), Ended::Code(1), "{name}");
        assert!(
            refused
                .told
                .contains("cannot serve none/such: No such file"),
            "{name}"
        );
        for word in [&b"70000"[..], b"no port", b"--help", b"client\xff", b""] {
            let mut refused = Program::run(name, &[std::ffi::OsStr::from_bytes(word)]);
            assert_eq!(refused.end(), Ended::Code(1), "{name} {word:?}");
            assert!(
                refused.told.starts_with("Error: \"cannot listen on "),
                "{name}: {}",
                refused.told
            );
        }
    }
}
