//! One listening socket, as one loop or one accepting thread owns it.
//!
//! *Floor 2.* Accepts; does not know how it was bound.
//!
//! *References:* accept(2), tcp(7), unix(7).

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::SocketFlags;

use super::{Peer, SocketFd};

/// A listening socket. Dropping it closes it; connections that wait in its backlog are then reset
/// (a server that stops politely accepts until `WouldBlock` first), and the last listener of a
/// Unix socket takes its file away.
#[derive(Debug)]
pub struct Listener {
    /// Of a Unix socket. Before `fd`, so that the name is gone before the socket: the other way
    /// round, a server starting in between could be given the same inode number.
    #[expect(dead_code, reason = "it is there to be dropped")]
    file: Option<Arc<SocketFile>>,
    fd: OwnedFd,
    unix: bool,
    shared: bool,
    proxied: bool,
}

impl Listener {
    pub(super) fn tcp(fd: OwnedFd) -> Self {
        Self {
            file: None,
            fd,
            unix: false,
            shared: false,
            proxied: false,
        }
    }

    /// Made by another process, whose file stays.
    pub(super) fn inherited(fd: OwnedFd, unix: bool, shared: bool) -> Self {
        Self {
            file: None,
            fd,
            unix,
            shared,
            proxied: false,
        }
    }

    pub(super) fn unix(fd: OwnedFd, file: Arc<SocketFile>, shared: bool) -> Self {
        Self {
            file: Some(file),
            fd,
            unix: true,
            shared,
            proxied: false,
        }
    }

    /// From now on each peer is a proxy that begins by naming its client.
    pub const fn expect_proxies(&mut self) {
        self.proxied = true;
    }

    /// accept4(2): a non-blocking socket and its peer. `TCP_NODELAY` was set on the
    /// listener and is inherited, which saves a call per connection.
    ///
    /// # Errors
    /// As [`Kernel::accept`](super::Kernel::accept).
    pub fn accept(&self) -> io::Result<(SocketFd, Peer)> {
        let accepted = self.accept_now();
        match accepted {
            Err(Errno::MFILE | Errno::NFILE) if self.is_idle() => Err(Errno::AGAIN.into()),
            _ => Ok(accepted?),
        }
    }

    /// Whether no client waits.
    ///
    /// PITFALL: accept4(2) takes a descriptor number before it looks for a client. Without numbers
    /// it says EMFILE although no client waits, and an edge-triggered loop, which accepts until
    /// EAGAIN, would drop a connection in vain
    /// (`without_descriptors_a_silent_connection_makes_room`).
    fn is_idle(&self) -> bool {
        let mut watched = [PollFd::new(&self.fd, PollFlags::IN)];
        poll(&mut watched, Some(&Timespec::default())) == Ok(0)
    }

    fn accept_now(&self) -> Result<(SocketFd, Peer), Errno> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        if self.unix {
            let fd = rustix::net::accept_with(&self.fd, flags)?;
            let peer = if self.proxied {
                Peer::Proxy(None)
            } else {
                Peer::Unix
            };
            return Ok((SocketFd::unix(fd), peer));
        }
        let (fd, address) = rustix::net::acceptfrom_with(&self.fd, flags)?;
        let ip = address
            .and_then(|address| SocketAddr::try_from(address).ok())
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip());
        // One client is one peer, whether it came as 192.0.2.7 or as ::ffff:192.0.2.7.
        let ip = ip.to_canonical();
        let peer = if self.proxied {
            Peer::Proxy(Some(ip))
        } else {
            Peer::Ip(ip)
        };
        Ok((SocketFd::new(fd), peer))
    }

    /// Whether its clients come through the file system.
    pub(super) fn is_unix(&self) -> bool {
        self.unix
    }

    /// Whether other loops wait on the same socket (not just on the same address).
    pub fn is_shared(&self) -> bool {
        self.shared
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The file that names a Unix socket; removed at the end if it is still the one we made.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    pub(super) fn new(path: PathBuf) -> io::Result<Self> {
        let (device, inode) = identity(&path)?;
        Ok(Self {
            path,
            device,
            inode,
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == (self.device, self.inode)) {
            // A file that cannot be removed is stale, and the next start replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &std::path::Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}
