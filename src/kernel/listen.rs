//! Listening: every address is bound before the first thread starts, or nothing is.
//!
//! *Floor 2.* Knows addresses and socket options; does not accept by itself.
//!
//! How a taken port is noticed although several workers share it: `SO_REUSEPORT` lets any socket of
//! the same user join, a second httpoll too. So the first socket of an address binds *without* it,
//! which fails if another socket listens there; then the option is set, and the workers' sockets
//! may follow. Linux compares the options as they are when the next socket binds, not as they were
//! (inet_csk_bind_conflict), so that order is allowed; the option must only be there before
//! listen(2), which founds the group among which connections are spread.
//! `a_taken_port_is_an_error_with_two_workers` and `workers_share_a_port` show both halves.
//!
//! *References:* socket(7), ip(7), ipv6(7), tcp(7), unix(7).

use std::error::Error;
use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};

use super::Listener;
use super::listener::SocketFile;

/// How often another port is tried when the kernel's choice for one family is taken in the other.
const PORT_TRIES: usize = 32;

/// One address to listen on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ListenAddr {
    /// TCP over IPv4 or IPv6; port 0 asks the kernel for a free one.
    Tcp(SocketAddr),
    /// A Unix socket at this path.
    Unix(PathBuf),
}

impl fmt::Display for ListenAddr {
    /// `127.0.0.1:8080` or `unix:PATH`: the words of `--listen`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Listeners for every worker, ready to accept.
#[derive(Debug)]
pub struct Bound {
    /// For each worker, one listener per address.
    pub workers: Vec<Vec<Listener>>,
    /// The addresses, with the ports that the kernel chose.
    pub addresses: Vec<ListenAddr>,
}

/// Why a server cannot start: one line for the user, with advice.
#[derive(Debug)]
pub struct StartError {
    message: String,
    advice: String,
}

impl StartError {
    /// What is wrong, and what to do about it.
    pub fn new(message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            advice: advice.into(),
        }
    }

    /// The same for an address that another option names.
    #[must_use]
    pub fn of_option(self, option: &str) -> Self {
        Self {
            message: format!("{option}: {}", self.message),
            advice: self.advice.replace("--listen", option),
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.advice)
    }
}

impl Error for StartError {}

/// Binds `addresses`, or 127.0.0.1 and \[::1\] on `port` if there are none, and listens for
/// `workers` loops.
///
/// Port 0 is one free port for all addresses that ask for it, and for all workers. With
/// `reuse_port`, another process may listen on the same port on purpose. `backlog` is how many
/// connections may wait to be accepted; the kernel caps it at net.core.somaxconn.
///
/// # Errors
/// An address that is taken, privileged or not there; then nothing stays bound.
pub fn bind(
    addresses: &[ListenAddr],
    port: u16,
    workers: usize,
    reuse_port: bool,
    backlog: i32,
) -> Result<Bound, StartError> {
    let loopback = [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ];
    let defaults = loopback.map(|ip| ListenAddr::Tcp(SocketAddr::new(ip, port)));
    let binding = Binding {
        is_default: addresses.is_empty(),
        addresses: if addresses.is_empty() {
            &defaults
        } else {
            addresses
        },
        workers: workers.max(1),
        reuse_port,
        backlog,
    };
    for _ in 0..PORT_TRIES {
        if let Some(bound) = binding.bind_all()? {
            return Ok(bound);
        }
    }
    Err(StartError::new(
        "no port is free at all addresses at once",
        "name one with --port",
    ))
}

/// What was asked for.
struct Binding<'a> {
    addresses: &'a [ListenAddr],
    is_default: bool,
    workers: usize,
    reuse_port: bool,
    backlog: i32,
}

