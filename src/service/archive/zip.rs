//! zip, written in one go: what is not known before a file is read stands behind it.
//!
//! *Floor 3.* Pure. A file that is at hand whole has its sizes and checksum in front; a longer one
//! has them in a data descriptor, so that it is right however long it has become. The 64-bit fields
//! are used where they are needed and nowhere else, for the readers that do not know them.
//!
//! Longer files that do not shrink are stored. Deflate's own stored blocks were rejected, although a
//! reader that cannot seek finds their end without searching for it: `unzip -v` would call a film
//! deflated, and bsdtar finds the end of both.
//!
//! *References:* APPNOTE.TXT 6.3.10 (4.3.7 local header, 4.3.9 data descriptor, 4.3.12 central
//! directory, 4.3.14 to 4.3.16 its end, 4.5.3 zip64); Info-ZIP, extrafld.txt (time in UTC).

use flate2::Crc;

use super::deflate::{Deflater, END};
use super::entry::{ArchiveEntry, ArchiveFormat, Broken, PIECE_BYTES};
use super::index::{Index, Packed};
use crate::service::calendar;

pub(super) struct Zip {
    /// Bytes up to here.
    at: u64,
    index: Index,
    current: Option<Current>,
    /// Where the central directory begins, and how much of it has been written.
    directory: Option<(u64, u64)>,
}

/// A file whose content is under way.
struct Current {
    line: Packed,
    checksum: Crc,
    /// Whether its descriptor has fields of 64 bits.
    is_large: bool,
    header_bytes: u64,
}

impl Zip {
    pub(super) fn new() -> Self {
        Self {
            at: 0,
            index: Index::default(),
            current: None,
            directory: None,
        }
    }

    /// An entry is complete: `bytes` have been written of it.
    fn add(&mut self, mut line: Packed, bytes: u64) -> Result<(), Broken> {
        line.span = bytes;
        self.at += bytes;
        self.index.push(line)
    }
}

impl ArchiveFormat for Zip {
    fn directory(&mut self, entry: &ArchiveEntry<'_>, out: &mut Vec<u8>) -> Result<(), Broken> {
        let line = line_of(entry);
        let header = local_header(&line, false, out);
        self.add(line, header)
    }

    fn whole(
        &mut self,
        entry: &ArchiveEntry<'_>,
        content: &[u8],
        deflater: &mut Deflater,
        out: &mut Vec<u8>,
    ) -> Result<(), Broken> {
        let mut checksum = Crc::new();
        checksum.update(content);
        let mut packed = Vec::new();
        if deflater.shrinks(content) {
            deflater.blocks(content, &mut packed);
            packed.extend_from_slice(&END);
        }
        let size = content.len() as u64;
        let deflated = !packed.is_empty() && packed.len() < content.len();
        let sent = if deflated { &packed } else { content };
        let line = Packed {
            deflated,
            checksum: checksum.sum(),
            size,
            packed_size: sent.len() as u64,
            ..line_of(entry)
        };
        let header = local_header(&line, false, out);
        out.extend_from_slice(sent);
        let bytes = header + line.packed_size;
        self.add(line, bytes)
    }

    fn begin(
        &mut self,
        entry: &ArchiveEntry<'_>,
        size: u64,
        first: &[u8],
        deflater: &mut Deflater,
        out: &mut Vec<u8>,
    ) -> Result<(), Broken> {
        let line = Packed {
            deflated: deflater.shrinks(first),
            described: true,
            ..line_of(entry)
        };
        let is_large = size >= LARGE_BYTES;
        let header_bytes = local_header(&line, is_large, out);
        self.current = Some(Current {
            line,
            checksum: Crc::new(),
            is_large,
            header_bytes,
        });
        let from = out.len();
        out.extend_from_slice(first);
        self.content(from, deflater, out);
        Ok(())
    }

    fn content(&mut self, from: usize, deflater: &mut Deflater, out: &mut Vec<u8>) {
        let Some(Current { line, checksum, .. }) = &mut self.current else {
            return;
        };
        let plain = &out[from..];
        checksum.update(plain);
        line.size += plain.len() as u64;
        if line.deflated {
            let mut packed = Vec::with_capacity(plain.len() / 2);
            deflater.blocks(plain, &mut packed);
            out.truncate(from);
            out.extend_from_slice(&packed);
        }
        line.packed_size += (out.len() - from) as u64;
    }

