//! The simulated kernel as the exercises see it: a non-blocking socket that reads and writes as
//! std's do, and a run that ends with a symptom.
//!
//! The kernel is httpoll's own (`src/kernel/sim`): it decides by a seed how bytes are split, what
//! is late and which event comes first, and tells a loop that stalls or spins what it has done.

use std::cell::Cell;
use std::io::{self, IoSlice, Read, Write};
use std::rc::Rc;
use std::time::Duration;

use httpoll::kernel::sim::{Act, Disturbances, Schedule, Sim, SimListener, SimSocket};
use httpoll::kernel::{Kernel, Socket as _};
use httpoll::readiness::{Event, Token};

use crate::judge::{stuck, trying};
use crate::{Directions, Symptom, Verdict, transcript};

/// Clients, and what each must receive.
pub struct Scene {
    /// What happens in it, for the symptom.
    pub name: &'static str,
    pub clients: Vec<Client>,
    pub disturbances: Disturbances,
    /// How many schedules are tried.
    pub seeds: u64,
}

/// What a client does and must receive.
pub struct Client {
    pub script: Vec<Act>,
    pub due: Vec<u8>,
    /// The server's send buffer for it.
    pub send_buffer: usize,
    /// It does not stay to the end: the beginning of `due` is right too.
    pub leaves: bool,
}

impl Scene {
    /// Bytes are split and late, events come in any order, and nothing fails.
    pub fn new(name: &'static str, clients: impl Into<Vec<Client>>) -> Self {
        let disturbances = Disturbances {
            no_descriptors: false,
            ..Disturbances::default()
        };
        Self {
            name,
            clients: clients.into(),
            disturbances,
            seeds: 40,
        }
    }

    /// Runs a server in it, once for each seed, and repeats the first run that fails with a record.
    pub fn play<const EDGE: bool>(
        &self,
        round: u64,
        serve: impl Fn(Stage<EDGE>) -> io::Result<()>,
    ) -> Verdict {
        for seed in (0..self.seeds).map(|seed| round * self.seeds + seed) {
            if let Err(symptom) = self.once(seed, false, &serve) {
                // An answer that remembers something from run to run may fare better the second time.
                return Err(self.once(seed, true, &serve).err().unwrap_or(symptom));
            }
        }
        Ok(())
    }

    fn once<const EDGE: bool>(
        &self,
        seed: u64,
        record: bool,
        serve: &impl Fn(Stage<EDGE>) -> io::Result<()>,
    ) -> Verdict {
        let trigger = if EDGE { "edge" } else { "level" };
        trying(format!("{}: {trigger}, seed {seed}", self.name));
        // Seed 0 is the run in which nothing is late, split or disturbed.
        let schedule = match seed {
            0 => Schedule::friendly(),
            seed => Schedule::seeded(seed),
        };
        let mut sim = Sim::<EDGE>::new(schedule).disturbed(self.disturbances);
        if record {
            sim = sim.recorded();
        }
        for client in &self.clients {
            sim.client(client.script.clone(), client.send_buffer);
        }
        let calls = Calls::default();
        let dues = self.clients.iter().map(|client| client.due.clone());
        let stage = Stage {
            sim: sim.clone(),
            calls: Rc::clone(&calls),
            listener: sim.listen(),
            dues: dues.collect(),
            waits: 0,
        };
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| serve(stage)));
        let verdict = sim.verdict().map(|verdict| verdict.to_string());
        // What a part says about its answer comes first: the sockets are closed only behind it.
        let says = match &ended {
            Ok(Err(error)) if error.kind() == io::ErrorKind::Other => Some(error.to_string()),
            _ => None,
        };
        let what = match (verdict, calls.take(), ended) {
            (Some(verdict), ..) if says.is_none_or(|says| says == verdict) => Some(verdict),
            (_, calls, _) if calls > CALLS_MAX => Some(format!(
                "hang: {CALLS_MAX} calls in one turn, and the loop never waits again"
            )),
            (_, _, Err(panic)) => std::panic::resume_unwind(panic),
            (_, _, Ok(ended)) => self.misheard(&sim, ended),
        };
        let Some(what) = what else { return Ok(()) };
        let symptom = Symptom::new(format!("{}: {trigger}, seed {seed}: {what}", self.name));
        let transcript = sim.transcript();
        let mut lines: Vec<_> = transcript.lines().collect();
        // Behind the verdict the sockets are only put away.
        let end = lines.iter().position(|line| line.starts_with("!!"));
        lines.truncate(end.unwrap_or(lines.len()));
        Err(match lines.is_empty() {
            true => symptom,
            false => symptom
                .seen(["The last turns of the loop:"])
                .seen(transcript::last(&lines)),
        })
    }

    fn misheard<const EDGE: bool>(&self, sim: &Sim<EDGE>, ended: io::Result<()>) -> Option<String> {
        let heard = (0..self.clients.len()).map(|n| (n, sim.received(n)));
        let heard: Vec<_> = heard.collect();
        let wrong = heard
            .iter()
            .find_map(|(n, got)| wrong_byte(*n, got, &self.clients[*n].due));
        let is_over = sim.is_over();
        wrong.or(match ended {
            Err(error) if error.kind() == io::ErrorKind::Other => Some(error.to_string()),
            Err(error) => Some(format!("the server ended: {error}")),
            Ok(()) if !is_over => Some("the server ended although clients are connected".into()),
            Ok(()) => heard
                .iter()
                .find_map(|(n, got)| missing(*n, got, &self.clients[*n])),
        })
    }
}

