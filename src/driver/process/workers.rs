//! The threads of a running server: each loop in its own, and one that waits for signals.
//!
//! *Floor 4.* The calling thread does nothing but wait: one signal wakes all loops to stop, a
//! second one ends them. The loops share nothing but what `plan.rs` holds and what
//! their services have in common, as the directory of uploads.
//!
//! *References:* signal-safety(7) (why a signal becomes a byte in a pipe).

#![expect(clippy::disallowed_methods, reason = "one thread per loop starts here")]

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::admin::Admin;
use super::plan::WorkerPlan;
use super::reloading::Reloading;
use super::supervisor::{Supervisor, Watchdog, Watched};
use crate::driver::blocking::pulse::Pulse;
use crate::driver::blocking::{Around, Blocking};
use crate::driver::event_loop::EventLoop;
use crate::driver::observe::in_flight::InFlight;
use crate::driver::observe::metrics::MetricSource;
use crate::driver::observe::observer::Observer;
use crate::driver::offload::{JobsView, Offload};
use crate::driver::settings::Settings;
use crate::kernel::{Acceptor, InjectedKernel, Kernel, Linux, Listener, Steering, Stop};
use crate::readiness::Selector;
use crate::service::{HostName, LiveReload, Service, Tallies, TreeWatcher};

/// The loops at work, and what stops them.
pub(super) struct WorkerThreads {
    plan: WorkerPlan,
    /// Bytes from signals and from loops that end.
    news: UnixStream,
    tell: Arc<UnixStream>,
    signals: Vec<signal_hook::SigId>,
    watched: Watched,
    stop: Stop,
    /// What waits in the lanes of each loop.
    jobs: Vec<JobsView>,
    admin: Option<Admin>,
    reloading: Option<Reloading>,
    threads: Vec<thread::JoinHandle<io::Result<()>>>,
}

/// How long clients still arrive whose handshakes began before new ones were steered away: a round
/// trip, so more than the planet is wide.
const HANDOVER: Duration = Duration::from_millis(250);

/// Signals that would end the process by default (signal(7)) and ask for nothing that it does: a
/// terminal that closes (the program stops by it, with a [`Stopper`](super::server::Stopper)), a request to read its configuration or to open its log again, timers that
/// it has not set, a log that has reached the size allowed to it (setrlimit(2), `RLIMIT_FSIZE`;
/// write(2) then fails, which costs the lines). SIGPIPE was ignored before `main`.
const SURVIVED: [Signal; 10] = [
    Signal::HUP,
    Signal::USR1,
    Signal::USR2,
    Signal::ALARM,
    Signal::VTALARM,
    Signal::PROF,
    Signal::IO,
    Signal::POWER,
    Signal::STKFLT,
    Signal::XFSZ,
];

/// The byte of a [`Stopper`](super::server::Stopper).
pub(super) const ASKED: u8 = b'?';

/// The byte of a loop that has ended; signal-hook's bytes are `X`.
const ENDED: u8 = b'.';

impl WorkerThreads {
    pub(super) fn new(
        plan: WorkerPlan,
        (news, tell): (UnixStream, Arc<UnixStream>),
    ) -> io::Result<Self> {
        let mut signals = Vec::new();
        for signal in [SIGINT, SIGTERM] {
            signals.push(signal_hook::low_level::pipe::register(
                signal,
                tell.try_clone()?,
            )?);
        }
        for signal in SURVIVED {
            let nobody_looks = Arc::new(AtomicBool::new(false));
            let heard = signal_hook::flag::register(signal.as_raw(), nobody_looks)?;
            signals.push(heard);
        }
        let stop = Stop::new()?;
        let threads = Vec::new();
        Ok(Self {
            plan,
            news,
            tell,
            signals,
            watched: Watched::default(),
            stop,
            jobs: Vec::new(),
            admin: None,
            reloading: None,
            threads,
        })
    }

    pub(super) fn start_loop<Sel, S>(
        &mut self,
        listeners: Vec<Listener>,
        service: S,
    ) -> io::Result<()>
    where
        Sel: Selector + 'static,
        S: Service,
    {
        // First the turn, then the access lines of its answers, where both go to the same place.
        let injector = self.plan.injector();
        let observers = (self.plan.recorders(injector.as_ref()), self.plan.watchers());
        if let Some(injector) = injector {
            let kernel = || Ok(InjectedKernel::new(Linux::<Sel>::new()?, injector));
            return self.spawn_loop(kernel, listeners, service, observers);
        }
        let kernel = Linux::<Sel>::new;
        match observers {
            (None, None) => self.spawn_loop(kernel, listeners, service, ()),
            some => self.spawn_loop(kernel, listeners, service, some),
        }
    }

