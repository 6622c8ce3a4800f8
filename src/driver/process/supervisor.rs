//! What a service manager is told: that we are there, that we stop, that we still turn.
//!
//! *Floor 4.* A datagram to the socket that `NOTIFY_SOCKET` names; without one, nothing. It is
//! connected when it is made, because a confined process may not connect any more.
//!
//! The watchdog asks each loop, every time, whether it still turns, and the manager is told only
//! when all have answered. A loop that spins, sleeps or waits in a service does not answer, and the
//! manager restarts the process. The drivers that wait are not asked but looked at
//! (`blocking/pulse.rs`).
//!
//! *References:* sd_notify(3), sd_watchdog_enabled(3), systemd.service(5).

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use crate::driver::blocking::pulse::{Beat, Pulse};
use crate::driver::mailbox::Handle;

/// The way to a service manager, if there is one.
#[derive(Debug, Default)]
pub struct Supervisor {
    socket: Option<UnixDatagram>,
    /// How often it wants to hear from us.
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// The one that the environment names.
    pub fn from_env() -> Self {
        let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
        let socket = std::env::var_os("NOTIFY_SOCKET").and_then(|name| connect(&name).ok());
        // WATCHDOG_PID names the process that is meant; a child of it is not.
        let meant = number("WATCHDOG_PID").is_none_or(|pid| pid == own_pid());
        let watchdog = number("WATCHDOG_USEC").filter(|usec| *usec > 0 && meant);
        Self {
            watchdog: watchdog
                .filter(|_| socket.is_some())
                .map(Duration::from_micros),
            socket,
        }
    }

    pub(crate) fn ready(&self) {
        self.tell("READY=1");
    }

    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, words: &str) {
        if let Some(socket) = &self.socket {
            // A manager that is not there any more costs the message.
            let _ = socket.send(words.as_bytes());
        }
    }
}

fn own_pid() -> u64 {
    u64::from(
        rustix::process::getpid()
            .as_raw_nonzero()
            .get()
            .unsigned_abs(),
    )
}

/// A path, or `@` and a name of the abstract kind (unix(7)). Sending never waits.
fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    match name.as_bytes() {
        [b'@', name @ ..] => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
        _ => socket.connect(name)?,
    }
    Ok(socket)
}

/// Watches the loops on the manager's behalf.
pub(crate) struct Watchdog {
    /// How often to look: twice as often as the manager wants to hear.
    pub(crate) period: Option<Duration>,
    /// What each loop had answered when it was last asked.
    answers: Vec<u64>,
    /// What was seen of each pulse at the last look.
    beats: Vec<Beat>,
}

/// What it watches.
#[derive(Default)]
pub(crate) struct Watched {
    pub(crate) loops: Vec<Handle>,
    pub(crate) pulses: Vec<Arc<Pulse>>,
}

impl Watchdog {
    pub(crate) fn new(supervisor: &Supervisor, watched: &Watched) -> Self {
        let loops = &watched.loops;
        let watchdog = Self {
            period: supervisor.watchdog.map(|every| every / 2),
            answers: loops.iter().map(Handle::answers).collect(),
            beats: watched.beats(),
        };
        if watchdog.period.is_some() {
            loops.iter().for_each(Handle::ask);
        }
        watchdog
    }

    /// A period is over.
    pub(crate) fn look(&mut self, supervisor: &Supervisor, watched: &Watched) {
        let loops = &watched.loops;
        let answers: Vec<_> = loops.iter().map(Handle::answers).collect();
        let all = answers
            .iter()
            .zip(&self.answers)
            .all(|(now, then)| now > then);
        let mut beats = watched.pulses.iter().zip(&self.beats);
        let moved = beats.all(|(pulse, then)| pulse.has_moved_since(*then));
        self.beats = watched.beats();
        if all && moved {
            supervisor.tell("WATCHDOG=1");
            self.answers = answers;
            loops.iter().for_each(Handle::ask);
        }
    }
}

impl Watched {
    fn beats(&self) -> Vec<Beat> {
        self.pulses.iter().map(|pulse| pulse.beat()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::mailbox::{Mailbox, Message};
    use crate::http::Notify;

    struct NoNotify;
    impl Notify for NoNotify {
        fn notify(&self, _: u64) {}
    }

    #[test]
    fn the_manager_hears_from_us_while_all_loops_turn() {
        let (socket, manager) = UnixDatagram::pair().unwrap();
        manager.set_nonblocking(true).unwrap();
        let supervisor = Supervisor {
            socket: Some(socket),
            watchdog: Some(Duration::from_secs(1)),
        };
        let boxes = [(); 2].map(|()| Mailbox::new(Arc::new(NoNotify)));
        let loops = boxes.clone().map(Handle::to).into();
        let pulse = Arc::new(Pulse::default());
        let pulses = vec![Arc::clone(&pulse)];
        let loops = Watched { loops, pulses };
        let turn = |one: &Mailbox| {
            let asked = one.take();
            assert!(asked.iter().all(|message| matches!(message, Message::Ask)));
            asked.iter().for_each(|_| one.answer());
        };
        let heard = || manager.recv(&mut [0; 64]).is_ok();
        let mut watchdog = Watchdog::new(&supervisor, &loops);
        for _ in 0..3 {
            boxes.iter().for_each(|one| turn(one));
            watchdog.look(&supervisor, &loops);
            assert!(heard());
        }
        turn(&boxes[0]); // and the other one is stuck
        for _ in 0..3 {
            watchdog.look(&supervisor, &loops);
            assert!(!heard());
        }
        turn(&boxes[1]);
        watchdog.look(&supervisor, &loops);
        assert!(heard());
        pulse.begin(); // and does not end
        for expected in [true, false, false] {
            boxes.iter().for_each(|one| turn(one));
            watchdog.look(&supervisor, &loops);
            assert_eq!(heard(), expected);
        }
        pulse.end();
        watchdog.look(&supervisor, &loops);
        assert!(heard());
    }
}