impl Binding<'_> {
    /// `None` if the port that the kernel chose for one address is taken at another.
    fn bind_all(&self) -> Result<Option<Bound>, StartError> {
        let mut bound = Bound {
            workers: (0..self.workers).map(|_| Vec::new()).collect(),
            addresses: Vec::new(),
        };
        let mut chosen = None;
        for address in self.addresses {
            let address = match address {
                ListenAddr::Unix(path) => self.add_unix(&mut bound, path)?,
                ListenAddr::Tcp(address) => {
                    let mut wanted = *address;
                    if wanted.port() == 0 {
                        wanted.set_port(chosen.unwrap_or(0));
                    }
                    match self.add_tcp(&mut bound, wanted) {
                        Ok(actual) => {
                            if address.port() == 0 {
                                chosen = Some(actual.port());
                            }
                            ListenAddr::Tcp(actual)
                        }
                        Err(Errno::ADDRINUSE) if address.port() == 0 => return Ok(None),
                        Err(errno) if self.is_default && is_missing(errno) => continue,
                        Err(errno) => return Err(self.explain(wanted, errno)),
                    }
                }
            };
            bound.addresses.push(address);
        }
        if bound.addresses.is_empty() {
            return Err(StartError::new(
                "this machine has neither 127.0.0.1 nor ::1",
                "name an address with --listen ADDR:PORT",
            ));
        }
        Ok(Some(bound))
    }

    /// A socket of its own for each worker: the kernel then spreads connections among them.
    fn add_tcp(&self, bound: &mut Bound, wanted: SocketAddr) -> rustix::io::Result<SocketAddr> {
        let first = tcp_socket(wanted)?;
        sockopt::set_socket_reuseport(&first, self.reuse_port)?;
        rustix::net::bind(&first, &wanted)?;
        sockopt::set_socket_reuseport(&first, self.reuse_port || self.workers > 1)?;
        let actual = SocketAddr::try_from(rustix::net::getsockname(&first)?)?;

        let mut sockets = vec![first];
        for _ in 1..self.workers {
            let socket = tcp_socket(actual)?;
            sockopt::set_socket_reuseport(&socket, true)?;
            rustix::net::bind(&socket, &actual)?;
            sockets.push(socket);
        }
        for socket in &sockets {
            rustix::net::listen(socket, self.backlog)?;
        }
        for (worker, socket) in bound.workers.iter_mut().zip(sockets) {
            worker.push(Listener::tcp(socket));
        }
        Ok(actual)
    }

    /// A name in the file system cannot be bound twice, so the workers share one socket.
    fn add_unix(&self, bound: &mut Bound, path: &Path) -> Result<ListenAddr, StartError> {
        let failed = |error: io::Error| explain_unix(path, &error);
        let name = SocketAddrUnix::new(path).map_err(|errno| failed(errno.into()))?;
        remove_stale(path, &name)?;
        let socket = socket(AddressFamily::UNIX).map_err(|errno| failed(errno.into()))?;
        rustix::net::bind(&socket, &name).map_err(|errno| failed(errno.into()))?;
        // Absolute, so that it is found again whatever the current directory is at the end.
        let absolute = std::path::absolute(path).map_err(failed)?;
        let file = Arc::new(SocketFile::new(absolute).map_err(failed)?);
        rustix::net::listen(&socket, self.backlog).map_err(|errno| failed(errno.into()))?;
        for worker in &mut bound.workers {
            let socket = socket.try_clone().map_err(failed)?;
            worker.push(Listener::unix(socket, Arc::clone(&file), self.workers > 1));
        }
        Ok(ListenAddr::Unix(path.to_owned()))
    }

    fn explain(&self, address: SocketAddr, errno: Errno) -> StartError {
        let (ip, port) = (address.ip(), address.port());
        let instead = |port: u16| {
            if self.is_default {
                format!("--port {port}")
            } else {
                format!("--listen {}", SocketAddr::new(ip, port))
            }
        };
        match errno {
            Errno::ADDRINUSE => StartError::new(
                format!("port {port} is taken by another process (at {ip})"),
                format!("try {} for a free one", instead(0)),
            ),
            Errno::ACCESS | Errno::PERM => StartError::new(
                format!("port {port} needs root or CAP_NET_BIND_SERVICE"),
                format!("try {}", instead(8080)),
            ),
            Errno::ADDRNOTAVAIL => StartError::new(
                format!("{ip} is not an address of this machine"),
                "try 127.0.0.1 for this machine only, or 0.0.0.0 for all its addresses",
            ),
            Errno::AFNOSUPPORT => StartError::new(
                format!("this machine cannot listen on {ip}: the address family is switched off"),
                "try an address of the other one",
            ),
            other => StartError::new(
                format!("cannot listen on {address}: {other}"),
                "try another address with --listen ADDR:PORT",
            ),
        }
    }
}

