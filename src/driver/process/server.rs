//! A server in two steps: bound, then running.
//!
//! *Floor 4.* Between the two its addresses are known and nobody has been let in, which is the
//! moment to say where it is, to drop privileges, and to fail with nothing half-started.
//!
//! While it runs, the calling thread does nothing but wait for signals: one wakes all loops to
//! stop, a second one ends them. The loops share nothing but what `Config` holds.
//!
//! *References:* signal-safety(7) (why a signal becomes a byte in a pipe).
//! *Read next:* `event_loop/mod.rs`.

#![expect(clippy::disallowed_methods, reason = "one thread per loop starts here")]

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::net::SendFlags;
use rustix::process::Signal;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::admin::Admin;
use super::descriptors::{self, check_loops, room};
use super::supervisor::{Supervisor, Watchdog, Watched};
use crate::config::{Backend, Config, ListenAddr};
use crate::conn::Limits;
use crate::driver::blocking::pulse::Pulse;
use crate::driver::blocking::{Blocking, Terms};
use crate::driver::event_loop::EventLoop;
use crate::driver::mailbox::OtherLoops;
use crate::driver::observe::access_log::{AccessLog, LogBuffer};
use crate::driver::observe::counters::Published;
use crate::driver::observe::in_flight::InFlight;
use crate::driver::observe::lines::{Lines, LogEnd, Standard};
use crate::driver::observe::metrics::MetricSource;
use crate::driver::offload::Offload;
use crate::driver::offload::closing::close_elsewhere;
use crate::driver::per_address::PerAddress;
use crate::driver::settings::Settings;
use crate::http::TrustedProxies;
use crate::kernel::{
    self, Acceptor, Bound, Kernel, Linux, Listener, StartError, Steering, Stop, Traced,
};
use crate::readiness::{EpollEdge, EpollLevel, PollArray, SelectSets, Selector};
use crate::service::{self, HostName, Service};

/// A server whose addresses are bound. Clients that connect now wait in the backlog.
#[derive(Debug)]
pub struct Server {
    config: Config,
    bound: Bound,
    admin: Option<Bound>,
    /// Whether somebody else has bound them.
    inherited: bool,
    steering: Option<Steering>,
    supervisor: Supervisor,
    log: Option<AccessLog>,
    announcement: Option<(AccessLog, String)>,
    /// Where `run` hears news, and where they are told.
    news: UnixStream,
    tell: Arc<UnixStream>,
}

/// Connections that may wait to be accepted; the kernel takes the smaller of this and
/// net.core.somaxconn (listen(2)).
const BACKLOG: i32 = 4096;

impl Server {
    /// Binds all addresses of `config`, or none; with `config.activation`, takes the listeners that
    /// a service manager has left, if there are any.
    ///
    /// # Errors
    /// An address that is taken, privileged or not there.
    pub fn bind(mut config: Config) -> Result<Self, StartError> {
        config.workers = match config.backend {
            Backend::Threads | Backend::Blocking => 1,
            // A loop that may hold nobody would leave its clients in the backlog.
            _ => match config.connections_max {
                0 => config.workers.max(1),
                connections => config.workers.clamp(1, connections),
            },
        };
        let failed = |error: io::Error| StartError::new(error.to_string(), "raise ulimit -n");
        check_loops(&config)?;
        let (mut bound, inherited) = listeners(&config)?;
        for listeners in &mut bound.workers {
            for (at, listener) in listeners.iter_mut().enumerate() {
                if config.proxy_protocol.is_expected_at(at) {
                    listener.expect_proxies();
                }
            }
        }
        let admin = match &config.admin {
            None => None,
            Some(address) => {
                let (only, reuse) = (std::slice::from_ref(address), config.reuse_port);
                let bound = kernel::bind(only, 0, 1, reuse, BACKLOG);
                Some(bound.map_err(|error| error.of_option("--admin"))?)
            }
        };
        let steers = config.reuse_port && !inherited;
        let steering = steers.then(|| Steering::new(&bound)).transpose();
        let (news, tell) = UnixStream::pair().map_err(failed)?;
        Ok(Self {
            config,
            steering: steering.map_err(failed)?,
            bound,
            admin,
            inherited,
            supervisor: Supervisor::default(),
            log: None,
            announcement: None,
            news,
            tell: Arc::new(tell),
        })
    }

