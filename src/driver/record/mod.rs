//! What a loop did, turn by turn, as data: made from what its observer is told, written as lines of
//! JSON, read again, checked, and printed.
//!
//! *Floor 4.* Knows what an [`Observer`](super::Observer) is told; does not know who reads a record.
//!
//! The first line of a record is a [`Heading`], each further one a [`TurnRecord`]. A record holds no
//! content and no addresses, and targets only if that was asked for.
//!
//! ```json
//! {"record":1,"backend":"edge","trigger":"edge"}
//! {"turn":2,"loop":0,"at_us":310,"timeout_us":9690,"woke":"ready",
//!  "events":[{"who":"0.1","ready":"r"}],
//!  "facts":[
//!   {"did":"call","who":"0.1","call":"read","asked":65536,"got":36},
//!   {"did":"call","who":"0.1","call":"write","asked":125,"got":125},
//!   {"did":"settled","who":"0.1","phase":"AwaitHead","wanted":"r","ready":"w","was_armed":"rw",
//!    "armed":"rw","queued":false,"work":false,"inbox":0,"outbox":0,"due_us":75000000}],
//!  "lag_us":41}
//! ```
//!
//! `who` is `slot.generation` of a connection, `listener`, or `waker`: the notifier of the loop's
//! mailbox. Sets of directions are `r`, `w`, `rw` or empty. Times are microseconds: `at_us` since the
//! record began, the others from the start of the turn. What has no value is left out: `timeout_us` of
//! a wait that may last for ever, `got` of a call that failed, `injected` of a call that was not spoiled
//! on purpose. (The events that such calls lead to are among those of the kernel.) A reader ignores what it does not know;
//! [`VERSION`] changes when something that is there comes to mean something else.
//!
//! [`Checker`] proves the table of `settle.rs` from a record alone, and [`Text`] prints one so that
//! two can be compared line by line; `--trace` prints that.

mod check;
pub(crate) mod file;
pub(crate) mod live;
pub(crate) mod printed;
mod recorder;
mod state;
mod text;
mod words;

use serde::{Deserialize, Serialize};

use crate::readiness::{Directions, Trigger};

pub use check::Checker;
pub(crate) use recorder::RecordedLoop;
pub use recorder::Recorder;
pub use state::DirectionState;
pub use text::Text;

/// The version of the record's form.
pub const VERSION: u32 = 1;

/// The first line of a record.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Heading {
    /// [`VERSION`].
    pub record: u32,
    /// The kernel, by the name of its backend.
    pub backend: String,
    /// When it speaks.
    #[serde(with = "words::trigger")]
    pub trigger: Trigger,
    /// What is shown in it, in words; for records that are kept to be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What was wrong, as the simulator sees it: `stall`, `spin` or `misuse`, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
}

impl Heading {
    /// The heading of a record of this version.
    pub fn new(backend: &str, trigger: Trigger) -> Self {
        Self {
            record: VERSION,
            backend: backend.to_owned(),
            trigger,
            title: None,
            verdict: None,
        }
    }
}

/// One turn of a loop.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Default, Debug)]
pub struct TurnRecord {
    /// Counted from 1, by each loop.
    pub turn: u64,
    /// Which loop, counted from 0.
    #[serde(rename = "loop", default)]
    pub worker: usize,
    /// When the wait ended, in microseconds since the record began.
    pub at_us: u64,
    /// How long the wait might have taken; `None` is for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_us: Option<u64>,
    /// What the clients did before, where that is known: in the simulator.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<String>,
    /// What ended it: `ready`, `message` or `timeout`.
    pub woke: String,
    /// What the kernel said, in its order.
    pub events: Vec<Announced>,
    /// What was done, in its order.
    pub facts: Vec<Did>,
    /// By which fault of `--inject` the wait was interrupted, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub injected: Option<String>,
    /// How long the turn took; `None` of one that did not end, because its loop panicked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_us: Option<u64>,
}

