//! From an open descriptor to content: small files into memory, large ones kept open.
//!
//! *Floor 3.* Knows pread(2) and what it costs to wait; does not know names or HTTP.
//!
//! The idea: status, length, entity tag and bytes of an answer come from *one* descriptor. A small
//! file is read whole between two looks at its identity, so what is kept is one version of it; a
//! large one is promised by its length and read while it is sent.
//!
//! *References:* preadv2(2) `RWF_NOWAIT`, fstatfs(2).

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, OnceLock};

use rustix::fs::FileType;
use rustix::io::{Errno, ReadWriteFlags, pread, preadv2};
use sha2::{Digest, Sha256};

use crate::http::{Source, Status};
use crate::service::mime;
use crate::service::opening::meta::{Identity, Medium};
use crate::service::opening::open::{Patience, Refusal, Wait};
use crate::service::options::EtagMode;
use crate::service::work::Gone;

/// Up to so many bytes a file is kept in memory and leaves with its head in one write; beyond,
/// sendfile(2) costs less than the copy.
pub(crate) const SMALL_BYTES_MAX: u64 = 128 * 1024;

/// A file's bytes.
#[derive(Clone)]
pub(crate) enum Content {
    /// In memory.
    Small(Arc<[u8]>),
    /// On disk, open.
    Large(Arc<FileSource>),
}

impl Content {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Small(bytes) => bytes.len() as u64,
            Self::Large(source) => source.len,
        }
    }

    /// Copies the bytes at `offset`, as many as there are.
    pub(crate) fn peek(&self, into: &mut [u8], offset: u64, wait: Wait) -> Result<usize, Refusal> {
        let source = match self {
            Self::Small(bytes) => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX);
                let there = bytes.get(from..).unwrap_or_default();
                let n = there.len().min(into.len());
                into[..n].copy_from_slice(&there[..n]);
                return Ok(n);
            }
            Self::Large(source) => source,
        };
        let flags = match (wait, source.medium) {
            (Wait::Never, Medium::Disk) => ReadWriteFlags::NOWAIT,
            (Wait::Never, Medium::Mute | Medium::Remote) => return Err(Refusal::WouldBlock),
            _ => ReadWriteFlags::empty(),
        };
        fill(source.fd()?, into, offset, flags)
    }

    /// Whether its beginning reads as text. Of a large file it is read once, whoever asks.
    pub(crate) fn is_text(&self, wait: Wait) -> Result<bool, Refusal> {
        let source = match self {
            Self::Small(bytes) => return Ok(mime::is_text(bytes, bytes.len() as u64)),
            Self::Large(source) => source,
        };
        if let Some(&known) = source.is_text.get() {
            return Ok(known);
        }
        let mut beginning = [0; mime::BEGINNING_BYTES_MAX];
        let n = self.peek(&mut beginning, 0, wait)?;
        let is_text = mime::is_text(&beginning[..n], source.len);
        Ok(*source.is_text.get_or_init(|| is_text))
    }
}

impl Content {
    /// All bytes, read where waiting is allowed. `None` if they are not those of `identity` any more.
    pub(crate) fn read_all(&self, identity: &Identity) -> Result<Option<Arc<[u8]>>, Refusal> {
        let source = match self {
            Self::Small(bytes) => return Ok(Some(Arc::clone(bytes))),
            Self::Large(source) => source,
        };
        let fd = source.fd()?;
        let bytes = read_whole(fd, source.len, ReadWriteFlags::empty())?;
        let is_same = bytes.len() as u64 == source.len && Identity::of(fd.as_fd())? == *identity;
        Ok(is_same.then_some(bytes))
    }
}

/// An open file, as long as it was when it was opened.
pub(crate) struct FileSource {
    /// Taken out when it is dropped.
    fd: Option<OwnedFd>,
    len: u64,
    medium: Medium,
    /// Whether the beginning reads as text, once that was asked or all was read.
    is_text: OnceLock<bool>,
}

/// What may wait when it is dropped.
pub enum Slow {
    /// A descriptor, because close(2) asks FUSE's server to flush; a name on a disk that is removed then.
    /// Nobody waits for that.
    Closing(Box<dyn Send>),
    /// Content that is written then. It is waited for, so no file system but its own may keep it.
    Writing(Box<dyn Send>),
}

/// Who drops such things.
static CLOSER: OnceLock<fn(Slow)> = OnceLock::new();

