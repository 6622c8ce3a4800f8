//! What is done with one connected socket, the same for loops and for threads.
//!
//! *Floor 2.* One function per system call. The socket is non-blocking: what would wait fails
//! with `WouldBlock`, and the caller decides how to wait.
//!
//! *References:* recv(2), send(2), sendmsg(2), sendfile(2), shutdown(2), tcp(7).
//! *Read next:* `linux.rs`, `blocking.rs`.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown};

use super::{Sent, gaps};
use crate::http::Source;

/// The most one call of sendfile(2) is asked to move, whatever budget the caller has.
const SEND_FILE_BYTES_MAX: usize = 1024 * 1024;
/// How much of a source without a descriptor is read at a time.
const SCRATCH_BYTES: usize = 64 * 1024;

/// A connected, non-blocking socket: one descriptor, closed when it is dropped.
#[derive(Debug)]
pub struct Socket(OwnedFd);

impl Socket {
    /// Takes over a connected socket, which must be non-blocking.
    pub fn new(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// recv(2).
    pub(super) fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        let (taken, _) = rustix::net::recv(&self.0, into, RecvFlags::empty())?;
        Ok(taken)
    }

    /// send(2) for one slice, sendmsg(2) for several: the former costs the kernel less.
    pub(super) fn write(&self, from: &[IoSlice<'_>], more: bool) -> io::Result<usize> {
        let mut flags = SendFlags::NOSIGNAL;
        flags.set(SendFlags::MORE, more);
        Ok(match from {
            [only] => rustix::net::send(&self.0, only, flags)?,
            several => {
                let mut nothing = SendAncillaryBuffer::default();
                rustix::net::sendmsg(&self.0, several, &mut nothing, flags)?
            }
        })
    }

    /// sendfile(2), or read and send where the source has no descriptor that it takes. `scratch`
    /// stays empty until then.
    pub(super) fn send_file(
        &self,
        source: &dyn Source,
        offset: u64,
        len: usize,
        scratch: &mut Vec<u8>,
    ) -> io::Result<Sent> {
        if len == 0 {
            return Ok(Sent::Bytes(0));
        }
        let Some(file) = source.as_fd() else {
            return self.send_copy(source, offset, len, scratch);
        };
        let (mut cursor, len) = (offset, len.min(SEND_FILE_BYTES_MAX));
        // PITFALL: sendfile(2) has no MSG_NOSIGNAL. Rust programs ignore SIGPIPE from the start;
        // one that restores it dies of the first client that hangs up during a download.
        match retry_on_intr(|| rustix::fs::sendfile(&self.0, file, Some(&mut cursor), len)) {
            Ok(0) => Ok(Sent::SourceEnd),
            Ok(n) => Ok(Sent::Bytes(n)),
            Err(Errno::AGAIN) => Ok(Sent::SocketFull),
            Err(Errno::INVAL | Errno::NOSYS) => self.send_copy(source, offset, len, scratch),
            Err(errno) if is_of_source(errno) => Ok(Sent::SourceEnd),
            Err(errno) => Err(errno.into()),
        }
    }

    /// What the socket does not take is read again by the next call: no copy outlives this one.
    fn send_copy(
        &self,
        source: &dyn Source,
        offset: u64,
        len: usize,
        scratch: &mut Vec<u8>,
    ) -> io::Result<Sent> {
        scratch.resize(SCRATCH_BYTES, 0);
        let window = &mut scratch[..len.min(SCRATCH_BYTES)];
        let Ok(taken @ 1..) = source.read_at(window, offset) else {
            return Ok(Sent::SourceEnd);
        };
        match rustix::net::send(&self.0, &window[..taken], SendFlags::NOSIGNAL) {
            Ok(n) => Ok(Sent::Bytes(n)),
            Err(Errno::AGAIN) => Ok(Sent::SocketFull),
            Err(errno) => Err(errno.into()),
        }
    }

    /// shutdown(2) of the sending half.
    pub(super) fn shutdown_write(&self) -> io::Result<()> {
        Ok(rustix::net::shutdown(&self.0, Shutdown::Write)?)
    }

    /// shutdown(2) of both halves: whoever waits on this socket wakes to its end.
    pub(super) fn hang_up(&self) {
        // Fails if the peer was quicker, and then that wakes them.
        let _ = rustix::net::shutdown(&self.0, Shutdown::Both);
    }

    /// Whether a read would have to wait.
    pub(super) fn is_quiet(&self) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        rustix::net::recv(&self.0, &mut [0; 1], flags).is_err_and(|errno| errno == Errno::AGAIN)
    }

    /// SIOCOUTQ.
    pub(super) fn unacknowledged(&self) -> usize {
        gaps::unacknowledged(self.as_fd())
    }

    /// The descriptor's number, for traces.
    pub(super) fn id(&self) -> i32 {
        self.0.as_raw_fd()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Whether sendfile(2) complains about the file: a broken disk, a file replaced on NFS, a damaged
/// file system. Everything else is the socket's.
fn is_of_source(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::IO | Errno::STALE | Errno::REMOTEIO | Errno::UCLEAN | Errno::BADMSG | Errno::NODATA
    )
}
