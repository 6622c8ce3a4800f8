//! The connection automaton.
mod limits;
pub use limits::Limits;