    fn end(&mut self, _: u64, out: &mut Vec<u8>) -> Result<(), Broken> {
        let Some(Current {
            mut line,
            checksum,
            is_large,
            header_bytes,
        }) = self.current.take()
        else {
            return Ok(());
        };
        if line.deflated {
            out.extend_from_slice(&END);
            line.packed_size += END.len() as u64;
        }
        line.checksum = checksum.sum();
        let at = out.len();
        u32s(&[0x0807_4b50, line.checksum], out);
        for size in [line.packed_size, line.size] {
            match is_large {
                true => out.extend_from_slice(&size.to_le_bytes()),
                false => u32s(&[low(size)], out),
            }
        }
        let bytes = header_bytes + line.packed_size + (out.len() - at) as u64;
        self.add(line, bytes)
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> bool {
        let (begin, mut bytes) = self.directory.unwrap_or_else(|| {
            self.index.rewind();
            // Headers are counted once more, from the first.
            (std::mem::take(&mut self.at), 0)
        });
        let mut goes_on = true;
        while goes_on && out.len() < PIECE_BYTES {
            let written = out.len();
            match self.index.next() {
                Some(line) => {
                    central_header(line, self.at, out);
                    self.at += line.span;
                    bytes += (out.len() - written) as u64;
                }
                None => {
                    end_of_directory(self.index.len(), begin, bytes, out);
                    goes_on = false;
                }
            }
        }
        self.directory = Some((begin, bytes));
        goes_on
    }
}

/// From so many bytes on a file has 64-bit fields: below, it is no larger than 32 bits can say even
/// where deflate makes it longer.
const LARGE_BYTES: u64 = 0xF000_0000;

/// APPNOTE.TXT 4.4.3: 2.0 for directories and deflate, 4.5 for 64-bit fields.
const VERSION: u16 = 20;
const VERSION_LARGE: u16 = 45;
/// 4.4.2: how the rights are to be read.
const MADE_ON_UNIX: u16 = 3 << 8 | VERSION_LARGE;

fn line_of(entry: &ArchiveEntry<'_>) -> Packed {
    Packed {
        path: entry.path.to_vec(),
        modified: entry.modified,
        executable: entry.executable,
        ..Packed::default()
    }
}

/// Its length.
fn local_header(line: &Packed, is_large: bool, out: &mut Vec<u8>) -> u64 {
    let at = out.len();
    let mut extra = time_field(line.modified);
    let mut sizes = [low(line.packed_size), low(line.size)];
    if is_large {
        sizes = [u32::MAX; 2];
        u16s(&[1, 16], &mut extra);
        extra.extend_from_slice(&[0; 16]);
    }
    let version = if is_large { VERSION_LARGE } else { VERSION };
    u32s(&[0x0403_4b50], out);
    u16s(&[version, flags(line), method(line)], out);
    u16s(&dos_time(line.modified), out);
    u32s(&[line.checksum, sizes[0], sizes[1]], out);
    u16s(&[short(line.path.len()), short(extra.len())], out);
    out.extend_from_slice(&line.path);
    out.extend_from_slice(&extra);
    (out.len() - at) as u64
}

fn central_header(line: &Packed, at: u64, out: &mut Vec<u8>) {
    let mut large = Vec::new();
    for value in [line.size, line.packed_size, at] {
        if low(value) == u32::MAX {
            large.extend_from_slice(&value.to_le_bytes());
        }
    }
    let mut extra = time_field(line.modified);
    let mut version = VERSION;
    if !large.is_empty() {
        version = VERSION_LARGE;
        u16s(&[1, short(large.len())], &mut extra);
        extra.extend_from_slice(&large);
    }
    let is_directory = line.path.ends_with(b"/");
    let entry = ArchiveEntry {
        path: &line.path,
        modified: line.modified,
        executable: line.executable,
    };
    let kind = if is_directory { 0o040_000 } else { 0o100_000 };
    let attributes = (kind | entry.mode()) << 16 | u32::from(is_directory) << 4;
    u32s(&[0x0201_4b50], out);
    u16s(&[MADE_ON_UNIX, version, flags(line), method(line)], out);
    u16s(&dos_time(line.modified), out);
    u32s(&[line.checksum, low(line.packed_size), low(line.size)], out);
    u16s(&[short(line.path.len()), short(extra.len()), 0, 0, 0], out);
    u32s(&[attributes, low(at)], out);
    out.extend_from_slice(&line.path);
    out.extend_from_slice(&extra);
}

fn end_of_directory(entries: u64, at: u64, bytes: u64, out: &mut Vec<u8>) {
    let few = u16::try_from(entries).unwrap_or(u16::MAX);
    if few == u16::MAX || low(at) == u32::MAX || low(bytes) == u32::MAX {
        u32s(&[0x0606_4b50], out);
        out.extend_from_slice(&44_u64.to_le_bytes());
        u16s(&[MADE_ON_UNIX, VERSION_LARGE], out);
        u32s(&[0, 0], out);
        for value in [entries, entries, bytes, at] {
            out.extend_from_slice(&value.to_le_bytes());
        }
        u32s(&[0x0706_4b50, 0], out);
        out.extend_from_slice(&(at + bytes).to_le_bytes());
        u32s(&[1], out);
    }
    u32s(&[0x0605_4b50], out);
    u16s(&[0, 0, few, few], out);
    u32s(&[low(bytes), low(at)], out);
    u16s(&[0], out);
}

/// Bit 3: sizes behind the content. Bit 11: the name is UTF-8; one that is not is told as it is.
fn flags(line: &Packed) -> u16 {
    let is_utf8 = !line.path.is_ascii() && std::str::from_utf8(&line.path).is_ok();
    u16::from(line.described) << 3 | u16::from(is_utf8) << 11
}

fn method(line: &Packed) -> u16 {
    if line.deflated { 8 } else { 0 }
}

/// The time to the second, in UTC, where 32 bits can say it.
fn time_field(modified: i64) -> Vec<u8> {
    let mut field = Vec::with_capacity(40);
    if let Ok(seconds) = i32::try_from(modified) {
        u16s(&[0x5455, 5], &mut field);
        field.push(1);
        field.extend_from_slice(&seconds.to_le_bytes());
    }
    field
}

/// Time and date of MS-DOS, in steps of two seconds, from 1980 to 2107; what is beyond is the
/// nearest. They have no time zone, so that it is UTC here.
fn dos_time(modified: i64) -> [u16; 2] {
    const FIRST: i64 = 315_532_800;
    const LAST: i64 = 4_354_819_198;
    let at = calendar::utc(modified.clamp(FIRST, LAST));
    let time = (at.hour << 11) | (at.minute << 5) | (at.second / 2);
    let date = ((at.year - 1980) << 9) | (at.month << 5) | at.day;
    [time, date].map(|value| u16::try_from(value).unwrap_or(0))
}

/// What stands in a field of 32 bits; all ones if it does not fit.
fn low(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// The length of a path or a field: 4,096 bytes at most.
fn short(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}

fn u16s(values: &[u16], out: &mut Vec<u8>) {
    for value in values {
        out.extend_from_slice(&value.to_le_bytes());
    }
}

fn u32s(values: &[u32], out: &mut Vec<u8>) {
    for value in values {
        out.extend_from_slice(&value.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::super::deflate::tests::noise;
    use super::*;

    fn entry(path: &[u8]) -> ArchiveEntry<'_> {
        ArchiveEntry {
            path,
            modified: 1_234_567_890,
            executable: true,
        }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// 2009-02-13 23:31:30: date 3a4d, time bbef.
    #[test]
    fn a_small_file_has_its_sizes_in_front() {
        let (mut zip, mut out) = (Zip::new(), Vec::new());
        let deflater = &mut Deflater::default();
        zip.whole(&entry(b"a"), b"hi", deflater, &mut out).unwrap();
        let local = "504b0304 1400 0000 0000 efbb 4d3a ac2a93d8 02000000 02000000 0100 0900 61 \
                     5554 0500 01 d2029649 6869";
        let central = "504b0102 2d03 1400 0000 0000 efbb 4d3a ac2a93d8 02000000 02000000 0100 0900 \
                       0000 0000 0000 0000ed81 00000000 61 5554 0500 01 d2029649";
        let end = "504b0506 0000 0000 0100 0100 38000000 2a000000 0000";
        assert!(!zip.finish(&mut out));
        let expected = [local, central, end].concat().replace(' ', "");
        assert_eq!(hex(&out), expected);
    }

    #[test]
    fn a_longer_file_has_them_behind_however_long_it_became() {
        let (mut zip, mut out) = (Zip::new(), Vec::new());
        let deflater = &mut Deflater::default();
        let first = noise(40_000);
        zip.begin(&entry(b"a"), 99_999, &first, deflater, &mut out)
            .unwrap();
        assert_eq!(hex(&out[6..10]), "08000000");
        assert_eq!(hex(&out[14..26]), "00".repeat(12));
        let from = out.len();
        out.extend_from_slice(b"more");
        zip.content(from, deflater, &mut out);
        let before = out.len();
        zip.end(59_995, &mut out).unwrap();
        let mut checksum = Crc::new();
        checksum.update(&first);
        checksum.update(b"more");
        let sum = hex(&checksum.sum().to_le_bytes());
        let expected = format!("504b0708{sum}449c0000449c0000");
        assert_eq!(hex(&out[before..]), expected);
        assert!(!zip.finish(&mut out));
        let at = out.len() - 22 - 56;
        assert_eq!(hex(&out[at + 20..at + 28]), "449c0000449c0000");
    }

    /// 4.5.3: in the order of the header, and only what does not fit.
    #[test]
    fn what_needs_64_bits_has_them() {
        let line = Packed {
            size: 5 << 30,
            packed_size: 5,
            ..line_of(&entry(b"a"))
        };
        let mut out = Vec::new();
        central_header(&line, 6 << 30, &mut out);
        assert_eq!(hex(&out[6..8]), "2d00");
        assert_eq!(hex(&out[20..28]), "05000000ffffffff");
        assert_eq!(hex(&out[42..46]), "ffffffff");
        let large = "0100 1000 0000004001000000 0000008001000000".replace(' ', "");
        assert_eq!(hex(&out[47 + 9..]), large);
        out.clear();
        local_header(&line, true, &mut out);
        assert_eq!(hex(&out[4..6]), "2d00");
        assert_eq!(hex(&out[18..26]), "ff".repeat(8));
        assert_eq!(hex(&out[31 + 9..]), format!("01001000{}", "00".repeat(16)));
        out.clear();
        end_of_directory(70_000, 1_000, 2_000, &mut out);
        let end = "504b0606 2c00000000000000 2d03 2d00 00000000 00000000 \
                   7011010000000000 7011010000000000 d007000000000000 e803000000000000 \
                   504b0607 00000000 b80b000000000000 01000000 \
                   504b0506 0000 0000 ffff ffff d0070000 e8030000 0000";
        assert_eq!(hex(&out), end.replace(' ', ""));
    }

    #[test]
    fn names_say_whether_they_are_utf8() {
        let check = |path: &[u8], expected: u16| {
            assert_eq!(flags(&line_of(&entry(path))), expected, "{path:?}");
        };
        check(b"plain", 0);
        check("caf\u{e9}".as_bytes(), 1 << 11);
        check(b"caf\xe9", 0);
    }

    #[test]
    fn times_are_the_nearest_there_is() {
        let check = |modified: i64, expected: [u16; 2]| {
            assert_eq!(dos_time(modified), expected, "{modified}");
        };
        check(1_234_567_890, [0xBBEF, 0x3A4D]);
        check(1_234_567_891, [0xBBEF, 0x3A4D]);
        let first = [0, 1 << 5 | 1];
        check(315_532_800, first);
        check(0, first);
        check(i64::MIN, first);
        let last = [23 << 11 | 59 << 5 | 29, 127 << 9 | 12 << 5 | 31];
        check(4_354_819_198, last);
        check(i64::MAX, last);
        assert_eq!(time_field(-1), b"UT\x05\0\x01\xff\xff\xff\xff");
        assert_eq!(time_field(1 << 31), b"");
    }

    #[test]
    fn the_directory_comes_in_pieces() {
        let (mut zip, mut out) = (Zip::new(), Vec::new());
        for n in 0..9_000 {
            let path = format!("some/path/to/a/file/{n:05}");
            let deflater = &mut Deflater::default();
            zip.whole(&entry(path.as_bytes()), b"", deflater, &mut out)
                .unwrap();
        }
        let (mut pieces, mut piece) = (0, Vec::new());
        while zip.finish(&mut piece) {
            assert!(piece.len() < PIECE_BYTES + 200);
            piece.clear();
            pieces += 1;
        }
        assert_eq!(pieces, 9_000 * 80 / PIECE_BYTES);
    }
}
