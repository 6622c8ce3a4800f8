//! What is done with one connected socket, the same for loops and for threads.
//!
//! *Floor 2.* One function per system call. The socket is non-blocking: what would wait fails
//! with `WouldBlock`, and the caller decides how to wait.
//!
//! *References:* recv(2), recvmsg(2), send(2), sendmsg(2), sendfile(2), shutdown(2), tcp(7).

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    RecvAncillaryBuffer, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendFlags, Shutdown, sockopt,
};

use super::{Sent, Socket, gaps};
use crate::http::Source;
use crate::readiness::timespec;

/// The most one call of sendfile(2) is asked to move, whatever budget the caller has.
const SEND_FILE_BYTES_MAX: usize = 1024 * 1024;
/// How much of a source without a descriptor is read at a time, onto the stack.
const COPIED_BYTES: usize = 32 * 1024;

/// A connected, non-blocking socket: one descriptor, closed when it is dropped.
#[derive(Debug)]
pub struct SocketFd {
    fd: OwnedFd,
    unix: bool,
    /// Whether `TCP_CORK` is set. Relaxed will do: who sends is one thread at a time.
    corked: AtomicBool,
}

impl SocketFd {
    /// Takes over a connected socket, which must be non-blocking.
    pub const fn new(fd: OwnedFd) -> Self {
        Self::of(fd, false)
    }

    /// The same for a Unix socket.
    pub(super) const fn unix(fd: OwnedFd) -> Self {
        Self::of(fd, true)
    }

    const fn of(fd: OwnedFd, unix: bool) -> Self {
        let corked = AtomicBool::new(false);
        Self { fd, unix, corked }
    }

    /// recv(2), or recvmsg(2) for a Unix socket.
    pub(super) fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        if self.unix {
            return self.read_messages(into);
        }
        let (taken, _) = rustix::net::recv(&self.fd, into, RecvFlags::empty())?;
        Ok(taken)
    }

    /// Until the buffer is full or the socket is empty, which a short read shows elsewhere.
    ///
    /// PITFALL: a message with descriptors ends a read (unix(7)), whatever stands behind it. They
    /// are closed, because they were not asked for, and that is told: `MSG_CTRUNC`
    /// (`what_stands_behind_urgent_data_or_a_descriptor_is_read`).
    fn read_messages(&self, into: &mut [u8]) -> io::Result<usize> {
        let mut taken = 0;
        loop {
            let mut rest = [IoSliceMut::new(&mut into[taken..])];
            let mut nothing = RecvAncillaryBuffer::default();
            let flags = RecvFlags::empty();
            match rustix::net::recvmsg(&self.fd, &mut rest, &mut nothing, flags) {
                Ok(message) => {
                    taken += message.bytes;
                    let more = message.flags.contains(ReturnFlags::CTRUNC);
                    if !more || message.bytes == 0 || taken == into.len() {
                        return Ok(taken);
                    }
                }
                // Nothing behind it, or what the next read will tell.
                Err(_) if taken > 0 => return Ok(taken),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// send(2) for one slice, sendmsg(2) for several: the former costs the kernel less.
    #[inline]
    pub(super) fn write(&self, from: &[IoSlice<'_>], more: bool) -> io::Result<usize> {
        let mut flags = SendFlags::NOSIGNAL;
        flags.set(SendFlags::MORE, more);
        let sent = match from {
            [only] => rustix::net::send(&self.fd, only, flags)?,
            several => {
                let mut nothing = SendAncillaryBuffer::default();
                rustix::net::sendmsg(&self.fd, several, &mut nothing, flags)?
            }
        };
        if !more {
            self.cork(false);
        }
        Ok(sent)
    }

    /// Whether the last segment of what is given waits until it is full, or for 200 ms (tcp(7),
    /// `TCP_CORK`).
    ///
    /// sendfile(2) has no MSG_MORE, so that each stretch of a large file ends in a segment that is
    /// sent as it is: on loopback, where a segment has 64 KiB, one in five. Two calls per large
    /// file save them.
    fn cork(&self, on: bool) {
        if self.corked.load(Relaxed) != on {
            self.corked.store(on, Relaxed);
            // A Unix socket has no segments, and says so.
            let _ = sockopt::set_tcp_cork(&self.fd, on);
        }
    }

    /// sendfile(2), or read and send where the source has no descriptor that it takes.
    pub(super) fn send_file(
        &self,
        source: &dyn Source,
        offset: u64,
        len: usize,
        more: bool,
    ) -> io::Result<Sent> {
        let asked = len.min(SEND_FILE_BYTES_MAX);
        if more || asked < len {
            self.cork(true);
        }
        let sent = self.send_stretch(source, offset, asked);
        if !more && matches!(sent, Ok(Sent::Bytes(n)) if n == len) {
            self.cork(false);
        }
        sent
    }

    fn send_stretch(&self, source: &dyn Source, offset: u64, len: usize) -> io::Result<Sent> {
        if len == 0 {
            return Ok(Sent::Bytes(0));
        }
        let Some(file) = source.as_fd() else {
            return send_copy(source, offset, len, |bytes| self.send(bytes));
        };
        let mut cursor = offset;
        // PITFALL: sendfile(2) has no MSG_NOSIGNAL. Rust programs ignore SIGPIPE from the start;
        // one that restores it dies of the first client that hangs up during a download.
        match retry_on_intr(|| rustix::fs::sendfile(&self.fd, file, Some(&mut cursor), len)) {
            Ok(0) => Ok(Sent::SourceEnd),
            Ok(n) => Ok(Sent::Bytes(n)),
            Err(Errno::AGAIN) => Ok(Sent::SocketFull),
            Err(Errno::INVAL | Errno::NOSYS) => {
                send_copy(source, offset, len, |bytes| self.send(bytes))
            }
            Err(errno) if is_of_source(errno) => Ok(Sent::SourceEnd),
            Err(errno) => Err(errno.into()),
        }
    }

    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(&self.fd, bytes, SendFlags::NOSIGNAL)?)
    }

    /// shutdown(2) of the sending half.
    pub(super) fn shutdown_write(&self) -> io::Result<()> {
        Ok(rustix::net::shutdown(&self.fd, Shutdown::Write)?)
    }

    /// shutdown(2) of both halves: a thread that waits on this socket wakes to its end.
    pub(super) fn hang_up(&self) {
        // Fails if the peer was quicker, and then that wakes them.
        let _ = rustix::net::shutdown(&self.fd, Shutdown::Both);
    }

    /// Whether a read would have to wait.
    pub(super) fn is_quiet(&self) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        rustix::net::recv(&self.fd, &mut [0; 1], flags).is_err_and(|errno| errno == Errno::AGAIN)
    }

    /// Whether the connection is broken or closed in both directions: `POLLHUP` and `POLLERR` come
    /// without being asked for (poll(2)), and a half that the peer has closed is `POLLRDHUP`.
    pub(super) fn is_gone(&self) -> bool {
        let mut only = [PollFd::new(&self.fd, PollFlags::empty())];
        let at_once = timespec(Some(Duration::ZERO));
        matches!(rustix::event::poll(&mut only, at_once.as_ref()), Ok(1..))
    }

    /// SIOCOUTQ.
    pub(super) fn unacknowledged(&self) -> usize {
        gaps::unacknowledged(self.as_fd())
    }

    /// In this order: what arrives in between is asked about last.
    pub(super) fn closes_cleanly(&self) -> bool {
        self.unacknowledged() == 0 && self.is_quiet()
    }

    /// Takes the lowest descriptor that is free, if that is lower. Not for one that is watched:
    /// epoll(7) knows a socket by its descriptor (its question on keys).
    pub(super) fn renumber(&mut self) {
        let lowest = rustix::io::fcntl_dupfd_cloexec(&self.fd, 0);
        if let Some(lower) = lowest
            .ok()
            .filter(|fd| fd.as_raw_fd() < self.fd.as_raw_fd())
        {
            self.fd = lower;
        }
    }

    /// The descriptor's number, for traces.
    pub(super) fn id(&self) -> i32 {
        self.fd.as_raw_fd()
    }
}

