//! 09, 10: files over a stream.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::harness::{Ended, Program, byte_by_byte, reset, rest};

/// An upload server into `uploads` of a directory of its own.
fn uploads() -> (Program, TempDir) {
    let place = tempfile::tempdir().unwrap();
    let into = place.path().join("uploads");
    let server = Program::serve("09_upload", &[into.to_str().unwrap()]);
    (server, place)
}

/// Sends `path` to it, and returns how that ended and what was told.
fn send(server: &Program, path: &Path) -> (Ended, String) {
    let address = server.address().to_string();
    let words = ["client".as_ref(), address.as_ref(), path.as_os_str()];
    let mut client = Program::run("09_upload", &words);
    (client.end(), client.told.clone())
}

/// What the server says to these bytes, and no more of them.
fn said(mut stream: TcpStream, bytes: &[u8]) -> String {
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    String::from_utf8(rest(stream)).unwrap()
}

/// A line of the server, and the stream after it.
fn head(mut stream: TcpStream, head: &str) -> (String, BufReader<TcpStream>) {
    stream.write_all(head.as_bytes()).unwrap();
    let mut replies = BufReader::new(stream);
    let mut line = String::new();
    replies.read_line(&mut line).unwrap();
    (line, replies)
}

fn content(size: usize) -> Vec<u8> {
    (0..size)
        .map(|i| (i * 7 + i / 251).to_le_bytes()[0])
        .collect()
}

/// The most memory that it ever had, in KiB.
fn peak(program: &Program) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", program.pid())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn upload_stores_what_was_sent_in_flat_memory() {
    let (mut server, place) = uploads();
    for (name, size) in [("empty", 0), ("small 文件|x", 10), ("big", 24 << 20)] {
        let path = place.path().join(name);
        fs::write(&path, content(size)).unwrap();
        let (ended, told) = send(&server, &path);
        assert_eq!(ended, Ended::Code(0), "{told}");
        assert!(
            told.ends_with("stored\n") && (size < 10 || told.contains("\n100 %\n")),
            "{told}"
        );
        let stored = fs::read(place.path().join("uploads").join(name)).unwrap();
        assert!(stored == content(size), "{name} differs");
        let (ended, told) = send(&server, &path);
        assert_eq!(
            (ended, told.contains("it is there already")),
            (Ended::Code(1), true)
        );
    }
    let left = fs::read_dir(place.path().join("uploads")).unwrap().count();
    assert_eq!(left, 3, "no part is left");
    assert!(peak(&server) < 16 * 1024, "{} KiB", peak(&server));
    server.is_well();
}

