//! A layer that does all that TLS does but encrypt: a handshake, records, a key update, an alert at
//! the end. Over any socket, and over the sockets of any kernel.
//!
//! *Floor 2; feature `sim`.* What a driver must know of a layer is shown by it, and what a driver
//! forgets of it: a [`Lie`] is noticed by the client, or by the judge of the simulator.
//!
//! ```text
//! client ── HELLO ─▶ │ owes a read    client sends records: kind, length, payload
//!        ◀─ FLIGHT ─ │ owes a write   server sends bytes: those of the protocol with their
//!        ─ FINISHED ▶│ owes a read    highest bit flipped, its own as they are
//!        ── DATA ──▶ │ holds bytes
//!        ─ REKEY ──▶ │ owes a write, then a read (CONFIRM)
//!        ── END ───▶ │ holds the end
//! ```

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::http::{Notify, Tick};
use crate::kernel::{Kernel, Layer, Peer, Socket, Stream, Waited};
use crate::readiness::{Directions, Event, Token, Trigger};

/// What such a layer may say that is not true.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lie {
    /// It holds nothing.
    HoldsNothing,
    /// It does not hold the end of the stream.
    HoldsNoEnd,
    /// It owes nothing.
    OwesNothing,
    /// It always holds something.
    HoldsForever,
    /// It always owes a write.
    OwesForever,
}

/// A kernel whose sockets have such a layer.
pub struct LayeredKernel<K> {
    inner: K,
    lie: Option<Lie>,
}

/// A socket with such a layer over it.
pub struct Layered<T: Socket> {
    inner: T,
    lie: Option<Lie>,
    /// What must come before anything else.
    expected: Option<u8>,
    /// Bytes of records, the last perhaps incomplete.
    encoded: Vec<u8>,
    /// Decoded and not handed out.
    decoded: Vec<u8>,
    /// One call has not taken all that the kernel had.
    has_more: bool,
    ended: bool,
    end_told: bool,
    /// Bytes for the kernel.
    outgoing: Vec<u8>,
    /// Some of them are the layer's own.
    owes_write: bool,
    /// Bytes of the protocol that became the others, not counted as written yet.
    uncounted: Vec<u8>,
    /// Its last word was said, and behind that the sending half is closed.
    ending: bool,
}

const HELLO: u8 = b'H';
const FINISHED: u8 = b'F';
const DATA: u8 = b'D';
const REKEY: u8 = b'K';
const CONFIRM: u8 = b'C';
const END: u8 = b'E';

/// Bytes of the server's part of the handshake: more than a small send buffer takes.
pub const FLIGHT_BYTES: usize = 900;
/// Bytes of its answer to a key update.
pub const REKEYED_BYTES: usize = 40;
/// Bytes read from the kernel at a time.
const READ_BYTES: usize = 300;
/// Bytes handed out at a time: fewer than may be decoded, but so many that the kernel is asked again
/// before the judge takes its silence for a spin.
const HANDED_BYTES: usize = 400;
/// Bytes of the protocol in what is written at a time.
const RECORD_BYTES: usize = 600;
/// What makes a byte of the protocol one that is not the layer's own.
const FLIP: u8 = 0x80;

/// What a client sends first, and what it sends when it has received [`FLIGHT_BYTES`].
pub const HANDSHAKE: [&[u8]; 2] = [&[HELLO, 3, b'a', b'b', b'c'], &[FINISHED, 0]];
/// How a client asks for [`REKEYED_BYTES`], and what the server reads before it goes on.
pub const KEY_UPDATE: [&[u8]; 2] = [&[REKEY, 1, b'k'], &[CONFIRM, 1, b'k']];
/// How a client says that it sends no more.
pub const END_OF_STREAM: &[u8] = &[END, 0];

/// `bytes` as a client sends them.
pub fn encode(bytes: &[u8]) -> Vec<u8> {
    let record = |payload: &[u8]| {
        let len = u8::try_from(payload.len()).unwrap_or(u8::MAX);
        let flipped = payload.iter().map(|byte| byte ^ FLIP);
        [DATA, len].into_iter().chain(flipped).collect::<Vec<_>>()
    };
    bytes.chunks(250).flat_map(record).collect()
}

/// The protocol's part of what a client has received.
pub fn decode(received: &[u8]) -> Vec<u8> {
    let own = |byte: &&u8| **byte & FLIP != 0;
    received
        .iter()
        .filter(own)
        .map(|byte| byte ^ FLIP)
        .collect()
}

