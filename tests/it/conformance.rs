//! What a kernel promises, as one specification that every kernel is run against.
//!
//! The four real selectors are here; a simulated kernel joins by implementing [`World`] and
//! naming itself in one of the two macros at the end. A simulator that passes lies about nothing
//! that the event loop relies on.
//!
//! Each test is a sentence. Those that begin with `edge` or `level` are the difference between
//! the two triggers; all others hold for both.

#![expect(
    clippy::disallowed_methods,
    reason = "clients connect, and a sentence is timed"
)]

use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::thread::JoinHandleExt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use httpoll::http::Source;
use httpoll::kernel::{Kernel, Linux, ListenAddr, Listener, Peer, Sent, Socket, SocketFd, bind};
use httpoll::readiness::{
    Directions, EpollEdge, EpollLevel, Event, FD_SETSIZE, PollArray, SelectSets, Selector, Token,
    Trigger,
};
use rustix::event::{PollFd, PollFlags};

use crate::sim::Simulated;

/// A kernel and what is outside of it.
///
/// What a peer does has arrived by the time its method returns: the tests are about what is
/// reported then, not about how long a network takes.
pub(crate) trait World: Sized {
    /// The kernel under test.
    type Kernel: Kernel;
    /// The other end of a connection; dropping it closes it.
    type Peer;

    fn new() -> Self;
    fn kernel(&mut self) -> &mut Self::Kernel;
    /// A connection: the server's end, not registered, and the client's.
    fn pair(&mut self) -> (SocketOf<Self>, Self::Peer);
    /// A listener, not watched.
    fn listener(&mut self) -> ListenerOf<Self>;
    /// A client of it, waiting to be accepted.
    fn connect(&mut self, listener: &ListenerOf<Self>) -> Self::Peer;
    /// The peer sends a few bytes.
    fn send(&mut self, peer: &mut Self::Peer, bytes: &[u8]);
    /// The peer closes its sending half (FIN).
    fn finish(&mut self, peer: &mut Self::Peer);
    /// The peer is gone at once (RST).
    fn reset(&mut self, peer: Self::Peer);
    /// Everything that has reached the peer, without waiting; `None` if that is the end.
    fn take(&mut self, peer: &mut Self::Peer) -> Option<Vec<u8>>;
}

type SocketOf<W> = <<W as World>::Kernel as Kernel>::Socket;
type ListenerOf<W> = <<W as World>::Kernel as Kernel>::Listener;

const ONE: Token = Token::new(1, 7);
const TWO: Token = Token::new(2, 0);
/// For what must come: long enough for a busy machine.
const SOON: Option<Duration> = Some(Duration::from_secs(5));
/// For what must not come.
const NOW: Option<Duration> = Some(Duration::ZERO);

// ---- vocabulary ------------------------------------------------------------------------------

/// The events of one wait.
fn wait<W: World>(world: &mut W, timeout: Option<Duration>) -> Vec<Event> {
    // Stale on purpose: a wait replaces what it is given.
    let mut events = vec![event(Token::new(99, 99), true, true)];
    world.kernel().wait(&mut events, timeout).expect("wait");
    events
}

/// The only event of one wait.
fn wait_one<W: World>(world: &mut W) -> Event {
    let events = wait(world, SOON);
    assert_eq!(events.len(), 1, "{events:?}");
    events[0]
}

fn assert_silent<W: World>(world: &mut W) {
    assert_eq!(wait(world, NOW), []);
}

fn event(token: Token, readable: bool, writable: bool) -> Event {
    Event {
        token,
        readable,
        writable,
        eof_possible: false,
    }
}

/// One read; at most `n` bytes.
fn read<S: Socket>(socket: &mut S, n: usize) -> Vec<u8> {
    let mut bytes = vec![0; n];
    let taken = socket.read(&mut bytes).expect("read");
    bytes.truncate(taken);
    bytes
}

fn read_error<S: Socket>(socket: &mut S) -> ErrorKind {
    let result = socket.read(&mut [0; 16]);
    result.expect_err("nothing to read").kind()
}

/// Reads until the kernel says `WouldBlock`.
fn drain<S: Socket>(socket: &mut S) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let mut bytes = [0; 1024];
        match socket.read(&mut bytes) {
            Ok(0) => return all,
            Ok(n) => all.extend_from_slice(&bytes[..n]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return all,
            Err(error) => panic!("{error}"),
        }
    }
}

