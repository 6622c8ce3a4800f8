//! The committed corpus of the fuzz targets, replayed: on any compiler, in every test run.
//!
//! The functions are the fuzz targets' own (`fuzz/src`). What a fuzzer finds is kept as a file of
//! `fuzz/corpus`, and stays a test from then on.

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
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut inputs = 0;
    for entry in folder
        .read_dir()
        .expect("the corpus is part of the repository")
    {
        let path = entry.expect("a readable folder").path();
        let data = std::fs::read(&path).expect("a readable file");
        if std::panic::catch_unwind(|| check(&data)).is_err() {
            panic!("{} fails; its message is above", path.display());
        }
        inputs += 1;
    }
    assert!(
        inputs >= INPUTS_MIN,
        "{inputs} inputs in {}",
        folder.display()
    );
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
fn conversations() {
    replay("conversation", targets::conversation::check);
}