#[test]
fn upload_goes_on_where_it_broke() {
    let (mut server, place) = uploads();
    let path = place.path().join("file");
    let bytes = content(300_000);
    fs::write(&path, &bytes).unwrap();
    // A sender that is killed: a reset in the middle.
    let (have, stream) = head(server.connect(), "put 300000 file\n");
    assert_eq!(have, "have 0\n");
    let mut stream = stream.into_inner();
    stream.write_all(&bytes[..100_000]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    server.expect("ended at 100000 of 300000");
    assert_eq!(
        rest(stream),
        b"error ended at 100000 of 300000; another try goes on there\n"
    );
    assert!(
        !place.path().join("uploads/file").exists(),
        "half a file under the final name"
    );
    // A server that is killed.
    server.signal(rustix::process::Signal::KILL);
    server.end();
    let into = place.path().join("uploads");
    let mut server = Program::serve("09_upload", &[into.to_str().unwrap()]);
    let (ended, told) = send(&server, &path);
    assert_eq!(ended, Ended::Code(0), "{told}");
    assert!(
        told.starts_with("100000 of 300000 bytes are there already"),
        "{told}"
    );
    assert!(fs::read(into.join("file")).unwrap() == bytes);
    server.is_well();
}

#[test]
fn upload_refuses_names_that_leave_the_directory() {
    let (mut server, place) = uploads();
    let long = "x".repeat(201);
    for name in [
        "../x",
        "/etc/passwd",
        "a/b",
        ".",
        "..",
        ".hidden",
        "",
        "x.part",
        "a\0b",
        "a\tb",
        &long,
        "..\\..\u{7f}",
    ] {
        let answer = said(server.connect(), format!("put 1 {name}\nx").as_bytes());
        assert_eq!(answer, "error this is no plain name\n", "{name:?}");
    }
    assert_eq!(
        fs::read_dir(place.path().join("uploads")).unwrap().count(),
        0
    );
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    server.is_well();
}

#[test]
fn upload_refuses_bad_frames() {
    let (mut server, _place) = uploads();
    for (frame, why) in [
        ("put x name\n", "this is not: put SIZE NAME"),
        ("put -1 name\n", "this is not: put SIZE NAME"),
        (
            "put 99999999999999999999999999 name\n",
            "this is not: put SIZE NAME",
        ),
        ("put 1099511627777 name\n", "this is not: put SIZE NAME"),
        ("put 1\n", "this is not: put SIZE NAME"),
        ("get 1 name\n", "this is not: put SIZE NAME"),
        ("\n", "this is not: put SIZE NAME"),
        ("", "a line without end"),
        ("put 1 na", "a line without end"),
    ] {
        assert_eq!(
            said(server.connect(), frame.as_bytes()),
            format!("error {why}\n"),
            "{frame}"
        );
    }
    // The end of the line is never there, and neither is that of the content.
    assert_eq!(
        said(server.connect(), &[b'x'; 512]),
        "error a line without end\n"
    );
    let answer = said(server.connect(), b"put 10 name\nabc");
    assert_eq!(
        answer,
        "have 0\nerror ended at 3 of 10; another try goes on there\n"
    );
    server.is_well();
}

/// The same bytes in any pieces, with something behind them that is nobody's.
#[test]
fn upload_checks_what_it_stores() {
    let (mut server, place) = uploads();
    let into = place.path().join("uploads");
    let sum = Sha256::digest(b"abc");
    let whole = [b"put 3 split\nabc", &sum[..]].concat();
    let mut stream = server.connect();
    byte_by_byte(&mut stream, &whole);
    assert_eq!(rest(stream), b"have 0\nstored\n");
    assert_eq!(fs::read(into.join("split")).unwrap(), b"abc");

    let wrong = [b"put 3 wrong\nabd", &sum[..]].concat();
    let answer = said(server.connect(), &wrong);
    assert_eq!(
        answer,
        "have 0\nerror it differs from what was sent; try again\n"
    );
    assert!(!into.join("wrong").exists() && !into.join("wrong.part").exists());

    // A part of another file that had the same name, longer than this one.
    fs::write(into.join("other.part"), "something else").unwrap();
    let answer = said(server.connect(), &[b"put 3 other\nabc", &sum[..]].concat());
    assert_eq!(answer, "have 0\nstored\n");
    // And one that begins otherwise: found out at the end, and gone for the next try.
    fs::write(into.join("mixed.part"), "x").unwrap();
    let answer = said(server.connect(), &[b"put 3 mixed\nbc", &sum[..]].concat());
    assert_eq!(
        answer,
        "have 1\nerror it differs from what was sent; try again\n"
    );
    let answer = said(server.connect(), &[b"put 3 mixed\nabc", &sum[..]].concat());
    assert_eq!(answer, "have 0\nstored\n");
    server.is_well();
}

#[test]
fn two_senders_of_one_name_do_not_mix() {
    let (server, _place) = uploads();
    let (have, first) = head(server.connect(), "put 3 name\n");
    assert_eq!(have, "have 0\n");
    let second = said(server.connect(), b"put 3 name\n");
    assert_eq!(second, "error somebody else is sending it\n");
    reset(first.into_inner());
}

#[test]
fn upload_client_says_what_it_cannot() {
    let (server, place) = uploads();
    let (ended, told) = send(&server, &place.path().join("absent"));
    assert_eq!(ended, Ended::Code(1));
    assert!(told.contains("absent: No such file"), "{told}");
    let (ended, told) = send(&server, place.path());
    assert_eq!(ended, Ended::Code(1));
    assert!(told.contains("this is no file"), "{told}");
    let hidden = place.path().join(".hidden");
    fs::write(&hidden, "x").unwrap();
    let (ended, told) = send(&server, &hidden);
    assert_eq!(ended, Ended::Code(1));
    assert!(told.contains("this is no plain name"), "{told}");
}

/// A gibibyte is what it sends; a reader who has seen enough leaves.
#[test]
fn big_file_is_sent_in_parts_and_flat_memory() {
    let mut server = Program::serve("10_big_file", &[]);
    for how in ["copy", "sendfile"] {
        let mut stream = server.connect();
        stream.write_all(format!("{how}\n").as_bytes()).unwrap();
        let mut piece = vec![1; 1 << 20];
        for _ in 0..64 {
            stream.read_exact(&mut piece).unwrap();
            assert!(piece.iter().all(|byte| *byte == 0));
        }
        drop(stream);
        let line = server.expect(" lost: ");
        let number = |what: &str| -> u64 {
            let words: Vec<&str> = line.split([' ', ',', ';']).collect();
            words[words.iter().position(|word| *word == what).unwrap() - 1]
                .parse()
                .unwrap()
        };
        assert!(
            number("partial") > 0 && number("waits") > 0,
            "{how}: {line}"
        );
    }
    assert!(peak(&server) < 16 * 1024, "{} KiB", peak(&server));
    server.is_well();
}

#[test]
fn big_file_arrives_whole_either_way() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("file");
    let bytes = content(5_000_000);
    fs::write(&path, &bytes).unwrap();
    let mut server = Program::serve("10_big_file", &[path.to_str().unwrap()]);
    for how in ["copy", "sendfile"] {
        let mut stream = server.connect();
        byte_by_byte(&mut stream, format!("{how}\n").as_bytes());
        assert!(rest(stream) == bytes, "{how}");
        let words = ["client", &server.address().to_string(), how];
        let mut client = Program::run("10_big_file", &words);
        assert_eq!(client.end(), Ended::Code(0));
        assert!(
            client.told.starts_with("5000000 bytes in "),
            "{}",
            client.told
        );
        server.expect(&format!("{how}: 5000000 bytes"));
    }
    assert_eq!(said(server.connect(), b"please"), "copy or sendfile?\n");
    assert_eq!(said(server.connect(), b""), "copy or sendfile?\n");
    server.is_well();
}