    /// The addresses, with the ports that the kernel chose where 0 was asked for.
    pub fn addresses(&self) -> &[ListenAddr] {
        &self.bound.addresses
    }

    /// Where metrics and health are answered, with the port that the kernel chose.
    pub fn admin_address(&self) -> Option<&ListenAddr> {
        self.admin.as_ref()?.addresses.first()
    }

    /// How many connections there is room for at once, whatever [`Config::connections_max`] says.
    pub fn room(&self) -> usize {
        room(self.config.backend)
    }

    /// How many connections the selector can announce at once, where the loops themselves take
    /// most of what it watches; those beyond are looked at by the clock.
    pub fn watched(&self) -> Option<usize> {
        descriptors::watched(&self.config)
    }

    /// Whether the addresses were bound by somebody else, whose their files are too.
    pub const fn is_inherited(&self) -> bool {
        self.inherited
    }

    /// Tells `supervisor` when all loops stand, when they stop, and that they turn.
    #[must_use]
    pub fn supervised_by(mut self, supervisor: Supervisor) -> Self {
        self.supervisor = supervisor;
        self
    }

    /// Reports each answer to `log`. The caller decides whether: [`Config::log`] is a wish, and
    /// whether there is a terminal is not the driver's business.
    #[must_use]
    pub fn log_to(mut self, log: Option<AccessLog>) -> Self {
        self.log = log;
        self
    }

    /// Says `text` once all loops stand and signals are heard: whoever reads it may stop the server
    /// at once, and is not to kill it by that.
    #[must_use]
    pub fn announced_by(mut self, log: AccessLog, text: String) -> Self {
        self.announcement = Some((log, text));
        self
    }

    /// A way to stop it from another thread.
    pub fn stopper(&self) -> Stopper {
        Stopper(Arc::clone(&self.tell))
    }

    /// Serves until SIGINT, SIGTERM or a [`Stopper`] stops it; `service` makes one service per loop. A second
    /// signal ends the process at once, with exit code 1.
    ///
    /// # Errors
    /// If a loop cannot be started or its kernel fails.
    pub fn run<S: Service>(self, mut service: impl FnMut() -> S) -> io::Result<()> {
        service::close_with(close_elsewhere);
        let told = self.announcement.as_ref().map(|(log, _)| log.clone());
        let plan = WorkerPlan::new(&self.config, self.log, told)?;
        let mut workers = WorkerThreads::new(plan, (self.news, self.tell))?;
        for listeners in self.bound.workers {
            let service = service();
            match self.config.backend {
                Backend::Edge => workers.start_loop::<EpollEdge, S>(listeners, service)?,
                Backend::Level => workers.start_loop::<EpollLevel, S>(listeners, service)?,
                Backend::Poll => workers.start_loop::<PollArray, S>(listeners, service)?,
                Backend::Select => workers.start_loop::<SelectSets, S>(listeners, service)?,
                Backend::Threads => {
                    workers.start_blocking(listeners, service, Blocking::run_threads)?;
                }
                Backend::Blocking => {
                    workers.start_blocking(listeners, service, Blocking::run_one_at_a_time)?;
                }
            }
        }
        for listeners in self.admin.into_iter().flat_map(|bound| bound.workers) {
            workers.start_admin(listeners, &self.config.admin_hosts)?;
        }
        if let Some((log, text)) = self.announcement {
            log.say(text);
        }
        workers.wait(&self.supervisor, self.steering)
    }
}

/// Stops a [`Server`] from another thread, as a first SIGTERM does.
#[derive(Clone, Debug)]
pub struct Stopper(Arc<UnixStream>);

impl Stopper {
    /// Lets the server finish what is in flight and end; one that has not begun to run ends as soon
    /// as it does. Saying so again, or too late, does nothing.
    pub fn stop(&self) {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        // Fails if it has ended, or was told a thousand times already.
        let _ = rustix::net::send(&*self.0, &[ASKED], flags);
    }
}

/// The listeners, and whether somebody else has bound them.
fn listeners(config: &Config) -> Result<(Bound, bool), StartError> {
    let (listen, port, workers) = (&config.listen, config.port, config.workers);
    if config.activation {
        let left = kernel::inherited()?;
        if !left.is_empty() {
            let adopted = Bound::adopt(left, workers);
            let bound =
                adopted.map_err(|error| StartError::new(error.to_string(), "raise ulimit -n"))?;
            return Ok((bound, true));
        }
    }
    let bound = kernel::bind(listen, port, workers, config.reuse_port, BACKLOG)?;
    Ok((bound, false))
}

