//! Drivers: an event loop for four backends, a straight line for two, and one match to choose.
//!
//! *Floor 4.* May use everything below. A folder uses those below it in this table. Only types and
//! constants are used the other way: `blocking/`, `record/` and `observe/` speak of what is left behind
//! as `event_loop/settle.rs` does, `record/` knows the loop's reserved tokens, and `observe/metrics.rs`
//! the numbers of `offload/`.
//!
//! | folder | what it is |
//! |---|---|
//! | `process/` | a server from its binding to its end: workers, signals, the operators' address |
//! | `lab/` | experiments: the production loop in the simulator, right or with a mistake |
//! | `event_loop/` | one thread, any number of connections; `event_loop/settle.rs` is the page on which edge and level differ |
//! | `blocking/` | the same protocol in a program that waits: one client at a time, or one per thread |
//! | `record/` | what a loop did, turn by turn, as data: made, read again, checked, printed |
//! | `offload/` | threads for work that may wait, for the loops |
//! | `observe/` | what happened, told to observers: access lines, counters, metrics |
//!
//! `exchange.rs` stands between a connection and a service; `receive.rs`, `transmit.rs` and
//! `wanted.rs` stand between a connection and its socket, for all six backends alike.

mod blocking;
mod event_loop;
mod exchange;
mod failures;
#[cfg(feature = "sim")]
pub mod lab;
mod mailbox;
mod observe;
mod offload;
mod per_address;
mod process;
mod receive;
pub mod record;
mod settings;
mod transmit;
mod wanted;

pub use crate::config::Backend;
pub use event_loop::EventLoop;
pub use event_loop::settle::{Bits, Rule, Settled, settle};
pub use mailbox::{Handle, OtherLoops};
pub use observe::closed::Closed;
pub use observe::lines::LogEnd;
pub use observe::log::{AccessLog, LogBuffer, LogFile, Style};
pub use observe::observer::{Call, Fact, Observer, Woke};
pub use offload::Offload;
pub use per_address::PerAddress;
pub use process::server::{Server, Stopper};
pub use process::supervisor::Supervisor;
pub use settings::{Budget, Settings};
