//! The judge: an answer is right, or it has a symptom.

use std::any::Any;
use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::thread;
use std::time::Duration;

/// What an exercise's `check.rs` exports. The number shifts the seeds: a right answer is right in
/// every round.
pub type Check = fn(round: u64) -> Verdict;

/// Nothing to say, or what went wrong.
pub type Verdict = Result<(), Symptom>;

/// What went wrong, as somebody in front of the program would describe it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Symptom {
    /// One sentence.
    pub what: String,
    /// What was sent, or the last turns of the loop.
    pub seen: Vec<String>,
}

impl Symptom {
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            seen: Vec::new(),
        }
    }

    /// What led to it.
    #[must_use]
    pub fn seen(mut self, lines: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.seen.extend(lines.into_iter().map(Into::into));
        self
    }
}

/// A sentence without its numbers, which change with every seed.
pub fn shape(sentence: &str) -> String {
    let mut shape = String::new();
    for c in sentence.chars() {
        match c.is_ascii_digit() {
            false => shape.push(c),
            true if shape.ends_with('#') => {}
            true => shape.push('#'),
        }
    }
    shape
}

impl fmt::Display for Symptom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.what)?;
        for line in &self.seen {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}

/// Fails with a sentence unless the condition holds.
#[macro_export]
macro_rules! ensure {
    ($holds:expr, $($sentence:tt)+) => {
        if !$holds {
            return Err($crate::Symptom::new(format!($($sentence)+)));
        }
    };
}

/// `main` of an exercise.
pub fn main(check: Check) -> ExitCode {
    match examine(check, 0) {
        Ok(()) => ExitCode::SUCCESS,
        Err(symptom) => {
            say(symptom);
            ExitCode::FAILURE
        }
    }
}

/// Runs a check in a thread of its own: one that panics or never ends has a symptom too.
pub fn examine(check: Check, round: u64) -> Verdict {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| panic::set_hook(Box::new(remember_panic)));
    let trying = Trying::default();
    let (tell, told) = mpsc::channel();
    let theirs = trying.clone();
    thread::spawn(move || {
        TRYING.set(theirs);
        let verdict = panic::catch_unwind(AssertUnwindSafe(|| check(round)));
        let _ = tell.send(verdict.unwrap_or_else(|payload| Err(from_panic(&*payload))));
    });
    match told.recv_timeout(LIMIT) {
        Ok(verdict) => verdict,
        Err(RecvTimeoutError::Disconnected) => Err(Symptom::new("the check ended without a word")),
        Err(RecvTimeoutError::Timeout) => {
            let step = lock(&trying.0).clone();
            let what = format!(
                "no end: after {} s it is still at this: {step}",
                LIMIT.as_secs()
            );
            Err(Symptom::new(what))
        }
    }
}

/// Runs something that panics if it fails; what it said then, in one line.
///
/// # Errors
/// If it panicked.
pub fn attempt(work: impl FnOnce()) -> Result<(), String> {
    let ended = panic::catch_unwind(AssertUnwindSafe(work));
    ended.map_err(|payload| {
        let what = from_panic(&*payload).what;
        what.split_whitespace().collect::<Vec<_>>().join(" ")
    })
}

/// Prints a line. Whoever has seen enough may close the pipe.
pub fn say(line: impl fmt::Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Says what is being tried, for an answer that never comes back.
pub fn trying(step: impl Into<String>) {
    TRYING.with_borrow(|trying| *lock(&trying.0) = step.into());
}

/// Ends the check from inside an answer that would go on and on.
pub fn stuck(what: String) -> ! {
    panic::resume_unwind(Box::new(Stuck(what)))
}

struct Stuck(String);

#[derive(Clone, Default)]
struct Trying(Arc<Mutex<String>>);

thread_local! {
    static TRYING: RefCell<Trying> = RefCell::default();
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

fn remember_panic(info: &panic::PanicHookInfo<'_>) {
    let mut said = String::new();
    let payload = info.payload();
    let message = payload.downcast_ref::<String>().map(String::as_str);
    let message = message.or_else(|| payload.downcast_ref::<&str>().copied());
    let message = message.unwrap_or("no message");
    let _ = write!(said, "it panicked: {message}");
    if let Some(at) = info.location() {
        let file = at.file().rsplit('/').next().unwrap_or_default();
        let _ = write!(said, " ({file}, line {})", at.line());
    }
    PANIC.set(said);
}

fn from_panic(payload: &(dyn Any + Send)) -> Symptom {
    match payload.downcast_ref::<Stuck>() {
        Some(stuck) => Symptom::new(stuck.0.clone()),
        None => Symptom::new(PANIC.take()),
    }
}

fn lock(mutex: &Mutex<String>) -> std::sync::MutexGuard<'_, String> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A right answer takes less than a second; one that waits for ever is not waited for.
const LIMIT: Duration = Duration::from_secs(10);