impl<K> LayeredKernel<K> {
    /// Puts the layer over the sockets of `inner`.
    pub const fn new(inner: K, lie: Option<Lie>) -> Self {
        Self { inner, lie }
    }
}

impl<T: Socket> Layered<T> {
    /// Puts the layer over `inner`. The client begins.
    pub const fn new(inner: T, lie: Option<Lie>) -> Self {
        Self {
            inner,
            lie,
            expected: Some(HELLO),
            encoded: Vec::new(),
            decoded: Vec::new(),
            has_more: false,
            ended: false,
            end_told: false,
            outgoing: Vec::new(),
            owes_write: false,
            uncounted: Vec::new(),
            ending: false,
        }
    }

    /// What it holds and owes, in truth.
    fn truth(&self) -> Layer {
        Layer {
            holds: !self.decoded.is_empty() || self.has_more || self.ended && !self.end_told,
            owes: match (self.owes_write, self.expected) {
                (true, _) => Directions::WRITE,
                (false, Some(_)) => Directions::READ,
                (false, None) => Directions::NONE,
            },
        }
    }

    /// One call to the kernel.
    fn receive(&mut self) -> io::Result<()> {
        let mut bytes = [0; READ_BYTES];
        let received = self.inner.read(&mut bytes);
        self.has_more = matches!(received, Ok(READ_BYTES));
        match received? {
            0 => self.end(),
            n => self.encoded.extend_from_slice(&bytes[..n]),
        }
        self.decode()
    }

    fn end(&mut self) {
        self.ended = true;
        self.expected = None;
    }

    /// Goes as far as what has come allows, and what is owed.
    fn decode(&mut self) -> io::Result<()> {
        while !self.owes_write && !self.ended {
            let [kind, len, rest @ ..] = &self.encoded[..] else {
                break;
            };
            let (kind, len) = (*kind, usize::from(*len));
            let Some(payload) = rest.get(..len) else {
                break;
            };
            match (self.expected, kind) {
                (Some(HELLO), HELLO) => self.owe(FLIGHT_BYTES, Some(FINISHED)),
                (Some(FINISHED), FINISHED) | (Some(CONFIRM), CONFIRM) => self.expected = None,
                (None, REKEY) if self.ending => {}
                (None, REKEY) => self.owe(REKEYED_BYTES, Some(CONFIRM)),
                (None, DATA) => self.decoded.extend(payload.iter().map(|byte| byte ^ FLIP)),
                (None, CONFIRM) if self.ending => {}
                (None, END) => self.end(),
                _ => return Err(io::ErrorKind::InvalidData.into()),
            }
            self.encoded.drain(..2 + len);
        }
        Ok(())
    }

    /// So many bytes of its own are to be sent, and then another record is expected.
    fn owe(&mut self, bytes: usize, expected: Option<u8>) {
        self.outgoing.resize(self.outgoing.len() + bytes, b'-');
        self.owes_write = true;
        self.expected = expected;
    }

    /// Sends until nothing is left or the kernel takes no more.
    fn flush(&mut self) -> io::Result<()> {
        while !self.outgoing.is_empty() {
            let sent = self.inner.write(&[IoSlice::new(&self.outgoing)], false)?;
            self.outgoing.drain(..sent);
        }
        Ok(())
    }

    fn check(&self, what: &str) -> io::Result<()> {
        if !self.truth().owes.any() {
            return Ok(());
        }
        assert!(self.lie.is_some(), "{what} before what is owed");
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl<T: Socket> Socket for Layered<T> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.check("a read")?;
        if self.decoded.is_empty() && !self.ended {
            self.receive()?;
        }
        let n = into.len().min(self.decoded.len()).min(HANDED_BYTES);
        if n > 0 {
            into[..n].copy_from_slice(&self.decoded[..n]);
            self.decoded.drain(..n);
            return Ok(n);
        }
        self.end_told = self.ended;
        match self.ended {
            true => Ok(0),
            false => Err(io::ErrorKind::Interrupted.into()),
        }
    }

