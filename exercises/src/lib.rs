//! What judges the exercises, and what they are written against.
//!
//! An exercise is a folder: `README.md` (the task), `hint.md` (steps), `todo.rs` (yours),
//! `solution.rs`, `wrong_*.rs` (what people try first) and `check.rs`, which knows the answer only
//! as `super::answer`. `src/bin/exNN.rs` puts `todo.rs` there, `src/bin/prove.rs` each answer in turn.
//!
//! *Read next:* `judge.rs`, then `stage.rs` (the simulated kernel) and `small.rs` (the loop of which
//! most exercises replace one part).

pub mod catalog;
pub mod conformance;
#[path = "../../tests/it/counting.rs"]
mod counting;
pub mod http;
pub mod judge;
pub mod memory;
pub mod release;
pub mod select;
pub mod small;
pub mod stage;
pub mod talk;
mod transcript;

pub use httpoll::readiness::Directions;
pub use judge::{Symptom, Verdict};
