//! The programs of `examples/`, each run as a reader would run it: on a free port, with a client
//! that behaves and with some that do not. What a program's header promises is shown here, also
//! where it promises a failure.
//!
//!     cargo test --test programs
//!     cargo test --test programs tutorial::
//!     cargo test --test programs servers::

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod harness;
mod records;
mod servers;
mod tutorial;
#[path = "../it/harness/uninterrupted.rs"]
mod uninterrupted;
