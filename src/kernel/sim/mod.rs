//! A kernel in which the production loop runs under any schedule, seeded and repeatable.
//!
//! *Floor 2; feature `sim`.* Knows sockets, readiness and a clock of its own; knows nothing of
//! HTTP, and starts no thread. What Linux would decide by timing, a [`Schedule`] decides: how
//! bytes are split, when a client receives, which event comes first, when wait is interrupted.
//!
//! ```text
//! schedule ─▶ World::moves ─▶ Wire (inbox, outbox, FIN, RST) ─▶ ready list ─▶ wait's events
//!                 ▲                      ▲
//!              scripts         read, write, send_file, close: the loop
//! ```
//!
//! A loop that is wrong gets a [`Verdict`]: it *stalls* (would sleep though a client waits for it),
//! it *spins* (wakes without acting), or it *misuses* the kernel. A simulator can lie, so
//! `tests/it/conformance.rs` puts the same questions to this kernel and to the four real ones.
//!
//! *References:* epoll(7), "Questions and answers"; DESIGN of FoundationDB's simulator (Zhou et
//! al., SIGMOD 2021, §4) for the idea.

#![expect(
    clippy::disallowed_methods,
    reason = "the simulated clock starts from one real instant, because Instant has no zero"
)]

pub mod layered;
mod moves;
mod schedule;
mod script;
#[cfg(test)]
mod tests;
mod wire;
mod world;

use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};

pub use schedule::{SEEDED_CHOICES, Schedule};
pub use script::Act;
pub use world::{Disturbances, NO_ROOM, Verdict};

use super::{Kernel, Peer, Sent, Socket};
use crate::http::{Notify, Source, Tick};
use crate::readiness::{Directions, Event, Token, Trigger};
use script::Client;
use wire::{ServerEnd, Wire};
use world::{Deferred, Key, World};

type SharedWorld = Arc<Mutex<World>>;

/// A simulated kernel: `Sim<true>` speaks at edges, `Sim<false>` at levels.
///
/// Cloning gives a second handle to the same world: one for the loop, one for the test.
#[derive(Clone)]
pub struct Sim<const EDGE: bool> {
    world: SharedWorld,
    started: Instant,
    turn: u64,
}

/// The server's end of a simulated connection.
pub struct SimSocket {
    world: SharedWorld,
    client: usize,
}

/// The simulated listener; there is one per world.
pub struct SimListener(());

/// A client that a test moves by hand.
pub struct Remote {
    world: SharedWorld,
    client: usize,
}

/// Other threads, as far as the simulation has any: what is given to them is done at a moment of
/// the schedule's choosing.
#[derive(Clone)]
pub struct Elsewhere(SharedWorld);

struct SimNotifier(SharedWorld);

impl<const EDGE: bool> Sim<EDGE> {
    /// A world without clients that goes by `schedule`, with the disturbances of
    /// [`Disturbances::default`].
    pub fn new(schedule: Schedule) -> Self {
        Self {
            world: Arc::new(Mutex::new(World::new(EDGE, schedule))),
            started: Instant::now(),
            turn: 0,
        }
    }

    /// What the schedule may do besides splitting and delaying.
    #[must_use]
    pub fn disturbed(self, disturbances: Disturbances) -> Self {
        lock(&self.world).disturbances = disturbances;
        self
    }

    /// Keeps a transcript, see [`Sim::transcript`].
    #[must_use]
    pub fn recorded(self) -> Self {
        lock(&self.world).log = Some(Vec::new());
        self
    }

    /// The listener.
    pub fn listen(&self) -> SimListener {
        SimListener(())
    }

    /// Adds a client that will connect and follow `script`; the server's send buffer for it holds
    /// `outbox_max` bytes. A script that does not say how it ends, ends with [`Act::Close`].
    pub fn client(&self, mut script: Vec<Act>, outbox_max: usize) -> usize {
        if !matches!(script.last(), Some(Act::Close | Act::Reset | Act::Vanish)) {
            script.push(Act::Close);
        }
        let mut world = lock(&self.world);
        world.clients.push(Client::new(script, false));
        world.wires.push(Wire::new(outbox_max));
        world.clients.len() - 1
    }

    /// Connects a client that is moved by hand.
    pub fn connect(&self, outbox_max: usize) -> Remote {
        let mut world = lock(&self.world);
        world.clients.push(Client::new(Vec::new(), true));
        world.wires.push(Wire::new(outbox_max));
        let client = world.clients.len() - 1;
        world.connect(client);
        Remote {
            world: Arc::clone(&self.world),
            client,
        }
    }

    /// Threads for work that may wait.
    pub fn elsewhere(&self) -> Elsewhere {
        Elsewhere(Arc::clone(&self.world))
    }

    /// All that client `client` has received.
    pub fn received(&self, client: usize) -> Vec<u8> {
        lock(&self.world).clients[client].got.clone()
    }

