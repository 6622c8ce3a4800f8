//! 00 to 13: the programs of the tutorial.

mod clients;
mod files;
mod processes;
mod select;
mod sockets;
mod threads;

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use rustix::process::Signal;

use crate::harness::{Ended, Program, built, connect, lines_of_code, reset, source};

/// Those that listen for TCP connections.
const SERVERS: [&str; 8] = [
    "01_socket",
    "02_hello_web",
    "04_menu_chat",
    "06_select_chat",
    "07_two_ports",
    "08_thread_chat",
    "09_upload",
    "10_big_file",
];

/// Each in a place of its own: one of them makes a directory.
fn serve(name: &str, words: &[&str]) -> (Program, tempfile::TempDir) {
    let place = tempfile::tempdir().unwrap();
    let mut command = Command::new(built(name));
    command.args(words).current_dir(place.path());
    (Program::spawn(command), place)
}

#[test]
fn a_server_listens_on_loopback_and_ctrl_c_ends_it() {
    for name in SERVERS {
        let (server, _place) = serve(name, &["0"]);
        let mut server = server.listening();
        assert!(server.address().ip().is_loopback(), "{name}");
        let _silent = server.connect();
        let ended = server.interrupt();
        assert_eq!(ended, Ended::Signal(Signal::INT.as_raw()), "{name}");
    }
}

#[test]
fn a_server_listens_elsewhere_only_if_told() {
    for name in SERVERS {
        let (server, _place) = serve(name, &["[::1]:0"]);
        let server = server.listening();
        assert!(server.address().is_ipv6(), "{name}");
    }
}

#[test]
fn a_port_in_use_is_said_with_exit_code_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for name in SERVERS {
        let (mut server, _place) = serve(name, &[&port]);
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
        let (server, _place) = serve(name, &["0"]);
        let mut server = server.listening();
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

/// Nobody reads what it prints any more: `NAME | head -1`. The first client is printed, which fails.
#[test]
fn a_closed_output_is_an_end_and_no_panic() {
    for name in SERVERS {
        let place = tempfile::tempdir().unwrap();
        let mut command = Command::new(built(name));
        command.arg("0").current_dir(place.path());
        let (mut server, address) = Program::spawn_unread(command);
        // Each is printed. The first may still be read: a program that another test is just
        // starting holds our end of the pipe, until its exec.
        while server.is_running() {
            if let Ok(mut client) = TcpStream::connect(address) {
                let _ = client.write_all(b"exit\n");
            }
        }
        assert_eq!(server.end(), Ended::Code(1), "{name}");
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
        let run = format!("--example {name}");
        for part in [&run, "*Needs:*", "*Shows:*", "*Cannot:*", "*The tutorial*"] {
            assert!(header.contains(part), "{name} lacks {part}");
        }
        for (line, needs) in [
            ("rustix::", "cargo add rustix"),
            ("sha2::", "cargo add sha2"),
        ] {
            assert_eq!(
                text.contains(line),
                header.contains(needs),
                "{name}: {needs}"
            );
        }
        let code = lines_of_code(name);
        assert!((40..=167).contains(&code), "{name}: {code} lines of code");
    }
    assert_eq!(seen, 14);
}

#[test]
fn a_client_without_a_server_says_so() {
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for name in SERVERS.into_iter().filter(|name| *name != "02_hello_web") {
        let gone = gone.to_string();
        let words = ["client", &gone, file!()];
        let words = if name == "09_upload" {
            &words[..]
        } else {
            &words[..2]
        };
        let mut client = Program::run(name, words);
        assert_eq!(client.end(), Ended::Code(1), "{name}");
        assert!(
            client.told.contains("Connection refused"),
            "{}",
            client.told
        );
    }
    assert!(std::panic::catch_unwind(|| connect(gone)).is_err());
}
