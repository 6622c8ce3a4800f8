//! The sentences: what every kernel promises, and what only one kind of trigger does.
//!
//! Shared with `exercises/`, where a selector is written that has to keep them.

use std::io::{ErrorKind, IoSlice, Write as _};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use httpoll::http::Source;
use httpoll::kernel::{Kernel, Peer, Sent, Socket};
use httpoll::readiness::{Directions, Event, Token, Trigger};

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

pub(crate) type SocketOf<W> = <<W as World>::Kernel as Kernel>::Socket;
pub(crate) type ListenerOf<W> = <<W as World>::Kernel as Kernel>::Listener;

pub(crate) const ONE: Token = Token::new(1, 7);
pub(crate) const TWO: Token = Token::new(2, 0);
/// For what must come: long enough for a busy machine.
pub(crate) const SOON: Option<Duration> = Some(Duration::from_secs(5));
/// For what must not come.
pub(crate) const NOW: Option<Duration> = Some(Duration::ZERO);

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
                if wait(world, Some(Duration::from_millis(10))).is_empty() {
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

pub(crate) fn register_with_data_waiting_reports_at_once<W: World>() {
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

pub(crate) fn reregister_with_data_waiting_reports_again<W: World>() {
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

pub(crate) fn a_drained_socket_is_silent_until_more_arrives<W: World>() {
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

pub(crate) fn reading_nothing_would_block<W: World>() {
    let mut world = W::new();
    let (mut socket, _peer) = world.pair();
    assert_eq!(read_error(&mut socket), ErrorKind::WouldBlock);
}

pub(crate) fn level_reports_again_after_a_partial_read<W: World>() {
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

pub(crate) fn edge_is_silent_after_a_partial_read_until_more_arrives<W: World>() {
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

pub(crate) fn edge_is_silent_about_data_that_nobody_read<W: World>() {
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

pub(crate) fn data_and_fin_in_one_event_set_eof_possible<W: World>() {
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
pub(crate) fn edge_forgets_an_eof_behind_a_short_read<W: World>() {
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

pub(crate) fn level_reports_an_eof_until_it_is_no_longer_wanted<W: World>() {
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
pub(crate) fn level_is_silent_about_an_eof_nobody_asked_for<W: World>() {
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

pub(crate) fn a_peer_that_closed_its_half_still_reads<W: World>() {
    let mut world = W::new();
    let (mut socket, mut peer) = world.pair();
    world.finish(&mut peer);
    assert_eq!(write(&mut socket, b"bye"), 3);
    assert_eq!(take(&mut world, &mut peer, 3), b"bye");
}

pub(crate) fn shutdown_write_is_the_end_for_the_peer<W: World>() {
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

pub(crate) fn rst_is_readable_and_then_an_error<W: World>() {
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

pub(crate) fn rst_wakes_who_only_writes<W: World>() {
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

pub(crate) fn a_new_socket_is_writable_at_once<W: World>() {
    let mut world = W::new();
    let (socket, _peer) = world.pair();
    world
        .kernel()
        .register(&socket, ONE, Directions::BOTH)
        .unwrap();
    let event = wait_one(&mut world);
    assert_eq!((event.readable, event.writable), (false, true));
}

pub(crate) fn level_reports_writable_while_there_is_room<W: World>() {
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

pub(crate) fn edge_reports_room_once<W: World>() {
    let mut world = W::new();
    let (socket, _peer) = world.pair();
    world
        .kernel()
        .register(&socket, ONE, Directions::BOTH)
        .unwrap();
    assert!(wait_one(&mut world).writable);
    assert_silent(&mut world);
}

pub(crate) fn a_full_socket_is_writable_when_the_peer_has_read<W: World>() {
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

pub(crate) fn several_slices_leave_in_order<W: World>() {
    let mut world = W::new();
    let (mut socket, mut peer) = world.pair();
    let slices = [IoSlice::new(b"head "), IoSlice::new(b"and body")];
    assert_eq!(socket.write(&slices, false).unwrap(), 13);
    assert_eq!(take(&mut world, &mut peer, 13), b"head and body");
}

pub(crate) fn what_waits_for_more_leaves_with_it<W: World>() {
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

pub(crate) fn send_file_moves_a_stretch<W: World>() {
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

pub(crate) fn send_file_says_what_it_cannot_do<W: World>() {
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
    // On a busy machine TCP may move bytes to the peer's buffer after it was full, and has room.
    let is_full = (0..100).any(|_| {
        fill(&mut world, &mut socket);
        socket.send_file(&whole, 0, 4, false).unwrap() == Sent::SocketFull
    });
    assert!(is_full, "a full socket");
    world.reset(peer);
    assert!(
        socket.send_file(&whole, 0, 4, false).is_err(),
        "the socket's trouble"
    );
}

// ---- registration ----------------------------------------------------------------------------

pub(crate) fn a_deregistered_socket_is_silent<W: World>() {
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

pub(crate) fn a_socket_is_registered_once<W: World>() {
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

pub(crate) fn deregistering_one_keeps_the_others<W: World>() {
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

pub(crate) fn each_event_names_its_socket<W: World>() {
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

pub(crate) fn a_timeout_is_rounded_up<W: World>() {
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

pub(crate) fn a_knock_wakes_and_quiet_takes_it_back<W: World>() {
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

pub(crate) fn accepting_nobody_would_block<W: World>() {
    let mut world = W::new();
    let listener = world.listener();
    let result = world.kernel().accept(&listener);
    assert_eq!(
        result.err().expect("no client").kind(),
        ErrorKind::WouldBlock
    );
}

pub(crate) fn an_accepted_socket_does_not_wait<W: World>() {
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

pub(crate) fn a_listener_is_silent_until_watched_and_afterwards<W: World>() {
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
        accepted.push(world.kernel().accept(&listener).expect("a client waits"));
    }
    drop(clients);
    (accepted.len(), listener)
}

pub(crate) fn level_reports_a_listener_until_nobody_waits<W: World>() {
    let (accepted, _) = accepted_one_per_event(&mut W::new());
    assert_eq!(accepted, 5);
}

pub(crate) fn edge_reports_five_clients_once<W: World>() {
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

// ---- the lists -------------------------------------------------------------------------------

/// Hands what holds for both triggers to the macro `$then`.
macro_rules! common_sentences {
    ($then:ident! $world:ty) => {
        $then! { $world:
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

/// What holds for level-triggered kernels only.
macro_rules! level_sentences {
    ($then:ident! $world:ty) => {
        $then! { $world:
            level_reports_again_after_a_partial_read
            level_reports_an_eof_until_it_is_no_longer_wanted
            level_is_silent_about_an_eof_nobody_asked_for
            level_reports_writable_while_there_is_room
            level_reports_a_listener_until_nobody_waits
        }
    };
}

/// What holds for edge-triggered ones only.
macro_rules! edge_sentences {
    ($then:ident! $world:ty) => {
        $then! { $world:
            edge_is_silent_after_a_partial_read_until_more_arrives
            edge_is_silent_about_data_that_nobody_read
            edge_forgets_an_eof_behind_a_short_read
            edge_reports_room_once
            edge_reports_five_clients_once
        }
    };
}

pub(crate) use {common_sentences, edge_sentences, level_sentences};
