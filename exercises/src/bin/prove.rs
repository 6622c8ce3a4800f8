//! Proves the exercises: each fails as shipped with the symptom that its README shows, its
//! solution passes twenty times, and every wrong answer has a symptom of its own, which its first
//! lines show.
//!
//! `cargo run -q -p exercises --bin prove`, or `… prove 7` for one of them with its symptoms.

use std::collections::BTreeMap;
use std::env;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use exercises::catalog::{self, Entry};
use exercises::judge::{Check, examine, shape};

/// A folder and its answers.
pub struct Exercise {
    folder: &'static str,
    answers: &'static [(&'static str, Check)],
}

include!(concat!(env!("OUT_DIR"), "/answers.rs"));

fn main() -> ExitCode {
    let only: Option<u32> = env::args().nth(1).and_then(|word| word.parse().ok());
    let entries = catalog::all();
    let wanted = entries
        .iter()
        .filter(|entry| only.is_none_or(|n| n == entry.number));
    let wanted: Vec<&Entry> = wanted.collect();
    let (next, faults) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let Some(entry) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = prove(entry, only.is_some());
                    faults.lock().expect("no panic").insert(entry.number, found);
                }
            });
        }
    });
    let faults = faults.into_inner().expect("no panic");
    let faults: Vec<String> = faults.into_values().flatten().collect();
    faults.iter().for_each(|fault| println!("{fault}"));
    println!("{} exercises, {} faults", wanted.len(), faults.len());
    if faults.is_empty() && !wanted.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What is wrong with an exercise.
fn prove(entry: &Entry, shows: bool) -> Vec<String> {
    let mut faults = Vec::new();
    let mut fault = |what: String| faults.push(format!("{}: {what}", entry.folder));
    let answers = ALL.iter().find(|exercise| exercise.folder == entry.folder);
    let answers = answers.map_or(&[][..], |exercise| exercise.answers);
    let wrong = answers
        .iter()
        .filter(|(name, _)| name.starts_with("wrong_"))
        .count();
    if wrong < 2 {
        fault(format!(
            "{wrong} wrong answers; there should be two at least"
        ));
    }
    texts(entry).into_iter().for_each(&mut fault);
    let readme = one_line(&entry.text("README.md"));
    let mut shapes = BTreeMap::new();
    for (name, check) in answers {
        if *name == "solution" {
            for round in 0..20 {
                if let Err(symptom) = examine(*check, round) {
                    fault(format!("the solution fails in round {round}: {symptom}"));
                    break;
                }
            }
            continue;
        }
        let Err(symptom) = examine(*check, 0) else {
            fault(format!("{name} passes"));
            continue;
        };
        if shows {
            println!("--- {name}: {symptom}");
        }
        let shape = one_line(&symptom.what);
        let shown = match *name {
            "todo" => readme.contains(&shape),
            name => heading(&entry.text(&format!("{name}.rs"))).contains(&shape),
        };
        if !shown {
            let place = if *name == "todo" {
                "README.md"
            } else {
                "its first lines"
            };
            fault(format!(
                "{name}: {place} should show its symptom: {}",
                symptom.what
            ));
        }
        if let Some(other) = shapes.insert(shape, name) {
            fault(format!(
                "{name} and {other} have the same symptom: {}",
                symptom.what
            ));
        }
    }
    faults
}

/// What is wrong with the texts around it.
fn texts(entry: &Entry) -> Vec<String> {
    let mut faults = Vec::new();
    let hints = entry.hints();
    if hints.len() < 2 || hints.iter().any(String::is_empty) {
        faults.push("hint.md needs two steps at least, each below a `## ` heading".to_owned());
    }
    let readme = entry.text("README.md");
    for link in readme
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
    {
        if !entry.path(link).exists() {
            faults.push(format!("README.md leads to {link}, which is not there"));
        }
    }
    let program = format!("../src/bin/{}.rs", entry.program());
    for file in ["todo.rs", "check.rs"] {
        let path = format!("\"../../{}/{file}\"", entry.folder);
        if !entry.text(&program).contains(&path) {
            faults.push(format!("{program} does not judge {path}"));
        }
    }
    faults
}

/// The `//!` lines of a file, as one shape.
fn heading(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix("//!"));
    one_line(&lines.collect::<Vec<_>>().join(" "))
}

/// A text without its line ends and numbers.
fn one_line(text: &str) -> String {
    shape(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}