    /// Whether every client has come to the end of its script and every socket is closed.
    pub fn is_over(&self) -> bool {
        lock(&self.world).is_over()
    }

    /// What the loop did wrong, if it did.
    pub fn verdict(&self) -> Option<Verdict> {
        lock(&self.world).verdict.clone()
    }

    /// Every call and every move so far, one a line; empty unless [`Sim::recorded`].
    pub fn transcript(&self) -> String {
        lock(&self.world)
            .log
            .as_ref()
            .map_or_else(String::new, |log| log.join("\n"))
    }

    /// What clients and the world around the loop did since this was asked last; empty unless
    /// [`Sim::recorded`].
    pub fn take_moves(&self) -> Vec<String> {
        let log = lock(&self.world).log.as_mut().map(std::mem::take);
        let lines = log.unwrap_or_default().into_iter();
        lines
            .filter_map(|line| line.strip_prefix("-- ").map(str::to_owned))
            .collect()
    }

    /// Leaves no room for another socket, accept failing with this one of [`NO_ROOM`]; or makes
    /// room again, of which no event tells.
    pub fn exhaust(&self, errno: Option<i32>) {
        lock(&self.world).no_room = errno;
    }

    /// Lets the kernel have no memory for another listener to be watched (`true`), or some again.
    pub fn refuse_watching(&self, refuses: bool) {
        lock(&self.world).no_watches = refuses;
    }

    /// Lets the kernel refuse to watch another connection, or to watch one otherwise, with this
    /// error; or no longer.
    pub fn refuse_registering(&self, errno: Option<i32>) {
        lock(&self.world).no_registering = errno;
    }

    /// Lets waits fail with this error; or no longer.
    pub fn refuse_waiting(&self, errno: Option<i32>) {
        lock(&self.world).no_waiting = errno;
    }

    /// Lets accept fail with this error and leave the clients waiting; or no longer.
    pub fn refuse_accepting(&self, errno: Option<i32>) {
        lock(&self.world).no_accepting = errno;
    }

    /// Lets the next wait end by a signal (EINTR), whatever is ready.
    pub fn interrupt(&self) {
        lock(&self.world).interrupted = true;
    }

    /// Lets time pass.
    pub fn pass(&self, time: Duration) {
        lock(&self.world).clock += time;
    }

    /// What the schedule lets happen before the kernel looks.
    fn stir(&self) -> io::Result<bool> {
        let moves = lock(&self.world).schedule.pick(8);
        let mut made = 0;
        while (moves == 0 || made < moves) && step(&self.world) {
            made += 1;
        }
        lock(&self.world).disturb()
    }
}

impl<const EDGE: bool> Kernel for Sim<EDGE> {
    const TRIGGER: Trigger = if EDGE { Trigger::Edge } else { Trigger::Level };
    const NAME: &'static str = if EDGE { "sim-edge" } else { "sim-level" };
    /// As epoll under edge, as poll and select under level: so both ways to close are run.
    const FORGETS_CLOSED: bool = EDGE;
    type Socket = SimSocket;
    type Listener = SimListener;

