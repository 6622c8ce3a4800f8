//! What happens in a driver, told to observers: access lines, counters, metrics.
//!
//! *Floor 4.* Knows what can be told and how it is kept from hurting; does not know what made it
//! happen.

pub(crate) mod closed;
pub(crate) mod counters;
pub(crate) mod in_flight;
pub(crate) mod lines;
pub(crate) mod log;
pub(crate) mod metrics;
pub(crate) mod observer;

use counters::Metrics;
use log::LogBuffer;

/// The observers of a server's drivers: none, as a rule.
pub(crate) type Watchers = Option<(Option<Metrics>, Option<LogBuffer>)>;
