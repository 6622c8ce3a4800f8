//! A terminal that closes stops what was started in it.
//!
//! *Floor 5, of the program only.* Who shares a folder from a window expects the sharing to end with
//! it: SIGHUP is a stop then, however often it comes (the kernel and the shell both send it). It is
//! none without a controlling terminal (setsid(1), a service), nor where it was ignored at the start
//! (nohup(1)); with `--log-file` it is about that file.
//!
//! *References:* POSIX, "General Terminal Interface" (modem disconnect); proc_pid_status(5), `SigIgn`.

#![expect(clippy::disallowed_methods, reason = "a thread waits for the signal")]

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::thread;

use httpoll::driver::Stopper;
use rustix::termios::tcgetpgrp;
use signal_hook::consts::SIGHUP;

/// The terminal that the program was started in.
pub(crate) struct Terminal {
    hung_up: UnixStream,
}

impl Terminal {
    /// Hears from now on that it closes. `None` if the program is to outlive it.
    pub(crate) fn watched() -> io::Result<Option<Self>> {
        // Of another session's terminal it fails.
        let is_ours = tcgetpgrp(io::stdin()).is_ok() || tcgetpgrp(io::stdout()).is_ok();
        if !is_ours || std::fs::read_to_string("/proc/self/status").is_ok_and(|s| is_ignored(&s)) {
            return Ok(None);
        }
        let (hung_up, signal) = UnixStream::pair()?;
        signal_hook::low_level::pipe::register(SIGHUP, signal)?;
        Ok(Some(Self { hung_up }))
    }

    /// Has its end be that of a server. To be called once all rights are given up: it is a thread.
    pub(crate) fn stops(mut self, stopper: Stopper) -> io::Result<()> {
        let work = move || {
            while self.hung_up.read(&mut [0]).is_ok_and(|n| n > 0) {
                stopper.stop();
            }
        };
        thread::Builder::new()
            .name("terminal".into())
            .spawn(work)
            .map(drop)
    }
}

/// Whether SIGHUP is among the ignored signals: a set in hexadecimal, whose lowest bit is signal 1.
fn is_ignored(status: &str) -> bool {
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let set = set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    set.is_some_and(|set| set & (1 << (SIGHUP - 1)) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_ignores_it_is_found_in_the_status() {
        let check = |set: &str, expected: bool| {
            let status = format!("Name:\ta\nSigBlk:\tffffffffffffffff\nSigIgn:\t{set}\n");
            assert_eq!(is_ignored(&status), expected, "{set}");
        };
        check("0000000000000001", true);
        check("0000000000001001", true);
        check("0000000000001000", false);
        check("0000000000000000", false);
        assert!(!is_ignored("Name:\ta\n"));
    }
}