    fn accept(&mut self, _: &SimListener) -> io::Result<(SimSocket, Peer)> {
        let mut world = lock(&self.world);
        world.touch(Key::Listener);
        let full = world.no_room.filter(|_| !world.backlog.is_empty());
        let accepted = match (world.no_accepting.or(full), world.backlog.front()) {
            (Some(errno), _) => Err(io::Error::from_raw_os_error(errno)),
            (None, None) => Err(io::ErrorKind::WouldBlock.into()),
            (None, Some(client)) => Ok(*client),
        };
        world.note(|| match &accepted {
            Ok(client) => format!("accept() = {client}"),
            Err(error) => format!("accept() = Err({error})"),
        });
        let client = accepted?;
        world.backlog.pop_front();
        world.idle_waits = 0;
        world.wires[client].server = ServerEnd::Open;
        let socket = SimSocket {
            world: Arc::clone(&self.world),
            client,
        };
        Ok((socket, Peer::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST))))
    }

    /// The Date field stands still, so that answers made at different moments compare.
    fn now(&mut self) -> Tick {
        self.turn += 1;
        let clock = lock(&self.world).clock;
        Tick {
            instant: self.started + clock,
            wall: UNIX_EPOCH + WALL_START + clock,
            turn: self.turn,
            http_date: *b"Sun, 06 Nov 1994 08:49:37 GMT",
        }
    }

    fn register(
        &mut self,
        socket: &SimSocket,
        token: Token,
        interest: Directions,
    ) -> io::Result<()> {
        let mut world = lock(&self.world);
        let key = Key::Socket(socket.client);
        world.note(|| format!("register({}, {})", socket.client, flags(interest)));
        world.may_register()?;
        if world.is_watched(key) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        world.watch(key, token, interest);
        Ok(())
    }

    fn reregister(
        &mut self,
        socket: &SimSocket,
        token: Token,
        interest: Directions,
    ) -> io::Result<()> {
        let mut world = lock(&self.world);
        let key = Key::Socket(socket.client);
        world.note(|| format!("reregister({}, {})", socket.client, flags(interest)));
        world.may_register()?;
        if !world.is_watched(key) {
            return Err(io::ErrorKind::NotFound.into());
        }
        world.watch(key, token, interest);
        Ok(())
    }

    fn deregister(&mut self, socket: &SimSocket) -> io::Result<()> {
        let mut world = lock(&self.world);
        world.note(|| format!("deregister({})", socket.client));
        match world.unwatch(Key::Socket(socket.client)) {
            true => Ok(()),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn watch(&mut self, _: &SimListener, token: Token, on: bool) -> io::Result<()> {
        let mut world = lock(&self.world);
        if on && world.no_watches {
            world.note(|| "watch(listener, true) = ENOMEM".to_owned());
            return Err(io::Error::from_raw_os_error(libc::ENOMEM));
        }
        world.note(|| format!("watch(listener, {on})"));
        match (on, world.is_watched(Key::Listener)) {
            (true, false) => world.watch(Key::Listener, token, Directions::READ),
            (false, true) => drop(world.unwatch(Key::Listener)),
            (true, true) => return Err(io::ErrorKind::AlreadyExists.into()),
            (false, false) => return Err(io::ErrorKind::NotFound.into()),
        }
        Ok(())
    }

    fn notifier(&mut self, token: Token) -> io::Result<Arc<dyn Notify>> {
        lock(&self.world).watch(Key::Notifier, token, Directions::READ);
        Ok(Arc::new(SimNotifier(Arc::clone(&self.world))))
    }

    fn quiet(&mut self) {
        let mut world = lock(&self.world);
        world.touch(Key::Notifier);
        world.notified = false;
    }

    fn wait(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        events.clear();
        let until = timeout.map(|timeout| lock(&self.world).clock + timeout);
        let mut spurious = self.stir()?;
        let refused = lock(&self.world).no_waiting;
        if let Some(errno) = refused {
            lock(&self.world).judge()?;
            return Err(io::Error::from_raw_os_error(errno));
        }
        loop {
            {
                let mut world = lock(&self.world);
                world.collect(events);
                // Never when all is quiet: it would wake, by chance, a socket that was forgotten.
                if spurious && !world.moves().is_empty() {
                    world.spurious(events);
                }
                let turned = world.schedule.pick(events.len().max(1));
                events.rotate_left(turned);
                let shown = world.log.is_some().then(|| world.shown(events));
                world.note(|| {
                    format!(
                        "wait({}) = [{}]",
                        until_when(timeout),
                        shown.unwrap_or_default()
                    )
                });
                if !events.is_empty() || timeout == Some(Duration::ZERO) {
                    world.tick();
                    return world.judge();
                }
            }
            if !step(&self.world) {
                let mut world = lock(&self.world);
                let left = until.map(|until| until.saturating_sub(world.clock));
                world.sleep(left);
                return world.judge();
            }
            let mut world = lock(&self.world);
            world.tick();
            if until.is_some_and(|until| until <= world.clock) {
                return world.judge();
            }
            spurious = false;
        }
    }

    fn rest(&mut self, time: Duration) {
        lock(&self.world).clock += time;
    }
}

impl Socket for SimSocket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let interrupted = self.before_read();
        self.call("read", |wire| match interrupted {
            true => Err(io::ErrorKind::Interrupted.into()),
            false => wire.read(into),
        })
    }

    fn write(&mut self, from: &[IoSlice<'_>], _more: bool) -> io::Result<usize> {
        self.call("write", |wire| wire.write(from))
    }

    fn send_file(
        &mut self,
        source: &dyn Source,
        offset: u64,
        len: usize,
        _more: bool,
    ) -> io::Result<Sent> {
        let room = lock(&self.world).wires[self.client].room();
        // One byte more than fits, so that a buffer that is too small is noticed.
        let mut bytes = vec![0; len.min(room + 1)];
        let Ok(n @ 1..) = source.read_at(&mut bytes, offset) else {
            return Ok(Sent::SourceEnd);
        };
        match self.call("send_file", |wire| wire.write(&[IoSlice::new(&bytes[..n])])) {
            Ok(n) => Ok(Sent::Bytes(n)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Sent::SocketFull),
            Err(error) => Err(error),
        }
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.call("shutdown", |wire| wire.shutdown_write().map(|()| 0))?;
        let mut world = lock(&self.world);
        if world.wires[self.client].fin {
            world.change(Key::Socket(self.client)); // both halves closed: HUP
        }
        Ok(())
    }

    fn unacknowledged(&self) -> usize {
        lock(&self.world).wires[self.client].outbox.len()
    }

    fn closes_cleanly(&self) -> bool {
        let wire = &lock(&self.world).wires[self.client];
        wire.outbox.is_empty() && wire.inbox.is_empty()
    }

    fn id(&self) -> i32 {
        i32::try_from(self.client).map_or(-1, |client| FIRST_FD + client)
    }
}