/// From now on they are given to `closer`, once for the process; until then they are dropped where
/// their last answer ends, which may be a loop.
pub fn close_with(closer: fn(Slow)) {
    // Said again by another server of the same process.
    let _ = CLOSER.set(closer);
}

/// Drops what may wait for a disk.
pub(crate) fn drop_elsewhere(slow: impl Send + 'static) {
    if let Some(close) = CLOSER.get() {
        close(Slow::Closing(Box::new(slow)));
    }
}

/// Drops what is written when it is dropped.
pub(crate) fn write_elsewhere(slow: impl Send + 'static) {
    if let Some(close) = CLOSER.get() {
        close(Slow::Writing(Box::new(slow)));
    }
}

impl FileSource {
    fn fd(&self) -> rustix::io::Result<&OwnedFd> {
        self.fd.as_ref().ok_or(Errno::BADF)
    }
}

/// PITFALL: the last answer may end on a loop, or under the lock of `threads`
/// (`closing_a_file_on_a_slow_file_system_stops_nobody`).
impl Drop for FileSource {
    fn drop(&mut self) {
        let may_wait = matches!(self.medium, Medium::Mute | Medium::Remote);
        if let Some(fd) = self.fd.take_if(|_| may_wait) {
            drop_elsewhere(fd);
        }
    }
}

impl Source for FileSource {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(pread(self.fd()?, into, offset)?)
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.fd.as_ref().map(AsFd::as_fd)
    }

    /// Asks for one byte. It tells of the first page only, but the kernel reads ahead in stretches
    /// far longer than that, and the next call asks again.
    fn is_resident(&self, offset: u64, _: usize) -> bool {
        match self.medium {
            Medium::Memory => true,
            Medium::Disk => {
                offset >= self.len
                    || self.fd().is_ok_and(|fd| {
                        read_some(fd, &mut [0], offset, ReadWriteFlags::NOWAIT).is_ok()
                    })
            }
            Medium::Mute | Medium::Remote => false,
        }
    }

    fn can_tell(&self) -> bool {
        self.medium == Medium::Disk
    }
}

/// Bytes in memory, of which parts are sent without a copy.
pub(crate) struct MemorySource(pub(crate) Arc<[u8]>);

impl Source for MemorySource {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let there = self.0.get(from..).unwrap_or_default();
        let n = there.len().min(into.len());
        into[..n].copy_from_slice(&there[..n]);
        Ok(n)
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// One version of a file.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) identity: Identity,
    pub(crate) content: Content,
    /// Of the bytes, if entity tags are made from content.
    pub(crate) digest: Option<[u8; 32]>,
    /// Whether the file was the same before and after it was read.
    pub(crate) whole: bool,
    /// Whether it is another machine's.
    pub(crate) remote: bool,
}

impl Loaded {
    /// An encoding of it, in memory. Its tag is made from its bytes in any case: the stamps of the file
    /// do not tell which compressor has made them.
    pub(crate) fn encoded_as(&self, bytes: Arc<[u8]>) -> Self {
        Self {
            digest: Some(Sha256::digest(&bytes).into()),
            content: Content::Small(bytes),
            ..self.clone()
        }
    }
}

#[cfg(test)]
impl Loaded {
    /// A small file with this content, another one each time.
    pub(crate) fn for_tests(bytes: &[u8]) -> Self {
        let file = rustix::fs::memfd_create("a", rustix::fs::MemfdFlags::empty()).unwrap();
        assert_eq!(rustix::io::write(&file, bytes), Ok(bytes.len()));
        let identity = Identity::of(file.as_fd()).unwrap();
        let (medium, patience) = (Medium::Memory, Patience::NONE);
        load(file, identity, medium, EtagMode::Stat, patience).unwrap()
    }
}