/// Whether a default address simply does not exist here: IPv6, or IPv4, is switched off.
fn is_missing(errno: Errno) -> bool {
    matches!(errno, Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT)
}

fn socket(family: AddressFamily) -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    rustix::net::socket_with(family, SocketType::STREAM, flags, None)
}

/// A socket whose options the accepted ones inherit.
fn tcp_socket(address: SocketAddr) -> rustix::io::Result<OwnedFd> {
    let socket = match address {
        SocketAddr::V4(_) => socket(AddressFamily::INET)?,
        SocketAddr::V6(_) => {
            let socket = socket(AddressFamily::INET6)?;
            // The IPv4 address of the same port is an address of its own.
            sockopt::set_ipv6_v6only(&socket, true)?;
            socket
        }
    };
    // A restart must not wait for the old connections' TIME_WAIT. Unlike on the BSDs, a socket
    // that listens still keeps the port to itself.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    // An answer in two writes would stand still for 40 ms: Nagle's algorithm against delayed
    // acknowledgements (`cargo bench --bench facts -- head`).
    sockopt::set_tcp_nodelay(&socket, true)?;
    Ok(socket)
}

/// Removes the file of a server that is gone: no socket listens, so connecting is refused. Two
/// servers that start at the same moment may both find it stale; the later one then has the name.
fn remove_stale(path: &Path, name: &SocketAddrUnix) -> Result<(), StartError> {
    let failed = |error: io::Error| explain_unix(path, &error);
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if !metadata.file_type().is_socket() {
        return Err(StartError::new(
            format!("{} exists and is not a socket", path.display()),
            "remove it or choose another path",
        ));
    }
    let probe = socket(AddressFamily::UNIX).map_err(|errno| failed(errno.into()))?;
    match rustix::net::connect(&probe, name) {
        Err(Errno::CONNREFUSED) => fs::remove_file(path).map_err(failed),
        // EAGAIN: alive, and busy enough for its backlog to be full.
        Ok(()) | Err(Errno::AGAIN) => Err(StartError::new(
            format!("another server listens on {}", path.display()),
            "stop it or choose another path",
        )),
        Err(errno) => Err(failed(errno.into())),
    }
}

fn explain_unix(path: &Path, error: &io::Error) -> StartError {
    let advice = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NAMETOOLONG) => "a Unix socket's path has at most 107 bytes",
        Some(Errno::NOENT) => "create its directory first",
        _ => "choose a path in a directory that you may write to",
    };
    let message = format!("cannot listen on {}: {error}", path.display());
    StartError::new(message, advice)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "clients connect")]
mod tests {
    use super::*;
    use crate::kernel::{Kernel, Linux, Peer};
    use crate::readiness::{EpollEdge, EpollLevel, PollArray, SelectSets, Selector, Token};
    use rustix::event::{PollFd, PollFlags};
    use std::net::TcpStream;
    use std::os::unix::net::{UnixListener, UnixStream};