/// What the kernel said about one descriptor.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Announced {
    /// About which.
    pub who: String,
    /// What it is ready for.
    #[serde(with = "words::directions")]
    pub ready: Directions,
    /// Whether an end may stand behind what is there.
    #[serde(default, skip_serializing_if = "is_false")]
    pub end: bool,
}

/// One thing that was done.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
#[serde(tag = "did", rename_all = "snake_case")]
pub enum Did {
    /// A client came in; `who` is its connection from now on.
    Accepted {
        /// Which.
        who: String,
    },
    /// A client came in and was not kept.
    Refused {
        /// Why not.
        reason: String,
    },
    /// A connection was taken for ready without an announcement: by the clock.
    Looked {
        /// Which.
        who: String,
        /// In these directions.
        #[serde(with = "words::directions")]
        ready: Directions,
    },
    /// A system call.
    Call(Called),
    /// An answer is out or was cut short; told only if
    /// [`Limits::report_finished`](crate::conn::Limits::report_finished) says so, as in a server.
    Answered {
        /// On which connection.
        who: String,
        /// Its status code.
        status: u16,
        /// Bytes of content that were sent.
        bytes: u64,
        /// The request line, if that was asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<String>,
    },
    /// A connection has been served and is left.
    Settled(SettledRecord),
    /// The kernel refuses to watch a connection: the clock looks at it.
    Unwatched {
        /// Which.
        who: String,
    },
    /// A connection has ended.
    Closed {
        /// Which.
        who: String,
        /// Why, as `--metrics` names it.
        reason: String,
    },
}

/// A system call and what came of it.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Default, Debug)]
pub struct Called {
    /// For which connection or listener.
    pub who: String,
    /// `accept`, `read`, `write`, `sendfile`, `shutdown`, `interest` (epoll_ctl(2), or none on poll
    /// and select), and `layer_read` and `layer_write` of a layer beneath.
    pub call: String,
    /// How many bytes there was room for, or were offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<u64>,
    /// How many came or were taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub got: Option<u64>,
    /// What the kernel is asked to announce from now on.
    #[serde(
        default,
        with = "words::some_directions",
        skip_serializing_if = "Option::is_none"
    )]
    pub armed: Option<Directions>,
    /// How it failed: `EAGAIN`; `END` where the source of a sendfile(2) is shorter than promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether a layer beneath held bytes, so that few of them do not mean that there are no more.
    #[serde(default, skip_serializing_if = "is_false")]
    pub held: bool,
    /// Which fault of `--inject` it had: the call did not come to this by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub injected: Option<String>,
}

/// What is left behind when a connection has been served, by `settle.rs`.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct SettledRecord {
    /// Which connection.
    pub who: String,
    /// What it is doing, by the name of its [`Phase`](crate::conn::Phase).
    pub phase: String,
    /// What the protocol would do.
    #[serde(with = "words::directions")]
    pub wanted: Directions,
    /// What the kernel said can be done, and no EAGAIN, short read or short write has taken back.
    #[serde(with = "words::directions")]
    pub ready: Directions,
    /// What it had been asked to announce.
    #[serde(with = "words::directions")]
    pub was_armed: Directions,
    /// What it is asked to announce from now on.
    #[serde(with = "words::directions")]
    pub armed: Directions,
    /// Whether the connection goes on in the next turn without an announcement.
    pub queued: bool,
    /// Whether it has work that no event will announce.
    pub work: bool,
    /// Whether what was remembered as ready has been changed by the rule, which it never should be.
    #[serde(default, skip_serializing_if = "is_false")]
    pub forgotten: bool,
    /// Bytes read and not understood yet.
    pub inbox: usize,
    /// Bytes encoded and not sent yet, without a file or stream behind them.
    pub outbox: usize,
    /// When the clock comes back to it, in microseconds from the start of the turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_us: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form serde asks for")]
const fn is_false(value: &bool) -> bool {
    !*value
}