/// Reads a regular file, or keeps it open.
///
/// A file that changes whenever one looks (a log) is served as it was read the last time: length
/// and bytes agree, but `whole` is false, so it is neither cached nor matched by its tag.
pub(crate) fn load(
    fd: OwnedFd,
    identity: Identity,
    medium: Medium,
    etag: EtagMode,
    patience: Patience<'_>,
) -> Result<Loaded, Refusal> {
    debug_assert_eq!(identity.kind, FileType::RegularFile);
    let wait = patience.wait;
    let remote = medium == Medium::Remote;
    if wait == Wait::Never && remote {
        return Err(Refusal::WouldBlock);
    }
    if identity.size > SMALL_BYTES_MAX {
        return keep_open(fd, identity, medium, etag, patience);
    }
    if wait == Wait::Never && medium == Medium::Mute {
        return Err(Refusal::WouldBlock);
    }
    let flags = match (wait, medium) {
        (Wait::Never, Medium::Disk) => ReadWriteFlags::NOWAIT,
        _ => ReadWriteFlags::empty(),
    };
    let mut before = identity;
    for attempt in 0.. {
        let bytes = read_whole(&fd, before.size, flags)?;
        let after = Identity::of(fd.as_fd())?;
        let whole = before == after && bytes.len() as u64 == after.size;
        if whole || attempt == 2 || after.size > SMALL_BYTES_MAX {
            return Ok(Loaded {
                identity: after,
                digest: (etag == EtagMode::Content).then(|| Sha256::digest(&bytes).into()),
                content: Content::Small(bytes),
                whole,
                remote,
            });
        }
        before = after;
    }
    unreachable!("the loop ends with its third attempt")
}

fn keep_open(
    fd: OwnedFd,
    identity: Identity,
    medium: Medium,
    etag: EtagMode,
    patience: Patience<'_>,
) -> Result<Loaded, Refusal> {
    let is_text = OnceLock::new();
    let digest = match (etag, patience.wait) {
        (EtagMode::Stat, _) => None,
        (EtagMode::Content, Wait::Allowed) => {
            Some(digest(&fd, identity.size, patience.gone, &is_text)?)
        }
        (EtagMode::Content, _) => return Err(Refusal::WouldBlock),
    };
    let whole = digest.is_none() || Identity::of(fd.as_fd())? == identity;
    let source = FileSource {
        fd: Some(fd),
        len: identity.size,
        medium,
        is_text,
    };
    Ok(Loaded {
        identity,
        content: Content::Large(Arc::new(source)),
        digest,
        whole,
        remote: medium == Medium::Remote,
    })
}

/// Up to `size` bytes from the beginning, where waiting is allowed.
pub(crate) fn read_all_of(fd: &OwnedFd, size: u64) -> Result<Arc<[u8]>, Refusal> {
    read_whole(fd, size, ReadWriteFlags::empty())
}

/// Up to `size` bytes from the beginning, in one allocation that the cache can share.
fn read_whole(fd: &OwnedFd, size: u64, flags: ReadWriteFlags) -> Result<Arc<[u8]>, Refusal> {
    let size = usize::try_from(size).map_err(|_| Refusal::Status(Status::SERVICE_UNAVAILABLE))?;
    let mut bytes: Arc<[u8]> = std::iter::repeat_n(0, size).collect();
    let mut filled = 0;
    if let Some(into) = Arc::get_mut(&mut bytes) {
        filled = fill(fd, into, 0, flags)?;
    }
    if filled < size {
        bytes = Arc::from(&bytes[..filled]);
    }
    Ok(bytes)
}

/// Reads until `into` is full or the file ends.
fn fill(
    fd: &OwnedFd,
    into: &mut [u8],
    offset: u64,
    flags: ReadWriteFlags,
) -> Result<usize, Refusal> {
    let mut filled = 0;
    while filled < into.len() {
        match read_some(fd, &mut into[filled..], offset + filled as u64, flags) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(filled)
}

fn read_some(
    fd: &OwnedFd,
    into: &mut [u8],
    offset: u64,
    flags: ReadWriteFlags,
) -> rustix::io::Result<usize> {
    if flags.is_empty() {
        return pread(fd, into, offset);
    }
    preadv2(fd, &mut [IoSliceMut::new(into)], offset, flags)
}

/// The digest of a file of `size` bytes, by reading all of it; given up if the client is gone.
pub(crate) fn digest_of(fd: &OwnedFd, size: u64, gone: &Gone<'_>) -> Result<[u8; 32], Refusal> {
    digest(fd, size, gone, &OnceLock::new())
}

/// Given up between two pieces if the client is gone. The first piece tells whether it is text.
fn digest(
    fd: &OwnedFd,
    size: u64,
    gone: &Gone<'_>,
    is_text: &OnceLock<bool>,
) -> Result<[u8; 32], Refusal> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut offset = 0;
    while offset < size {
        if gone() {
            return Err(Refusal::WouldBlock);
        }
        match pread(fd, &mut buffer[..], offset) {
            Ok(0) => break,
            Ok(n) => {
                is_text.get_or_init(|| mime::is_text(&buffer[..n], size));
                hash.update(&buffer[..n]);
                offset += n as u64;
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(hash.finalize().into())
}
