//! A small file system in memory that has neither `O_TMPFILE` nor links nor rename flags, as FAT over
//! FUSE has not, and refuses some names; it is served by this process, so that the server under test
//! may be killed. Its writes and unlinks wait at a gate, if that is closed.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem,
    FopenFlags, Generation, INodeNo, LockOwner, MountOption, OpenFlags, RenameFlags, ReplyAttr,
    ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyStatfs, ReplyWrite,
    Request, SessionACL, TimeOrNow, WriteFlags,
};

use crate::harness::{PATIENCE, skip};

#[derive(Default)]
struct Files {
    names: BTreeMap<String, u64>,
    contents: BTreeMap<u64, Vec<u8>>,
    closed: bool,
    waiting: usize,
}

#[derive(Clone, Default)]
struct Shared(Arc<(Mutex<Files>, Condvar)>);

impl Shared {
    fn files(&self) -> MutexGuard<'_, Files> {
        self.0.0.lock().unwrap()
    }

    /// Waits until the gate is open.
    fn pass(&self) {
        let mut files = self.files();
        files.waiting += 1;
        self.0.1.notify_all();
        let (mut files, _) = self
            .0
            .1
            .wait_timeout_while(files, PATIENCE, |files| files.closed)
            .unwrap();
        files.waiting -= 1;
    }
}

pub(super) struct FlatFs {
    files: Shared,
    _session: BackgroundSession,
}

impl FlatFs {
    /// Mounts it, or skips the test where that is not allowed.
    pub(super) fn mount(at: &Path) -> Option<Self> {
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("flat".into())];
        config.acl = SessionACL::All;
        config.n_threads = Some(8);
        let files = Shared::default();
        match fuser::spawn_mount(files.clone(), at, &config) {
            Ok(_session) => Some(Self { files, _session }),
            Err(error) => {
                skip(&format!("a right to mount FUSE: {error}"));
                None
            }
        }
    }

    pub(super) fn close(&self) {
        self.files.files().closed = true;
    }

    pub(super) fn open(&self) {
        self.files.files().closed = false;
        self.files.0.1.notify_all();
    }

    /// Waits until somebody waits at the gate.
    pub(super) fn is_reached(&self) {
        let files = self.files.files();
        let reached = |files: &mut Files| files.waiting == 0;
        let (files, _) = self
            .files
            .0
            .1
            .wait_timeout_while(files, PATIENCE, reached)
            .unwrap();
        assert!(files.waiting > 0, "nobody came to the gate");
    }
}

const TTL: Duration = Duration::ZERO;
const ROOT: u64 = 1;

impl Files {
    fn attributes(&self, ino: u64) -> Option<FileAttr> {
        let size = match ino {
            ROOT => 0,
            _ => self.contents.get(&ino)?.len() as u64,
        };
        Some(FileAttr {
            ino: INodeNo(ino),
            size,
            blocks: size.div_ceil(512),
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH + Duration::from_secs(3600),
            ctime: UNIX_EPOCH + Duration::new(3600, 1),
            crtime: UNIX_EPOCH,
            kind: if ino == ROOT {
                FileType::Directory
            } else {
                FileType::RegularFile
            },
            perm: if ino == ROOT { 0o777 } else { 0o644 },
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            flags: 0,
            blksize: 4096,
        })
    }

    fn of(&self, name: &OsStr) -> Option<u64> {
        self.names.get(&*name.to_string_lossy()).copied()
    }
}

impl Filesystem for Shared {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let files = self.files();
        match files.of(name).and_then(|ino| files.attributes(ino)) {
            Some(attributes) => reply.entry(&TTL, &attributes, Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.files().attributes(ino.0) {
            Some(attributes) => reply.attr(&TTL, &attributes),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<std::time::SystemTime>,
        _: Option<FileHandle>,
        _: Option<std::time::SystemTime>,
        _: Option<std::time::SystemTime>,
        _: Option<std::time::SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        match self.files().attributes(ino.0) {
            Some(attributes) => reply.attr(&TTL, &attributes),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn create(
        &self,
        _: &Request,
        _: INodeNo,
        name: &OsStr,
        _: u32,
        _: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        let mut files = self.files();
        let ino = files.contents.keys().last().copied().unwrap_or(ROOT) + 1;
        files.names.insert(name.to_string_lossy().into_owned(), ino);
        files.contents.insert(ino, Vec::new());
        match files.attributes(ino) {
            Some(made) => {
                reply.created(
                    &TTL,
                    &made,
                    Generation(0),
                    FileHandle(0),
                    FopenFlags::empty(),
                );
            }
            None => reply.error(Errno::EIO),
        }
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        self.pass();
        let at = usize::try_from(offset).unwrap();
        let mut files = self.files();
        let Some(content) = files.contents.get_mut(&ino.0) else {
            return reply.error(Errno::ENOENT);
        };
        content.resize(content.len().max(at + data.len()), 0);
        content[at..at + data.len()].copy_from_slice(data);
        reply.written(u32::try_from(data.len()).unwrap());
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
        let files = self.files();
        let content = files.contents.get(&ino.0).map_or(&[][..], Vec::as_slice);
        let from = usize::try_from(offset).unwrap().min(content.len());
        let to = (from + size as usize).min(content.len());
        reply.data(&content[from..to]);
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn unlink(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.pass();
        match self.files().names.remove(&*name.to_string_lossy()) {
            Some(_) => reply.ok(),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn rename(
        &self,
        _: &Request,
        _: INodeNo,
        name: &OsStr,
        _: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let new_name = new_name.to_string_lossy().into_owned();
        if !flags.is_empty() || new_name.contains(':') {
            return reply.error(Errno::EINVAL);
        }
        let mut files = self.files();
        match files.names.remove(&*name.to_string_lossy()) {
            Some(ino) => {
                files.names.insert(new_name, ino);
                reply.ok();
            }
            None => reply.error(Errno::ENOENT),
        }
    }

    fn readdir(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let files = self.files();
        let from = usize::try_from(offset).unwrap();
        for (at, (name, ino)) in (1..).zip(&files.names).skip(from) {
            if reply.add(INodeNo(*ino), at, FileType::RegularFile, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        reply.statfs(1 << 20, 1 << 20, 1 << 20, 1000, 1000, 4096, 255, 4096);
    }
}
