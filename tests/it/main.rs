//! The one integration test crate: everything that needs more than one floor.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod allocations;
mod cases;
mod cli;
mod conformance;
mod files;
mod floors;
mod fuzz_corpus;
mod harness;
mod matrix;
mod pitfalls;
mod proxies;
mod sim;
mod startup;
mod transcripts;
mod wire;
