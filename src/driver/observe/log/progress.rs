//! What is under way, on the last line of a terminal.
//!
//! *Floor 4.* Knows transfers that take longer than a second; does not know sockets.
//!
//! ```text
//! Fact::Settled ─▶ Transfers ── Fact::TurnEnded, five times a second ─▶ Board ─▶ lines.rs: the last line
//! ```
//!
//! Nothing is counted for it: the connection knows how far it is, and is asked where it is left after it
//! has been served. So the line is as old as the last byte that moved.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::line::push_escaped;
use super::short::{Style, push_shortened};
use super::units;
use crate::conn::{Connection, UnderWay};
use crate::driver::observe::lines::Lines;
use crate::driver::observe::observer::Fact;
use crate::readiness::Token;

/// What takes less is over before it could be read.
const WORTH_SHOWING: Duration = Duration::from_secs(1);

/// The time between two looks of the line.
const PERIOD: Duration = Duration::from_millis(200);

/// One transfer.
#[derive(Clone, Debug)]
struct Transfer {
    token: Token,
    target: Vec<u8>,
    is_upload: bool,
    done: u64,
    of: Option<u64>,
    took: Duration,
}

/// The transfers of all drivers.
#[derive(Clone, Debug)]
pub(super) struct Board {
    /// A place for each driver.
    drivers: Arc<Mutex<Vec<Vec<Transfer>>>>,
    style: Style,
}

impl Board {
    pub(super) fn new(style: Style) -> Self {
        Self {
            drivers: Arc::default(),
            style,
        }
    }

    /// For another driver.
    pub(super) fn progress(&self) -> Transfers {
        Transfers {
            board: self.clone(),
            at: None,
            transfers: Vec::new(),
            has_changed: false,
            now: None,
            told: None,
        }
    }

    /// Has the line show these transfers of the driver at `at`, and those of the others.
    fn show(&self, at: &mut Option<usize>, transfers: &[Transfer], lines: &Lines) {
        let drivers = self.drivers.lock();
        let mut drivers = drivers.unwrap_or_else(PoisonError::into_inner);
        let at = *at.get_or_insert_with(|| {
            let free = drivers.iter().position(Vec::is_empty);
            free.unwrap_or_else(|| {
                drivers.push(Vec::new());
                drivers.len() - 1
            })
        });
        drivers[at] = transfers.to_vec();
        let columns = self.style.columns().unwrap_or(80);
        let all: Vec<_> = drivers.iter().flatten().collect();
        lines.show_last(status(&all, columns));
    }
}

/// What one driver has under way.
#[derive(Debug)]
pub(super) struct Transfers {
    board: Board,
    /// Its place on the board, once it has needed one.
    at: Option<usize>,
    transfers: Vec<Transfer>,
    has_changed: bool,
    now: Option<Instant>,
    told: Option<Instant>,
}

impl Transfers {
    pub(super) fn observe(&mut self, fact: &Fact<'_>, lines: &Lines) {
        match *fact {
            Fact::TurnStarted { now, .. } => self.now = Some(now.instant),
            Fact::Settled { token, conn, .. } => self.look_at(token, conn),
            Fact::Answered { token, .. } | Fact::Closed { token, .. } => self.forget(token),
            Fact::TurnEnded { .. } => self.tell(lines),
            _ => {}
        }
    }

    fn look_at(&mut self, token: Token, conn: &Connection) {
        let Some((way, now)) = conn.under_way().zip(self.now) else {
            return;
        };
        let took = now.saturating_duration_since(way.started);
        if took < WORTH_SHOWING {
            return;
        }
        self.has_changed = true;
        let known = self.transfers.iter_mut().find(|one| one.token == token);
        match known {
            Some(one) => (one.done, one.of, one.took) = (way.done, way.of, took),
            None => self.transfers.push(Transfer::new(token, &way, took)),
        }
    }

    fn forget(&mut self, token: Token) {
        let before = self.transfers.len();
        self.transfers.retain(|one| one.token != token);
        if self.transfers.len() < before {
            self.has_changed = true;
            self.told = None;
        }
    }

