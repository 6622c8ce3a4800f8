//! An archive while it is sent: made a piece at a time, where waiting is allowed.
//!
//! *Floor 3.* Knows how much is made at once and what is done when a file is longer or shorter than
//! it was; does not know formats, nor who takes the pieces, nor when.
//!
//! Between two pieces there is at most one open descriptor, and no buffer: a client that takes its
//! time costs its piece, the names of the directories on the way and, for zip, the index.

use std::mem;
use std::os::fd::OwnedFd;
use std::time::UNIX_EPOCH;

use rustix::fs::Stat;
use rustix::io::{Errno, pread};

use super::deflate::{Deflater, Gzip};
use super::entry::{ArchiveEntry, ArchiveFormat, Broken, PIECE_BYTES};
use super::walk::{Exhausted, Walk, WalkStep};
use crate::http::{Chunk, Chunks, Tick, Wake};
use crate::service::opening::load::drop_elsewhere;

/// Up to so many bytes a file is read before anything is said of it. With as many before it, that is
/// a piece.
const WHOLE_BYTES_MAX: usize = PIECE_BYTES / 2;

/// So many steps a piece has at most, each a few system calls: files opened, parts of directories
/// read, parts of a file that compress to nothing.
const STEPS_MAX: u32 = 64;

/// How much is told of what is not in the archive.
const LEFT_OUT_BYTES_MAX: usize = 64 * 1024;

/// The stream: what makes it is dropped where that may wait, if it has something open.
pub(super) struct ArchiveStream(Option<Box<Maker>>);

/// PITFALL: a client may leave at any time, and then this is dropped on a loop; close(2) may wait
/// (`an_archive_of_a_slow_file_system_is_given_up_elsewhere`).
impl Drop for ArchiveStream {
    fn drop(&mut self) {
        if let Some(maker) = self.0.take_if(|maker| maker.is_open()) {
            drop_elsewhere(maker);
        }
    }
}

impl Chunks for ArchiveStream {
    fn next_chunk(&mut self, _: &Wake) -> Chunk {
        let Some(maker) = &mut self.0 else {
            return Chunk::End;
        };
        match maker.piece() {
            Ok(piece) => Chunk::Bytes(piece),
            Err(End::Complete) => Chunk::End,
            // Cut off, so that the client does not take it for the whole.
            Err(End::Broken) => Chunk::Failed,
        }
    }

    fn may_wait(&self) -> bool {
        true
    }
}

/// What makes an archive.
struct Maker {
    walk: Walk,
    format: Box<dyn ArchiveFormat>,
    gzip: Option<Gzip>,
    /// What everything in it is below.
    top: Vec<u8>,
    file: Option<OpenFile>,
    left_out: LeftOut,
    /// When it was asked for, in seconds since 1970.
    asked: i64,
    state: MakerState,
}

/// A file of which a part has been sent.
struct OpenFile {
    fd: OwnedFd,
    at: u64,
    /// How long it was when it was opened: more is not sent.
    size: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum MakerState {
    Walking,
    /// All entries are written.
    Finishing,
    Ended,
}

/// Why there is no further piece.
enum End {
    Complete,
    Broken,
}

impl From<Broken> for End {
    fn from(_: Broken) -> Self {
        Self::Broken
    }
}

impl From<Exhausted> for End {
    fn from(_: Exhausted) -> Self {
        Self::Broken
    }
}

impl From<Errno> for End {
    fn from(_: Errno) -> Self {
        Self::Broken
    }
}

impl ArchiveStream {
    /// All of `walk`, below a directory with the name `top`.
    pub(super) fn new(
        walk: Walk,
        top: &[u8],
        (format, gzip): (Box<dyn ArchiveFormat>, Option<Gzip>),
        now: &Tick,
    ) -> Self {
        let asked = now.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(Some(Box::new(Maker {
            walk,
            format,
            gzip,
            top: top.to_vec(),
            file: None,
            left_out: LeftOut::default(),
            asked: i64::try_from(asked.as_secs()).unwrap_or(0),
            state: MakerState::Walking,
        })))
    }
}

impl Maker {
    fn is_open(&self) -> bool {
        self.file.is_some() || self.walk.is_reading()
    }

    /// The next piece; an empty one if all that could be done at once made nothing.
    fn piece(&mut self) -> Result<Vec<u8>, End> {
        if self.state == MakerState::Ended {
            return Err(End::Complete);
        }
        let mut deflater = Deflater::default();
        let mut out = Vec::with_capacity(PIECE_BYTES + 4 * 1024);
        for _ in 0..STEPS_MAX {
            self.step(&mut deflater, &mut out)?;
            if self.state == MakerState::Ended || out.len() >= WHOLE_BYTES_MAX {
                break;
            }
        }
        let Some(gzip) = &mut self.gzip else {
            return Ok(out);
        };
        let mut packed = Vec::with_capacity(out.len() / 2);
        if !out.is_empty() {
            gzip.piece(&out, &mut deflater, &mut packed);
        }
        if self.state == MakerState::Ended {
            gzip.finish(&mut packed);
        }
        Ok(packed)
    }