/// What the loops have in common.
struct WorkerPlan {
    limits: Arc<Limits>,
    /// Connections that no loop has a share of yet, and loops that have none.
    connections_left: usize,
    loops_left: usize,
    per_address: Option<PerAddress>,
    threads_max: usize,
    grace: Duration,
    /// Where calls are printed, and how that ends.
    trace: Option<(Lines, Option<LogEnd>)>,
    log: Option<AccessLog>,
    /// Where it says why a stop takes its time.
    told: Option<AccessLog>,
    in_flight: Vec<InFlight>,
    other_loops: OtherLoops,
    proxies: Option<Arc<TrustedProxies>>,
    backend: Backend,
    /// Where each loop shows its numbers, if anybody asks for them.
    shown: Option<Vec<Arc<Published>>>,
}

impl WorkerPlan {
    fn new(config: &Config, log: Option<AccessLog>, told: Option<AccessLog>) -> io::Result<Self> {
        let mut limits = Limits::clone(&config.limits);
        limits.report_finished = log.is_some() || config.admin.is_some();
        limits.report_lines = log.is_some();
        limits.close_always |= config.backend == Backend::Blocking;
        let room = room(config.backend);
        let connections = match config.connections_max {
            0 => room,
            stated => stated.min(room),
        };
        let trace = config
            .trace
            .then(|| trace_lines(log.as_ref().or(told.as_ref())));
        let per_ip = u32::try_from(config.connections_per_ip_max).unwrap_or(u32::MAX);
        Ok(Self {
            limits: Arc::new(limits),
            connections_left: connections,
            loops_left: config.workers,
            per_address: (per_ip > 0).then(|| PerAddress::new(per_ip)),
            threads_max: config.threads_max.min(connections),
            grace: config.grace,
            trace: trace.transpose()?,
            log,
            told,
            in_flight: Vec::new(),
            other_loops: OtherLoops::default(),
            proxies: trusted(&config.trusted_proxies),
            backend: config.backend,
            shown: config.admin.as_ref().map(|_| Vec::new()),
        })
    }

    /// A place for another loop's numbers.
    fn show(&mut self) -> Option<Arc<Published>> {
        let shown = self.shown.as_mut()?;
        let place = Published::new();
        shown.push(Arc::clone(&place));
        Some(place)
    }

    /// How many connections the next loop may hold: what is left, divided among those that are. One
    /// at least, even where so few descriptors are left that all loops together then hold more.
    fn share(&mut self) -> usize {
        let share = self.connections_left.div_ceil(self.loops_left.max(1));
        self.connections_left -= share;
        self.loops_left = self.loops_left.saturating_sub(1);
        share.max(1)
    }

    /// Where another loop, or driver that waits, counts what a stop waits for.
    fn in_flight(&mut self) -> InFlight {
        let count = InFlight::default();
        self.in_flight.push(count.clone());
        count
    }

    fn settings(&mut self) -> Settings {
        Settings {
            in_flight: self.in_flight(),
            shown: self.show(),
            limits: Arc::clone(&self.limits),
            connections_max: self.share(),
            per_address: self.per_address.clone(),
            grace: self.grace,
            log: self.log.clone().map(LogBuffer::new),
            other_loops: self.other_loops.clone(),
            proxies: self.proxies.clone(),
            ..Settings::default()
        }
    }
}

/// Where calls are printed: on standard error. If that is where access lines go too, as on a
/// terminal, the same writer writes both, so that they stand in the order in which things happened.
fn trace_lines(log: Option<&AccessLog>) -> io::Result<(Lines, Option<LogEnd>)> {
    match log.and_then(AccessLog::lines_on_stderr) {
        Some(lines) => Ok((lines, None)),
        None => {
            let (lines, end) = Lines::start("trace", Standard::error())?;
            Ok((lines, Some(end)))
        }
    }
}

/// Nobody to trust is nothing to look for.
fn trusted(proxies: &TrustedProxies) -> Option<Arc<TrustedProxies>> {
    (*proxies != TrustedProxies::default()).then(|| Arc::new(proxies.clone()))
}

