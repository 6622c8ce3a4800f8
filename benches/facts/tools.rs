//! What an experiment needs: a connected pair, an epoll, and the names of what it tells.

use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::net::sockopt;

pub(crate) const EDGE: EventFlags = EventFlags::IN.union(EventFlags::ET);
pub(crate) const LEVEL: EventFlags = EventFlags::IN;

/// An experiment that cannot be made has nothing to tell.
pub(crate) fn must<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}

/// A listener on loopback that does not block.
pub(crate) fn listener() -> TcpListener {
    let listener = must(TcpListener::bind("127.0.0.1:0"));
    must(listener.set_nonblocking(true));
    listener
}

/// The two ends of a connection: ours, which does not block, and the peer's.
pub(crate) fn pair() -> (TcpStream, TcpStream) {
    let listener = must(TcpListener::bind("127.0.0.1:0"));
    let peer = must(TcpStream::connect(must(listener.local_addr())));
    let (ours, _) = must(listener.accept());
    must(ours.set_nonblocking(true));
    (ours, peer)
}

/// Closes with a reset.
pub(crate) fn reset(peer: TcpStream) {
    must(sockopt::set_socket_linger(&peer, Some(Duration::ZERO)));
}

pub(crate) struct Epoll(OwnedFd);

impl Epoll {
    pub(crate) fn new() -> Self {
        Self(must(epoll::create(CreateFlags::CLOEXEC)))
    }

    /// One that watches `fd` already.
    pub(crate) fn of(fd: impl AsFd, flags: EventFlags) -> Self {
        let epoll = Self::new();
        epoll.add(fd, 0, flags);
        epoll
    }

    pub(crate) fn add(&self, fd: impl AsFd, number: u64, flags: EventFlags) {
        must(epoll::add(&self.0, fd, EventData::new_u64(number), flags));
    }

    pub(crate) fn modify(&self, fd: impl AsFd, flags: EventFlags) {
        must(epoll::modify(&self.0, fd, EventData::new_u64(0), flags));
    }

    pub(crate) fn fd(&self) -> &OwnedFd {
        &self.0
    }

    /// At most `most` events that come within `milliseconds`.
    pub(crate) fn wait(&self, most: usize, milliseconds: i64) -> Vec<Event> {
        let mut events = [const {
            Event {
                flags: EventFlags::empty(),
                data: EventData::new_u64(0),
            }
        }; 16];
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: milliseconds * 1_000_000,
        };
        let n = must(epoll::wait(&self.0, &mut events[..most], Some(&timeout)));
        events[..n].to_vec()
    }

    /// What is told of the only descriptor: `IN|OUT`, or `-` if nothing is. Loopback delivers
    /// within the sending call, so what will be told is told at once.
    pub(crate) fn told(&self) -> String {
        match self.wait(1, 10).first() {
            None => "-".to_owned(),
            Some(event) => name(event.flags),
        }
    }
}

fn name(flags: EventFlags) -> String {
    let names: Vec<_> = flags.iter_names().map(|(name, _)| name).collect();
    names.join("|")
}

/// How much a read returns, or the name of its error.
pub(crate) fn read(mut from: &TcpStream, room: usize) -> String {
    match std::io::Read::read(&mut from, &mut vec![0; room]) {
        Ok(n) => n.to_string(),
        Err(error) => error.kind().to_string(),
    }
}

pub(crate) fn send(mut to: &TcpStream, bytes: usize) {
    must(std::io::Write::write_all(&mut to, &vec![b'x'; bytes]));
}
