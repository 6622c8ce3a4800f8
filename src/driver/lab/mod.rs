//! Experiments: the production loop in the simulator, under a chosen trigger and scenario, right or
//! with a deliberate mistake; what comes out is a record.
//!
//! *Floor 4; feature `sim`.* An experiment is deterministic, uses no socket and no time, and is
//! bounded in turns. `--admin` offers it as `/lab`; the recordings in `www/records/` were made by
//! it.

mod mistakes;
mod scenarios;

use std::cell::RefCell;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use crate::conn::Limits;
use crate::driver::event_loop::EventLoop;
use crate::driver::event_loop::settle::settle;
use crate::driver::offload::Offload;
use crate::driver::record::{Heading, Recorder, TurnRecord};
use crate::driver::settings::{Budget, Settings};
use crate::http::{Body, Request, Response, Source, Status, Tick};
use crate::kernel::sim::{Disturbances, Schedule, Sim};
use crate::readiness::Trigger;
use crate::service::Reply;

pub use mistakes::{MISTAKES, Mistake};
pub use scenarios::{SCENARIOS, Scenario};

/// Turns until an experiment is given up.
const TURNS_MAX: u64 = 500;

/// What to try.
#[derive(Clone, Copy)]
pub struct Experiment {
    /// When the kernel speaks.
    pub trigger: Trigger,
    /// What the clients do.
    pub scenario: &'static Scenario,
    /// What the loop does wrong.
    pub mistake: Option<&'static Mistake>,
    /// How bytes are split and what comes first; 0 is the schedule in which nothing is late.
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Findings {
    /// What the record is of.
    pub heading: Heading,
    /// All turns that ended.
    pub turns: Vec<TurnRecord>,
}

impl Findings {
    /// The record: lines of JSON.
    ///
    /// # Errors
    /// None that serde_json is known to have over numbers and text.
    pub fn to_lines(&self) -> serde_json::Result<String> {
        let mut lines = serde_json::to_string(&self.heading)? + "\n";
        for turn in &self.turns {
            lines += &serde_json::to_string(turn)?;
            lines.push('\n');
        }
        Ok(lines)
    }
}

impl Experiment {
    /// Runs it.
    ///
    /// ```
    /// use httpoll::driver::lab::{Experiment, MISTAKES, SCENARIOS};
    /// use httpoll::readiness::Trigger;
    ///
    /// let right = Experiment {
    ///     trigger: Trigger::Edge,
    ///     scenario: SCENARIOS.iter().find(|one| one.name == "early").unwrap(),
    ///     mistake: None,
    ///     seed: 0,
    /// };
    /// assert_eq!(right.run().heading.verdict, None);
    /// let mistake = MISTAKES.iter().find(|one| one.name == "budget");
    /// let verdict = Experiment { mistake, ..right }.run().heading.verdict.unwrap();
    /// assert!(verdict.starts_with("stall"), "{verdict}");
    /// ```
    pub fn run(&self) -> Findings {
        match self.trigger {
            Trigger::Edge => self.run_in::<true>(),
            Trigger::Level => self.run_in::<false>(),
        }
    }

    fn run_in<const EDGE: bool>(&self) -> Findings {
        let sim = self.simulated::<EDGE>();
        let turns = RefCell::new(Vec::new());
        let recorder = Recorder::new(0, |turn: &TurnRecord| turns.borrow_mut().push(turn.clone()));
        let settings = self.settings().observed_by(recorder);
        let (listeners, offload) = (vec![sim.listen()], Offload::inline());
        let made = EventLoop::new(sim.clone(), listeners, answer, settings, offload);
        let mut failed = made.as_ref().err().map(ToString::to_string);
        if let Ok(mut event_loop) = made {
            for turn in 1..=TURNS_MAX {
                self.scenario.before_turn(turn, &sim);
                let turned = event_loop.turn();
                let mut turns = turns.borrow_mut();
                let moves = sim.take_moves();
                match turns.last_mut() {
                    Some(last) if last.turn == turn => last.clients = moves,
                    _ => {}
                }
                failed = turned.err().map(|error| error.to_string());
                if failed.is_some() || sim.is_over() || sim.verdict().is_some() {
                    break;
                }
            }
        }
        let verdict = sim.verdict().map(|verdict| verdict.to_string());
        let verdict = verdict.or(failed);
        let verdict = verdict.or_else(|| (!sim.is_over()).then(|| NOT_OVER.to_owned()));
        Findings {
            heading: self.heading(verdict),
            turns: turns.take(),
        }
    }

