//! Descriptors: how many this process may open, and what they are divided among.
//!
//! *Floor 4.* Knows limits and what each backend needs; opens nothing itself.
//!
//! *References:* getrlimit(2), select(2).

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::{Backend, Config};
use crate::kernel::StartError;

/// Descriptors kept back for files that are being sent, pipes and whatever else is not a
/// connection. What the file caches keep open comes on top: at most a quarter of all, and at most
/// [`CACHED_DESCRIPTORS`].
const RESERVED_DESCRIPTORS: u64 = 128;

/// The default of [`FilesConfig`](crate::service::FilesConfig).
const CACHED_DESCRIPTORS: u64 = 1024;

/// Where select(2) ends: a higher descriptor cannot be watched (select(2), BUGS).
const SELECT_DESCRIPTORS: u64 = 1024;

/// How many connections this process can hold.
pub(super) fn room(config: &Config) -> usize {
    let room = room_for_connections(descriptors(), config.backend, config.receives_files);
    usize::try_from(room).unwrap_or(usize::MAX)
}

/// How many of `descriptors` connections may use, so that a flood of them never leaves a file
/// without one. What is received holds a quarter of all at most
/// ([`UploadConfig::at_once_max`](crate::service::UploadConfig::at_once_max)).
fn room_for_connections(descriptors: u64, backend: Backend, receives: bool) -> u64 {
    let usable = match backend {
        Backend::Select => descriptors.min(SELECT_DESCRIPTORS),
        _ => descriptors,
    };
    let files = RESERVED_DESCRIPTORS + (usable / 4).min(CACHED_DESCRIPTORS);
    let received = if receives { usable / 4 } else { 0 };
    usable.saturating_sub(files + received).max(8)
}

/// Raises the soft limit on descriptors to the hard one (getrlimit(2)) and returns it.
fn descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let hard = limit.maximum;
    // Refused only where a sandbox forbids it: then the soft limit stands.
    let raised = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: hard,
            maximum: hard,
        },
    )
    .is_ok();
    let current = if raised { hard } else { limit.current };
    current.unwrap_or(DESCRIPTORS_MAX).min(DESCRIPTORS_MAX)
}

/// What "unlimited" means here.
const DESCRIPTORS_MAX: u64 = 1 << 20;

/// Descriptors that all loops need before the first client comes: each its listeners, a selector
/// and a way to be woken.
fn loop_descriptors(config: &Config) -> usize {
    let listeners = match config.listen.len() {
        0 => 2, // 127.0.0.1 and [::1]
        stated => stated,
    };
    config.workers * (listeners + 2)
}

/// Refuses more loops than there are descriptors for, before the first one starts.
pub(super) fn check_loops(config: &Config) -> Result<(), StartError> {
    let needed = loop_descriptors(config);
    let descriptors = descriptors();
    // The standard ones, the directory, signals, and a client.
    if config.workers == 1 || needed as u64 + 16 <= descriptors {
        return Ok(());
    }
    let workers = config.workers;
    Err(StartError::new(
        format!("{workers} loops need {needed} descriptors of {descriptors}"),
        "give fewer --workers, or raise ulimit -Hn",
    ))
}

/// How many connections select(2) can announce at once, where the loops themselves take most of
/// what it watches; those beyond are looked at by the clock.
pub(super) fn watched(config: &Config) -> Option<usize> {
    let left = usize::try_from(SELECT_DESCRIPTORS - RESERVED_DESCRIPTORS).ok()?;
    let left = left.saturating_sub(loop_descriptors(config));
    let selects = config.backend == Backend::Select;
    (selects && left < room(config)).then_some(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_files() {
        let check = |descriptors: u64, backend: Backend, expected: u64| {
            let room = room_for_connections(descriptors, backend, false);
            assert_eq!(room, expected, "{descriptors} {backend:?}");
            let receiving = room_for_connections(descriptors, backend, true);
            let watched = if backend == Backend::Select {
                1024
            } else {
                descriptors
            };
            assert_eq!(receiving, room.saturating_sub(watched / 4).max(8));
        };
        check(64, Backend::Edge, 8);
        check(1024, Backend::Edge, 1024 - 256 - 128);
        check(20_000, Backend::Poll, 20_000 - 1024 - 128);
        check(20_000, Backend::Select, 1024 - 256 - 128);
    }
}