impl AsFd for SocketFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// One stretch of a source, read and given to `write`. What that does not take is read again by the
/// next call: no copy outlives this one.
pub(super) fn send_copy(
    source: &dyn Source,
    offset: u64,
    len: usize,
    write: impl FnOnce(&[u8]) -> io::Result<usize>,
) -> io::Result<Sent> {
    let mut copy = [0; COPIED_BYTES];
    let window = &mut copy[..len.min(COPIED_BYTES)];
    let Ok(taken @ 1..) = source.read_at(window, offset) else {
        return Ok(Sent::SourceEnd);
    };
    match write(&window[..taken]) {
        Ok(n) => Ok(Sent::Bytes(n)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Sent::SocketFull),
        Err(error) => Err(error),
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

/// Only renumbering needs it for itself: threads share it, see [`Hold`](super::Hold).
impl Socket for SocketFd {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        Self::read(self, into)
    }

    fn write(&mut self, from: &[IoSlice<'_>], more: bool) -> io::Result<usize> {
        Self::write(self, from, more)
    }

    fn send_file(
        &mut self,
        source: &dyn Source,
        offset: u64,
        len: usize,
        more: bool,
    ) -> io::Result<Sent> {
        Self::send_file(self, source, offset, len, more)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Self::shutdown_write(self)
    }

    fn unacknowledged(&self) -> usize {
        Self::unacknowledged(self)
    }

    fn closes_cleanly(&self) -> bool {
        Self::closes_cleanly(self)
    }

    fn is_gone(&self) -> bool {
        Self::is_gone(self)
    }

    fn renumber(&mut self) {
        Self::renumber(self);
    }

    fn id(&self) -> i32 {
        Self::id(self)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a client connects")]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    struct Letters;

    impl Source for Letters {
        fn len(&self) -> u64 {
            26
        }
        fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
            let letters = (b'a'..=b'z').skip(usize::try_from(offset).unwrap());
            Ok(letters.zip(into).map(|(letter, at)| *at = letter).count())
        }
        fn as_fd(&self) -> Option<BorrowedFd<'_>> {
            None
        }
    }

    #[test]
    fn what_is_sent_in_stretches_is_corked_until_its_end() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let socket = SocketFd::new(listener.accept().unwrap().0.into());
        let corked = || sockopt::tcp_cork(&socket).unwrap();
        let send = |offset, len, more| {
            let sent = socket.send_file(&Letters, offset, len, more);
            assert_eq!(sent.unwrap(), Sent::Bytes(len));
        };
        send(0, 2, false);
        assert!(!corked(), "sent at once, and no call for it");
        send(2, 2, true);
        assert!(corked());
        send(4, 1, false);
        assert!(!corked(), "the end");
        send(5, 1, true);
        socket.write(&[IoSlice::new(b"!")], false).unwrap();
        assert!(!corked(), "a boundary behind a part");
        let mut got = [0; 7];
        peer.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"abcdef!");
    }
}
