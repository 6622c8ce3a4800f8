//! Services beside the files: one answer, a choice by path, a choice by host.
//!
//! *Floor 3.* Small ones that answer themselves or hand the request on to another; they know no
//! files.

mod decoration;
mod hello;
mod hosts;
mod router;

pub use decoration::Decoration;
pub use hello::{Hello, hello};
pub use hosts::{HostName, Hosts};
pub use router::Router;
