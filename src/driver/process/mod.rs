//! A server as a process: bound, running, stopped, watched.
//!
//! *Floor 4.* Starts the threads of the other folders and ends them.

pub(crate) mod admin;
mod descriptors;
mod plan;
mod reloading;
pub(crate) mod server;
pub(crate) mod supervisor;
mod views;
mod workers;