    fn write(&mut self, from: &[IoSlice<'_>], _: bool) -> io::Result<usize> {
        self.check("a write")?;
        let offered = || from.iter().flat_map(|slice| slice.iter()).copied();
        let same = offered().zip(&self.uncounted).all(|(a, b)| a == *b);
        assert!(same, "a write that goes on with other bytes");
        let mut counted = 0;
        loop {
            if self.uncounted.is_empty() {
                let next = offered().skip(counted).take(RECORD_BYTES);
                self.uncounted.extend(next);
                let flipped = self.uncounted.iter().map(|byte| byte ^ FLIP);
                self.outgoing.extend(flipped);
            }
            match self.flush() {
                Ok(()) if self.uncounted.is_empty() => return Ok(counted),
                Ok(()) => counted += std::mem::take(&mut self.uncounted).len(),
                Err(_) if counted > 0 => return Ok(counted),
                Err(error) => return Err(error),
            }
        }
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.ending = true;
        self.owe(1, None);
        match self.layer_write() {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }

    fn unacknowledged(&self) -> usize {
        self.inner.unacknowledged() + self.outgoing.len()
    }

    fn closes_cleanly(&self) -> bool {
        self.outgoing.is_empty() && self.inner.closes_cleanly()
    }

    fn is_gone(&self) -> bool {
        self.inner.is_gone()
    }

    fn layer(&self) -> Layer {
        let mut layer = self.truth();
        match self.lie {
            None => {}
            Some(Lie::HoldsNothing) => layer.holds = false,
            Some(Lie::HoldsNoEnd) => layer.holds &= !self.decoded.is_empty() || self.has_more,
            Some(Lie::OwesNothing) => layer.owes = Directions::NONE,
            Some(Lie::HoldsForever) => layer.holds = true,
            Some(Lie::OwesForever) => layer.owes = Directions::WRITE,
        }
        layer
    }

    fn layer_read(&mut self) -> io::Result<()> {
        self.receive()
    }

    fn layer_write(&mut self) -> io::Result<()> {
        self.flush()?;
        if std::mem::take(&mut self.owes_write) && self.ending {
            return self.inner.shutdown_write();
        }
        self.decode()
    }

    fn renumber(&mut self) {
        self.inner.renumber();
    }

    fn id(&self) -> i32 {
        self.inner.id()
    }
}

impl<T: Stream> Stream for Layered<T> {
    fn wait(&mut self, interest: Directions, deadline: Option<Instant>) -> io::Result<Waited> {
        self.inner.wait(interest, deadline)
    }

    fn now(&mut self) -> Tick {
        self.inner.now()
    }
}

/// One last try, as of every layer that ends with a word: there may be no room for it.
impl<T: Socket> Drop for Layered<T> {
    fn drop(&mut self) {
        if !self.ending {
            self.outgoing.push(b'-');
            let _ = self.flush();
        }
    }
}

impl<K: Kernel> Kernel for LayeredKernel<K> {
    const TRIGGER: Trigger = K::TRIGGER;
    const NAME: &'static str = K::NAME;
    const FORGETS_CLOSED: bool = K::FORGETS_CLOSED;
    type Socket = Layered<K::Socket>;
    type Listener = K::Listener;

    fn accept(&mut self, listener: &K::Listener) -> io::Result<(Self::Socket, Peer)> {
        let (socket, peer) = self.inner.accept(listener)?;
        Ok((Layered::new(socket, self.lie), peer))
    }

    fn now(&mut self) -> Tick {
        self.inner.now()
    }

    fn register(
        &mut self,
        socket: &Self::Socket,
        token: Token,
        interest: Directions,
    ) -> io::Result<()> {
        self.inner.register(&socket.inner, token, interest)
    }

    fn reregister(
        &mut self,
        socket: &Self::Socket,
        token: Token,
        interest: Directions,
    ) -> io::Result<()> {
        self.inner.reregister(&socket.inner, token, interest)
    }

    fn deregister(&mut self, socket: &Self::Socket) -> io::Result<()> {
        self.inner.deregister(&socket.inner)
    }

    fn watch(&mut self, listener: &K::Listener, token: Token, on: bool) -> io::Result<()> {
        self.inner.watch(listener, token, on)
    }

    fn is_shared(&self, listener: &K::Listener) -> bool {
        self.inner.is_shared(listener)
    }

    fn notifier(&mut self, token: Token) -> io::Result<Arc<dyn Notify>> {
        self.inner.notifier(token)
    }

    fn quiet(&mut self) {
        self.inner.quiet();
    }

    fn wait(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        self.inner.wait(events, timeout)
    }

    fn rest(&mut self, time: Duration) {
        self.inner.rest(time);
    }
}