fn write<S: Socket>(socket: &mut S, bytes: &[u8]) -> usize {
    let slices = [IoSlice::new(bytes)];
    socket.write(&slices, false).expect("write")
}

/// Writes until nothing is taken any more, and goes on until that lasts.
fn fill<W: World>(world: &mut W, socket: &mut SocketOf<W>) -> usize {
    let block = vec![b'x'; 64 * 1024];
    let mut total = 0;
    loop {
        match socket.write(&[IoSlice::new(&block)], false) {
            Ok(n) => total += n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if wait(world, Some(Duration::from_millis(1))).is_empty() {
                    return total;
                }
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Everything the peer gets until it has `n` bytes.
fn take<W: World>(world: &mut W, peer: &mut W::Peer, n: usize) -> Vec<u8> {
    let started = Instant::now();
    let mut all = Vec::new();
    while all.len() < n {
        all.extend(world.take(peer).expect("not the end"));
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "{} of {n}",
            all.len()
        );
    }
    all
}

// ---- reading ---------------------------------------------------------------------------------

fn register_with_data_waiting_reports_at_once<W: World>() {
    let mut world = W::new();
    let (socket, mut peer) = world.pair();
    world.send(&mut peer, b"x");
    world
        .kernel()
        .register(&socket, ONE, Directions::READ)
        .unwrap();
    let event = wait_one(&mut world);
    assert_eq!((event.token, event.readable), (ONE, true));
}

fn reregister_with_data_waiting_reports_again<W: World>() {
    let mut world = W::new();
    let (socket, mut peer) = world.pair();
    world.send(&mut peer, b"x");
    world
        .kernel()
        .register(&socket, ONE, Directions::READ)
        .unwrap();
    wait_one(&mut world);
    world
        .kernel()
        .reregister(&socket, TWO, Directions::READ)
        .unwrap();
    let event = wait_one(&mut world);
    assert_eq!((event.token, event.readable), (TWO, true), "the new token");
}

fn a_drained_socket_is_silent_until_more_arrives<W: World>() {
    let mut world = W::new();
    let (mut socket, mut peer) = world.pair();
    world
        .kernel()
        .register(&socket, ONE, Directions::READ)
        .unwrap();
    assert_silent(&mut world);
    for _ in 0..2 {
        world.send(&mut peer, b"ping");
        assert!(wait_one(&mut world).readable);
        assert_eq!(drain(&mut socket), b"ping");
        assert_silent(&mut world);
    }
}

fn reading_nothing_would_block<W: World>() {
    let mut world = W::new();
    let (mut socket, _peer) = world.pair();
    assert_eq!(read_error(&mut socket), ErrorKind::WouldBlock);
}

fn level_reports_again_after_a_partial_read<W: World>() {
    let mut world = W::new();
    let (mut socket, mut peer) = world.pair();
    world
        .kernel()
        .register(&socket, ONE, Directions::READ)
        .unwrap();
    world.send(&mut peer, b"0123456789");
    for digit in b"0123" {
        assert!(wait_one(&mut world).readable);
        assert_eq!(read(&mut socket, 1), [*digit]);
    }
}

fn edge_is_silent_after_a_partial_read_until_more_arrives<W: World>() {
    let mut world = W::new();
    let (mut socket, mut peer) = world.pair();
    world
        .kernel()
        .register(&socket, ONE, Directions::BOTH)
        .unwrap();
    wait_one(&mut world);
    world.send(&mut peer, b"0123456789");
    assert!(wait_one(&mut world).readable);
    assert_eq!(read(&mut socket, 4), b"0123");
    assert_silent(&mut world);
    world.send(&mut peer, b"A");
    assert!(wait_one(&mut world).readable);
    assert_eq!(drain(&mut socket), b"456789A");
}

fn edge_is_silent_about_data_that_nobody_read<W: World>() {
    let mut world = W::new();
    let (socket, mut peer) = world.pair();
    world
        .kernel()
        .register(&socket, ONE, Directions::READ)
        .unwrap();
    world.send(&mut peer, b"x");
    assert!(wait_one(&mut world).readable);
    assert_silent(&mut world);
}

// ---- the end of a connection -----------------------------------------------------------------

fn data_and_fin_in_one_event_set_eof_possible<W: World>() {
    let mut world = W::new();
    let (mut socket, mut peer) = world.pair();
    world.send(&mut peer, b"GET");
    world.finish(&mut peer);
    world
        .kernel()
        .register(&socket, ONE, Directions::READ)
        .unwrap();
    let event = wait_one(&mut world);
    assert!(event.readable && event.eof_possible, "{event:?}");
    assert_eq!(read(&mut socket, 64), b"GET");
    assert_eq!(read(&mut socket, 64), b"", "the end");
    assert_eq!(read(&mut socket, 64), b"", "for ever");
}

/// Why `eof_possible` exists: without it, a loop that takes a short read for "nothing left" would
/// wait for ever (epoll(7) Q9 is true of data, not of the end behind it).
fn edge_forgets_an_eof_behind_a_short_read<W: World>() {
    let mut world = W::new();
    let (mut socket, mut peer) = world.pair();
    world
        .kernel()
        .register(&socket, ONE, Directions::READ)
        .unwrap();
    world.send(&mut peer, b"GET");
    world.finish(&mut peer);
    assert!(wait_one(&mut world).readable);
    assert_eq!(read(&mut socket, 64), b"GET");
    assert_silent(&mut world);
    assert_eq!(read(&mut socket, 64), b"", "it was there");
}

fn level_reports_an_eof_until_it_is_no_longer_wanted<W: World>() {
    let mut world = W::new();
    let (mut socket, mut peer) = world.pair();
    world
        .kernel()
        .register(&socket, ONE, Directions::READ)
        .unwrap();
    world.finish(&mut peer);
    for _ in 0..3 {
        let event = wait_one(&mut world);
        assert!(event.readable && event.eof_possible, "{event:?}");
        assert_eq!(read(&mut socket, 64), b"");
    }
    world.kernel().deregister(&socket).unwrap();
    assert_silent(&mut world);
}

/// `EPOLLRDHUP` asked for along with writing would end in a loop that spins.
fn level_is_silent_about_an_eof_nobody_asked_for<W: World>() {
    let mut world = W::new();
    let (mut socket, mut peer) = world.pair();
    world
        .kernel()
        .register(&socket, ONE, Directions::WRITE)
        .unwrap();
    fill(&mut world, &mut socket);
    world.finish(&mut peer);
    assert_silent(&mut world);
}

fn a_peer_that_closed_its_half_still_reads<W: World>() {
    let mut world = W::new();
    let (mut socket, mut peer) = world.pair();
    world.finish(&mut peer);
    assert_eq!(write(&mut socket, b"bye"), 3);
    assert_eq!(take(&mut world, &mut peer, 3), b"bye");
}

fn shutdown_write_is_the_end_for_the_peer<W: World>() {
    let mut world = W::new();
    let (mut socket, mut peer) = world.pair();
    write(&mut socket, b"bye");
    socket.shutdown_write().unwrap();
    assert_eq!(take(&mut world, &mut peer, 3), b"bye");
    let started = Instant::now();
    while world.take(&mut peer).is_some() {
        assert!(started.elapsed() < Duration::from_secs(5), "no end");
    }
    world.send(&mut peer, b"and you");
    assert_eq!(read(&mut socket, 64), b"and you", "the other half is open");
}

fn rst_is_readable_and_then_an_error<W: World>() {
    let mut world = W::new();
    let (mut socket, peer) = world.pair();
    world
        .kernel()
        .register(&socket, ONE, Directions::READ)
        .unwrap();
    world.reset(peer);
    let event = wait_one(&mut world);
    assert!(event.readable && event.eof_possible, "{event:?}");
    assert_eq!(read_error(&mut socket), ErrorKind::ConnectionReset);
}

fn rst_wakes_who_only_writes<W: World>() {
    let mut world = W::new();
    let (mut socket, peer) = world.pair();
    world
        .kernel()
        .register(&socket, ONE, Directions::WRITE)
        .unwrap();
    fill(&mut world, &mut socket);
    world.reset(peer);
    assert!(wait_one(&mut world).writable);
    let result = socket.write(&[IoSlice::new(b"x")], false);
    let kind = result.expect_err("reset").kind();
    assert!(
        matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
        "{kind:?}"
    );
}

// ---- writing ---------------------------------------------------------------------------------

fn a_new_socket_is_writable_at_once<W: World>() {
    let mut world = W::new();
    let (socket, _peer) = world.pair();
    world
        .kernel()
        .register(&socket, ONE, Directions::BOTH)
        .unwrap();
    let event = wait_one(&mut world);
    assert_eq!((event.readable, event.writable), (false, true));
}

fn level_reports_writable_while_there_is_room<W: World>() {
    let mut world = W::new();
    let (mut socket, _peer) = world.pair();
    world
        .kernel()
        .register(&socket, ONE, Directions::WRITE)
        .unwrap();
    for _ in 0..3 {
        assert!(wait_one(&mut world).writable);
        write(&mut socket, b"x");
    }
    world
        .kernel()
        .reregister(&socket, ONE, Directions::READ)
        .unwrap();
    assert_silent(&mut world);
}

fn edge_reports_room_once<W: World>() {
    let mut world = W::new();
    let (socket, _peer) = world.pair();
    world
        .kernel()
        .register(&socket, ONE, Directions::BOTH)
        .unwrap();
    assert!(wait_one(&mut world).writable);
    assert_silent(&mut world);
}

fn a_full_socket_is_writable_when_the_peer_has_read<W: World>() {
    let mut world = W::new();
    let (mut socket, mut peer) = world.pair();
    world
        .kernel()
        .register(&socket, ONE, Directions::BOTH)
        .unwrap();
    assert!(wait_one(&mut world).writable);
    let total = match W::Kernel::TRIGGER {
        Trigger::Edge => fill(&mut world, &mut socket),
        Trigger::Level => {
            world
                .kernel()
                .reregister(&socket, ONE, Directions::WRITE)
                .unwrap();
            fill(&mut world, &mut socket)
        }
    };
    assert!(socket.unacknowledged() > 0);
    assert_silent(&mut world);
    take(&mut world, &mut peer, total);
    assert!(wait_one(&mut world).writable);
    assert!(write(&mut socket, b"more") > 0);
}

fn several_slices_leave_in_order<W: World>() {
    let mut world = W::new();
    let (mut socket, mut peer) = world.pair();
    let slices = [IoSlice::new(b"head "), IoSlice::new(b"and body")];
    assert_eq!(socket.write(&slices, false).unwrap(), 13);
    assert_eq!(take(&mut world, &mut peer, 13), b"head and body");
}

fn what_waits_for_more_leaves_with_it<W: World>() {
    let mut world = W::new();
    let (mut socket, mut peer) = world.pair();
    let source = Memory {
        bytes: b"and body",
        ..Memory::default()
    };
    let head = [IoSlice::new(b"head ")];
    assert_eq!(socket.write(&head, true).unwrap(), 5);
    assert_eq!(
        socket.send_file(&source, 0, 8, false).unwrap(),
        Sent::Bytes(8)
    );
    assert_eq!(take(&mut world, &mut peer, 13), b"head and body");
}

// ---- files -----------------------------------------------------------------------------------

/// A source without a descriptor.
#[derive(Default)]
struct Memory {
    bytes: &'static [u8],
    is_broken: bool,
}

impl Source for Memory {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, mut into: &mut [u8], offset: u64) -> std::io::Result<usize> {
        if self.is_broken {
            return Err(ErrorKind::Other.into());
        }
        let offset = usize::try_from(offset).unwrap().min(self.bytes.len());
        into.write(&self.bytes[offset..])
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

fn send_file_moves_a_stretch<W: World>() {
    let mut world = W::new();
    let (mut socket, mut peer) = world.pair();
    let source = Memory {
        bytes: b"0123456789",
        ..Memory::default()
    };
    assert_eq!(
        socket.send_file(&source, 3, 4, false).unwrap(),
        Sent::Bytes(4)
    );
    assert_eq!(take(&mut world, &mut peer, 4), b"3456");
}

fn send_file_says_what_it_cannot_do<W: World>() {
    let mut world = W::new();
    let (mut socket, peer) = world.pair();
    let bytes: &[u8] = b"0123456789";
    let broken = Memory {
        bytes,
        is_broken: true,
    };
    let whole = Memory {
        bytes,
        ..Memory::default()
    };
    let kernel = world.kernel();
    assert_eq!(
        socket.send_file(&broken, 0, 4, false).unwrap(),
        Sent::SourceEnd
    );
    assert_eq!(
        socket.send_file(&whole, 10, 4, false).unwrap(),
        Sent::SourceEnd,
        "shrunk"
    );
    kernel.register(&socket, ONE, Directions::WRITE).unwrap();
    fill(&mut world, &mut socket);
    assert_eq!(
        socket.send_file(&whole, 0, 4, false).unwrap(),
        Sent::SocketFull
    );
    world.reset(peer);
    assert!(
        socket.send_file(&whole, 0, 4, false).is_err(),
        "the socket's trouble"
    );
}

// ---- registration ----------------------------------------------------------------------------

fn a_deregistered_socket_is_silent<W: World>() {
    let mut world = W::new();
    let (socket, mut peer) = world.pair();
    world
        .kernel()
        .register(&socket, ONE, Directions::BOTH)
        .unwrap();
    wait_one(&mut world);
    world.kernel().deregister(&socket).unwrap();
    world.send(&mut peer, b"x");
    assert_silent(&mut world);
    let again = world.kernel().deregister(&socket);
    assert_eq!(again.expect_err("twice").kind(), ErrorKind::NotFound);
    world
        .kernel()
        .register(&socket, TWO, Directions::READ)
        .unwrap();
    assert_eq!(wait_one(&mut world).token, TWO);
}

fn a_socket_is_registered_once<W: World>() {
    let mut world = W::new();
    let (socket, _peer) = world.pair();
    let never = world.kernel().reregister(&socket, ONE, Directions::READ);
    assert_eq!(never.expect_err("not yet").kind(), ErrorKind::NotFound);
    world
        .kernel()
        .register(&socket, ONE, Directions::READ)
        .unwrap();
    let again = world.kernel().register(&socket, TWO, Directions::READ);
    assert_eq!(again.expect_err("twice").kind(), ErrorKind::AlreadyExists);
}

fn deregistering_one_keeps_the_others<W: World>() {
    let mut world = W::new();
    let mut pairs: Vec<_> = (0..5).map(|_| world.pair()).collect();
    for (slot, (socket, peer)) in (0_u32..).zip(&mut pairs) {
        let token = Token::new(slot, 1);
        world
            .kernel()
            .register(socket, token, Directions::READ)
            .unwrap();
        world.send(peer, b"x");
    }
    let mut left = vec![0, 1, 2, 3, 4];
    for gone in [1, 4, 0] {
        world.kernel().deregister(&pairs[gone].0).unwrap();
        left.retain(|slot| *slot != gone);
        for &slot in &left {
            let token = Token::new(u32::try_from(slot).unwrap(), 2);
            world
                .kernel()
                .reregister(&pairs[slot].0, token, Directions::READ)
                .unwrap();
        }
        let mut seen: Vec<_> = wait(&mut world, SOON).iter().map(|e| e.token).collect();
        seen.sort_by_key(|token| token.slot());
        let slots: Vec<_> = seen.iter().map(|token| token.slot() as usize).collect();
        assert_eq!(slots, left);
        assert!(seen.iter().all(|token| token.generation() == 2));
    }
}

fn each_event_names_its_socket<W: World>() {
    let mut world = W::new();
    let (first, mut first_peer) = world.pair();
    let (second, _second_peer) = world.pair();
    world
        .kernel()
        .register(&first, ONE, Directions::READ)
        .unwrap();
    world
        .kernel()
        .register(&second, TWO, Directions::BOTH)
        .unwrap();
    world.send(&mut first_peer, b"x");
    let mut events = wait(&mut world, SOON);
    events.sort_by_key(|event| event.token.slot());
    let seen: Vec<_> = events
        .iter()
        .map(|e| (e.token, e.readable, e.writable))
        .collect();
    assert_eq!(seen, [(ONE, true, false), (TWO, false, true)]);
}

// ---- time and other threads ------------------------------------------------------------------

fn a_timeout_is_rounded_up<W: World>() {
    for micros in [1, 900, 1_700] {
        let mut world = W::new();
        let timeout = Duration::from_micros(micros);
        let before = world.kernel().now();
        assert_eq!(wait(&mut world, Some(timeout)), []);
        let after = world.kernel().now();
        assert!(after.instant - before.instant >= timeout, "{timeout:?}");
        assert!(after.turn > before.turn);
    }
}

fn a_knock_wakes_and_quiet_takes_it_back<W: World>() {
    let mut world = W::new();
    let notify = world.kernel().notifier(TWO).unwrap();
    assert_silent(&mut world);
    for _ in 0..2 {
        notify.notify(5);
        notify.notify(6);
        let event = wait_one(&mut world);
        assert_eq!((event.token, event.readable), (TWO, true));
        world.kernel().quiet();
        assert_silent(&mut world);
        world.kernel().quiet();
    }
}

// ---- listeners -------------------------------------------------------------------------------

fn accepting_nobody_would_block<W: World>() {
    let mut world = W::new();
    let listener = world.listener();
    let result = world.kernel().accept(&listener);
    assert_eq!(result.err().expect("nobody").kind(), ErrorKind::WouldBlock);
}

fn an_accepted_socket_does_not_wait<W: World>() {
    let mut world = W::new();
    let listener = world.listener();
    let mut client = world.connect(&listener);
    let (mut socket, peer) = world.kernel().accept(&listener).unwrap();
    assert!(
        matches!(peer, Peer::Ip(ip) if ip.is_loopback()) || peer == Peer::Unix,
        "{peer:?}"
    );
    assert_eq!(read_error(&mut socket), ErrorKind::WouldBlock);
    world.send(&mut client, b"hello");
    assert_eq!(read(&mut socket, 64), b"hello");
}

fn a_listener_is_silent_until_watched_and_afterwards<W: World>() {
    let mut world = W::new();
    let listener = world.listener();
    let _client = world.connect(&listener);
    assert_silent(&mut world);
    world.kernel().watch(&listener, ONE, true).unwrap();
    let event = wait_one(&mut world);
    assert_eq!(
        (event.token, event.readable),
        (ONE, true),
        "watching tells who waits already"
    );
    world.kernel().watch(&listener, ONE, false).unwrap();
    assert_silent(&mut world);
}

/// How many of five waiting clients are accepted by one accept per event.
fn accepted_one_per_event<W: World>(world: &mut W) -> (usize, ListenerOf<W>) {
    let listener = world.listener();
    let clients: Vec<_> = (0..5).map(|_| world.connect(&listener)).collect();
    world.kernel().watch(&listener, ONE, true).unwrap();
    let mut accepted = Vec::new();
    while !wait(world, NOW).is_empty() {
        accepted.push(world.kernel().accept(&listener).expect("somebody waits"));
    }
    drop(clients);
    (accepted.len(), listener)
}

fn level_reports_a_listener_until_nobody_waits<W: World>() {
    let (accepted, _) = accepted_one_per_event(&mut W::new());
    assert_eq!(accepted, 5);
}

fn edge_reports_five_clients_once<W: World>() {
    let mut world = W::new();
    let (accepted, listener) = accepted_one_per_event(&mut world);
    assert_eq!(accepted, 1);
    for _ in 0..4 {
        world.kernel().accept(&listener).expect("they were there");
    }
    let _sixth = world.connect(&listener);
    assert!(
        wait_one(&mut world).readable,
        "the next arrival is a new edge"
    );
}

// ---- who is tested ---------------------------------------------------------------------------

/// One `#[test]` for each sentence.
macro_rules! sentences {
    ($world:ty: $($sentence:ident)*) => {
        $(#[test] fn $sentence() { super::$sentence::<$world>(); })*
    };
}

/// What holds for both triggers.
macro_rules! common_sentences {
    ($world:ty) => {
        sentences! { $world:
            register_with_data_waiting_reports_at_once
            reregister_with_data_waiting_reports_again
            a_drained_socket_is_silent_until_more_arrives
            reading_nothing_would_block
            data_and_fin_in_one_event_set_eof_possible
            a_peer_that_closed_its_half_still_reads
            shutdown_write_is_the_end_for_the_peer
            rst_is_readable_and_then_an_error
            rst_wakes_who_only_writes
            a_new_socket_is_writable_at_once
            a_full_socket_is_writable_when_the_peer_has_read
            several_slices_leave_in_order
            what_waits_for_more_leaves_with_it
            send_file_moves_a_stretch
            send_file_says_what_it_cannot_do
            a_deregistered_socket_is_silent
            a_socket_is_registered_once
            deregistering_one_keeps_the_others
            each_event_names_its_socket
            a_timeout_is_rounded_up
            a_knock_wakes_and_quiet_takes_it_back
            accepting_nobody_would_block
            an_accepted_socket_does_not_wait
            a_listener_is_silent_until_watched_and_afterwards
        }
    };
}

/// `edge_kernel!(name, World)` runs the specification on an edge-triggered kernel.
macro_rules! edge_kernel {
    ($name:ident, $world:ty) => {
        mod $name {
            use super::*;
            common_sentences! { $world }
            sentences! { $world:
                edge_is_silent_after_a_partial_read_until_more_arrives
                edge_is_silent_about_data_that_nobody_read
                edge_forgets_an_eof_behind_a_short_read
                edge_reports_room_once
                edge_reports_five_clients_once
            }
        }
    };
}

/// `level_kernel!(name, World)` runs it on a level-triggered one.
macro_rules! level_kernel {
    ($name:ident, $world:ty) => {
        mod $name {
            use super::*;
            common_sentences! { $world }
            sentences! { $world:
                level_reports_again_after_a_partial_read
                level_reports_an_eof_until_it_is_no_longer_wanted
                level_is_silent_about_an_eof_nobody_asked_for
                level_reports_writable_while_there_is_room
                level_reports_a_listener_until_nobody_waits
            }
        }
    };
}

edge_kernel!(epoll_edge, Loopback<EpollEdge>);
level_kernel!(epoll_level, Loopback<EpollLevel>);
level_kernel!(poll_array, Loopback<PollArray>);
level_kernel!(select_sets, Loopback<SelectSets>);
edge_kernel!(sim_edge, Simulated<true>);
level_kernel!(sim_level, Simulated<false>);

/// Linux, and clients on the loopback interface.
struct Loopback<S: Selector> {
    kernel: Linux<S>,
    door: Listener,
}

impl<S: Selector> World for Loopback<S> {
    type Kernel = Linux<S>;
    type Peer = TcpStream;

    fn new() -> Self {
        Self {
            kernel: Linux::new().expect("a selector"),
            door: loopback_listener(),
        }
    }

    fn kernel(&mut self) -> &mut Linux<S> {
        &mut self.kernel
    }

    fn pair(&mut self) -> (SocketFd, TcpStream) {
        let client = connect_to(&self.door);
        let (socket, _) = self.door.accept().expect("accept");
        (socket, client)
    }

    fn listener(&mut self) -> Listener {
        loopback_listener()
    }

    fn connect(&mut self, listener: &Listener) -> TcpStream {
        connect_to(listener)
    }

    fn send(&mut self, peer: &mut TcpStream, bytes: &[u8]) {
        peer.write_all(bytes).expect("send");
        arrived(peer);
    }

    fn finish(&mut self, peer: &mut TcpStream) {
        peer.shutdown(std::net::Shutdown::Write).expect("shutdown");
        arrived(peer);
    }

    fn reset(&mut self, peer: TcpStream) {
        rustix::net::sockopt::set_socket_linger(&peer, Some(Duration::ZERO)).expect("linger");
    }

    fn take(&mut self, peer: &mut TcpStream) -> Option<Vec<u8>> {
        let mut bytes = vec![0; 1024 * 1024];
        match peer.read(&mut bytes) {
            Ok(0) => None,
            Ok(n) => {
                bytes.truncate(n);
                Some(bytes)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Some(Vec::new()),
            Err(error) => panic!("{error}"),
        }
    }
}

fn loopback_listener() -> Listener {
    let address = ListenAddr::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let mut bound = bind(&[address], 0, 1, false, 16).expect("a free port");
    bound.workers.remove(0).remove(0)
}

/// A client whose connection waits in the backlog.
fn connect_to(listener: &Listener) -> TcpStream {
    let address = rustix::net::getsockname(listener).expect("bound");
    let address = SocketAddr::try_from(address).expect("TCP");
    let client = TcpStream::connect(address).expect("connect");
    client.set_nonblocking(true).expect("non-blocking");
    let mut fds = [PollFd::new(listener, PollFlags::IN)];
    let five_seconds = Duration::from_secs(5).try_into().unwrap();
    assert_eq!(rustix::event::poll(&mut fds, Some(&five_seconds)), Ok(1));
    client
}

/// Returns when the other end's kernel has acknowledged everything, a FIN too.
fn arrived(peer: &TcpStream) {
    let socket = SocketFd::new(peer.as_fd().try_clone_to_owned().expect("dup"));
    let started = Instant::now();
    while socket.unacknowledged() > 0 {
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "not acknowledged"
        );
        std::thread::yield_now();
    }
}

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
