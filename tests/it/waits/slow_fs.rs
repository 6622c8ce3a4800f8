//! A small file system whose reads wait at a gate, and so do looks at some names.
//!
//! It is served by this process, so nothing of it is left when the tests end. The gate makes a test
//! of waiting one without a clock: what is answered while it is closed did not wait.

use std::ffi::OsStr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, Generation,
    INodeNo, LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyEmpty,
    ReplyEntry, Request, SessionACL,
};

use crate::harness::skip;

/// How long the gate holds what is not let through: a test that has failed must end.
const PATIENCE: Duration = Duration::from_secs(60);
pub(super) const LARGE_BYTES: usize = 512 * 1024;

/// What stands in a file between these positions.
pub(super) fn content(range: Range<usize>) -> Vec<u8> {
    range
        .map(|at| b'a' + u8::try_from(at / 7 % 26).unwrap())
        .collect()
}

/// Where reads wait, from the first one on, until it is opened.
#[derive(Default)]
pub(super) struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Default)]
struct GateState {
    open: bool,
    waiting: bool,
    gave_up: bool,
    /// How often a file or directory was read from its beginning.
    begun: usize,
}

impl Gate {
    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.waiting = true;
        self.changed.notify_all();
        let (mut state, waited) = self
            .changed
            .wait_timeout_while(state, PATIENCE, |state| !state.open)
            .unwrap();
        state.gave_up |= waited.timed_out();
    }

    /// The same, at the beginning of a file or directory.
    fn begin(&self) {
        self.state.lock().unwrap().begun += 1;
        self.pass();
    }

    /// How often something was read from its beginning.
    pub(super) fn begun(&self) -> usize {
        self.state.lock().unwrap().begun
    }

    /// Waits until a thread waits here.
    pub(super) fn is_reached(&self) {
        let state = self.state.lock().unwrap();
        let reached = |state: &mut GateState| !state.waiting;
        let (state, _) = (self.changed)
            .wait_timeout_while(state, PATIENCE, reached)
            .unwrap();
        assert!(state.waiting, "no thread came to the gate");
    }

    /// Lets all threads through from now on. Whether none had to be let through before.
    pub(super) fn open(&self) -> bool {
        let mut state = self.state.lock().unwrap();
        state.open = true;
        self.changed.notify_all();
        !state.gave_up
    }
}

/// A mount, ended with the test.
pub(super) struct SlowFs {
    pub(super) gate: Arc<Gate>,
    /// Where a thread waits that closes `shut`.
    pub(super) closing: Arc<Gate>,
    _session: BackgroundSession,
}

/// An overlay, ended with the test.
pub(super) struct Overlay(PathBuf);

impl SlowFs {
    /// Mounts it at a directory, or skips the test where that is not allowed.
    pub(super) fn mount(at: &Path) -> Option<Self> {
        let mut config = Config::default();
        config.mount_options = vec![MountOption::RO, MountOption::FSName("slow".into())];
        config.acl = SessionACL::All;
        config.n_threads = Some(8);
        let gate = Arc::new(Gate::default());
        let closing = Arc::new(Gate::default());
        let files = Files(Arc::clone(&gate), Arc::clone(&closing));
        match fuser::spawn_mount(files, at, &config) {
            Ok(_session) => Some(Self {
                gate,
                closing,
                _session,
            }),
            Err(error) => {
                skip(&format!("a right to mount FUSE: {error}"));
                None
            }
        }
    }

    /// Covers it with an overlay of these layers.
    pub(super) fn covered_by(&self, layers: &str, at: &Path) -> Option<Overlay> {
        let words = ["-t", "overlay", "overlay", "-o", layers];
        let mounted = Command::new("mount").args(words).arg(at).status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Overlay(at.to_owned()));
        }
        skip("a right to mount overlayfs");
        None
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// `large`, `small`, `shut`, `link-0`, `link-1`, … and the gates of reading and closing.
struct Files(Arc<Gate>, Arc<Gate>);

const LONG: Duration = Duration::from_secs(3600);
const ROOT: u64 = 1;
const LARGE: u64 = 2;
const SHUT: u64 = 1_000;

fn attributes(ino: u64) -> FileAttr {
    let size = match ino {
        ROOT => 0,
        LARGE | SHUT => LARGE_BYTES as u64,
        _ => 1_000,
    };
    FileAttr {
        ino: INodeNo(ino),
        size,
        blocks: size.div_ceil(512),
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH + LONG,
        ctime: UNIX_EPOCH + LONG,
        crtime: UNIX_EPOCH,
        kind: match ino {
            ROOT => FileType::Directory,
            _ => FileType::RegularFile,
        },
        perm: 0o755,
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        flags: 0,
        blksize: 4096,
    }
}

impl Filesystem for Files {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let name = name.to_string_lossy();
        let ino = match (&*name, name.strip_prefix("link-")) {
            ("large", _) => LARGE,
            ("small", _) => 3,
            ("shut", _) => SHUT,
            (_, Some(number)) => {
                self.0.pass();
                4 + number.parse::<u64>().unwrap_or(0)
            }
            _ => return reply.error(Errno::ENOENT),
        };
        reply.entry(&LONG, &attributes(ino), Generation(0));
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&LONG, &attributes(ino.into()));
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let len = usize::try_from(attributes(ino.into()).size).unwrap();
        match offset {
            0 => self.0.begin(),
            _ => self.0.pass(),
        }
        let from = usize::try_from(offset).unwrap().min(len);
        let to = (from + size as usize).min(len);
        reply.data(&content(from..to));
    }

    fn flush(&self, _: &Request, ino: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        if u64::from(ino) == SHUT {
            self.1.pass();
        }
        reply.ok();
    }

    fn readdir(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        if offset == 0 {
            self.0.begin();
        }
        for (at, name) in (1..)
            .zip(["large", "small"])
            .skip(usize::try_from(offset).unwrap())
        {
            let _ = reply.add(INodeNo(at + 1), at, FileType::RegularFile, name);
        }
        reply.ok();
    }
}
