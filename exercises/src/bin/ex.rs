//! `cargo ex`: lists the exercises, runs one, shows its hints and its solution.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use exercises::catalog::{self, Entry};
use exercises::judge::say;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let all = catalog::all();
    let (number, command) = match words.as_slice() {
        [] => return list(&all),
        ["all"] => return try_all(&all),
        [number, command @ ..] => (*number, command),
    };
    let is_meant = |entry: &&Entry| match number.parse::<u32>() {
        Ok(n) => entry.number == n,
        Err(_) => entry.name() == number,
    };
    let Some(entry) = all.iter().find(is_meant) else {
        let last = all.last().map_or(0, |entry| entry.number);
        return usage(&format!(
            "there is no exercise {number:?}: they have numbers, 1 to {last}, and names; `cargo ex` lists both"
        ));
    };
    match command {
        [] => run(entry),
        ["hint"] => hint(entry, "1"),
        ["hint", step] => hint(entry, step),
        ["solution"] => solution(entry),
        _ => usage(&format!(
            "an exercise has `hint` and `solution`, and no {:?}",
            command.join(" ")
        )),
    }
}

/// The reason alone: below a list of commands it would not be seen.
fn usage(what: &str) -> ExitCode {
    eprintln!("{what}");
    ExitCode::from(2)
}

const USAGE: &str = "\
cargo ex                the exercises, and which of them you have solved
cargo ex all            the same, after building those that are blank there
cargo ex 7              judges exercises/07_*/todo.rs; so does `cargo ex drain`
cargo ex 7 hint         the first hint; cargo ex 7 hint 2 is the next one
cargo ex 7 solution     one solution";

/// Those that do not compile stay blank; the others are not held up by them.
fn try_all(all: &[Entry]) -> ExitCode {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // Not `--bins`: `prove` takes every answer in, and an error would be shown twice.
    let programs = all
        .iter()
        .flat_map(|entry| ["--bin".to_owned(), entry.program()]);
    let words = ["build", "-q", "-p", "exercises", "--keep-going"];
    let built = Command::new(cargo).args(words).args(programs).status();
    if !built.is_ok_and(|status| status.success()) {
        say("");
    }
    list(all)
}

fn list(all: &[Entry]) -> ExitCode {
    // Each in a process of its own, and all at once: none takes longer than its time limit.
    let states: Vec<_> = all.iter().map(begin).collect();
    for (entry, state) in all.iter().zip(states) {
        say(format!(
            "{:>3}  {:7}  {:17}  {}",
            entry.number,
            end(state),
            entry.name(),
            title(entry)
        ));
    }
    say(format!(
        "\nBlank: not built since todo.rs was changed.\n\n{USAGE}"
    ));
    ExitCode::SUCCESS
}

fn title(entry: &Entry) -> &str {
    entry
        .title
        .split_once(". ")
        .map_or(&entry.title, |(_, title)| title)
}

/// The program of an exercise, if it was built after its file was last changed. Nothing is stored:
/// what it says now is whether the exercise is solved.
fn begin(entry: &Entry) -> Option<std::process::Child> {
    let program = env::current_exe().ok()?.with_file_name(entry.program());
    let changed = |path: &PathBuf| fs::metadata(path)?.modified();
    if changed(&program).ok()? < changed(&entry.path("todo.rs")).ok()? {
        return None;
    }
    Command::new(program)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()
}

fn end(state: Option<std::process::Child>) -> &'static str {
    match state.map(|mut child| child.wait()) {
        Some(Ok(status)) if status.success() => "solved",
        Some(_) => "fails",
        None => "",
    }
}

/// Built on its own: an error in one exercise concerns no other.
fn run(entry: &Entry) -> ExitCode {
    let (number, file) = (entry.number, format!("exercises/{}/todo.rs", entry.folder));
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let package = ["-q", "-p", "exercises", "--bin", &entry.program()];
    let built = Command::new(&cargo).arg("build").args(package).status();
    if !built.is_ok_and(|status| status.success()) {
        say(format!("\n{file} does not compile."));
        return ExitCode::FAILURE;
    }
    say(format!("{}\n", entry.title));
    let judged = Command::new(&cargo).arg("run").args(package).status();
    if judged.is_ok_and(|status| status.success()) {
        say("Solved.");
        say(format!("Another way:        cargo ex {number} solution"));
        say(format!(
            "What others tried:  exercises/{}/wrong_*.rs",
            entry.folder
        ));
        return ExitCode::SUCCESS;
    }
    say(format!(
        "\nThe task: exercises/{}/README.md\nYours:    {file}",
        entry.folder
    ));
    say(format!("Stuck:    cargo ex {number} hint"));
    ExitCode::FAILURE
}

fn hint(entry: &Entry, step: &str) -> ExitCode {
    let (number, hints) = (entry.number, entry.hints());
    let count = hints.len();
    let at = step.parse().ok().and_then(|n: usize| n.checked_sub(1));
    let Some(hint) = at.and_then(|at| hints.get(at)) else {
        return usage(&format!(
            "exercise {number} has hints 1 to {count}, and no hint {step}"
        ));
    };
    say(format!("{hint}\n"));
    match at.map_or(0, |at| at + 2) {
        next if next <= count => say(format!(
            "The next of {count}: cargo ex {number} hint {next}"
        )),
        _ => say(format!(
            "That was the last one. Then: cargo ex {number} solution"
        )),
    }
    ExitCode::SUCCESS
}

fn solution(entry: &Entry) -> ExitCode {
    say(entry.text("solution.rs").trim_end());
    ExitCode::SUCCESS
}
