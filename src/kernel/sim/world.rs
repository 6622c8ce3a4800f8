//! The simulated world: clients and their wires, what is watched, the clock, and the verdict.
//!
//! *Floor 2.* Knows everything there is to know, so it can tell the two ways in which a loop
//! fails: **edge fails by sleeping for ever, level fails by never sleeping**. The first is
//! [`Verdict::Stall`], the second [`Verdict::Spin`].

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::time::Duration;

use super::schedule::Schedule;
use super::script::{Act, Client};
use super::wire::{Ready, ServerEnd, Wire};
use crate::readiness::{Directions, Event, Token};

/// What the loop did wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It would sleep although a client waits for it.
    Stall(String),
    /// It wakes again and again without doing anything.
    Spin(String),
    /// It broke a promise of [`Kernel`](crate::kernel::Kernel).
    Misuse(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stall(what) => write!(f, "stall: {what}"),
            Self::Spin(what) => write!(f, "spin: {what}"),
            Self::Misuse(what) => write!(f, "misuse: {what}"),
        }
    }
}

/// Something that can be watched.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Key {
    Listener,
    Notifier,
    Socket(usize),
}

#[derive(Debug)]
struct Watch {
    token: Token,
    interest: Directions,
    /// Reports since the last call on it.
    ignored: u32,
}

pub(super) type Deferred = Box<dyn FnOnce() + Send>;

pub(super) struct World {
    pub(super) edge: bool,
    pub(super) schedule: Schedule,
    /// Since the start.
    pub(super) clock: Duration,
    pub(super) clients: Vec<Client>,
    pub(super) wires: Vec<Wire>,
    pub(super) backlog: VecDeque<usize>,
    pub(super) elsewhere: VecDeque<Deferred>,
    pub(super) notified: bool,
    /// What accept fails with, where there is no room for another socket.
    pub(super) no_room: Option<i32>,
    /// There is no memory to watch a listener again.
    pub(super) no_watches: bool,
    /// What registering a connection fails with, where the kernel refuses.
    pub(super) no_registering: Option<i32>,
    /// What waiting fails with.
    pub(super) no_waiting: Option<i32>,
    /// What accepting fails with, before a client is looked for.
    pub(super) no_accepting: Option<i32>,
    /// The schedule took the room, so it gives it back.
    pub(super) room_returns: bool,
    /// The next wait is to end by a signal.
    pub(super) interrupted: bool,
    pub(super) disturbances: Disturbances,
    pub(super) verdict: Option<Verdict>,
    pub(super) log: Option<Vec<String>>,
    watches: BTreeMap<Key, Watch>,
    /// epoll's ready list. Edge: what has changed since it was last reported. Level: what may be
    /// ready; it stays in the list until a look finds that it is not.
    changed: VecDeque<Key>,
    /// Waits since anything moved.
    pub(super) idle_waits: u32,
    /// Waits in all.
    waits: u32,
    /// Sleeps since the world last moved.
    pub(super) sleeps: u32,
}

/// What the schedule may do besides splitting and delaying.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Disturbances {
    /// EINTR from wait.
    pub interrupts: bool,
    /// Events that announce nothing.
    pub spurious: bool,
    /// EMFILE, or another of [`NO_ROOM`], from accept, for a while.
    pub no_descriptors: bool,
    /// At most this many events are reported by some waits.
    pub small_batches: bool,
    /// The process is stopped for so long (SIGSTOP, a suspended laptop): deadlines are missed.
    pub jump: Option<Duration>,
    /// EINTR from read, with nothing taken.
    pub interrupts_reads: bool,
    /// Clients go on between two reads of one turn, as beside another processor.
    pub moves_between_reads: bool,
    /// Events do not say that the peer has ended: a mistake, for tests that want it noticed.
    pub hides_ends: bool,
}

