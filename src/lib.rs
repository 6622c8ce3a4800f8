//! A minimal HTTP/1.1 server from raw sockets: one protocol core under six I/O models.
//!
//! A service is a function from a request to an answer; any backend carries it:
//!
//! ```no_run
//! use httpoll::config::{Backend, Config};
//! use httpoll::driver::Server;
//! use httpoll::http::{Request, Response, Tick};
//! use httpoll::service::{Files, FilesConfig, Router};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let files = Files::open(&FilesConfig { root: "www".into(), ..FilesConfig::default() }, 1)?;
//! let server = Server::bind(Config { backend: Backend::Level, ..Config::default() })?;
//! server.run(|| {
//!     Router::new()
//!         .get("/hi", |_: &Request<'_>, _: &Tick| Response::text("Hi there!\n").into())
//!         .otherwise(files.clone())
//! })?;
//! # Ok(())
//! # }
//! ```
//!
//! # The floors
//!
//! Arrows go down only, and a test (`tests/it/floors.rs`) holds every path in the code against it.
//!
//! ```text
//! 5  main.rs, cli      words, a plan, an exit code
//! 4  driver            the event loop, threads, signals: may use everything below
//! 3  service           files, routes, listings: knows the disk, no sockets
//! 2  kernel            what a loop asks of Linux about sockets, in two traits
//!    readiness         select, poll, epoll: the part under study
//! 1  conn              the connection as an automaton: no sockets, clock, files or threads
//! 0  http              vocabulary and wire format: pure values
//! ```
//!
//! # The six backends
//!
//! | [`Backend`](config::Backend) | waits in | is told | bound | read |
//! |---|---|---|---|---|
//! | `Edge` | epoll(7), through mio | once per change | descriptors | `readiness/edge_mio.rs` |
//! | `Level` | epoll(7) | as long as it holds | descriptors | `readiness/level_epoll.rs` |
//! | `Poll` | poll(2) | as long as it holds, each wait in O(n) | descriptors | `readiness/poll_array.rs` |
//! | `Select` | select(2) | the same, by bit | 1,024 descriptors | `readiness/select_sets.rs` |
//! | `Threads` | a thread per connection | by waking up | 512 threads | `driver/blocking/mod.rs` |
//! | `Blocking` | the one connection | by waking up | one at a time | `driver/blocking/mod.rs` |
//!
//! # Reading order
//!
//! The course in [`tour`] goes from one blocking socket to this loop; its first page, the map, is
//! also a table of where to find what.

#![warn(clippy::disallowed_methods)]

#[cfg(not(target_os = "linux"))]
compile_error!("httpoll is about Linux's readiness calls and builds on Linux only");

pub mod config;
pub mod confine;
pub mod conn;
pub mod driver;
pub mod http;
pub mod kernel;
pub mod readiness;
pub mod service;
#[cfg(all(doc, not(doctest)))] // its code is quoted, and tested where it comes from
#[path = "../tour/mod.rs"]
pub mod tour;

/// README's example compiles, or `cargo test` says so.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
