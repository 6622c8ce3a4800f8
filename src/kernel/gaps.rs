//! The few calls that rustix does not wrap.
//!
//! *Floor 2.* The only foreign calls of the crate; each is one call and its reason.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

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

/// Lets a group of `SO_REUSEPORT` sockets give each new connection to the one at `index`, and by
/// the usual hash if there is none (socket(7), `SO_ATTACH_REUSEPORT_CBPF`).
pub(super) fn choose_by_index(socket: BorrowedFd<'_>, index: u32) -> io::Result<()> {
    // One instruction of classic BPF: return a constant. libc has the numbers as C ints.
    let mut code = [libc::sock_filter {
        code: BPF_RETURN_CONSTANT,
        jt: 0,
        jf: 0,
        k: index,
    }];
    let program = libc::sock_fprog {
        len: 1,
        filter: code.as_mut_ptr(),
    };
    #[expect(
        unsafe_code,
        reason = "rustix has no name for SO_ATTACH_REUSEPORT_CBPF"
    )]
    // SAFETY: the option takes a sock_fprog of this size, which points to as many instructions as
    // it says; the kernel copies both before it returns.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_REUSEPORT_CBPF,
            std::ptr::from_ref(&program).cast(),
            PROGRAM_BYTES,
        )
    };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// `BPF_RET | BPF_K`.
const BPF_RETURN_CONSTANT: u16 = 0x06;

#[expect(clippy::cast_possible_truncation, reason = "a struct of 16 bytes")]
const PROGRAM_BYTES: libc::socklen_t = size_of::<libc::sock_fprog>() as libc::socklen_t;
