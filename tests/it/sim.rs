//! The production loop in the simulated kernel: thousands of schedules, five oracles.
//!
//! 1. Each client receives the bytes that a [`Connection`] yields when it is given the same
//!    requests whole, without any loop (`reference`).
//! 2. No stall, 3. no spin, 4. no misuse of the kernel: [`Verdict`](httpoll::kernel::sim::Verdict).
//! 5. Every socket is closed once, with a reason, and what a connection may hold is bounded.
//!
//! `HTTPOLL_SIM_SCHEDULES=1000000` raises the number of schedules, `HTTPOLL_SIM_SEED=77` runs one
//! and prints its transcript.

mod conversation;
mod injected;
mod layers;
mod mutants;
mod observed;
mod scenery;
mod schedules;
mod simulated;

pub(crate) use simulated::Simulated;