/// The loops at work, and what stops them.
struct WorkerThreads {
    plan: WorkerPlan,
    /// Bytes from signals and from loops that end.
    news: UnixStream,
    tell: Arc<UnixStream>,
    signals: Vec<signal_hook::SigId>,
    watched: Watched,
    stop: Stop,
    admin: Option<Admin>,
    threads: Vec<thread::JoinHandle<io::Result<()>>>,
}

/// How long clients still arrive whose handshakes began before new ones were steered away: a round
/// trip, so more than the planet is wide.
const HANDOVER: Duration = Duration::from_millis(250);

/// What would end the process if nobody heard it (signal(7)), and asks for nothing it has: a
/// terminal that closes, a request to read its configuration or to open its log again, timers of
/// nobody's, a log that has reached the size allowed to it (setrlimit(2), `RLIMIT_FSIZE`; write(2)
/// then fails, which costs the lines). SIGPIPE was ignored before `main`.
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

/// The byte of a loop that has ended; signal-hook's bytes are `X`.
const ENDED: u8 = b'.';

/// The byte of a [`Stopper`].
const ASKED: u8 = b'?';

impl WorkerThreads {
    fn new(plan: WorkerPlan, (news, tell): (UnixStream, Arc<UnixStream>)) -> io::Result<Self> {
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
            admin: None,
            threads,
        })
    }

    fn start_loop<Sel, S>(&mut self, listeners: Vec<Listener>, service: S) -> io::Result<()>
    where
        Sel: Selector + 'static,
        S: Service,
    {
        if let Some((lines, _)) = &self.plan.trace {
            let sink = lines.sink();
            let kernel = || {
                let kernel = Linux::<Sel>::new()?;
                Ok(Traced::printing(kernel, sink).with_times())
            };
            return self.spawn_loop(kernel, listeners, service);
        }
        self.spawn_loop(Linux::<Sel>::new, listeners, service)
    }

    /// Makes the loop in its own thread, where its kernel stays, and waits until it stands.
    fn spawn_loop<K, S>(
        &mut self,
        kernel: impl FnOnce() -> io::Result<K> + Send + 'static,
        listeners: Vec<K::Listener>,
        service: S,
    ) -> io::Result<()>
    where
        K: Kernel<Listener: Send> + 'static,
        S: Service,
    {
        let settings = self.plan.settings();
        let (standing, stands) = mpsc::sync_channel(1);
        self.spawn("loop", move || {
            let offload = Offload::threads();
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

    fn start_blocking<S: Service>(
        &mut self,
        listeners: Vec<Listener>,
        service: S,
        run: fn(Blocking<S>) -> io::Result<()>,
    ) -> io::Result<()> {
        let shown = self.plan.show();
        let in_flight = self.plan.in_flight();
        let plan = &self.plan;
        let pulse = Arc::new(Pulse::default());
        self.watched.pulses.push(Arc::clone(&pulse));
        let driver = Blocking {
            acceptor: Acceptor::new(listeners, self.stop.clone(), self.plan.grace),
            service,
            terms: Terms {
                limits: Arc::clone(&plan.limits),
                grace: plan.grace,
                trace: plan.trace.as_ref().map(|(lines, _)| lines.clone()),
                proxies: plan.proxies.clone(),
                per_address: plan.per_address.clone(),
                shown,
                in_flight,
                pulse: None,
            },
            threads_max: plan.threads_max,
            pulse,
            log: plan.log.clone().map(LogBuffer::new),
        };
        self.spawn("acceptor", move || run(driver))
    }

    /// Answers operators, now that all loops stand.
    fn start_admin(&mut self, listeners: Vec<Listener>, names: &[HostName]) -> io::Result<()> {
        let source = MetricSource {
            loops: self.plan.shown.clone().unwrap_or_default(),
            backend: self.plan.backend,
        };
        self.admin = Some(Admin::start(listeners, source, names)?);
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
                // PITFALL: a panic must be told too, or the process waits for its loop for ever, deaf.
                let result = catch_unwind(AssertUnwindSafe(work))
                    .unwrap_or_else(|_| Err(io::Error::other("a loop panicked")));
                // Nobody listens only when the process is ending anyway.
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

    /// Idle connections are gone by now; what is left is in flight, be it an upload, a download or a
    /// last answer that its client has yet to acknowledge.
    fn tell_why_it_waits(&self) {
        let left: usize = self.plan.in_flight.iter().map(InFlight::count).sum();
        let whom = match left {
            0 => return,
            1 => "1 client".to_owned(),
            many => format!("{many} clients"),
        };
        if let Some(log) = &self.plan.told {
            let grace = self.plan.grace.as_secs_f64();
            log.say(format!(
                "httpoll stops: {whom} to finish, {grace} s at most; again to stop now\n"
            ));
        }
    }

    /// Waits for the end, passing signals on.
    fn wait(mut self, supervisor: &Supervisor, mut steering: Option<Steering>) -> io::Result<()> {
        self.plan.log = None;
        let trace_end = self.plan.trace.take().and_then(|(_, end)| end);
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
                    self.stop(steering.take());
                    self.news.set_read_timeout(Some(STOP_TAKES_TIME))?;
                }
            }
        }
        if let Some(admin) = self.admin.take() {
            admin.end();
        }
        for signal in self.signals.drain(..) {
            signal_hook::low_level::unregister(signal);
        }
        for thread in self.threads.drain(..) {
            thread
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("a loop panicked")))?;
        }
        if let Some(end) = trace_end {
            end.wait(TRACE_PATIENCE);
        }
        Ok(())
    }
}