    fn tell(&mut self, lines: &Lines) {
        let told = self.told.zip(self.now);
        let is_early = told.is_some_and(|(told, now)| now < told + PERIOD);
        if self.has_changed && !is_early {
            self.has_changed = false;
            self.told = self.now;
            self.board.show(&mut self.at, &self.transfers, lines);
            // An empty place is free for the next driver.
            self.at = self.at.filter(|_| !self.transfers.is_empty());
        }
    }

    /// The driver has ended.
    pub(super) fn end(&mut self, lines: &Lines) {
        if !self.transfers.is_empty() {
            self.board.show(&mut self.at, &[], lines);
        }
    }
}

impl Transfer {
    fn new(token: Token, way: &UnderWay<'_>, took: Duration) -> Self {
        let mut target = Vec::new();
        let word = way.request_line.split(|byte| *byte == b' ').nth(1);
        push_escaped(&mut target, word.unwrap_or(b"-"));
        Self {
            token,
            target,
            is_upload: way.is_upload,
            done: way.done,
            of: way.of,
            took,
        }
    }

    /// `34% of 4.2 GiB`, or `1.2 GiB` where the end is not known.
    fn share(&self) -> String {
        match self.of {
            Some(of) if of > 0 => {
                let percent = u128::from(self.done) * 100 / u128::from(of);
                format!("{percent}% of {}", units::bytes(of))
            }
            _ => units::bytes(self.done),
        }
    }

    /// ` 4m 05s left`.
    fn left(&self) -> Option<String> {
        let missing = self.of?.checked_sub(self.done)?;
        let millis = self.took.as_millis() * u128::from(missing) / u128::from(self.done.max(1));
        let left = Duration::from_millis(u64::try_from(millis).ok()?);
        (self.done > 0).then(|| format!(" {} left", units::time(left)))
    }
}

/// The line: the oldest transfer by name, and how many others there are. Empty for none.
fn status(all: &[&Transfer], columns: usize) -> String {
    let Some(oldest) = all.iter().max_by_key(|one| one.took) else {
        return String::new();
    };
    let word = if oldest.is_upload {
        "receives"
    } else {
        "sends"
    };
    let rates = all.iter().filter_map(|one| {
        let millis = one.took.as_millis().max(1);
        u64::try_from(u128::from(one.done) * 1000 / millis).ok()
    });
    let rate = units::bytes(rates.sum());
    let mut tail = format!(" {}, {rate}/s", oldest.share());
    match all.len() - 1 {
        0 => tail.extend(oldest.left().iter().flat_map(|left| [",", left])),
        others => tail.push_str(&format!(" with {others} more")),
    }
    let around = word.len() + 1 + tail.chars().count();
    // The last column stays empty: some terminals wrap as soon as it is written.
    let room = columns.saturating_sub(around + 1).max(8);
    let mut line = format!("{word} ").into_bytes();
    push_shortened(&mut line, &oldest.target, room);
    line.extend_from_slice(tail.as_bytes());
    let line = String::from_utf8_lossy(&line);
    line.chars().take(columns.saturating_sub(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transfer(is_upload: bool, done: u64, of: Option<u64>, seconds: u64) -> Transfer {
        Transfer {
            token: Token(seconds),
            target: b"/photos/a.iso".to_vec(),
            is_upload,
            done,
            of,
            took: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn the_last_line_names_the_oldest_and_counts_the_others() {
        let check = |all: &[Transfer], columns: usize, expected: &str| {
            let all: Vec<_> = all.iter().collect();
            assert_eq!(status(&all, columns), expected);
        };
        let (one, other) = (
            transfer(false, 1 << 30, Some(4 << 30), 100),
            transfer(true, 1 << 20, None, 2),
        );
        check(&[], 80, "");
        let all = "sends /photos/a.iso 25% of 4.0 GiB, 10 MiB/s, 5m 00s left";
        check(std::slice::from_ref(&one), 80, all);
        check(
            std::slice::from_ref(&other),
            80,
            "receives /photos/a.iso 1.0 MiB, 512 KiB/s",
        );
        let both = "sends /photos/a.iso 25% of 4.0 GiB, 11 MiB/s with 1 more";
        check(&[other, one.clone()], 80, both);
        let narrow = "sends /p…a.iso 25% of 4.0 GiB, 10 MiB/s, 5m 00s left";
        check(&[one], 53, narrow);
    }
}