    fn localhost(port: u16) -> ListenAddr {
        ListenAddr::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    fn bind_localhost(port: u16, workers: usize, reuse_port: bool) -> Result<Bound, StartError> {
        bind(&[localhost(port)], 0, workers, reuse_port, 64)
    }

    fn bind_unix(path: &Path, workers: usize) -> Result<Bound, StartError> {
        bind(&[ListenAddr::Unix(path.to_owned())], 0, workers, false, 64)
    }

    fn port_of(address: &ListenAddr) -> u16 {
        match address {
            ListenAddr::Tcp(address) => address.port(),
            ListenAddr::Unix(path) => panic!("{} has no port", path.display()),
        }
    }

    fn assert_says(result: Result<Bound, StartError>, parts: &[&str]) {
        let text = result.expect_err("not bound").to_string();
        for part in parts {
            assert!(text.contains(part), "{text:?} does not say {part:?}");
        }
        assert!(!text.contains('\n'), "{text:?} is more than a line");
    }

    /// Accepts `n` clients, which may still be on their way, and says by which listener.
    fn accept(listeners: &[&Listener], n: usize) -> Vec<(usize, crate::kernel::SocketFd, Peer)> {
        let five_seconds = std::time::Duration::from_secs(5).try_into().unwrap();
        let mut accepted = Vec::new();
        while accepted.len() < n {
            let fds = listeners.iter().map(|l| PollFd::new(*l, PollFlags::IN));
            let mut fds: Vec<_> = fds.collect();
            assert_ne!(
                rustix::event::poll(&mut fds, Some(&five_seconds)),
                Ok(0),
                "no client came"
            );
            for (at, listener) in listeners.iter().enumerate() {
                accepted.extend(
                    listener
                        .accept()
                        .ok()
                        .map(|(socket, peer)| (at, socket, peer)),
                );
            }
        }
        accepted
    }

    #[test]
    fn a_taken_port_is_an_error_with_two_workers() {
        for workers in [1, 2] {
            let bound = bind_localhost(0, workers, false).unwrap();
            let port = port_of(&bound.addresses[0]);
            let taken = format!("port {port} is taken by another process");
            for (workers, reuse_port) in [(1, false), (2, false), (1, true), (2, true)] {
                // The first server shares its port; here only because it has two workers, and
                // only with a server that asks for it.
                let may_share = bound.workers.len() > 1 && reuse_port;
                let again = bind_localhost(port, workers, reuse_port);
                if may_share {
                    again.unwrap();
                } else {
                    assert_says(again, &[&taken, "--listen 127.0.0.1:0"]);
                }
            }
            assert_says(bind(&[], port, 2, false, 64), &[&taken, "--port 0"]);
        }
    }

    #[test]
    fn reuse_port_shares_on_purpose() {
        let first = bind_localhost(0, 1, true).unwrap();
        bind_localhost(port_of(&first.addresses[0]), 2, true).unwrap();
    }

    #[test]
    fn workers_share_a_port() {
        let bound = bind_localhost(0, 2, false).unwrap();
        let address = ("127.0.0.1", port_of(&bound.addresses[0]));
        let clients: Vec<_> = (0..40)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        let listeners: Vec<_> = bound.workers.iter().map(|own| &own[0]).collect();
        let accepted = accept(&listeners, clients.len());
        for worker in 0..2 {
            assert!(
                accepted.iter().any(|(at, ..)| *at == worker),
                "2^-39 by chance"
            );
        }
    }

    #[test]
    fn port_0_is_one_port_for_all() {
        let bound = bind(&[], 0, 3, false, 64).unwrap();
        let port = port_of(&bound.addresses[0]);
        assert_ne!(port, 0);
        assert!(
            bound
                .addresses
                .iter()
                .all(|address| port_of(address) == port)
        );
        assert_eq!(bound.workers.len(), 3);
        for own in &bound.workers {
            assert_eq!(own.len(), bound.addresses.len());
            assert!(own.iter().all(|listener| !listener.is_shared()));
        }
    }

    #[test]
    fn an_accepted_socket_inherits_what_the_listener_was_told() {
        let bound = bind_localhost(0, 1, false).unwrap();
        let _client = TcpStream::connect(("127.0.0.1", port_of(&bound.addresses[0]))).unwrap();
        let (_, socket, peer) = accept(&[&bound.workers[0][0]], 1).remove(0);
        assert_eq!(peer, Peer::Ip(Ipv4Addr::LOCALHOST.into()));
        assert!(sockopt::tcp_nodelay(&socket).unwrap());
    }

    #[test]
    fn every_refusal_has_advice() {
        let check = |is_default, address: &str, errno, expected: &str| {
            let (addresses, workers) = (&[][..], 1);
            let (reuse_port, backlog) = (false, 1);
            let binding = Binding {
                addresses,
                is_default,
                workers,
                reuse_port,
                backlog,
            };
            let text = binding.explain(address.parse().unwrap(), errno).to_string();
            assert_eq!(text, expected);
        };
        let in_use = "port 80 is taken by another process (at ::1); try --port 0 for a free one";
        check(true, "[::1]:80", Errno::ADDRINUSE, in_use);
        let privileged = "port 80 needs root or CAP_NET_BIND_SERVICE; try --port 8080";
        check(true, "127.0.0.1:80", Errno::ACCESS, privileged);
        let named = "port 80 needs root or CAP_NET_BIND_SERVICE; try --listen 0.0.0.0:8080";
        check(false, "0.0.0.0:80", Errno::ACCESS, named);
        // TEST-NET-1, RFC 5737: no machine has this address.
        let elsewhere = bind(
            &["192.0.2.1:0".parse().map(ListenAddr::Tcp).unwrap()],
            0,
            1,
            false,
            1,
        );
        assert_says(
            elsewhere,
            &["192.0.2.1 is not an address of this machine", "0.0.0.0"],
        );
    }

    #[test]
    fn a_stale_socket_file_is_replaced_and_removed_at_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        drop(UnixListener::bind(&path).unwrap());
        let bound = bind_unix(&path, 2).unwrap();
        let _client = UnixStream::connect(&path).unwrap();
        let mut workers = bound.workers.into_iter();
        let (first, last) = (workers.next().unwrap(), workers.next().unwrap());
        assert!(first[0].is_shared());
        assert_eq!(accept(&[&first[0]], 1).remove(0).2, Peer::Unix);
        drop(first);
        UnixStream::connect(&path).expect("the other worker listens on");
        drop(last);
        assert!(!path.exists());
    }

