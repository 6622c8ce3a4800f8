//! Access lines in a file of their own, which is opened again when SIGHUP says that it was moved.
//!
//! *Floor 4.* Knows a path and its descriptor; does not know what the lines say.
//!
//! ```text
//! SIGHUP ─▶ a byte in a pair ─▶ the thread "log reopen" ─▶ `asked`, and an empty chunk in the queue
//!                               the log's writer ─▶ open(2), then the next line
//! ```
//!
//! A file that cannot be opened again, or is full, costs lines and nothing else: the old one is kept.
//!
//! *References:* signal-safety(7), logrotate(8).

#![expect(
    clippy::disallowed_methods,
    reason = "a thread waits for the signal: the writer waits for lines"
)]

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::fs::{CWD, Mode, OFlags, openat};
use signal_hook::consts::SIGHUP;

use crate::driver::observe::lines::{Lines, Standard};

/// A file that lines are appended to.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    file: File,
    asked: Arc<AtomicBool>,
    signalled: Option<UnixStream>,
}

impl LogFile {
    /// Opens or creates it, for its owner to write and its group to read. From now on SIGHUP is about
    /// it.
    ///
    /// # Errors
    /// A path that cannot be opened, or whose opening would wait for a reader.
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let file = append(&path)?;
        let (signalled, signal) = UnixStream::pair()?;
        signal_hook::low_level::pipe::register(SIGHUP, signal)?;
        Ok(Self {
            path,
            file,
            asked: Arc::default(),
            signalled: Some(signalled),
        })
    }

    /// Has the writer of `lines` open it again after each SIGHUP, at once and not with the next line.
    pub(super) fn hears(
        signalled: UnixStream,
        asked: Arc<AtomicBool>,
        lines: &Lines,
    ) -> io::Result<()> {
        let (mut signalled, lines) = (signalled, lines.downgrade());
        let work = move || {
            while signalled.read(&mut [0; 64]).is_ok_and(|n| n > 0) {
                asked.store(true, Ordering::Relaxed);
                let Some(lines) = lines.upgrade() else { break };
                lines.send(&mut Vec::new(), 0);
            }
        };
        let thread = thread::Builder::new().name("log reopen".into());
        thread.spawn(work).map(drop)
    }

    /// What [`hears`](Self::hears) needs, once.
    pub(super) fn signal(&mut self) -> Option<(UnixStream, Arc<AtomicBool>)> {
        Some((self.signalled.take()?, Arc::clone(&self.asked)))
    }

    fn reopen_if_asked(&mut self) {
        let is_regular = || self.file.metadata().is_ok_and(|found| found.is_file());
        if !self.asked.swap(false, Ordering::Relaxed) || !is_regular() {
            return;
        }
        match append(&self.path) {
            Ok(file) => self.file = file,
            Err(error) => {
                let path = self.path.display();
                let line = format!(
                    "httpoll: --log-file {path}: {error}; goes on in the one that is open\n"
                );
                // Standard error may be closed.
                let _ = Standard::error().write(line.as_bytes());
            }
        }
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    /// Between two chunks of whole lines.
    fn flush(&mut self) -> io::Result<()> {
        self.reopen_if_asked();
        Ok(())
    }
}

/// Not a FIFO, whose open(2) would wait for its reader: at the start, or ever after with all lines, if
/// one is there when it is opened again.
///
/// PITFALL: openat(2), which `--sandbox strict` lets through with these flags; musl's open(3) is
/// another call.
fn append(path: &Path) -> io::Result<File> {
    if fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo()) {
        return Err(io::Error::other("it is a FIFO, which waits for its reader"));
    }
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOCTTY;
    let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP;
    Ok(openat(CWD, path, flags, mode)?.into())
}