/// A stop that takes longer than this says why. Clients that have just come in were given a moment for
/// their first request, and are gone by then.
const STOP_TAKES_TIME: Duration = Duration::from_millis(500);

/// How long the last lines of the trace may take at the end.
const TRACE_PATIENCE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    use crate::http::{Request, Response, Tick};
    use crate::service::Reply;

    #[test]
    fn a_loop_that_panics_ends_the_server() {
        let plan = WorkerPlan::new(&Config::default(), None, None).unwrap();
        let (news, tell) = UnixStream::pair().unwrap();
        let mut workers = WorkerThreads::new(plan, (news, Arc::new(tell))).unwrap();
        workers.spawn("loop", || panic!("as a test")).unwrap();
        let error = workers.wait(&Supervisor::default(), None).unwrap_err();
        assert_eq!(error.to_string(), "a loop panicked");
    }

    #[test]
    fn a_server_can_be_stopped_without_a_signal() {
        for backend in Backend::ALL {
            let config = Config {
                backend,
                listen: vec!["127.0.0.1:0".parse().map(ListenAddr::Tcp).unwrap()],
                ..Config::default()
            };
            let server = Server::bind(config).unwrap();
            let stopper = server.stopper();
            let ListenAddr::Tcp(address) = server.addresses()[0] else {
                panic!("TCP was asked for");
            };
            let hello = |_: &Request<'_>, _: &Tick| Reply::Now(Response::text("hi"));
            let running = thread::spawn(move || server.run(|| hello));
            let mut client = TcpStream::connect(address).unwrap();
            client
                .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                .unwrap();
            client.read_exact(&mut [0]).unwrap();
            // Once more is no impatience, as a second signal would be.
            stopper.stop();
            stopper.clone().stop();
            running.join().unwrap().unwrap();
            let mut rest = String::new();
            client.read_to_string(&mut rest).unwrap();
            assert!(rest.ends_with("hi"), "{backend:?}: {rest}");
            stopper.stop();
        }
    }

    #[test]
    fn loops_hold_as_many_connections_as_was_said() {
        let check = |connections_max: usize, workers: usize, expected: &[usize]| {
            let config = Config {
                connections_max,
                workers,
                listen: vec!["127.0.0.1:0".parse().map(ListenAddr::Tcp).unwrap()],
                ..Config::default()
            };
            let server = Server::bind(config).unwrap();
            let mut plan = WorkerPlan::new(&server.config, None, None).unwrap();
            let loops = server.bound.workers.iter();
            let shares: Vec<_> = loops.map(|_| plan.settings().connections_max).collect();
            assert_eq!(shares, expected, "{connections_max} over {workers}");
        };
        check(10, 1, &[10]);
        check(10, 2, &[5, 5]);
        check(10, 3, &[4, 3, 3]);
        check(11, 3, &[4, 4, 3]);
        check(3, 3, &[1, 1, 1]);
        // A loop that may hold nobody would leave its clients in the backlog.
        check(2, 3, &[1, 1]);
    }
}
