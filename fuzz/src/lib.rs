//! What the fuzz targets check, as ordinary functions.
//!
//! Each module has one `check(data)`, which panics if something that must hold does not. Two
//! programs call it: `fuzz_targets/*.rs` with whatever libFuzzer thinks of, and
//! `tests/it/fuzz_corpus.rs`, on any compiler, with every line of `fuzz/corpus` again.
//!
//! Inputs that are sent in pieces are written as a *plan*, a line feed, and what is sent. So a
//! corpus line (there with `\\n` for the line ends) can be read, written and changed by hand:
//!
//! ```text
//! !!A
//! GET / HTTP/1.1
//! Host: a
//! ```
//!
//! is one byte, one more, then 33, and again from the start of the plan.
//!
//! With a nightly compiler and `cargo install cargo-fuzz`:
//!
//! ```text
//! fuzz/smoke.sh 60         # each target for a minute
//! cargo +nightly fuzz run --sanitizer none head fuzz/corpus-new/head-kept -- -dict=fuzz/dict/head.dict
//! cargo test fuzz_corpus   # what is committed, on any compiler
//! ```
//!
//! What is found is fixed, gets a test with a name beside the code, and stays in the corpus.

pub mod chunked;
pub mod conversation;
pub mod fields;
pub mod form;
pub mod head;
pub mod naive;
pub mod target;

/// The first line, and what is behind it; without a line feed there is no plan.
pub fn plan_and_sent(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|b| *b == b'\n') {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (b"", data),
    }
}

/// `sent` in pieces, as `plan` says; whole if it says nothing.
pub fn pieces<'a>(plan: &'a [u8], sent: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut lengths = plan.iter().cycle().map(|b| count(*b));
    let mut rest = sent;
    std::iter::from_fn(move || {
        let n = lengths.next().unwrap_or(rest.len()).min(rest.len());
        let (piece, behind) = rest.split_at(n);
        rest = behind;
        (n > 0).then_some(piece)
    })
}

/// A byte of a plan as a number from 1: `!` is 1, `"` 2, `A` 33, `~` 94.
pub fn count(byte: u8) -> usize {
    usize::from(byte.wrapping_sub(b' ').max(1))
}