impl SimSocket {
    /// What the schedule lets come between two reads; `true` is a signal that ends this one.
    fn before_read(&self) -> bool {
        let allowed = lock(&self.world).disturbances;
        if allowed.moves_between_reads && lock(&self.world).schedule.pick(2) == 1 {
            step(&self.world);
        }
        allowed.interrupts_reads && lock(&self.world).schedule.pick(4) == 1
    }

    /// One call of the loop on this socket.
    fn call(
        &mut self,
        name: &str,
        call: impl FnOnce(&mut Wire) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut world = lock(&self.world);
        world.touch(Key::Socket(self.client));
        let answer = call(&mut world.wires[self.client]);
        if answer.is_ok() {
            world.idle_waits = 0;
        }
        world.note(|| match &answer {
            Ok(n) => format!("{name}({}) = {n}", self.client),
            Err(error) => format!("{name}({}) = {}", self.client, error.kind()),
        });
        answer
    }
}

impl Drop for SimSocket {
    fn drop(&mut self) {
        let mut world = lock(&self.world);
        world.note(|| format!("close({})", self.client));
        if world.unwatch(Key::Socket(self.client)) && !world.edge {
            let client = self.client;
            let what = format!("the socket of client {client} was closed while it was watched");
            world.condemn(Verdict::Misuse(what));
        }
        world.idle_waits = 0;
        world.wires[self.client].close();
    }
}

impl Remote {
    /// Sends all of `bytes`.
    pub fn send(&self, bytes: &[u8]) {
        lock(&self.world).send(self.client, bytes);
    }

    /// Receives at most `n` bytes of what is there.
    pub fn receive(&self, n: usize) -> Vec<u8> {
        let mut world = lock(&self.world);
        let before = world.clients[self.client].got.len();
        world.take(self.client, n);
        world.clients[self.client].got[before..].to_vec()
    }

    /// Whether the server has ended its sending half and all of it has been received.
    pub fn has_ended(&self) -> bool {
        let world = lock(&self.world);
        let wire = &world.wires[self.client];
        (wire.shut || wire.reset) && wire.outbox.is_empty()
    }

    /// Whether the server has ended its sending half, received or not.
    pub fn has_begun_to_end(&self) -> bool {
        lock(&self.world).wires[self.client].shut
    }

    /// Ends the sending half (FIN).
    pub fn finish(&self) {
        lock(&self.world).finish(self.client);
    }

    /// Closes: a FIN, and a reset for whatever the server still sends.
    pub fn close(&self) {
        lock(&self.world).close(self.client);
    }

    /// Sends a RST.
    pub fn reset(&self) {
        lock(&self.world).reset(self.client);
    }
}

impl Elsewhere {
    /// Lets `task` be done at some later wait.
    pub fn run(&self, task: impl FnOnce() + Send + 'static) {
        lock(&self.0)
            .elsewhere
            .push_back(Box::new(task) as Deferred);
    }
}

impl Notify for SimNotifier {
    fn notify(&self, _: u64) {
        let mut world = lock(&self.0);
        world.notified = true;
        world.change(Key::Notifier);
    }
}

/// One move of the world, if there is one to make.
fn step(world: &SharedWorld) -> bool {
    let task = {
        let mut world = lock(world);
        let moves = world.moves();
        if moves.is_empty() {
            return false;
        }
        let chosen = moves[world.schedule.pick(moves.len())];
        world.make(chosen)
    };
    // The world is not locked here: the task will notify.
    if let Some(task) = task {
        task();
    }
    true
}

/// A time-out in a transcript.
fn until_when(timeout: Option<Duration>) -> String {
    timeout.map_or("for ever".to_owned(), |timeout| format!("{timeout:?}"))
}

/// An interest set in a transcript.
const fn flags(interest: Directions) -> &'static str {
    match (interest.readable, interest.writable) {
        (true, true) => "in|out",
        (true, false) => "in",
        (false, true) => "out",
        (false, false) => "nothing",
    }
}

/// A panic of a test that held the lock must not hide behind a second one.
fn lock(world: &SharedWorld) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The number under which the first client's socket is traced: a process has others before it.
const FIRST_FD: i32 = 7;
/// 1994-11-06T08:49:37Z, the moment all examples of RFC 9110 §5.6.7 name.
const WALL_START: Duration = Duration::from_secs(784_111_777);