    /// Makes the loop in its own thread, where its kernel stays, and waits until it stands.
    fn spawn_loop<K, S, O>(
        &mut self,
        kernel: impl FnOnce() -> io::Result<K> + Send + 'static,
        listeners: Vec<K::Listener>,
        service: S,
        observer: O,
    ) -> io::Result<()>
    where
        K: Kernel<Listener: Send> + 'static,
        S: Service,
        O: Observer + Send + 'static,
    {
        let settings = self.plan.settings().observed_by(observer);
        let offload = Offload::threads();
        self.jobs.push(offload.view());
        let (standing, stands) = mpsc::sync_channel(1);
        self.spawn("loop", move || {
            let made =
                kernel().and_then(|k| EventLoop::new(k, listeners, service, settings, offload));
            let (handle, own) = made.map(|own| (own.handle(), own)).map_or_else(
                |error| (Err(error), None),
                |(handle, own)| (Ok(handle), Some(own)),
            );
            let _ = standing.send(handle);
            own.map_or(Ok(()), |mut own| own.run())
        })?;
        let handle = stands
            .recv()
            .map_err(|_| io::Error::other("a loop did not start"))??;
        self.watched.loops.push(handle);
        Ok(())
    }

    pub(super) fn start_blocking<S: Service>(
        &mut self,
        listeners: Vec<Listener>,
        service: S,
        run: fn(Blocking<S>) -> io::Result<()>,
    ) -> io::Result<()> {
        let watchers = self.plan.watchers();
        let pulse = Arc::new(Pulse::default());
        self.watched.pulses.push(Arc::clone(&pulse));
        let plan = &mut self.plan;
        let driver = Blocking {
            acceptor: Acceptor::new(listeners, self.stop.clone(), plan.grace),
            service,
            settings: Settings {
                connections_max: plan.threads_max,
                ..plan.settings()
            },
            around: Around {
                trace: plan.trace.as_ref().map(|(lines, _)| lines.clone()),
                faults: plan.faults.clone(),
            },
            pulse,
            watchers,
        };
        self.spawn("acceptor", move || run(driver))
    }

    /// Answers operators, now that all loops stand.
    pub(super) fn start_admin(
        &mut self,
        listeners: Vec<Listener>,
        names: &[HostName],
        tallies: Tallies,
    ) -> io::Result<()> {
        let source = MetricSource {
            loops: self.plan.shown.clone().unwrap_or_default(),
            jobs: std::mem::take(&mut self.jobs),
            tallies,
            backend: self.plan.backend,
        };
        let live = self.plan.live.clone();
        self.admin = Some(Admin::start(listeners, source, live, names)?);
        Ok(())
    }

    /// Has pages told of changes.
    pub(super) fn start_reloading(
        &mut self,
        tree: TreeWatcher,
        reload: LiveReload,
    ) -> io::Result<()> {
        let told = self.plan.told.clone();
        self.reloading = Some(Reloading::start(tree, reload, told)?);
        Ok(())
    }

    fn spawn(
        &mut self,
        name: &str,
        work: impl FnOnce() -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let mut tell = self.tell.try_clone()?;
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                // PITFALL: a panic must be told too, or the process waits for its loop for ever.
                let result = catch_unwind(AssertUnwindSafe(work))
                    .unwrap_or_else(|_| Err(io::Error::other("a loop panicked")));
                // The other end is closed only when the process is ending anyway.
                let _ = tell.write_all(&[ENDED]);
                result
            })?;
        self.threads.push(thread);
        Ok(())
    }

    /// The order matters: first new connections go to the successor, if there is one, then those
    /// who are there already are let in, and only then the listeners close.
    fn stop(&self, steering: Option<Steering>) {
        let steered = steering.is_some_and(Steering::steer);
        let drain = if steered { HANDOVER } else { Duration::ZERO };
        for one in &self.watched.loops {
            one.shutdown_after(drain);
        }
        self.stop.stop(drain);
    }

    /// Idle connections are gone by now; what is left is in flight, be it an upload, a download or
    /// a last answer that its client has yet to acknowledge.
    fn tell_why_it_waits(&self) {
        let left = InFlight::in_words(&self.plan.in_flight);
        if let Some((log, left)) = self.plan.told.as_ref().zip(left) {
            let grace = self.plan.grace.as_secs_f64();
            log.say(format!(
                "httpoll stops: {left} to finish, {grace} s at most; again to stop now\n"
            ));
        }
    }

    /// Waits for the end, passing signals on.
    pub(super) fn wait(
        mut self,
        supervisor: &Supervisor,
        mut steering: Option<Steering>,
    ) -> io::Result<()> {
        self.plan.log = None;
        let trace_end = self.plan.trace.take().and_then(|(_, end)| end);
        let record_end = self.plan.close_record();
        let mut watchdog = Watchdog::new(supervisor, &self.watched);
        self.news.set_read_timeout(watchdog.period)?;
        supervisor.ready();
        let mut running = self.threads.len();
        let (mut stopping, mut told) = (false, false);
        while running > 0 {
            let mut byte = [0];
            match self.news.read(&mut byte) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    watchdog.look(supervisor, &self.watched);
                    if stopping && !told {
                        told = true;
                        self.tell_why_it_waits();
                        self.news.set_read_timeout(watchdog.period)?;
                    }
                }
                Err(error) => return Err(error),
                Ok(_) if byte[0] == ENDED => running -= 1,
                Ok(_) if stopping && byte[0] == ASKED => {}
                Ok(_) if stopping => std::process::exit(1),
                Ok(_) => {
                    stopping = true;
                    supervisor.stopping();
                    if let Some(admin) = &self.admin {
                        admin.drain();
                    }
                    self.reloading.take().into_iter().for_each(Reloading::end);
                    self.stop(steering.take());
                    self.news.set_read_timeout(Some(STOP_TAKES_TIME))?;
                }
            }
        }
        // Loops that have failed were not told to stop.
        self.reloading.take().into_iter().for_each(Reloading::end);
        if let Some(admin) = self.admin.take() {
            admin.end();
        }
        for signal in self.signals.drain(..) {
            signal_hook::low_level::unregister(signal);
        }
        let panicked = |_| Err(io::Error::other("a loop panicked"));
        let joined = self.threads.drain(..).map(thread::JoinHandle::join);
        let ended = joined.map(|joined| joined.unwrap_or_else(panicked));
        let result = ended.fold(Ok(()), Result::and);
        // Above all if a loop has failed: they say what it did before.
        for end in trace_end.into_iter().chain(record_end) {
            end.wait(LINES_PATIENCE);
        }
        result
    }
}

