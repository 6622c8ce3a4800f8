//! What a kernel promises, as one specification that every kernel is run against.
//!
//! The four real selectors are here; a simulated kernel joins by implementing [`World`] and
//! naming itself in one of the two macros below. A simulator that passes lies about nothing
//! that the event loop relies on.
//!
//! Each test is a sentence. Those that begin with `edge` or `level` are the difference between
//! the two triggers; all others hold for both.

#![expect(
    clippy::disallowed_methods,
    reason = "clients connect, and a sentence is timed"
)]

mod loopback;
mod sentences;

use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::os::unix::thread::JoinHandleExt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use httpoll::readiness::{
    Directions, EpollEdge, EpollLevel, FD_SETSIZE, PollArray, SelectSets, Selector, Token,
};

use crate::sim::Simulated;
use loopback::Loopback;
pub(crate) use sentences::World;
use sentences::{NOW, ONE, SOON, TWO, common_sentences, edge_sentences, level_sentences};

// ---- who is tested ---------------------------------------------------------------------------

/// One `#[test]` for each sentence.
macro_rules! tests {
    ($world:ty: $($sentence:ident)*) => {
        $(#[test] fn $sentence() { sentences::$sentence::<$world>(); })*
    };
}

/// `edge_kernel!(name, World)` runs the specification on an edge-triggered kernel.
macro_rules! edge_kernel {
    ($name:ident, $world:ty) => {
        mod $name {
            use super::*;
            common_sentences!(tests! $world);
            edge_sentences!(tests! $world);
        }
    };
}

/// `level_kernel!(name, World)` runs it on a level-triggered one.
macro_rules! level_kernel {
    ($name:ident, $world:ty) => {
        mod $name {
            use super::*;
            common_sentences!(tests! $world);
            level_sentences!(tests! $world);
        }
    };
}

edge_kernel!(epoll_edge, Loopback<EpollEdge>);
level_kernel!(epoll_level, Loopback<EpollLevel>);
level_kernel!(poll_array, Loopback<PollArray>);
level_kernel!(select_sets, Loopback<SelectSets>);
edge_kernel!(sim_edge, Simulated<true>);
level_kernel!(sim_level, Simulated<false>);

// ---- what only the real ones can be asked ----------------------------------------------------

fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("up to the hard limit");
}

fn eventfd(value: u32) -> std::os::fd::OwnedFd {
    let flags = rustix::event::EventfdFlags::NONBLOCK | rustix::event::EventfdFlags::CLOEXEC;
    rustix::event::eventfd(value, flags).expect("eventfd")
}

#[test]
fn select_refuses_fd_1024() {
    raise_descriptor_limit();
    let low = eventfd(1);
    let high = rustix::io::fcntl_dupfd_cloexec(&low, FD_SETSIZE).expect("a high number");
    let mut select = SelectSets::new().unwrap();
    let error = select.register(high.as_fd(), ONE, Directions::READ);
    let error = error.expect_err("beyond the set");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("FD_SETSIZE is 1024"), "{error}");
    assert!(error.to_string().contains("--backend"), "{error}");
    let error = select
        .deregister(high.as_fd())
        .expect_err("never registered");
    assert_eq!(error.kind(), ErrorKind::NotFound);

    select.register(low.as_fd(), TWO, Directions::READ).unwrap();
    let mut events = Vec::new();
    select.wait(&mut events, SOON).unwrap();
    assert_eq!(events.len(), 1, "and others are served");

    let mut poll = PollArray::new().unwrap();
    poll.register(high.as_fd(), ONE, Directions::READ).unwrap();
    poll.wait(&mut events, SOON).unwrap();
    assert_eq!(events.len(), 1, "poll has no such limit");
}

/// An epoll instance hands out 1,024 events at a time; what did not fit comes next, and first.
fn more_is_ready_than_one_wait_takes<S: Selector>() {
    raise_descriptor_limit();
    // High numbers: the low ones are needed by the select tests that run at the same time.
    let one = eventfd(1);
    let ready = (0..1100).map(|_| rustix::io::fcntl_dupfd_cloexec(&one, 2 * FD_SETSIZE));
    let ready: Vec<_> = ready.collect::<Result<_, _>>().expect("descriptors");
    let mut selector = S::new().unwrap();
    for (slot, fd) in (0_u32..).zip(&ready) {
        selector
            .register(fd.as_fd(), Token::new(slot, 0), Directions::READ)
            .unwrap();
    }
    let mut seen = vec![false; ready.len()];
    let mut events = Vec::new();
    for _ in 0..2 {
        selector.wait(&mut events, NOW).unwrap();
        for event in &events {
            seen[event.token.slot() as usize] = true;
        }
    }
    assert_eq!(seen.iter().filter(|seen| !**seen).count(), 0, "forgotten");
}

#[test]
fn edge_forgets_nobody_when_more_is_ready_than_one_wait_takes() {
    more_is_ready_than_one_wait_takes::<EpollEdge>();
}

#[test]
fn level_forgets_nobody_when_more_is_ready_than_one_wait_takes() {
    more_is_ready_than_one_wait_takes::<EpollLevel>();
}

/// A wait that a signal ended says so: the loop looks at its flags and waits again.
fn a_signal_ends_a_wait<S: Selector>() {
    let hit = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGUSR2, Arc::clone(&hit)).expect("handler");
    let waiting = std::thread::spawn(|| {
        let mut selector = S::new().unwrap();
        selector
            .wait(&mut Vec::new(), SOON)
            .map_err(|error| error.kind())
    });
    // The first signals may come before the wait has begun.
    while !waiting.is_finished() {
        #[expect(unsafe_code, reason = "one thread is meant, not the process")]
        // SAFETY: a thread that has not been joined has a valid id.
        unsafe {
            libc::pthread_kill(waiting.as_pthread_t(), signal_hook::consts::SIGUSR2);
        }
        std::thread::yield_now();
    }
    assert_eq!(
        waiting.join().expect("no panic"),
        Err(ErrorKind::Interrupted)
    );
}

#[test]
fn a_signal_ends_every_kind_of_wait() {
    a_signal_ends_a_wait::<EpollEdge>();
    a_signal_ends_a_wait::<EpollLevel>();
    a_signal_ends_a_wait::<PollArray>();
    a_signal_ends_a_wait::<SelectSets>();
}