    fn step(&mut self, deflater: &mut Deflater, out: &mut Vec<u8>) -> Result<(), End> {
        if self.file.is_some() {
            return self.go_on(deflater, out);
        }
        if self.state == MakerState::Finishing {
            if !self.format.finish(out) {
                self.state = MakerState::Ended;
            }
            return Ok(());
        }
        match self.walk.step()? {
            WalkStep::Onward => {}
            WalkStep::Directory(stat) => {
                let path = self.entry_path();
                self.format.directory(&entry(&path, &stat), out)?;
            }
            WalkStep::File(fd, stat) => self.begin(fd, &stat, deflater, out)?,
            WalkStep::LeftOut(why) => self.left_out.note(self.walk.path(), why),
            WalkStep::End => {
                self.tell_left_out(deflater, out)?;
                self.state = MakerState::Finishing;
            }
        }
        Ok(())
    }

    /// Its name and its content, or the beginning of that.
    fn begin(
        &mut self,
        fd: OwnedFd,
        stat: &Stat,
        deflater: &mut Deflater,
        out: &mut Vec<u8>,
    ) -> Result<(), End> {
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let wanted = usize::try_from(size).unwrap_or(usize::MAX);
        let mut first = Vec::new();
        fill(&fd, 0, wanted.min(WHOLE_BYTES_MAX), &mut first)?;
        let path = self.entry_path();
        let entry = entry(&path, stat);
        // Also one that has become so short since.
        if first.len() < WHOLE_BYTES_MAX || wanted == first.len() {
            return Ok(self.format.whole(&entry, &first, deflater, out)?);
        }
        self.format.begin(&entry, size, &first, deflater, out)?;
        let at = first.len() as u64;
        self.file = Some(OpenFile { fd, at, size });
        Ok(())
    }

    /// More of the open file, or its end.
    fn go_on(&mut self, deflater: &mut Deflater, out: &mut Vec<u8>) -> Result<(), End> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let left = usize::try_from(file.size - file.at).unwrap_or(usize::MAX);
        let from = out.len();
        let taken = fill(&file.fd, file.at, left.min(PIECE_BYTES - from), out)?;
        file.at += taken as u64;
        let missing = file.size - file.at;
        let ended = missing == 0 || out.len() < PIECE_BYTES;
        self.format.content(from, deflater, out);
        if ended {
            self.file = None;
            self.format.end(missing, out)?;
        }
        Ok(())
    }

    /// A name in the archive.
    fn entry_path(&self) -> Vec<u8> {
        [&self.top[..], b"/", self.walk.path()].concat()
    }

    /// Says in the archive itself, beside the folder, what of it is not there.
    fn tell_left_out(&mut self, deflater: &mut Deflater, out: &mut Vec<u8>) -> Result<(), End> {
        let Some(text) = mem::take(&mut self.left_out).into_text() else {
            return Ok(());
        };
        let path = [&self.top[..], b"-left-out.txt"].concat();
        let entry = ArchiveEntry {
            path: &path,
            modified: self.asked,
            executable: false,
        };
        Ok(self.format.whole(&entry, &text, deflater, out)?)
    }
}

fn entry<'p>(path: &'p [u8], stat: &Stat) -> ArchiveEntry<'p> {
    ArchiveEntry {
        path,
        modified: stat.st_mtime,
        executable: stat.st_mode & 0o100 != 0,
    }
}

/// Adds up to `len` bytes of a file, fewer only at its end; how many.
fn fill(fd: &OwnedFd, at: u64, len: usize, out: &mut Vec<u8>) -> Result<usize, Errno> {
    let from = out.len();
    out.resize(from + len, 0);
    let mut taken = 0;
    let read = loop {
        if taken == len {
            break Ok(taken);
        }
        match pread(fd, &mut out[from + taken..], at + taken as u64) {
            Ok(0) => break Ok(taken),
            Ok(n) => taken += n,
            Err(Errno::INTR) => {}
            Err(errno) => break Err(errno),
        }
    };
    out.truncate(from + taken);
    read
}

/// What is shown by the listing and is not in the archive.
#[derive(Default)]
struct LeftOut {
    text: Vec<u8>,
    untold: u64,
}

impl LeftOut {
    fn note(&mut self, path: &[u8], why: &str) {
        if self.text.len() > LEFT_OUT_BYTES_MAX {
            self.untold += 1;
            return;
        }
        self.text.extend_from_slice(path);
        self.text.extend_from_slice(b": ");
        self.text.extend_from_slice(why.as_bytes());
        self.text.push(b'\n');
    }

    fn into_text(mut self) -> Option<Vec<u8>> {
        if self.untold > 0 {
            let more = format!("and {} more\n", self.untold);
            self.text.extend_from_slice(more.as_bytes());
        }
        let text = [b"Not in this archive:\n\n", &self.text[..]].concat();
        (!self.text.is_empty()).then_some(text)
    }
}
