//! The few calls that rustix does not wrap.
//!
//! *Floor 2.* The only foreign calls of the crate; each is one line and its reason.

use std::os::fd::BorrowedFd;

use rustix::ioctl::{Getter, Opcode, ioctl};

#[expect(
    clippy::cast_possible_truncation,
    reason = "requests are 32-bit numbers"
)]
/// SIOCOUTQ by its older name: one number for TCP and for Unix sockets.
const SIOCOUTQ: Opcode = libc::TIOCOUTQ as Opcode;

/// Bytes in the send queue that the peer has not acknowledged (tcp(7)), or not read yet
/// (unix(7), where the count includes the kernel's overhead); 0 if the question fails.
pub(super) fn unacknowledged(socket: BorrowedFd<'_>) -> usize {
    #[expect(unsafe_code, reason = "rustix has no name for SIOCOUTQ")]
    // SAFETY: the request writes one C int and nothing else, tcp(7) and unix(7).
    let queued = unsafe { ioctl(socket, Getter::<SIOCOUTQ, libc::c_int>::new()) };
    queued.map_or(0, |n| usize::try_from(n).unwrap_or(0))
}
