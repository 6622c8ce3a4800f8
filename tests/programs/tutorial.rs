//! 00 to 13: the programs of the tutorial.

mod select;
mod sockets;

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use rustix::process::Signal;

use crate::harness::{Ended, Program, built, connect, reset, source};

/// Those that listen for TCP connections.
const SERVERS: [&str; 3] = ["01_socket", "02_hello_web", "04_menu_chat"];

#[test]
fn a_server_listens_on_loopback_and_ctrl_c_ends_it() {
    for name in SERVERS {
        let mut server = Program::serve(name, &[]);
        assert!(server.address().ip().is_loopback(), "{name}");
        let _silent = server.connect();
        let ended = server.interrupt();
        assert_eq!(ended, Ended::Signal(Signal::INT.as_raw()), "{name}");
    }
}

#[test]
fn a_server_listens_elsewhere_only_if_told() {
    for name in SERVERS {
        let server = Program::run(name, &["[::1]:0"]).listening();
        assert!(server.address().is_ipv6(), "{name}");
    }
}

#[test]
fn a_port_in_use_is_said_with_exit_code_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for name in SERVERS {
        let mut server = Program::run(name, &[&port]);
        assert_eq!(server.end(), Ended::Code(1), "{name}");
        let told = server.told.as_str();
        let said = told.contains(&port) && told.contains("Address already in use");
        assert!(said, "{name}: {told}");
    }
}

#[test]
fn a_word_that_is_no_port_is_said_with_exit_code_1() {
    use std::os::unix::ffi::OsStrExt;
    for name in SERVERS {
        for word in [&b"70000"[..], b"no port", b"-1", b"client\xff", b""] {
            let mut server = Program::run(name, &[std::ffi::OsStr::from_bytes(word)]);
            assert_eq!(server.end(), Ended::Code(1), "{name} {word:?}");
            let told = server.told.as_str();
            assert!(
                told.starts_with("Error: \"cannot"),
                "{name} {word:?}: {told}"
            );
        }
    }
}

#[test]
fn no_client_harms_a_server() {
    for name in SERVERS {
        let mut server = Program::serve(name, &[]);
        for bytes in [
            &b"\xff\xfe\x00\r\n\r\n"[..],
            &[b'x'; 100_000],
            b"0\nexit",
            b"",
            "\u{1b}[31m不要回答\n".as_bytes(),
        ] {
            for vanish in [false, true] {
                let mut client = server.connect();
                let _ = client.write_all(bytes); // it may have hung up before the last byte
                match vanish {
                    true => reset(client),
                    false => drop(client),
                }
            }
        }
        answers(&server);
        server.is_well();
        assert!(
            !server.told.contains('\u{1b}'),
            "{name} prints what it was sent"
        );
    }
}

/// The server says something to one who sends a line and then no more.
fn answers(server: &Program) {
    let mut client = server.connect();
    client.write_all(b"0\n\r\n\r\n").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let answer = crate::harness::rest(client);
    assert!(!answer.is_empty(), "{}", server.told);
}

/// Nobody reads what it prints any more: `NAME | head -1`.
#[test]
fn a_closed_output_is_an_end_and_no_panic() {
    for name in SERVERS {
        let mut shell = Command::new("sh");
        let script = "trap '' PIPE; \"$0\" 0 2>&3 | { read line; echo \"$line\"; exec <&-; \
                      printf 'closed\\n'; cat <&4; }";
        shell.args(["-c", &format!("exec 3>&2 4<&0; {script}")]);
        shell.arg(built(name));
        let mut server = Program::spawn(shell).listening();
        server.expect("closed");
        // The first client is printed, which fails.
        let _client = TcpStream::connect(server.address()).map(|mut it| it.write_all(b"exit\n"));
        server.close_stdin();
        server.end();
        assert!(!server.told.contains("panicked"), "{name}: {}", server.told);
    }
}

/// Each header says what the reader needs to know before running it.
#[test]
fn every_header_says_what_it_shows_and_what_it_cannot() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let index = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(name) = name.strip_suffix(".rs").filter(|name| *name < "20") else {
            continue;
        };
        seen += 1;
        assert!(
            index.contains(&format!("| `{name}` |")),
            "{name} is not in the index"
        );
        let text = source(name);
        let header: String = text
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .collect();
        let parts = ["cargo run --example ", "*Needs:*", "*Shows:*", "*Cannot:*"];
        for part in parts {
            assert!(header.contains(part), "{name} lacks {part}");
        }
        let code = text.lines().map(str::trim);
        let code = code
            .filter(|line| !line.is_empty() && !line.starts_with("//"))
            .count();
        assert!((30..=190).contains(&code), "{name}: {code} lines of code");
    }
    assert!(seen > 4);
}

#[test]
fn a_client_without_a_server_says_so() {
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for name in ["01_socket", "04_menu_chat"] {
        let mut client = Program::run(name, &["client", &gone.to_string()]);
        assert_eq!(client.end(), Ended::Code(1), "{name}");
        assert!(
            client.told.contains("Connection refused"),
            "{}",
            client.told
        );
    }
    assert!(std::panic::catch_unwind(|| connect(gone)).is_err());
}