/// A stop that takes longer than this says why. Clients that have just come in were given a moment
/// for their first request, and are gone by then.
const STOP_TAKES_TIME: Duration = Duration::from_millis(500);

/// How long the last lines of the trace, and of the record, may take at the end.
const LINES_PATIENCE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::config::Config;
    use crate::conn::CloseReason;
    use crate::driver::observe::observer::{Fact, Woke};
    use crate::http::Tick;
    use crate::readiness::Token;

    #[test]
    fn a_loop_that_panics_ends_the_server() {
        let plan = WorkerPlan::new(&Config::default(), None, None).unwrap();
        let (news, tell) = UnixStream::pair().unwrap();
        let mut workers = WorkerThreads::new(plan, (news, Arc::new(tell))).unwrap();
        workers.spawn("loop", || panic!("as a test")).unwrap();
        let error = workers.wait(&Supervisor::default(), None).unwrap_err();
        assert_eq!(error.to_string(), "a loop panicked");
    }

    /// Takes what it is given when the loop has ended, and a moment later.
    struct Late(Arc<Mutex<Vec<u8>>>, mpsc::Receiver<()>);

    impl Write for Late {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.1.recv();
            let (_never, tells) = mpsc::channel::<()>();
            let _ = tells.recv_timeout(Duration::from_millis(10));
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_record_of_a_loop_that_panics_is_written_to_its_end() {
        let (kept, (running, ended)) = (Arc::default(), mpsc::channel());
        let out = Box::new(Late(Arc::clone(&kept), ended));
        let plan = WorkerPlan::new(&Config::default(), None, None).unwrap();
        let mut plan = plan.recorded_to(Some(out)).unwrap();
        let mut recorder = plan.recorders(None).unwrap();
        let (news, tell) = UnixStream::pair().unwrap();
        let mut workers = WorkerThreads::new(plan, (news, Arc::new(tell))).unwrap();
        let work = move || {
            let _running = running;
            let (timeout, events, woke) = (None, &[][..], Woke::Ready);
            let now = &Tick::for_tests();
            let start = Fact::TurnStarted {
                timeout,
                events,
                woke,
                now,
            };
            recorder.observe(&start);
            recorder.observe(&Fact::TurnEnded { lag: None });
            recorder.observe(&start);
            let reason = CloseReason::Evicted;
            let token = Token::new(7, 7);
            recorder.observe(&Fact::Closed { token, reason });
            panic!("as a test")
        };
        workers.spawn("loop", work).unwrap();
        workers.wait(&Supervisor::default(), None).unwrap_err();
        let text = String::from_utf8(kept.lock().unwrap().clone()).unwrap();
        assert!(text.contains("\"turn\":1"), "{text}");
        let last = text.lines().last().unwrap();
        // What was done in the turn that did not end, the last of which is what was fatal.
        assert!(
            last.contains("\"turn\":2") && last.contains("\"7.7\""),
            "{text}"
        );
    }
}