/// What a client should not have received.
fn wrong_byte(n: usize, got: &[u8], due: &[u8]) -> Option<String> {
    let same = got.iter().zip(due).take_while(|(a, b)| a == b).count();
    let part = |bytes: &[u8]| {
        let end = bytes.len().min(same + 20);
        bytes[same..end].escape_ascii().to_string()
    };
    match same {
        same if same == got.len() => None,
        same if same == due.len() => {
            let more = part(got);
            Some(format!(
                "client {n} received more than its answers: \"{more}\""
            ))
        }
        same => {
            let (got, due) = (part(got), part(due));
            let what = format!("client {n} received a wrong byte {same}");
            Some(format!("{what}: \"{got}\" instead of \"{due}\""))
        }
    }
}

/// What a client should have received besides.
fn missing(n: usize, got: &[u8], client: &Client) -> Option<String> {
    let (got, due) = (got.len(), client.due.len());
    let what = if got == 0 { "nothing" } else { "only a part" };
    let is_missing = got < due && !client.leaves;
    is_missing.then(|| format!("client {n} received {what}: {got} of {due} bytes, then the end"))
}

/// The kernel of one run.
pub struct Stage<const EDGE: bool> {
    pub(crate) sim: Sim<EDGE>,
    calls: Calls,
    listener: SimListener,
    /// What each client must receive.
    dues: Vec<Vec<u8>>,
    waits: usize,
}

impl<const EDGE: bool> Stage<EDGE> {
    /// What is ready; nothing if a signal came first.
    ///
    /// # Errors
    /// If the loop has been condemned: it stalls, or it spins.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<Vec<Event>> {
        self.calls.set(0);
        self.waits += 1;
        if self.waits.is_multiple_of(LOOK_EVERY) {
            // A loop that sends the same again and again would do so for ever.
            let mut dues = self.dues.iter().enumerate();
            if dues.any(|(n, due)| wrong_byte(n, &self.sim.received(n), due).is_some()) {
                return Err(io::Error::other("a client has received a wrong byte"));
            }
        }
        let mut events = Vec::new();
        match self.sim.wait(&mut events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(events),
        }
    }

    /// The listener, watched from now on.
    ///
    /// # Errors
    /// Of the kernel.
    pub fn listen(&mut self, token: Token) -> io::Result<Listener<EDGE>> {
        self.watch_listener(token, true)?;
        let sim = self.sim.clone();
        Ok(Listener {
            sim,
            calls: Rc::clone(&self.calls),
            listener: self.sim.listen(),
            fails_next: None,
        })
    }

    /// # Errors
    /// Of the kernel.
    pub fn watch_listener(&mut self, token: Token, on: bool) -> io::Result<()> {
        self.sim.watch(&self.listener, token, on)
    }

    /// # Errors
    /// Of the kernel.
    pub fn register(&mut self, at: &Socket, token: Token, interest: Directions) -> io::Result<()> {
        self.sim.register(&at.inner, token, interest)
    }

    /// # Errors
    /// Of the kernel.
    pub fn reregister(&mut self, at: &Socket, token: Token, to: Directions) -> io::Result<()> {
        self.sim.reregister(&at.inner, token, to)
    }

    /// # Errors
    /// Of the kernel.
    pub fn deregister(&mut self, socket: &Socket) -> io::Result<()> {
        self.sim.deregister(&socket.inner)
    }

    /// Since the run began.
    pub fn now(&mut self) -> std::time::Instant {
        self.sim.now().instant
    }

    /// Whether every client has left and every socket is closed.
    pub fn is_over(&self) -> bool {
        self.sim.is_over()
    }
}

/// A non-blocking listening socket.
pub struct Listener<const EDGE: bool> {
    pub sim: Sim<EDGE>,
    calls: Calls,
    listener: SimListener,
    fails_next: Option<i32>,
}

impl<const EDGE: bool> Listener<EDGE> {
    /// Lets the next accept fail with this error, whoever waits.
    pub fn fail_next(&mut self, errno: i32) {
        self.fails_next = Some(errno);
    }

    /// # Errors
    /// `WouldBlock` if nobody waits; others as accept(2) has them.
    pub fn accept(&mut self) -> io::Result<Socket> {
        count(&self.calls);
        let fails = self.fails_next.take();
        if fails.is_some() {
            self.sim.refuse_accepting(fails);
        }
        let accepted = self.sim.accept(&self.listener);
        if fails.is_some() {
            self.sim.refuse_accepting(None);
        }
        let (inner, _) = accepted?;
        Ok(Socket {
            inner,
            calls: Rc::clone(&self.calls),
        })
    }
}

/// A non-blocking stream: each call moves what it can, or fails with `WouldBlock` (EAGAIN).
pub struct Socket {
    inner: SimSocket,
    calls: Calls,
}

impl Socket {
    /// Ends the sending half: the client reads the end of the stream behind the last byte.
    ///
    /// # Errors
    /// If the connection is gone.
    pub fn shutdown_write(&mut self) -> io::Result<()> {
        count(&self.calls);
        self.inner.shutdown_write()
    }
}

impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        count(&self.calls);
        self.inner.read(into)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        count(&self.calls);
        self.inner.write(&[IoSlice::new(bytes)], false)
    }

    /// Nothing is held back here.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Calls since the last wait.
type Calls = Rc<Cell<u32>>;

fn count(calls: &Calls) {
    calls.set(calls.get() + 1);
    if calls.get() > CALLS_MAX {
        stuck(String::new());
    }
}

/// So many calls in one turn are a circle.
const CALLS_MAX: u32 = 20_000;
/// Waits between two looks at what the clients have received.
const LOOK_EVERY: usize = 64;
