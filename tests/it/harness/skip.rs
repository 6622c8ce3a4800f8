//! What a test does that cannot run here: it says so, and where `CI` is set it fails.
//!
//! There, `.ci/run` has installed every tool that tests look for, so that a skip is a hole in the
//! gate. Elsewhere `.ci/run` ends with the number of them.

use std::fs::OpenOptions;
use std::io::Write;

/// Says that the test, or a row of it, does not run for want of `what`. The caller returns.
pub(crate) fn skip(what: &str) {
    let here = std::thread::current();
    let test = here.name().filter(|name| *name != "main");
    let test = test.unwrap_or(env!("CARGO_CRATE_NAME"));
    assert!(
        std::env::var_os("CI").is_none(),
        "skipped for want of {what}: with CI set nothing is, see .ci/run"
    );
    let line = format!("skipped: {test}: {what}\n");
    // Written, not printed: what a test that passes prints is never shown.
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(record) = std::env::var_os("HTTPOLL_SKIPS") {
        let record = OpenOptions::new().append(true).create(true).open(record);
        record.unwrap().write_all(line.as_bytes()).unwrap();
    }
}
