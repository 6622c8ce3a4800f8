//! A server in two steps: bound, then running.
//!
//! *Floor 4.* Between the two its addresses are known and no client has been let in, which is the
//! moment to say where it is, to drop privileges, and to fail with nothing half-started.

use std::fmt;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::SendFlags;

use super::descriptors::{self, check_loops, room};
use super::plan::WorkerPlan;
use super::supervisor::Supervisor;
use super::workers::{ASKED, WorkerThreads};
use crate::config::{Backend, Config, ListenAddr};
use crate::driver::blocking::Blocking;
use crate::driver::observe::log::AccessLog;
use crate::driver::offload::closing::{self, drop_elsewhere};
use crate::kernel::{self, Bound, StartError, Steering};
use crate::readiness::{EpollEdge, EpollLevel, PollArray, SelectSets};
use crate::service::{self, LiveReload, Service, Tallies, TreeWatcher};

/// A server whose addresses are bound. Clients that connect now wait in the backlog.
#[derive(Debug)]
pub struct Server {
    config: Config,
    bound: Bound,
    admin: Option<Bound>,
    /// Whether another process has bound them.
    inherited: bool,
    steering: Option<Steering>,
    supervisor: Supervisor,
    log: Option<AccessLog>,
    announcement: Option<(AccessLog, String)>,
    tallies: Tallies,
    record: Option<RecordOut>,
    watched: Option<(TreeWatcher, LiveReload)>,
    /// Two ends of a pair: threads and signals write to `tell`, and `run` waits on `news`.
    news: UnixStream,
    tell: Arc<UnixStream>,
}

/// Where turns are recorded.
struct RecordOut(Box<dyn Write + Send>);

impl fmt::Debug for RecordOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordOut")
    }
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
            // A loop that may hold no connection would leave its clients in the backlog.
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
            tallies: Tallies::default(),
            record: None,
            watched: None,
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
        room(&self.config)
    }

    /// How many connections the selector can announce at once, where the loops themselves take
    /// most of what it watches; those beyond are looked at by the clock.
    pub fn watched(&self) -> Option<usize> {
        descriptors::watched(&self.config)
    }

    /// Whether the addresses were bound by another process, whose their files are too.
    pub const fn is_inherited(&self) -> bool {
        self.inherited
    }

    /// Tells `supervisor` when all loops stand, when they stop, and that they turn.
    #[must_use]
    pub fn supervised_by(mut self, supervisor: Supervisor) -> Self {
        self.supervisor = supervisor;
        self
    }

    /// Reports each answer to `log`. The caller decides whether: [`Config::log`] is what the user
    /// asked for, and whether there is a terminal is not the driver's business.
    #[must_use]
    pub fn log_to(mut self, log: Option<AccessLog>) -> Self {
        self.log = log;
        self
    }

    /// Has these numbers among the metrics.
    #[must_use]
    pub fn with_tallies(mut self, tallies: Tallies) -> Self {
        self.tallies = tallies;
        self
    }

    /// Records each turn of its loops in `out`, which a thread of its own waits for: see
    /// [`record`](crate::driver::record). Drivers without a loop record nothing.
    #[must_use]
    pub fn record_to(mut self, out: Option<Box<dyn Write + Send>>) -> Self {
        self.record = out.map(RecordOut);
        self
    }

    /// Tells pages of what changes in these files, from a thread of its own.
    #[must_use]
    pub fn reloading(mut self, watched: Option<(TreeWatcher, LiveReload)>) -> Self {
        self.watched = watched;
        self
    }

    /// Says `text` once all loops stand and signals are heard: a script that reads it may stop the
    /// server at once, and that must not kill it.
    #[must_use]
    pub fn announced_by(mut self, log: AccessLog, text: String) -> Self {
        self.announcement = Some((log, text));
        self
    }

    /// A way to stop it from another thread.
    pub fn stopper(&self) -> Stopper {
        Stopper(Arc::clone(&self.tell))
    }

    /// Serves until SIGINT, SIGTERM or a [`Stopper`] stops it; `service` makes one service per
    /// loop. A second signal ends the process at once, with exit code 1.
    ///
    /// # Errors
    /// If a loop cannot be started or its kernel fails.
    pub fn run<S: Service>(self, mut service: impl FnMut() -> S) -> io::Result<()> {
        service::close_with(drop_elsewhere);
        let told = self.announcement.as_ref().map(|(log, _)| log.clone());
        let plan = WorkerPlan::new(&self.config, self.log, told)?
            .recorded_to(self.record.map(|RecordOut(out)| out))?;
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
            let (names, tallies) = (&self.config.admin_hosts, self.tallies.clone());
            workers.start_admin(listeners, names, tallies)?;
        }
        if let Some((log, text)) = self.announcement {
            log.say(text);
        }
        if let Some((tree, reload)) = self.watched {
            workers.start_reloading(tree, reload)?;
        }
        let ended = workers.wait(&self.supervisor, self.steering);
        closing::wait(CLOSING_PATIENCE);
        ended
    }
}

/// How long the end waits for a disk with what was received of uploads that may be gone on with.
const CLOSING_PATIENCE: Duration = Duration::from_secs(1);

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

/// The listeners, and whether another process has bound them.
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

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a client of a server")]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::thread;

    use crate::http::{Request, Response, Tick};
    use crate::service::Reply;

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
        // A loop that may hold no connection would leave its clients in the backlog.
        check(2, 3, &[1, 1]);
    }
}
