//! What epoll(7) and TCP do on every Linux: what is expected stands beside the experiment, and
//! `tests/it/facts.rs` compares them.

use std::fs::File;
use std::net::{Shutdown, TcpStream};
use std::os::fd::OwnedFd;

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;

use super::tools::{EDGE, Epoll, LEVEL, listener, must, pair, read, reset, send};

/// A sentence, the experiment, and what it must show.
pub(crate) type Rule = (&'static str, fn() -> String, &'static str);

pub(crate) const RULES: &[Rule] = &[
    (
        "2 bytes came, 1 is read, 1 more comes: level",
        || half_read(LEVEL),
        "IN, IN, IN",
    ),
    (
        "2 bytes came, 1 is read, 1 more comes: edge",
        || half_read(EDGE),
        "IN, -, IN",
    ),
    (
        "EPOLL_CTL_ADD with bytes there already, edge",
        added_late,
        "IN",
    ),
    (
        "EPOLL_CTL_MOD tells an edge once more",
        modified,
        "IN, -, after MOD IN",
    ),
    (
        "edge for IN and OUT: idle, again, a byte comes",
        both_directions,
        "OUT, -, IN|OUT",
    ),
    (
        "both ends shut down, and nothing is asked for",
        nothing_asked,
        "HUP",
    ),
    (
        "a reset, and only IN is asked for",
        reset_told,
        "IN|ERR|HUP, read: connection reset",
    ),
    (
        "bytes and end together, with RDHUP",
        half_closed,
        "IN|RDHUP, read 3, read 0, written 2",
    ),
    (
        "the same, edge without RDHUP, stopped at the short read",
        stopped_short,
        "IN, read 3, -",
    ),
    (
        "the end comes after all was read, edge",
        end_alone,
        "IN, read 3, IN, read 0",
    ),
    (
        "after the end was read, the peer is gone and is written to, edge",
        gone,
        "IN|RDHUP, -, IN|ERR|HUP|RDHUP",
    ),
    (
        "5 clients wait, one accept per event: level",
        || accepted(LEVEL),
        "5",
    ),
    (
        "5 clients wait, one accept per event: edge",
        || accepted(EDGE),
        "1",
    ),
    (
        "4 ready, one event per wait, level",
        round_robin,
        "0 1 2 3 0 1 2 3",
    ),
    (
        "EPOLLONESHOT: a byte, another byte, MOD",
        oneshot,
        "IN, -, after MOD IN",
    ),
    (
        "closed while a dup is open, the number reused: told, EPOLL_CTL_DEL",
        ghost,
        "IN, ENOENT",
    ),
    ("EPOLL_CTL_ADD of a regular file", regular_file, "EPERM"),
];

fn half_read(flags: EventFlags) -> String {
    let (ours, peer) = pair();
    let epoll = Epoll::of(&ours, flags);
    send(&peer, 2);
    let came = epoll.told();
    read(&ours, 1);
    let rest = epoll.told();
    send(&peer, 1);
    format!("{came}, {rest}, {}", epoll.told())
}

fn added_late() -> String {
    let (ours, peer) = pair();
    send(&peer, 1);
    Epoll::of(&ours, EDGE).told()
}

fn modified() -> String {
    let (ours, peer) = pair();
    let epoll = Epoll::of(&ours, EDGE);
    send(&peer, 2);
    let told = [epoll.told(), epoll.told()];
    epoll.modify(&ours, EDGE);
    format!("{}, {}, after MOD {}", told[0], told[1], epoll.told())
}

fn both_directions() -> String {
    let (ours, peer) = pair();
    let epoll = Epoll::of(&ours, EDGE | EventFlags::OUT);
    let idle = [epoll.told(), epoll.told()];
    send(&peer, 1);
    format!("{}, {}, {}", idle[0], idle[1], epoll.told())
}

fn nothing_asked() -> String {
    let (ours, peer) = pair();
    must(peer.shutdown(Shutdown::Write));
    must(ours.shutdown(Shutdown::Write));
    Epoll::of(&ours, EventFlags::empty()).told()
}

fn reset_told() -> String {
    let (ours, peer) = pair();
    let epoll = Epoll::of(&ours, LEVEL);
    reset(peer);
    format!("{}, read: {}", epoll.told(), read(&ours, 1))
}