impl World {
    pub(super) fn new(edge: bool, schedule: Schedule) -> Self {
        Self {
            edge,
            schedule,
            clock: Duration::ZERO,
            clients: Vec::new(),
            wires: Vec::new(),
            backlog: VecDeque::new(),
            elsewhere: VecDeque::new(),
            notified: false,
            no_room: None,
            no_watches: false,
            no_registering: None,
            no_waiting: None,
            no_accepting: None,
            room_returns: false,
            interrupted: false,
            disturbances: Disturbances::default(),
            verdict: None,
            log: None,
            watches: BTreeMap::new(),
            changed: VecDeque::new(),
            idle_waits: 0,
            waits: 0,
            sleeps: 0,
        }
    }

    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            log.push(line());
        }
    }

    pub(super) fn condemn(&mut self, verdict: Verdict) {
        self.note(|| format!("!! {verdict}"));
        self.verdict.get_or_insert(verdict);
    }

    // ---- watching ----------------------------------------------------------------------------

    pub(super) fn watch(&mut self, key: Key, token: Token, interest: Directions) {
        if !interest.any() {
            // HUP and ERR are reported even so: a loop that asks for nothing spins.
            let what = format!("{key:?} is watched for nothing instead of deregistered");
            self.condemn(Verdict::Misuse(what));
        }
        let watch = Watch {
            token,
            interest,
            ignored: 0,
        };
        self.watches.insert(key, watch);
        self.change(key);
    }

    /// Whether the kernel takes another registration, or a change of one.
    pub(super) fn may_register(&mut self) -> io::Result<()> {
        match self.no_registering {
            None => Ok(()),
            Some(errno) => {
                self.note(|| "-- refused".to_owned());
                Err(io::Error::from_raw_os_error(errno))
            }
        }
    }

    pub(super) fn unwatch(&mut self, key: Key) -> bool {
        self.changed.retain(|other| *other != key);
        self.watches.remove(&key).is_some()
    }

    pub(super) fn is_watched(&self, key: Key) -> bool {
        self.watches.contains_key(&key)
    }

    /// Something happened to `key`: epoll's callback.
    pub(super) fn change(&mut self, key: Key) {
        if self.watches.contains_key(&key) && !self.changed.contains(&key) {
            self.changed.push_back(key);
        }
    }

    /// New data wakes only waiters that asked to read (the key of `sk_data_ready`); a FIN or a
    /// reset wakes all.
    pub(super) fn change_readable(&mut self, client: usize) {
        let key = Key::Socket(client);
        if self
            .watches
            .get(&key)
            .is_some_and(|watch| watch.interest.readable)
        {
            self.change(key);
        }
    }

    /// The loop has called something on `key`.
    pub(super) fn touch(&mut self, key: Key) {
        if let Some(watch) = self.watches.get_mut(&key) {
            watch.ignored = 0;
        }
    }

    fn ready(&mut self, key: Key) -> Ready {
        let readable = match key {
            Key::Socket(client) => return self.wires[client].ready(),
            Key::Listener => !self.backlog.is_empty(),
            Key::Notifier => self.notified,
        };
        Ready {
            readable,
            writable: false,
            eof_possible: false,
            hung_up: false,
        }
    }

    /// Fills `events` as epoll_wait(2) does: from the front of the ready list, at most `max`;
    /// what is level-triggered goes back to its end, so that no descriptor starves.
    pub(super) fn collect(&mut self, events: &mut Vec<Event>) {
        let max = match self.disturbances.small_batches {
            true => [1024, 1, 2, 5][self.schedule.pick(4)],
            false => 1024,
        };
        for _ in 0..self.changed.len() {
            if events.len() == max {
                break;
            }
            let Some(key) = self.changed.pop_front() else {
                break;
            };
            let ready = self.ready(key);
            let Some(watch) = self.watches.get_mut(&key) else {
                continue;
            };
            let Some(seen) = ready.seen_with(watch.interest) else {
                continue;
            };
            events.push(Event {
                token: watch.token,
                readable: seen.readable,
                writable: seen.writable,
                eof_possible: seen.eof_possible && !self.disturbances.hides_ends,
            });
            watch.ignored += 1;
            if !self.edge {
                self.changed.push_back(key);
                if watch.ignored > IGNORED_MAX {
                    let slot = watch.token.slot();
                    self.condemn(Verdict::Spin(format!(
                        "{key:?} (slot {slot}) was reported {IGNORED_MAX} times and never called on"
                    )));
                }
            }
        }
    }

    /// An event about a socket that has nothing to say (select(2) BUGS, and any stack after a
    /// checksum failed late).
    pub(super) fn spurious(&mut self, events: &mut Vec<Event>) {
        let sockets: Vec<Key> = self.watches.keys().copied().collect();
        if sockets.is_empty() {
            return;
        }
        let key = sockets[self.schedule.pick(sockets.len())];
        let Watch {
            token, interest, ..
        } = self.watches[&key];
        if interest.any() && !events.iter().any(|event| event.token == token) {
            self.note(|| format!("-- spurious event for {key:?}"));
            events.push(Event {
                token,
                readable: interest.readable,
                writable: interest.writable,
                eof_possible: false,
            });
        }
    }

    /// What a wait returned, for the transcript: sockets by the number of their client.
    pub(super) fn shown(&self, events: &[Event]) -> String {
        let one = |event: &Event| {
            let key = self
                .watches
                .iter()
                .find(|(_, watch)| watch.token == event.token);
            let who = match key {
                Some((Key::Listener, _)) => "listener".to_owned(),
                Some((Key::Notifier, _)) => "notifier".to_owned(),
                Some((Key::Socket(client), _)) => client.to_string(),
                None => "none".to_owned(),
            };
            let said = [
                (event.readable, " in"),
                (event.writable, " out"),
                (event.eof_possible, " rdhup"),
            ];
            let said = said
                .iter()
                .filter(|(is_said, _)| *is_said)
                .map(|(_, word)| *word);
            who + &said.collect::<String>()
        };
        events.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    // ---- disturbing --------------------------------------------------------------------------

    /// A little time for one wait or one move.
    pub(super) fn tick(&mut self) {
        let micros = [0, 20, 200, 1_000][self.schedule.pick(4)];
        self.clock += Duration::from_micros(micros);
    }

    /// What the schedule lets go wrong at this wait; `true` asks for a spurious event.
    pub(super) fn disturb(&mut self) -> io::Result<bool> {
        let allowed = self.disturbances;
        let interrupted = std::mem::take(&mut self.interrupted);
        match self.schedule.pick(24) {
            n if interrupted || n == 1 && allowed.interrupts => {
                self.note(|| "wait() = EINTR".to_owned());
                return Err(io::ErrorKind::Interrupted.into());
            }
            2 | 3 => return Ok(allowed.spurious),
            4 if allowed.no_descriptors && self.no_room.is_none() => {
                let errno = NO_ROOM[self.schedule.pick(NO_ROOM.len())];
                self.note(|| {
                    format!(
                        "-- no room is left: {}",
                        io::Error::from_raw_os_error(errno)
                    )
                });
                self.no_room = Some(errno);
                self.room_returns = true;
            }
            5 => self.clock += allowed.jump.unwrap_or_default(),
            _ => {}
        }
        Ok(false)
    }

    /// The end of a wait: an error once the loop has been condemned.
    pub(super) fn judge(&mut self) -> io::Result<()> {
        self.idle_waits += 1;
        self.waits += 1;
        if self.idle_waits > IDLE_WAITS_MAX {
            let open = self.open().join(", ");
            let what = format!("{IDLE_WAITS_MAX} waits and nothing was moved; open: {open}");
            self.condemn(Verdict::Spin(what));
        } else if self.waits > WAITS_MAX {
            self.condemn(Verdict::Spin(format!("{WAITS_MAX} waits and no end")));
        }
        match &self.verdict {
            Some(verdict) => Err(io::Error::other(verdict.to_string())),
            None => Ok(()),
        }
    }

    // ---- sleeping ----------------------------------------------------------------------------

    /// Nothing can happen but the passing of time. A loop that sleeps now although a client waits
    /// for it has forgotten that client.
    pub(super) fn sleep(&mut self, timeout: Option<Duration>) {
        self.sleeps += 1;
        self.idle_waits = 0;
        let alarm = self
            .clients
            .iter()
            .filter_map(|client| client.paused_until)
            .min();
        let until_alarm = alarm.map(|at| at.saturating_sub(self.clock));
        let sleep = timeout.into_iter().chain(until_alarm).min();
        let impatient = sleep.is_none_or(|sleep| sleep > PATIENCE) || self.sleeps > SLEEPS_MAX;
        if impatient && let Some(forgotten) = self.forgotten() {
            return self.condemn(Verdict::Stall(forgotten));
        }
        match sleep {
            Some(sleep) => {
                self.note(|| format!("-- {sleep:?} pass"));
                self.clock += sleep;
            }
            None if self.is_over() => {}
            None => self.condemn(Verdict::Stall("it would sleep for ever".to_owned())),
        }
    }

    /// What waits for the server and will not be helped by time.
    fn forgotten(&self) -> Option<String> {
        let waits = |client: &usize| self.clients[*client].awaits().is_some();
        let client = (0..self.clients.len()).find(waits)?;
        let (wire, who) = (&self.wires[client], self.who(client));
        Some(if wire.server == ServerEnd::Backlog {
            format!("client {client} waits to be accepted")
        } else if !wire.inbox.is_empty() {
            let unread = wire.inbox.len();
            format!("{who} has {unread} unread bytes and no event will say so")
        } else if wire.fin && !wire.fin_read {
            format!("{who} has an unread end of file and no event will say so")
        } else {
            let got = self.clients[client].got.len();
            let due = match self.clients[client].awaits() {
                Some(Act::Await(bytes)) => format!("waits for {bytes}"),
                Some(Act::Send(_)) => "cannot send more".to_owned(),
                _ => "waits for the end".to_owned(),
            };
            let room = wire.room();
            format!("{who} has room for {room} bytes, client {client} has {got} and {due}")
        })
    }

    /// The server's end of a connection, as the loop knows it.
    fn who(&self, client: usize) -> String {
        match self.watches.get(&Key::Socket(client)) {
            Some(watch) => format!("slot {}", watch.token.slot()),
            None => format!("the socket of client {client}"),
        }
    }

    /// The connections that the loop has not closed.
    fn open(&self) -> Vec<String> {
        let is_open = |client: &usize| self.wires[*client].server == ServerEnd::Open;
        let open = (0..self.wires.len()).filter(is_open);
        open.map(|client| self.who(client)).collect()
    }

    /// Whether every client has come to its end and every socket is closed.
    pub(super) fn is_over(&self) -> bool {
        let ends = |(client, wire): (&Client, &Wire)| {
            client.acts.is_empty() && wire.server == ServerEnd::Closed && !client.by_hand
        };
        self.clients.iter().zip(&self.wires).all(ends)
    }
}

impl Disturbances {
    /// Nothing besides splitting and delaying.
    pub const NONE: Self = Self {
        interrupts: false,
        spurious: false,
        no_descriptors: false,
        small_batches: false,
        jump: None,
        interrupts_reads: false,
        moves_between_reads: false,
        hides_ends: false,
    };
}

impl Default for Disturbances {
    /// Everything but jumps of the clock and what comes between two reads.
    fn default() -> Self {
        Self {
            interrupts: true,
            spurious: true,
            no_descriptors: true,
            small_batches: true,
            ..Self::NONE
        }
    }
}

/// The process is out of descriptors, the system is, or either is out of memory (accept(2)).
pub const NO_ROOM: [i32; 4] = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
/// Level: reports without a call on the socket before it is a spin.
const IGNORED_MAX: u32 = 3;
/// A sleep up to this may be a retry (a paused listener tries again every 100 ms).
const PATIENCE: Duration = Duration::from_millis(250);
/// So many sleeps in a row, however short, help no client.
const SLEEPS_MAX: u32 = 200;
/// So many waits without one byte, close or sleep between them are a spin.
const IDLE_WAITS_MAX: u32 = 1_000;
/// So many waits are more than any schedule needs.
const WAITS_MAX: u32 = 100_000;
