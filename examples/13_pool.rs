//! A fixed number of workers over a queue: results by callback, or waited for; a clean end.
//!
//! ```text
//! cargo run --example 13_pool                    ten jobs of 200 ms, five workers
//! cargo run --example 13_pool -- 100 20          a hundred jobs of 20 ms
//! ```
//!
//! *Needs:* nothing but std.
//!
//! *Shows:* what bounds `08_thread_chat` bounds here by construction: five threads, and jobs that
//! wait in a queue of bounded length; who hands in more waits. `apply` returns something to wait
//! on, `apply_async` calls back; `join` lets the queue run empty and the workers end.
//!
//! *Cannot:* help where jobs wait instead of working: five silent clients are five workers that do
//! nothing, and the sixth job waits. Waiting is what `22_http_select` to `25_http_epoll_edge` do in
//! one thread; a pool is for what needs a processor, or a disk, beside them.
//!
//! *The tutorial* wrote `apply_async(…).get()`, which waits at once and so runs one job at a time.
//! Its pool swallowed the exception of a job that has a callback, and never called back. Here a
//! panic ends its job, not its worker, and the callback is told.

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What a worker is given: a closure that may go to another thread, and is called once.
type Job = Box<dyn FnOnce() + Send>;

struct Pool {
    jobs: SyncSender<Job>,
    workers: Vec<JoinHandle<()>>,
}

impl Pool {
    fn new(workers: usize) -> io::Result<Self> {
        let (jobs, queue) = sync_channel::<Job>(2 * workers);
        // A channel has one receiver; the lock makes it one that the workers take turns with.
        let queue = Arc::new(Mutex::new(queue));
        let workers = (0..workers)
            .map(|i| {
                let queue = Arc::clone(&queue);
                thread::Builder::new().name(format!("worker {i}")).spawn(move || work(&queue))
            })
            .collect::<io::Result<_>>()?;
        Ok(Self { jobs, workers })
    }

    /// Hands in `job`, and calls `callback` with its result, in the worker's thread. None: it
    /// panicked.
    fn apply_async<T>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
        callback: impl FnOnce(Option<T>) + Send + 'static,
    ) -> Result<(), Box<dyn Error>> {
        let whole = move || callback(panic::catch_unwind(AssertUnwindSafe(job)).ok());
        self.jobs.send(Box::new(whole)).map_err(|_| "no worker is left")?;
        Ok(())
    }

    /// Hands in `job`, and returns where its result will come.
    fn apply<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Receiver<Option<T>>, Box<dyn Error>> {
        let (sender, result) = channel();
        self.apply_async(job, move |value| {
            let _ = sender.send(value); // nobody may wait for it any more
        })?;
        Ok(result)
    }

    /// No further jobs; waits until those in the queue are done.
    fn join(self) {
        drop(self.jobs); // the queue ends once it is empty, and with it each worker
        for worker in self.workers {
            let _ = worker.join();
        }
    }
}

/// What each worker does: take a job, do it, again.
fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        // In a statement of its own, so that the lock is free again before the job begins.
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            // A callback that panics must not end its worker either.
            Ok(job) => drop(panic::catch_unwind(AssertUnwindSafe(job))),
            Err(_) => return, // closed and empty
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let jobs: u64 =
        words.next().map_or(Ok(10), |word| word.parse()).map_err(|_| "say JOBS MILLISECONDS")?;
    let nap =
        words.next().map_or(Ok(200), |word| word.parse()).map_err(|_| "say JOBS MILLISECONDS")?;
    let nap = Duration::from_millis(nap);
    let pool = Pool::new(5)?;

    let add_slowly = move |i: u64| {
        thread::sleep(nap);
        i + 100
    };
    let waited = pool.apply(move || add_slowly(1))?.recv()?;
    writeln!(io::stdout(), "waited for: {waited:?}")?;

    let failed = pool.apply(|| -> u64 { panic!("this job cannot be done") })?.recv()?;
    writeln!(io::stdout(), "a job that panics: {failed:?}")?;

    let begun = Instant::now();
    for i in 0..jobs {
        pool.apply_async(
            move || add_slowly(i),
            |result| {
                let _ = writeln!(io::stdout(), "{result:?} by {:?}", thread::current().name());
            },
        )?;
    }
    writeln!(io::stdout(), "end")?; // handed in, not done
    pool.join();
    writeln!(io::stdout(), "{jobs} jobs in {} ms", begun.elapsed().as_millis())?;
    Ok(())
}