fn half_closed() -> String {
    let (ours, peer) = pair();
    let epoll = Epoll::of(&ours, EDGE | EventFlags::RDHUP);
    send(&peer, 3);
    must(peer.shutdown(Shutdown::Write));
    let told = epoll.told();
    let (first, second) = (read(&ours, 100), read(&ours, 100));
    send(&ours, 2);
    format!(
        "{told}, read {first}, read {second}, written {}",
        read(&peer, 100)
    )
}

/// A read that returns less than was asked for "must" have read all: the end is missed.
fn stopped_short() -> String {
    let (ours, peer) = pair();
    let epoll = Epoll::of(&ours, EDGE);
    send(&peer, 3);
    must(peer.shutdown(Shutdown::Write));
    let told = epoll.told();
    let first = read(&ours, 100);
    format!("{told}, read {first}, {}", epoll.told())
}

fn end_alone() -> String {
    let (ours, peer) = pair();
    let epoll = Epoll::of(&ours, EDGE);
    send(&peer, 3);
    let told = epoll.told();
    let first = read(&ours, 100);
    must(peer.shutdown(Shutdown::Write));
    let end = epoll.told();
    format!("{told}, read {first}, {end}, read {}", read(&ours, 100))
}

fn gone() -> String {
    let (ours, peer) = pair();
    let epoll = Epoll::of(&ours, EDGE | EventFlags::RDHUP);
    drop(peer);
    let end = epoll.told();
    read(&ours, 100);
    let again = epoll.told();
    send(&ours, 1); // taken by our kernel, refused by the other one with a reset
    format!("{end}, {again}, {}", epoll.told())
}

fn accepted(flags: EventFlags) -> String {
    let listener = listener();
    let epoll = Epoll::of(&listener, flags);
    let address = must(listener.local_addr());
    let _waiting: Vec<_> = (0..5).map(|_| must(TcpStream::connect(address))).collect();
    let mut accepted = 0;
    while epoll.told() != "-" && listener.accept().is_ok() {
        accepted += 1;
    }
    accepted.to_string()
}

fn round_robin() -> String {
    let epoll = Epoll::new();
    let pairs: Vec<_> = (0..4).map(|_| pair()).collect();
    for (number, (ours, peer)) in (0..).zip(&pairs) {
        epoll.add(ours, number, LEVEL);
        send(peer, 1);
    }
    let order = (0..8).flat_map(|_| epoll.wait(1, 10));
    let order: Vec<_> = order.map(|event| event.data.u64().to_string()).collect();
    order.join(" ")
}

fn oneshot() -> String {
    let (ours, peer) = pair();
    let epoll = Epoll::of(&ours, LEVEL | EventFlags::ONESHOT);
    send(&peer, 1);
    let first = epoll.told();
    send(&peer, 1);
    let second = epoll.told();
    epoll.modify(&ours, LEVEL | EventFlags::ONESHOT);
    format!("{first}, {second}, after MOD {}", epoll.told())
}

/// The kernel watches the open socket, under the number it was given; not whatever has the number.
fn ghost() -> String {
    let (ours, peer) = pair();
    let (another, _peer) = pair();
    let epoll = Epoll::of(&ours, LEVEL);
    let _dup = must(ours.try_clone());
    let mut number = OwnedFd::from(ours);
    must(rustix::io::dup2(&another, &mut number)); // closes it, and the number is another's
    send(&peer, 1);
    format!(
        "{}, {}",
        epoll.told(),
        outcome(epoll::delete(epoll.fd(), &number))
    )
}

fn regular_file() -> String {
    let file = must(File::open("/proc/self/exe"));
    outcome(epoll::add(
        Epoll::new().fd(),
        &file,
        EventData::new_u64(0),
        LEVEL,
    ))
}

fn outcome(result: rustix::io::Result<()>) -> String {
    match result {
        Ok(()) => "done".to_owned(),
        Err(Errno::PERM) => "EPERM".to_owned(),
        Err(Errno::NOENT) => "ENOENT".to_owned(),
        Err(error) => error.to_string(),
    }
}
