//! A minimal HTTP/1.1 server from raw sockets.

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

/// README's example compiles, or `cargo test` says so.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
