//! A small server with an event loop, right in every part. An exercise replaces one of them.
//!
//! Its protocol: a line with a number asks for so many bytes. `"12\n"` is answered by
//! [`answer`]`(12)`. Requests may follow each other without waiting, and the end of the client's
//! stream means that it asks for nothing more; what it has asked for is still sent.

use std::io::{self, Read as _, Write as _};
use std::time::{Duration, Instant};

use httpoll::driver::{Bits, settle};
use httpoll::readiness::{Token, Trigger};

use crate::Directions;
pub use crate::stage::Client;
use crate::stage::{Listener, Socket, Stage};
use httpoll::kernel::sim::Act;

/// What an exercise may replace.
#[allow(unused_variables, reason = "what a part may look at")]
pub trait Parts<const EDGE: bool> {
    /// Takes those who wait.
    ///
    /// # Errors
    /// If the server must end.
    fn accept(
        &mut self,
        listener: &mut Listener<EDGE>,
        new: &mut Vec<Socket>,
    ) -> io::Result<Accept> {
        loop {
            match listener.accept() {
                Ok(socket) => new.push(socket),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Accept::All),
                Err(_) => {}
            }
        }
    }

    /// Takes what has arrived.
    ///
    /// # Errors
    /// If the connection is over.
    fn read(&mut self, socket: &mut Socket, conn: &mut Conn) -> io::Result<Reading> {
        let mut piece = [0; 512];
        loop {
            match socket.read(&mut piece) {
                Ok(0) => return Ok(Reading::End),
                Ok(n) => conn.input.extend_from_slice(&piece[..n]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Reading::Empty);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends what is owed.
    ///
    /// # Errors
    /// If the connection is over.
    fn write(&mut self, socket: &mut Socket, conn: &mut Conn) -> io::Result<Writing> {
        while !conn.output.is_empty() {
            match socket.write(&conn.output) {
                Ok(n) => drop(conn.output.drain(..n)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Writing::Full);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Writing::Done)
    }

    /// Whether more of this client would be read now.
    fn wants_read(&mut self, conn: &Conn) -> bool {
        !conn.ended && conn.output.len() <= OUTPUT_MAX
    }

    /// Level: what the kernel is to announce; `armed` is what it announces, `right` what it should.
    fn interest(&mut self, conn: &Conn, armed: Directions, right: Directions) -> Directions {
        right
    }
}

/// How accepting ended.
pub enum Accept {
    /// Nobody waits.
    All,
    /// Somebody may wait: again after so long.
    Later(Duration),
}

/// How reading ended.
pub enum Reading {
    /// Nothing is left: the kernel will tell when more has come.
    Empty,
    /// Something may be left.
    More,
    /// The client sends no more.
    End,
}

/// How writing ended.
pub enum Writing {
    Done,
    /// The socket takes no more now.
    Full,
}

/// One client's state.
#[derive(Default)]
pub struct Conn {
    /// Read and not answered.
    pub input: Vec<u8>,
    /// Owed and not sent.
    pub output: Vec<u8>,
    /// The client sends no more.
    pub ended: bool,
    /// The last event said that the end may be behind the data.
    pub eof_possible: bool,
}

/// The content of an answer: which byte it is can be told from its value.
pub fn answer(len: usize) -> Vec<u8> {
    let letters = (0..len).map(|at| b'a' + u8::try_from(at % 23).unwrap_or(0));
    letters.collect()
}

/// A client that asks for these, all at once, and leaves when it has everything.
pub fn asks(lens: &[usize]) -> Client {
    asks_in_batches([lens])
}

/// A client that asks for these, one after the other.
pub fn asks_in_turn(lens: &[usize]) -> Client {
    asks_in_batches(lens.chunks(1))
}

/// A client that sends each batch when it has the answers to the one before.
pub fn asks_in_batches<'a>(batches: impl IntoIterator<Item = &'a [usize]>) -> Client {
    let mut script = Vec::new();
    let mut due = Vec::new();
    for batch in batches {
        let lines = batch.iter().map(|len| format!("{len}\n"));
        script.push(Act::Send(lines.collect::<String>().into_bytes()));
        due.extend(batch.iter().flat_map(|len| answer(*len)));
        script.push(Act::Await(due.len()));
    }
    script.extend([Act::Finish, Act::AwaitEnd]);
    Client {
        script,
        due,
        send_buffer: 64 * 1024,
        leaves: false,
    }
}

/// More than this is not owed to anybody: it is not read from until it has taken some.
pub const OUTPUT_MAX: usize = 16 * 1024;

const LISTENER: Token = Token::new(u32::MAX, 0);

struct Slot {
    socket: Socket,
    conn: Conn,
    ready: Directions,
    armed: Directions,
    queued: bool,
}

/// Serves until every client has left.
///
/// # Errors
/// If the kernel condemns the loop, or a part ends the server.
pub fn serve<const EDGE: bool>(
    mut stage: Stage<EDGE>,
    parts: &mut dyn Parts<EDGE>,
) -> io::Result<()> {
    let mut listener = stage.listen(LISTENER)?;
    let mut slots: Vec<Option<Slot>> = Vec::new();
    let mut retry: Option<Instant> = None;
    while !stage.is_over() {
        let timeout = timeout(&slots, retry, stage.now());
        let mut batch: Vec<usize> = (0..slots.len())
            .filter(|at| is_queued(&slots[*at]))
            .collect();
        let mut accepts = false;
        for event in stage.wait(timeout)? {
            if event.token == LISTENER {
                accepts = true;
                continue;
            }
            let at = event.token.slot() as usize;
            let Some(Some(slot)) = slots.get_mut(at) else {
                continue;
            };
            let said = Directions {
                readable: event.readable,
                writable: event.writable,
            };
            slot.ready = slot.ready.or(said);
            slot.conn.eof_possible |= event.eof_possible;
            if !batch.contains(&at) {
                batch.push(at);
            }
        }
        if retry.is_some_and(|at| at <= stage.now()) {
            (retry, accepts) = (None, true);
            if !EDGE {
                stage.watch_listener(LISTENER, true)?;
            }
        }
        if accepts && retry.is_none() {
            let mut new = Vec::new();
            if let Accept::Later(pause) = parts.accept(&mut listener, &mut new)? {
                retry = Some(stage.now() + pause);
                if !EDGE {
                    stage.watch_listener(LISTENER, false)?; // or the loop spins on it meanwhile
                }
            }
            for socket in new {
                open(&mut stage, &mut slots, socket)?;
            }
        }
        for at in batch {
            turn(&mut stage, parts, &mut slots[at], at)?;
        }
    }
    Ok(())
}

fn is_queued(slot: &Option<Slot>) -> bool {
    slot.as_ref().is_some_and(|slot| slot.queued)
}

fn timeout(slots: &[Option<Slot>], retry: Option<Instant>, now: Instant) -> Option<Duration> {
    if slots.iter().any(is_queued) {
        return Some(Duration::ZERO);
    }
    retry.map(|at| at.saturating_duration_since(now))
}

/// A place for a new client.
fn open<const EDGE: bool>(
    stage: &mut Stage<EDGE>,
    slots: &mut Vec<Option<Slot>>,
    socket: Socket,
) -> io::Result<()> {
    let free = slots.iter().position(Option::is_none);
    let at = free.unwrap_or_else(|| {
        slots.push(None);
        slots.len() - 1
    });
    let armed = if EDGE {
        Directions::BOTH
    } else {
        Directions::READ
    };
    stage.register(&socket, token(at), armed)?;
    // Under edge the first report says so; under level writing is tried before it is asked for.
    let ready = if EDGE {
        Directions::NONE
    } else {
        Directions::WRITE
    };
    let conn = Conn::default();
    slots[at] = Some(Slot {
        socket,
        conn,
        ready,
        armed,
        queued: false,
    });
    Ok(())
}

fn token(at: usize) -> Token {
    Token::new(u32::try_from(at).unwrap_or(u32::MAX), 0)
}

/// One client's turn: read, answer, write, and leave things so that the loop comes back.
fn turn<const EDGE: bool>(
    stage: &mut Stage<EDGE>,
    parts: &mut dyn Parts<EDGE>,
    place: &mut Option<Slot>,
    at: usize,
) -> io::Result<()> {
    let Some(slot) = place else { return Ok(()) };
    match io_of(parts, slot) {
        Ok(()) if !slot.conn.is_done() => leave(stage, parts, slot, at),
        // A part has something to say about the answer that it was given.
        Err(error) if error.kind() == io::ErrorKind::Other => Err(error),
        _ => {
            if !EDGE && slot.armed.any() {
                stage.deregister(&slot.socket)?;
            }
            *place = None;
            Ok(())
        }
    }
}

fn io_of<const EDGE: bool>(parts: &mut dyn Parts<EDGE>, slot: &mut Slot) -> io::Result<()> {
    let Slot {
        socket,
        conn,
        ready,
        ..
    } = slot;
    if ready.readable && parts.wants_read(conn) {
        match parts.read(socket, conn)? {
            Reading::More => {}
            Reading::Empty => ready.readable = false,
            Reading::End => (ready.readable, conn.ended) = (false, true),
        }
    }
    conn.answer()?;
    if ready.writable && !conn.output.is_empty() {
        ready.writable = matches!(parts.write(socket, conn)?, Writing::Done);
    }
    if !EDGE {
        ready.readable = false; // the next wait tells
    }
    Ok(())
}

fn leave<const EDGE: bool>(
    stage: &mut Stage<EDGE>,
    parts: &mut dyn Parts<EDGE>,
    slot: &mut Slot,
    at: usize,
) -> io::Result<()> {
    let trigger = if EDGE { Trigger::Edge } else { Trigger::Level };
    let wanted = Directions {
        readable: parts.wants_read(&slot.conn),
        writable: !slot.conn.output.is_empty(),
    };
    let (ready, armed) = (slot.ready, slot.armed);
    let left = settle(
        trigger,
        Bits {
            wanted,
            ready,
            armed,
            has_work: slot.conn.has_work(),
        },
    );
    slot.queued = left.queued;
    if EDGE {
        return Ok(());
    }
    let armed = parts.interest(&slot.conn, slot.armed, left.armed);
    match (slot.armed.any(), armed.any()) {
        _ if armed == slot.armed => {}
        (true, false) => stage.deregister(&slot.socket)?,
        (true, true) => stage.reregister(&slot.socket, token(at), armed)?,
        (false, _) => stage.register(&slot.socket, token(at), armed)?,
    }
    slot.armed = armed;
    Ok(())
}

impl Conn {
    /// Answers the requests that are complete, as long as not too much is owed.
    fn answer(&mut self) -> io::Result<()> {
        let mut used = 0;
        while self.output.len() <= OUTPUT_MAX {
            let rest = &self.input[used..];
            let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
                break;
            };
            let line = std::str::from_utf8(&rest[..end]).ok();
            let Some(len) = line.and_then(|line| line.parse().ok()) else {
                return Err(io::ErrorKind::InvalidData.into());
            };
            self.output.extend(answer(len));
            used += end + 1;
        }
        self.input.drain(..used);
        Ok(())
    }

    /// Whether a request is here and may be answered: no event will say so.
    fn has_work(&self) -> bool {
        self.output.len() <= OUTPUT_MAX && self.input.contains(&b'\n')
    }

    fn is_done(&self) -> bool {
        self.ended && self.output.is_empty() && !self.input.contains(&b'\n')
    }
}
