//! A record of the loop: made in the lab, printed, compared, judged.
//!
//! ```text
//! cargo run --example 40_record                            the scenarios and mistakes of the lab
//! cargo run --example 40_record -- lab edge early          a record, as lines of JSON
//! cargo run --example 40_record -- lab edge early budget   the same with a mistake
//! cargo run --example 40_record -- show edge early budget  the same as text
//! cargo run --example 40_record -- text FILE               a record as text
//! cargo run --example 40_record -- diff FILE FILE          where two of them differ
//! cargo run --example 40_record -- check FILE              whether its loops keep to the table
//! cargo run --example 40_record -- trace FILE              for a viewer of Trace Event Format
//! ```
//!
//! *Needs:* `cargo add httpoll similar serde_json --features httpoll/sim`.
//!
//! *Shows:* what the loop knew when it left each connection: Wanted, Ready, Armed, Queued, for
//! reading and for writing. `FILE` may be `-`; a server makes one with `--record FILE`.
//!
//! *Cannot:* draw it. The page does: `/` of a server with `--admin`, `www/loop.html`.

use std::env;
use std::error::Error;
use std::fs;
use std::io;

use httpoll::driver::lab::{Experiment, MISTAKES, SCENARIOS};
use httpoll::driver::record::{Checker, Did, Heading, Text, TurnRecord};
use httpoll::readiness::Trigger;
use serde_json::{json, to_string};
use similar::TextDiff;

type Failed = Box<dyn Error>;

struct Record {
    heading: Heading,
    turns: Vec<TurnRecord>,
}

fn main() -> Result<(), Failed> {
    let words: Vec<_> = env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            for one in SCENARIOS {
                println!("{:<16}{}", one.name, one.title);
            }
            println!();
            for one in MISTAKES {
                println!("{:<16}{}", one.name, one.title);
            }
        }
        ["lab", trigger, scenario] => lab(trigger, scenario, None)?.print()?,
        ["lab", trigger, scenario, mistake] => lab(trigger, scenario, Some(mistake))?.print()?,
        ["show", trigger, scenario] => print!("{}", lab(trigger, scenario, None)?.text()),
        ["show", trigger, scenario, mistake] => {
            print!("{}", lab(trigger, scenario, Some(mistake))?.text());
        }
        ["text", file] => print!("{}", read(file)?.text()),
        ["diff", one, other] => {
            let (one, other) = (read(one)?.text(), read(other)?.text());
            print!("{}", TextDiff::from_lines(&one, &other).unified_diff());
        }
        ["check", file] => {
            let record = read(file)?;
            let mut checker = Checker::new(record.heading.trigger);
            record.turns.iter().for_each(|turn| checker.follow(turn));
            match checker.broken() {
                Some(broken) => return Err(broken.into()),
                None => println!("kept, {} times", checker.settled()),
            }
        }
        ["trace", file] => println!("{}", read(file)?.trace()),
        _ => return Err("lab, show, text, diff, check or trace: see the head of this file".into()),
    }
    Ok(())
}

/// Runs the production loop in the simulator.
fn lab(trigger: &str, scenario: &str, mistake: Option<&str>) -> Result<Record, Failed> {
    let trigger = match trigger {
        "edge" => Trigger::Edge,
        "level" => Trigger::Level,
        other => return Err(format!("no trigger: {other}").into()),
    };
    let scenario = SCENARIOS.iter().find(|one| one.name == scenario).ok_or("no such scenario")?;
    let find = |name| MISTAKES.iter().find(|one| one.name == name).ok_or("no such mistake");
    let mistake = mistake.map(find).transpose()?;
    let found = Experiment { trigger, scenario, mistake, seed: 0 }.run();
    Ok(Record { heading: found.heading, turns: found.turns })
}

fn read(file: &str) -> Result<Record, Failed> {
    let text = match file {
        "-" => io::read_to_string(io::stdin())?,
        path => fs::read_to_string(path)?,
    };
    let lines: Vec<_> = text.lines().collect();
    let heading = serde_json::from_str(lines.first().ok_or("an empty record")?)?;
    let mut turns = Vec::new();
    for (number, line) in (1..).zip(&lines).skip(1) {
        // Remarks: turns that were lost, because the disk was full, or slower than the loop.
        let is_remark = |line: &&str| line.starts_with('#');
        match serde_json::from_str(line) {
            _ if line.is_empty() || is_remark(line) => {}
            Ok(turn) => turns.push(turn),
            Err(_) if lines.get(number).is_none_or(is_remark) => {
                eprintln!("line {number} breaks off, and is left out");
            }
            Err(error) => return Err(format!("line {number}: {error}").into()),
        }
    }
    Ok(Record { heading, turns })
}

impl Record {
    fn print(&self) -> Result<(), Failed> {
        println!("{}", to_string(&self.heading)?);
        for turn in &self.turns {
            println!("{}", to_string(turn)?);
        }
        Ok(())
    }

    fn text(&self) -> String {
        let trigger = self.heading.trigger;
        let turns = self.turns.iter().map(|turn| Text { turn, trigger }.to_string());
        let verdict = self.heading.verdict.iter().map(|verdict| format!("{verdict}\n"));
        turns.chain(verdict).collect()
    }

    /// One lane for each connection and direction; a turn is a millisecond long.
    fn trace(&self) -> serde_json::Value {
        let mut events = Vec::new();
        for turn in &self.turns {
            for did in &turn.facts {
                let at = turn.turn * 1_000;
                match did {
                    Did::Call(call) => events.push(json!({
                        "ph": "i", "s": "t", "ts": at, "pid": turn.worker, "tid": call.who,
                        "name": call.call, "args": call,
                    })),
                    Did::Settled(left) => {
                        let names = left.states(self.heading.trigger).map(|state| state.name());
                        for (way, name) in ["read", "write"].iter().zip(names) {
                            let lane = format!("{} {way}", left.who);
                            events.push(json!({
                                "ph": "X", "ts": at, "dur": 1_000, "pid": turn.worker,
                                "tid": lane, "name": name, "args": left,
                            }));
                        }
                    }
                    _ => {}
                }
            }
        }
        json!({ "traceEvents": events })
    }
}
