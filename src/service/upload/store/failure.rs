//! Why an upload cannot be kept.
//!
//! *Floor 3.* What errno(3) means to whoever sends a file; `answer.rs` has the words.

use rustix::io::Errno;

/// Why something could not be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Failure {
    /// Something of this name is there already.
    Exists,
    /// What is there is no file, or a name on the way is no directory.
    NotAFile,
    /// The file system cannot hold this name: FAT has no colons, others shorter names.
    BadName,
    /// The part of an upload does not begin where the last one ended: there.
    OtherOffset(u64),
    /// There is no such unfinished upload.
    Unknown,
    /// The owner has removed the directory, or the hidden file.
    Gone,
    /// The owner has removed the directory that takes uploads; another of its name is another one.
    RootGone,
    /// Another connection sends it.
    InUse,
    /// One file may not be so long.
    TooLong,
    /// All uploads together may not take more.
    QuotaSpent,
    /// The disk is full, or as full as it may get.
    NoSpace,
    /// The server may not write there.
    Forbidden,
    /// Out of descriptors or memory; it passes.
    Busy,
    /// The disk failed.
    Broken,
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::EXIST | Errno::NOTEMPTY => Self::Exists,
            Errno::NOENT => Self::Gone,
            Errno::NOTDIR | Errno::ISDIR | Errno::LOOP => Self::NotAFile,
            Errno::NAMETOOLONG | Errno::INVAL | Errno::ILSEQ => Self::BadName,
            Errno::NOSPC | Errno::DQUOT | Errno::FBIG | Errno::MLINK => Self::NoSpace,
            Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::XDEV => Self::Forbidden,
            Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS => Self::Busy,
            _ => Self::Broken,
        }
    }
}
