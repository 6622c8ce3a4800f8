//! The one integration test crate: everything that needs more than one floor.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod admin;
mod allocations;
mod archive;
mod cases;
mod cli;
mod config;
mod conformance;
mod counting;
mod deadlines;
mod deploy;
mod encodings;
mod facts;
mod faults;
mod files;
mod floors;
mod fuzz_corpus;
mod handover;
mod harness;
mod injected;
mod injection;
mod limits;
mod logs;
mod matrix;
mod passwords;
mod pitfalls;
mod process;
mod proxies;
mod record;
mod resume;
mod room;
mod shutdown;
mod sim;
mod soak;
mod startup;
mod terminal;
mod transcripts;
mod uploads;
mod waits;
mod watch;
mod wire;
mod www;
