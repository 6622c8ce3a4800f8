//! The committed corpus of the fuzz targets, replayed: on any compiler, in every test run.
//!
//! The functions are the fuzz targets' own (`fuzz/src`). What a fuzzer finds is kept as a line of
//! `fuzz/corpus/TARGET.txt`, and stays a test from then on.

use std::path::Path;

#[path = "../../fuzz/src/lib.rs"]
#[expect(
    unreachable_pub,
    reason = "in the fuzz targets the same file is a library"
)]
mod targets;

/// Every target has a corpus worth the name.
const INPUTS_MIN: usize = 20;

fn replay(target: &str, check: fn(&[u8])) {
    let file = format!("fuzz/corpus/{target}.txt");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
    let text = std::fs::read_to_string(path).expect("the corpus is part of the repository");
    let mut inputs = 0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, escaped) = line.split_once(' ').expect("a name and its bytes");
        let data = unescape(escaped.as_bytes()).unwrap_or_else(|| panic!("{file}: {name}"));
        if std::panic::catch_unwind(|| check(&data)).is_err() {
            panic!("{name} of {file} fails; its message is above");
        }
        inputs += 1;
    }
    assert!(inputs >= INPUTS_MIN, "{inputs} inputs in {file}");
}

/// The bytes that printf(1) makes of it by `%b`.
fn unescape(mut escaped: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some((first, rest)) = escaped.split_first() {
        let (byte, rest) = match (first, rest) {
            (b'\\', [b'0', a, b, c, rest @ ..]) => {
                let octal = [*a, *b, *c].map(char::from).iter().collect::<String>();
                (u8::from_str_radix(&octal, 8).ok()?, rest)
            }
            (b'\\', [b'\\', rest @ ..]) => (b'\\', rest),
            (b'\\', [b'r', rest @ ..]) => (b'\r', rest),
            (b'\\', [b'n', rest @ ..]) => (b'\n', rest),
            (b'\\', [b't', rest @ ..]) => (b'\t', rest),
            (b'\\', _) => return None,
            (byte, rest) => (*byte, rest),
        };
        bytes.push(byte);
        escaped = rest;
    }
    Some(bytes)
}

#[test]
fn escapes_are_those_of_printf() {
    let check = |escaped: &str, bytes: Option<&[u8]>| {
        assert_eq!(unescape(escaped.as_bytes()).as_deref(), bytes, "{escaped}");
    };
    check(r"a\0000b\03771\r\n\t\\r", Some(b"a\0b\xff1\r\n\t\\r"));
    check("", Some(b""));
    check(r"\x41", None);
    check(r"\0400", None);
    check("\\", None);
}

#[test]
fn heads() {
    replay("head", targets::head::check);
}

#[test]
fn chunked_bodies() {
    replay("chunked", targets::chunked::check);
}

#[test]
fn paths() {
    replay("target", targets::target::check);
}

#[test]
fn field_values() {
    replay("fields", targets::fields::check);
}

#[test]
fn forms() {
    replay("form", targets::form::check);
}

#[test]
fn conversations() {
    replay("conversation", targets::conversation::check);
}
