//! What an archive format is asked to write.
//!
//! *Floor 3.* Pure: bytes in, bytes out. Does not know files, and owns no buffer: all formats write
//! behind what is in `out` already.

use super::deflate::Deflater;

/// How much is made at a time: what a client that stops reading makes us keep.
pub(super) const PIECE_BYTES: usize = 128 * 1024;

/// A file or a directory, as it is named in an archive.
#[derive(Clone, Copy)]
pub(super) struct ArchiveEntry<'a> {
    /// Its path, with a slash at its end if it is a directory.
    pub(super) path: &'a [u8],
    /// Seconds since 1970, before it too.
    pub(super) modified: i64,
    /// Whether it can be executed by its owner.
    pub(super) executable: bool,
}

impl ArchiveEntry<'_> {
    pub(super) fn is_directory(&self) -> bool {
        self.path.ends_with(b"/")
    }

    /// All that is told of the rights: who owns files here is nothing to clients.
    pub(super) fn mode(&self) -> u32 {
        if self.executable || self.is_directory() {
            0o755
        } else {
            0o644
        }
    }
}

/// The content is shorter than the archive has promised already, or the archive holds no more.
#[derive(Debug)]
pub(super) struct Broken;

/// An archive in the making.
pub(super) trait ArchiveFormat: Send {
    fn directory(&mut self, entry: &ArchiveEntry<'_>, out: &mut Vec<u8>) -> Result<(), Broken>;

    /// A file whose content is at hand, all of it.
    fn whole(
        &mut self,
        entry: &ArchiveEntry<'_>,
        content: &[u8],
        deflater: &mut Deflater,
        out: &mut Vec<u8>,
    ) -> Result<(), Broken>;

    /// A file of `size` bytes, of which `first` are at hand.
    fn begin(
        &mut self,
        entry: &ArchiveEntry<'_>,
        size: u64,
        first: &[u8],
        deflater: &mut Deflater,
        out: &mut Vec<u8>,
    ) -> Result<(), Broken>;

    /// More of its content: what stands in `out` from this position on.
    fn content(&mut self, from: usize, deflater: &mut Deflater, out: &mut Vec<u8>);

    /// The end of it: no more than `size` bytes have come, but perhaps `missing` fewer.
    fn end(&mut self, missing: u64, out: &mut Vec<u8>) -> Result<(), Broken>;

    /// What stands behind all entries, or a piece of it: `true` as long as there is more.
    fn finish(&mut self, out: &mut Vec<u8>) -> bool;
}
