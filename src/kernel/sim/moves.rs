//! What may happen next in the simulated world, for a schedule to choose among.
//!
//! *Floor 2.* Every move makes progress, so a schedule that only ever says 0 comes to an end.

use super::script::Act;
use super::wire::ServerEnd;
use super::world::{Deferred, Key, World};

/// One thing the world may do now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Move {
    Connect(usize),
    /// The client's next act.
    Act(usize),
    /// The client receives.
    Take(usize),
    /// A client that has closed answers data with a reset.
    Refuse(usize),
    /// Something that runs on another thread comes to its end.
    Elsewhere(usize),
    /// There is room for sockets again; nothing announces it.
    MakeRoom,
}

impl World {
    /// All that could happen next besides the passing of time. Acts that ask for nothing (an
    /// `Await` whose bytes are there) are done on the way.
    pub(super) fn moves(&mut self) -> Vec<Move> {
        let mut moves = Vec::new();
        for client in 0..self.clients.len() {
            self.skip_done(client);
            let (wire, it) = (&self.wires[client], &self.clients[client]);
            if it.gone && !wire.outbox.is_empty() {
                moves.push(Move::Refuse(client));
            }
            if it.by_hand {
                continue;
            }
            if wire.server == ServerEnd::Absent {
                moves.push(Move::Connect(client));
                continue;
            }
            if it.receives() && !wire.outbox.is_empty() {
                moves.push(Move::Take(client));
            }
            let acts = match it.acts.front() {
                Some(Act::Send(_)) => wire.inbox.len() < INBOX_MAX,
                Some(Act::Finish | Act::Close | Act::Reset | Act::StopReceiving) => true,
                Some(Act::Pause(_)) => it.paused_until.is_none_or(|until| until <= self.clock),
                Some(Act::Await(_) | Act::AwaitEnd | Act::Vanish) | None => false,
            };
            if acts {
                moves.push(Move::Act(client));
            }
        }
        moves.extend((0..self.elsewhere.len()).map(Move::Elsewhere));
        if self.no_room.is_some() && self.room_returns {
            moves.push(Move::MakeRoom);
        }
        moves
    }

    fn skip_done(&mut self, client: usize) {
        let (wire, it) = (&self.wires[client], &mut self.clients[client]);
        let ended = wire.shut || wire.reset;
        loop {
            let done = match it.acts.front() {
                Some(Act::Await(n)) => it.got.len() >= *n || ended && wire.outbox.is_empty(),
                Some(Act::AwaitEnd) => ended && wire.outbox.is_empty(),
                Some(Act::Vanish) => wire.server == ServerEnd::Closed,
                Some(Act::Send(bytes)) => bytes.is_empty(),
                _ => false,
            };
            if !done {
                return;
            }
            it.acts.pop_front();
        }
    }

    /// Does one move; a task from elsewhere is handed back, because it will want the world.
    pub(super) fn make(&mut self, chosen: Move) -> Option<Deferred> {
        self.idle_waits = 0;
        self.sleeps = 0;
        match chosen {
            Move::Connect(client) => self.connect(client),
            Move::Act(client) => self.act(client),
            Move::Take(client) => {
                let n = self.schedule.part(self.wires[client].outbox.len());
                self.take(client, n);
            }
            Move::Refuse(client) => self.reset(client),
            Move::Elsewhere(index) => {
                self.note(|| "-- a task elsewhere is done".to_owned());
                return self.elsewhere.remove(index);
            }
            Move::MakeRoom => {
                self.note(|| "-- there is room again".to_owned());
                self.no_room = None;
            }
        }
        None
    }

    fn act(&mut self, client: usize) {
        let Some(act) = self.clients[client].acts.pop_front() else {
            return;
        };
        match act {
            Act::Send(mut bytes) => {
                let room = INBOX_MAX - self.wires[client].inbox.len();
                let n = self.schedule.part(bytes.len().min(room));
                let rest = bytes.split_off(n);
                self.send(client, &bytes);
                if !rest.is_empty() && !self.wires[client].reset {
                    self.clients[client].acts.push_front(Act::Send(rest));
                }
            }
            Act::Finish => self.finish(client),
            Act::Close => self.close(client),
            Act::Reset => self.reset(client),
            Act::StopReceiving => self.clients[client].deaf = true,
            Act::Pause(time) if self.clients[client].paused_until.is_none() => {
                self.clients[client].paused_until = Some(self.clock + time);
                self.clients[client].acts.push_front(act);
            }
            Act::Pause(_) => self.clients[client].paused_until = None,
            Act::Await(_) | Act::AwaitEnd | Act::Vanish => {}
        }
    }

    pub(super) fn connect(&mut self, client: usize) {
        self.note(|| format!("-- client {client} connects"));
        self.wires[client].server = ServerEnd::Backlog;
        self.backlog.push_back(client);
        self.change(Key::Listener);
    }

    pub(super) fn send(&mut self, client: usize, bytes: &[u8]) {
        let wire = &mut self.wires[client];
        if wire.server == ServerEnd::Closed {
            // The port is closed: a reset comes back, and with it goes what was under way.
            return self.reset(client);
        }
        wire.inbox.extend(bytes);
        self.note(|| format!("-- client {client} sends {}", bytes.len()));
        self.change_readable(client);
    }

    pub(super) fn take(&mut self, client: usize, n: usize) {
        let event = self.wires[client].take(n, &mut self.clients[client].got);
        self.note(|| format!("-- client {client} receives {n}"));
        if event {
            self.change(Key::Socket(client));
        }
    }

    pub(super) fn finish(&mut self, client: usize) {
        self.note(|| format!("-- client {client} ends its sending half"));
        self.wires[client].fin = true;
        self.change(Key::Socket(client));
    }

    pub(super) fn close(&mut self, client: usize) {
        if self.clients[client].gone {
            return;
        }
        self.clients[client].gone = true;
        self.finish(client);
    }

    pub(super) fn reset(&mut self, client: usize) {
        self.note(|| format!("-- client {client}: reset"));
        self.clients[client].gone = true;
        self.clients[client].acts.clear();
        self.wires[client].reset();
        self.change(Key::Socket(client));
    }
}

/// Bytes on their way to the server: its receive window.
const INBOX_MAX: usize = 64 * 1024;
