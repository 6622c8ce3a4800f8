//! What was asked for, validated: the one description of a server that everything below reads.
//!
//! *Right below the drivers, which read it.* Plain values: it collects those that the floors below
//! define for themselves and adds the server's own. `cli/` turns words into a [`Config`]; a
//! library user fills one in directly. Units stand in the names; the default of an option stands in
//! `--help`, too.

use std::sync::Arc;
use std::time::Duration;

pub use crate::conn::Limits;
pub use crate::http::TrustedProxies;
pub use crate::kernel::{Fault, Faults, ListenAddr};
pub use crate::service::{
    EtagMode, FieldLine, FilesConfig, HeaderRule, HostName, PathGlob, Symlinks, UploadConfig,
};

/// How connections are carried.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Backend {
    /// One loop over epoll(7), edge-triggered, through mio.
    #[default]
    Edge,
    /// One loop over epoll(7), level-triggered.
    Level,
    /// One loop over poll(2).
    Poll,
    /// One loop over select(2): at most 1,024 descriptors.
    Select,
    /// A thread per connection.
    Threads,
    /// One connection at a time.
    Blocking,
}

impl Backend {
    /// All of them, from the one that serves best to the one that explains first.
    pub const ALL: [Self; 6] = [
        Self::Edge,
        Self::Level,
        Self::Poll,
        Self::Select,
        Self::Threads,
        Self::Blocking,
    ];

    /// The word that chooses it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Level => "level",
            Self::Poll => "poll",
            Self::Select => "select",
            Self::Threads => "threads",
            Self::Blocking => "blocking",
        }
    }
}

/// Whether there are access lines, and in which form.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LogMode {
    /// Lines where they are looked at: on a terminal, or in a file that was asked for.
    #[default]
    Auto,
    /// Always, in this form.
    As(LogFormat),
    /// None: for load tests.
    Off,
}

impl LogMode {
    /// In which form lines are wanted, given where they go.
    pub const fn format(self, place: LogPlace) -> Option<LogFormat> {
        match (self, place) {
            (Self::As(format), _) => Some(format),
            (Self::Auto, LogPlace::Terminal) => Some(LogFormat::Short),
            (Self::Auto, LogPlace::File) => Some(LogFormat::Plain),
            (Self::Auto, LogPlace::Output) | (Self::Off, _) => None,
        }
    }
}

/// Where access lines go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogPlace {
    /// To standard output, which is a terminal.
    Terminal,
    /// To standard output, which is none.
    Output,
    /// To a file of their own.
    File,
}

/// What an access line looks like; one request is one line in all of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// For a terminal: it fits the width, and has colours.
    Short,
    /// For people and programs.
    Plain,
    /// The Common Log Format, as Apache httpd defines it.
    Common,
    /// The same, then Referer and User-Agent.
    Combined,
    /// An object of JSON.
    Json,
}

impl LogFormat {
    /// Whether it shows fields of the request.
    pub const fn shows_fields(self) -> bool {
        matches!(self, Self::Combined | Self::Json)
    }
}

/// Which listeners expect a PROXY header (v1 or v2) before the first request, and refuse
/// connections without one. A client that reaches such a listener can claim any address.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum ProxyProtocol {
    /// None.
    #[default]
    Off,
    /// All.
    Everywhere,
    /// Those at these positions of [`Config::listen`].
    At(Vec<usize>),
}

impl ProxyProtocol {
    /// Whether the listener at this position of [`Config::listen`] does.
    pub fn is_expected_at(&self, position: usize) -> bool {
        match self {
            Self::Off => false,
            Self::Everywhere => true,
            Self::At(positions) => positions.contains(&position),
        }
    }
}

/// A whole server.
#[derive(Clone, Debug)]
pub struct Config {
    /// Addresses; empty means 127.0.0.1 and \[::1\] on `port`, where each exists.
    pub listen: Vec<ListenAddr>,
    /// The port of the default addresses.
    pub port: u16,
    /// How connections are carried.
    pub backend: Backend,
    /// Loops, each with clients and a service of its own. 1 for the blocking drivers.
    pub workers: usize,
    /// Whether another process may listen on the same port on purpose.
    pub reuse_port: bool,
    /// Whether listeners that a service manager has left (`LISTEN_FDS`) replace the addresses.
    pub activation: bool,
    /// How long a stop may take to finish what is in flight.
    pub grace: Duration,
    /// What one connection may cost.
    pub limits: Arc<Limits>,
    /// How many connections there may be at once, in equal shares for all loops, of which there are
    /// not more than connections; 0 means derived from RLIMIT_NOFILE.
    pub connections_max: usize,
    /// Whether the service receives files: then connections leave a quarter of the descriptors for them.
    pub receives_files: bool,
    /// How many one client address may hold; 0 means any number.
    pub connections_per_ip_max: usize,
    /// The bound on threads of the `threads` backend.
    pub threads_max: usize,
    /// Where each connection must begin with a PROXY header.
    pub proxy_protocol: ProxyProtocol,
    /// Proxies whose word about their clients is taken (`Forwarded`, `X-Forwarded-For`).
    pub trusted_proxies: TrustedProxies,
    /// Where operators ask for metrics and health; no such place if `None`.
    pub admin: Option<ListenAddr>,
    /// The names by which they may do so; by literal addresses and loopback names they always may.
    pub admin_hosts: Vec<HostName>,
    /// Access lines.
    pub log: LogMode,
    /// Whether each turn of the loop is printed, or each system call of a driver without a loop.
    pub trace: bool,
    /// Which calls of its own sockets are spoiled, as lessons; none in a server that serves.
    pub faults: Option<Faults>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            port: 8080,
            backend: Backend::Edge,
            workers: 1,
            reuse_port: false,
            activation: false,
            grace: Duration::from_secs(10),
            limits: Arc::new(Limits::default()),
            connections_max: 0,
            receives_files: false,
            connections_per_ip_max: 0,
            threads_max: 512,
            proxy_protocol: ProxyProtocol::Off,
            trusted_proxies: TrustedProxies::default(),
            admin: None,
            admin_hosts: Vec::new(),
            log: LogMode::Auto,
            trace: false,
            faults: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_for_terminals_unless_asked_for() {
        let check = |mode: LogMode, expected: [Option<LogFormat>; 3]| {
            let places = [LogPlace::Output, LogPlace::Terminal, LogPlace::File];
            assert_eq!(places.map(|place| mode.format(place)), expected, "{mode:?}");
        };
        let short = Some(LogFormat::Short);
        let (json, plain) = (Some(LogFormat::Json), Some(LogFormat::Plain));
        check(LogMode::Auto, [None, short, plain]);
        check(LogMode::As(LogFormat::Json), [json, json, json]);
        check(LogMode::Off, [None, None, None]);
    }

    #[test]
    fn each_backend_has_its_own_word() {
        let mut words = Backend::ALL.map(Backend::name).to_vec();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Backend::ALL.len());
    }
}
