//! Leaving a port to a successor without losing a connection, and taking one over.
//!
//! *Floor 2.* Knows groups of listening sockets; does not know when the server stops.
//!
//! With `SO_REUSEPORT`, old and new process listen on the same port, and the kernel gives each new
//! connection to one of all their sockets by a hash. A connection that waits in the queue of a
//! socket when that is closed is reset. Accepting until EAGAIN and then closing is not enough: a
//! client that arrives between the two is lost. So first the kernel must stop choosing us. It lets
//! a program choose, even an unprivileged one's: a classic BPF program attached to any socket of
//! the group returns the index of the one to take, and an index that does not exist means "by the
//! hash".
//!
//! ```text
//! group              our last socket gone     program: "index 2"
//! [a0 a1 | b0 b1]    [b1 b0]                  first: b0, never us; then no such index: the hash
//! ```
//!
//! The index is `max(ours, theirs)`: a socket of the successor's as long as one of ours is there,
//! because closing one moves the last of the group into its place; and beyond the end as soon as
//! ours are gone, so that the program, which stays with the group, does nothing from then on. How
//! many are theirs is told by /proc/net/tcp, opened before the sandbox forbids it.
//!
//! Exact for one successor with at least as many loops. With fewer, or with three processes at
//! once, the last sockets close as after accepting until EAGAIN only. Where root has set
//! net.ipv4.tcp_migrate_req, the kernel moves what waits in a queue anyway.
//!
//! *References:* socket(7) `SO_ATTACH_REUSEPORT_CBPF`; proc_net(5), or proc(5), /proc/net/tcp;
//! sd_listen_fds(3).

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Mode, OFlags};
use rustix::io::FdFlags;
use rustix::net::sockopt;

use super::listen::{Bound, ListenAddr, StartError};
use super::{Listener, gaps};

/// What is needed to steer new connections to a successor.
#[derive(Debug)]
pub struct Steering {
    /// A socket of each group.
    groups: Vec<OwnedFd>,
    /// How many sockets of each group are ours.
    ours: usize,
    /// What listens in this network namespace.
    tables: Vec<OwnedFd>,
}

impl Steering {
    /// For the TCP listeners of `bound`.
    ///
    /// # Errors
    /// If a descriptor cannot be had.
    pub fn new(bound: &Bound) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let open = |path| rustix::fs::open(path, flags, Mode::empty()).ok();
        let first = bound.workers.first().map_or(&[][..], Vec::as_slice);
        let tcp = first.iter().filter(|listener| !listener.is_unix());
        Ok(Self {
            groups: tcp
                .map(|listener| listener.as_fd().try_clone_to_owned())
                .collect::<io::Result<_>>()?,
            ours: bound.workers.len(),
            // Without /proc no connection is steered.
            tables: ["/proc/net/tcp", "/proc/net/tcp6"]
                .into_iter()
                .filter_map(open)
                .collect(),
        })
    }

    /// From now on, new connections go to the successor; `false` if there is none. Consumes
    /// itself, because a descriptor that is kept is a socket that is not closed.
    #[must_use]
    pub fn steer(self) -> bool {
        let listening: Vec<String> = self.tables.iter().map(listening).collect();
        let mut steered = false;
        for group in &self.groups {
            let Ok(inode) = rustix::fs::fstat(group).map(|stat| stat.st_ino) else {
                continue;
            };
            let all = listening.iter().find_map(|table| group_size(table, inode));
            let theirs = all.unwrap_or(0).saturating_sub(self.ours);
            let index = u32::try_from(self.ours.max(theirs)).unwrap_or(u32::MAX);
            steered |= theirs > 0 && gaps::choose_by_index(group.as_fd(), index).is_ok();
        }
        steered
    }
}