    #[test]
    fn a_socket_file_that_is_not_ours_any_more_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let bound = bind_unix(&path, 1).unwrap();
        fs::rename(&path, directory.path().join("elsewhere")).unwrap();
        let _other = UnixListener::bind(&path).unwrap();
        drop(bound);
        assert!(path.exists());
    }

    #[test]
    fn a_path_that_cannot_be_used_is_one_clear_line() {
        let directory = tempfile::tempdir().unwrap();
        let in_directory = |name: &str| directory.path().join(name);
        let live = in_directory("live");
        let _other = UnixListener::bind(&live).unwrap();
        assert_says(
            bind_unix(&live, 1),
            &["another server listens on", "stop it"],
        );
        assert!(live.exists());
        fs::write(in_directory("file"), "").unwrap();
        assert_says(
            bind_unix(&in_directory("file"), 1),
            &["is not a socket", "remove it"],
        );
        assert_says(
            bind_unix(&in_directory("no/socket"), 1),
            &["create its directory"],
        );
        assert_says(
            bind_unix(&in_directory(&"x".repeat(108)), 1),
            &["at most 107 bytes"],
        );
    }

    #[test]
    fn nothing_stays_bound_after_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let other = bind_localhost(0, 1, false).unwrap();
        let addresses = [ListenAddr::Unix(path.clone()), other.addresses[0].clone()];
        assert_says(bind(&addresses, 0, 1, false, 64), &["is taken"]);
        assert!(!path.exists());
    }

    /// `EPOLLEXCLUSIVE` cannot be combined with every flag, and forbids epoll_ctl's MOD.
    #[test]
    fn a_shared_listener_can_be_watched_by_every_selector() {
        fn check<S: Selector>() {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("socket");
            let bound = bind_unix(&path, 2).unwrap();
            let token = Token::new(5, 0);
            let mut kernel = Linux::<S>::new().unwrap();
            let mut events = Vec::new();
            let now = Some(std::time::Duration::ZERO);
            let _client = UnixStream::connect(&path).unwrap();
            for _ in 0..2 {
                kernel.watch(&bound.workers[1][0], token, true).unwrap();
                kernel.wait(&mut events, now).unwrap();
                assert_eq!(events.iter().map(|e| e.token).collect::<Vec<_>>(), [token]);
                kernel.watch(&bound.workers[1][0], token, false).unwrap();
                kernel.wait(&mut events, now).unwrap();
                assert_eq!(events, []);
            }
        }
        check::<EpollEdge>();
        check::<EpollLevel>();
        check::<PollArray>();
        check::<SelectSets>();
    }
}