    fn simulated<const EDGE: bool>(&self) -> Sim<EDGE> {
        let schedule = match self.seed {
            0 => Schedule::friendly(),
            seed => Schedule::seeded(seed),
        };
        let quiet = Disturbances {
            hides_ends: self.mistake.is_some_and(|mistake| mistake.hides_ends),
            ..Disturbances::NONE
        };
        let sim = Sim::<EDGE>::new(schedule).disturbed(quiet).recorded();
        for (acts, outbox_max) in (self.scenario.clients)() {
            sim.client(acts, outbox_max);
        }
        sim
    }

    /// A share of a turn that is used up by answers of a few thousand bytes.
    fn settings(&self) -> Settings {
        Settings {
            limits: Arc::new(Limits::default()),
            budget: Budget {
                bytes_of_all: 0,
                bytes: 4_096,
                steps: 4,
            },
            read_bytes: 1_024,
            rule: self.mistake.map_or(settle, |mistake| mistake.rule),
            ..Settings::default()
        }
    }

    fn heading(&self, verdict: Option<String>) -> Heading {
        let mistake = match self.mistake {
            Some(mistake) => format!("; mistake: {}", mistake.title),
            None => String::new(),
        };
        Heading {
            title: Some(format!("{}{mistake}", self.scenario.title)),
            verdict,
            ..Heading::new("simulated", self.trigger)
        }
    }
}

const NOT_OVER: &str = "given up: too many turns";

/// `GET /N`: N bytes, as a file would have them.
fn answer(request: &Request<'_>, _: &Tick) -> Reply {
    let length = request.path().get(1..).and_then(|n| n.parse().ok());
    match length.filter(|n| *n <= LENGTH_MAX) {
        Some(len) => Response::new(Status::OK)
            .body(Body::Range {
                source: Arc::new(Dots(len)),
                offset: 0,
                len,
            })
            .into(),
        None => Response::plain(Status::NOT_FOUND).into(),
    }
}

/// A file of dots.
struct Dots(u64);

impl Source for Dots {
    fn len(&self) -> u64 {
        self.0
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = usize::try_from(self.0.saturating_sub(offset)).unwrap_or(usize::MAX);
        let n = into.len().min(left);
        into[..n].fill(b'.');
        Ok(n)
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// The longest answer of an experiment.
const LENGTH_MAX: u64 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::record::Checker;

    const TRIGGERS: [Trigger; 2] = [Trigger::Edge, Trigger::Level];

    fn each(mut check: impl FnMut(Experiment)) {
        for trigger in TRIGGERS {
            for scenario in SCENARIOS {
                for seed in 0..5 {
                    let mistake = None;
                    check(Experiment {
                        trigger,
                        scenario,
                        mistake,
                        seed,
                    });
                }
            }
        }
    }

    /// What in a record breaks the table.
    fn broken(experiment: Experiment) -> Option<String> {
        let found = experiment.run();
        let mut checker = Checker::new(experiment.trigger);
        found.turns.iter().for_each(|turn| checker.follow(turn));
        checker
            .broken()
            .map(str::to_owned)
            .or(found.heading.verdict)
    }

    #[test]
    fn nothing_is_wrong_without_a_mistake() {
        each(|experiment| {
            let (name, seed) = (experiment.scenario.name, experiment.seed);
            assert_eq!(broken(experiment), None, "{name}, seed {seed}");
            assert_eq!(experiment.run(), experiment.run(), "{name}, seed {seed}");
        });
    }

    /// Each mistake is seen in the scenario that it is shown in, under its trigger.
    #[test]
    fn every_mistake_shows() {
        for mistake in MISTAKES {
            for trigger in TRIGGERS {
                let shown = SCENARIOS.iter().filter_map(|scenario| {
                    let mistake = Some(mistake);
                    let seed = 0;
                    broken(Experiment {
                        trigger,
                        scenario,
                        mistake,
                        seed,
                    })
                    .map(|broken| (scenario.name, broken))
                });
                let shown: Vec<_> = shown.collect();
                let name = mistake.name;
                let hurts = mistake.hurts.contains(&trigger);
                assert_eq!(!shown.is_empty(), hurts, "{name} {trigger:?}: {shown:?}");
                if hurts {
                    let (_, found) = (shown.iter())
                        .find(|(scenario, _)| *scenario == mistake.shown_by)
                        .unwrap_or_else(|| panic!("{name} {trigger:?}: {shown:?}"));
                    assert!(found.starts_with(mistake.word), "{name}: {found}");
                }
            }
        }
    }
}
