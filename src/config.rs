//! What was asked for, validated: the one description of a server that everything below reads.
//!
//! *Floor 5.* `cli.rs` turns words into a [`Config`]; a library user fills one in directly.
//! Units stand in the names; every default is a number that `--help` and the README repeat.

use std::sync::Arc;
use std::time::Duration;

pub use crate::conn::Limits;
pub use crate::driver::Backend;
pub use crate::kernel::ListenAddr;
pub use crate::service::{EtagMode, FilesConfig, HeaderRule, Symlinks};

/// Where access lines go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LogMode {
    /// Lines when standard output is a terminal, otherwise none.
    #[default]
    Auto,
    /// One plain line per request.
    Plain,
    /// None: for load tests.
    Off,
}

/// A whole server.
#[derive(Clone, Debug)]
pub struct Config {
    /// Addresses; empty means 127.0.0.1 and \[::1\] on `port`, where each exists.
    pub listen: Vec<ListenAddr>,
    /// The port of the default addresses.
    pub port: u16,
    /// How connections are carried.
    pub backend: Backend,
    /// Loops that share nothing, each with a service of its own. 1 for the blocking drivers.
    pub workers: usize,
    /// Whether another process may listen on the same port on purpose.
    pub reuse_port: bool,
    /// How long a stop may take to finish what is in flight.
    pub grace: Duration,
    /// What one connection may cost.
    pub limits: Arc<Limits>,
    /// How many connections there may be at once, over all loops; 0 means derived from
    /// RLIMIT_NOFILE.
    pub connections_max: usize,
    /// How many one client address may hold; 0 means any number.
    pub connections_per_ip_max: usize,
    /// The bound on threads of the `threads` backend.
    pub threads_max: usize,
    /// Access lines.
    pub log: LogMode,
    /// Whether each system call of the loop is printed.
    pub trace: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            port: 8080,
            backend: Backend::Edge,
            workers: 1,
            reuse_port: false,
            grace: Duration::from_secs(10),
            limits: Arc::new(Limits::default()),
            connections_max: 0,
            connections_per_ip_max: 0,
            threads_max: 512,
            log: LogMode::Auto,
            trace: false,
        }
    }
}