/// The listening sockets in one of /proc's tables. They stand first, so that a busy server does
/// not read all of its connections.
fn listening(table: &OwnedFd) -> String {
    let (mut text, mut chunk) = (Vec::new(), [0; 16 * 1024]);
    while let Ok(n @ 1..) = rustix::io::pread(table, &mut chunk[..], text.len() as u64) {
        text.extend_from_slice(&chunk[..n]);
        let last = text.split(|&byte| byte == b'\n').rev().nth(1);
        if last.is_some_and(|line| state(&String::from_utf8_lossy(line)) != Some(LISTEN)) {
            break;
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// How many sockets listen where the one with this inode does; `None` if that is not there.
fn group_size(table: &str, inode: u64) -> Option<usize> {
    let listening = table.lines().filter(|line| state(line) == Some(LISTEN));
    let field = |line: &'_ str, at: usize| line.split_whitespace().nth(at).map(str::to_owned);
    let own = listening
        .clone()
        .find(|line| field(line, 9).is_some_and(|found| found == inode.to_string()))?;
    let address = field(own, 1);
    Some(listening.filter(|line| field(line, 1) == address).count())
}

fn state(line: &str) -> Option<&str> {
    line.split_whitespace().nth(3)
}

/// TCP_LISTEN in /proc/net/tcp.
const LISTEN: &str = "0A";

/// The listening sockets that a service manager has left us: descriptors 3 and up, if
/// `LISTEN_PID` says that we are meant. Empty if there are none, and at every call but the first.
///
/// # Errors
/// A descriptor that is not a listening stream socket.
pub fn inherited() -> Result<Vec<OwnedFd>, StartError> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let number = |name| std::env::var(name).ok()?.parse::<i32>().ok();
    let own = rustix::process::getpid().as_raw_nonzero().get();
    if number("LISTEN_PID") != Some(own) || TAKEN.swap(true, Ordering::Relaxed) {
        return Ok(Vec::new());
    }
    let end = FIRST.saturating_add(number("LISTEN_FDS").unwrap_or(0));
    (FIRST..end).map(take).collect()
}

/// Where inherited descriptors begin, sd_listen_fds(3).
const FIRST: RawFd = 3;

fn take(number: RawFd) -> Result<OwnedFd, StartError> {
    let refused = || {
        StartError::new(
            format!("descriptor {number}, inherited through LISTEN_FDS, is not a listening socket"),
            "see ListenStream= in systemd.socket(5); Accept= must be no",
        )
    };
    if !is_passed(number) {
        return Err(refused());
    }
    #[expect(unsafe_code, reason = "a descriptor that comes as a number")]
    // SAFETY: it has come through execve(2), see `is_passed`, and LISTEN_PID says that it was left
    // for this process, so nothing here owns it. It is close-on-exec from now on: it is taken once.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    let prepared = rustix::io::fcntl_setfd(&fd, FdFlags::CLOEXEC)
        .and_then(|()| rustix::io::ioctl_fionbio(&fd, true));
    prepared.map(|()| fd).map_err(|_| refused())
}

/// Whether it is a listening socket that has come through execve(2): all that this program opens is
/// close-on-exec, and what was that did not come through.
fn is_passed(number: RawFd) -> bool {
    #[expect(unsafe_code, reason = "a descriptor that comes as a number")]
    // SAFETY: it is asked two questions, by system calls that say so if it is not open.
    let seen = unsafe { BorrowedFd::borrow_raw(number) };
    let flags = rustix::io::fcntl_getfd(seen);
    flags.is_ok_and(|flags| !flags.contains(FdFlags::CLOEXEC))
        && sockopt::socket_acceptconn(seen).unwrap_or(false)
}

impl Bound {
    /// Inherited listeners, shared by `workers` loops: a socket that another process has bound
    /// cannot be multiplied.
    ///
    /// # Errors
    /// If a descriptor cannot be had.
    pub fn adopt(sockets: Vec<OwnedFd>, workers: usize) -> io::Result<Self> {
        let mut bound = Self {
            workers: (0..workers.max(1)).map(|_| Vec::new()).collect(),
            addresses: Vec::new(),
        };
        for socket in sockets {
            let address = address_of(socket.as_fd())?;
            let unix = matches!(address, ListenAddr::Unix(_));
            if !unix {
                // Inherited by what is accepted, as for a listener of our own.
                sockopt::set_tcp_nodelay(&socket, true)?;
            }
            for worker in &mut bound.workers {
                worker.push(Listener::inherited(socket.try_clone()?, unix, workers > 1));
            }
            bound.addresses.push(address);
        }
        Ok(bound)
    }
}

fn address_of(socket: BorrowedFd<'_>) -> io::Result<ListenAddr> {
    let address = rustix::net::getsockname(socket)?;
    if let Ok(address) = SocketAddr::try_from(address.clone()) {
        return Ok(ListenAddr::Tcp(address));
    }
    let unix = rustix::net::SocketAddrUnix::try_from(address)?;
    let path = unix.path().map(|path| path.to_string_lossy().into_owned());
    Ok(ListenAddr::Unix(PathBuf::from(path.unwrap_or_default())))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "clients connect")]
mod tests {
    use super::*;
    use crate::kernel::bind;
    use std::net::TcpStream;
    use std::os::fd::{AsRawFd, IntoRawFd};

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when\n\
           0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 71 1\n\
           1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 72 1\n\
           2: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 73 1\n\
           3: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000 0 0 74 1\n";

    #[test]
    fn a_group_is_who_listens_at_the_same_address() {
        for (inode, expected) in [(71, Some(2)), (72, Some(2)), (73, Some(1)), (74, None)] {
            assert_eq!(group_size(TABLE, inode), expected, "{inode}");
        }
    }

    #[test]
    fn only_what_was_passed_is_taken_and_only_once() {
        let own = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let number = own.as_raw_fd();
        take(number).expect_err("it was opened by this program: it is close-on-exec");
        rustix::io::fcntl_setfd(&own, FdFlags::empty()).unwrap();
        let passed = take(own.into_raw_fd()).unwrap();
        assert_eq!(passed.as_raw_fd(), number);
        take(number).expect_err("it is taken");
        let file = std::fs::File::open("/dev/null").unwrap();
        rustix::io::fcntl_setfd(&file, FdFlags::empty()).unwrap();
        take(file.as_raw_fd()).expect_err("it does not listen");
        take(1_000_000).expect_err("it is not open");
        rustix::io::fcntl_getfd(&file).expect("it was left open");
    }

    fn accepted(bound: &Bound) -> usize {
        let listeners = bound.workers.iter().flatten();
        listeners
            .map(|listener| std::iter::from_fn(|| listener.accept().ok()).count())
            .sum()
    }

    /// With (loops of the old, loops of the new): who comes after the steering is the new one's,
    /// at every moment of the old one's end; and afterwards all of its loops have work.
    #[test]
    fn a_successor_gets_all_and_later_spreads_them() {
        for (old, new) in [(1, 1), (2, 2), (1, 3), (2, 3)] {
            let any = ListenAddr::Tcp("127.0.0.1:0".parse().unwrap());
            let mut first = bind(&[any], 0, old, true, 512).unwrap();
            let address = first.addresses[0].clone();
            assert!(
                !Steering::new(&first).unwrap().steer(),
                "there is no successor"
            );
            let second = bind(std::slice::from_ref(&address), 0, new, true, 512).unwrap();
            let ListenAddr::Tcp(port) = address else {
                panic!("it is TCP")
            };
            let connect = || -> Vec<TcpStream> {
                (0..40).map(|_| TcpStream::connect(port).unwrap()).collect()
            };
            assert!(Steering::new(&first).unwrap().steer());
            while !first.workers.is_empty() {
                let _clients = connect();
                assert_eq!(
                    (accepted(&first), accepted(&second)),
                    (0, 40),
                    "{old} {new}"
                );
                first.workers.pop();
            }
            let _clients = connect();
            for own in second.workers {
                let alone = Bound {
                    workers: vec![own],
                    addresses: Vec::new(),
                };
                assert_ne!(accepted(&alone), 0, "{old} {new}: 3^-40 by chance");
            }
        }
    }

    #[test]
    fn an_adopted_listener_is_shared_and_leaves_no_file() {
        let any = ListenAddr::Tcp("127.0.0.1:0".parse().unwrap());
        let bound = bind(&[any], 0, 1, false, 16).unwrap();
        let socket = bound.workers[0][0].as_fd().try_clone_to_owned().unwrap();
        let adopted = Bound::adopt(vec![socket], 2).unwrap();
        assert_eq!(adopted.addresses, bound.addresses);
        assert!(adopted.workers.iter().all(|own| own[0].is_shared()));
        let ListenAddr::Tcp(address) = adopted.addresses[0] else {
            panic!("it is TCP")
        };
        let _client = TcpStream::connect(address).unwrap();
        assert_eq!(accepted(&adopted), 1);
    }
}
