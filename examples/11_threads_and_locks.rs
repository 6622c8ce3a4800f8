//! Threads that share memory: a race, three cures, and who waits for whom.
//!
//! ```text
//! cargo run --example 11_threads_and_locks
//! ```
//!
//! *Needs:* nothing but std.
//!
//! *Shows:* a count that four threads increase: wrong without a lock, right with a `Mutex`, with an
//! atomic addition, and with a count for each thread, added up when they are joined; what each
//! costs. How long a lock is held. What `join` is for, and what becomes of a thread that is not
//! joined.
//!
//! *Cannot:* share anything with another process: `12_processes`. Nor bound how many threads there
//! are: `13_pool`.
//!
//! *The tutorial* shows under "without a lock" (未使用线程锁) a program with a lock. It sleeps a second
//! with the lock in hand, so that ten threads take ten seconds, one after the other. Its lock
//! (`RLock`) may be taken twice by one thread; Rust's may not, which shows here. In Python the
//! process waits for its threads; in Rust it ends with `main`.

use std::error::Error;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

const THREADS: u64 = 4;
const ROUNDS: u64 = 100_000;
const NAP: Duration = Duration::from_millis(20);

fn main() -> Result<(), Box<dyn Error>> {
    counting()?;
    holding()?;
    joining()
}

/// Runs `work` in four threads at once and prints what it counted.
///
/// A scope ends when its threads have: so they may borrow what lives outside of it.
fn race(name: &str, work: impl Fn() + Sync, total: impl Fn() -> u64) -> io::Result<()> {
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| (0..ROUNDS).for_each(|_| work()));
        }
    });
    let (counted, wanted) = (total(), THREADS * ROUNDS);
    let nanoseconds = begun.elapsed().as_nanos() / u128::from(wanted);
    writeln!(io::stdout(), "{name:<12} {counted:>6} of {wanted}, {nanoseconds:>3} ns each")
}

fn counting() -> io::Result<()> {
    // `gl_num += 1` is three steps: read, add, write. Between the first and the last, another
    // thread does the same with the same old value, and one of the two is lost. In safe Rust two
    // threads cannot write to a plain `u64` at all: that would not compile. So the steps are
    // written out.
    let number = AtomicU64::new(0);
    let read_add_write = || {
        let old = number.load(Ordering::Relaxed);
        if old.is_multiple_of(1000) {
            thread::yield_now(); // let another thread run right here: it may at any time
        }
        number.store(old + 1, Ordering::Relaxed);
    };
    race("no lock", read_add_write, || number.load(Ordering::Relaxed))?;

    let number = Mutex::new(0);
    let read = || *number.lock().unwrap_or_else(PoisonError::into_inner);
    let add = || *number.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    race("Mutex", add, read)?;

    // One instruction that does all three steps. Good for one number; two numbers that belong
    // together need a lock.
    let number = AtomicU64::new(0);
    let add = || {
        number.fetch_add(1, Ordering::Relaxed);
    };
    race("fetch_add", add, || number.load(Ordering::Relaxed))?;

    // Best of all is not to share: each thread returns its own count, and join hands it over.
    let begun = Instant::now();
    let total: u64 = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| (0..ROUNDS).fold(0, |count, _| std::hint::black_box(count + 1)))
            })
            .collect();
        threads.into_iter().filter_map(|it| it.join().ok()).sum()
    });
    let nanoseconds = begun.elapsed().as_nanos() / u128::from(THREADS * ROUNDS);
    let name = "own count";
    writeln!(
        io::stdout(),
        "{name:<12} {total:>6} of {}, {nanoseconds:>3} ns each",
        THREADS * ROUNDS
    )
}

fn holding() -> io::Result<()> {
    let number = Mutex::new(0);
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                let mut number = number.lock().unwrap_or_else(PoisonError::into_inner);
                *number += 1;
                thread::sleep(NAP); // the tutorial's place: all others wait
            });
        }
    });
    let inside = begun.elapsed().as_millis();
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                *number.lock().unwrap_or_else(PoisonError::into_inner) += 1; // this line only
                thread::sleep(NAP);
            });
        }
    });
    let outside = begun.elapsed().as_millis();
    writeln!(io::stdout(), "ten naps of 20 ms: {inside} ms with the lock, {outside} ms without")?;

    let held = number.lock().unwrap_or_else(PoisonError::into_inner);
    let again = matches!(number.try_lock(), Err(TryLockError::WouldBlock));
    writeln!(io::stdout(), "the same lock twice in one thread would wait for ever: {again}")?;
    drop(held);
    Ok(())
}

fn joining() -> Result<(), Box<dyn Error>> {
    let mut threads = Vec::new();
    for i in 0..10 {
        // `Builder`, because `thread::spawn` panics where the system has no thread left.
        threads.push(thread::Builder::new().name(format!("thread{i}")).spawn(move || {
            thread::sleep(NAP);
            writeln!(io::stdout(), "thread{i}")
        })?);
    }
    writeln!(io::stdout(), "main thread stop")?; // first, as in the tutorial: the others nap
    for thread in threads {
        // join returns what the thread returned, or its panic.
        thread.join().map_err(|_| "a thread panicked")??;
    }
    thread::Builder::new().spawn(|| {
        thread::sleep(Duration::from_secs(5));
        let _ = writeln!(io::stdout(), "this is never printed");
    })?;
    // Not joined (Python: daemon): it is cut off with the process, wherever it is.
    writeln!(io::stdout(), "a detached thread sleeps on, and main ends now")?;
    Ok(())
}
