//! tar, as POSIX has it: ustar headers, and pax headers for what does not fit into them.
//!
//! *Floor 3.* Pure. A pax header names the path in UTF-8, which bsdtar on Windows would otherwise
//! take for its own code page, and in any length. The GNU way (`L` entries) was rejected for that.
//! Numbers that do not fit stand in base 256 besides, for readers that know no pax.
//!
//! *References:* POSIX.1-2017, pax, "ustar Interchange ArchiveFormat" and "pax Interchange ArchiveFormat"; tar(5).

use super::deflate::Deflater;
use super::entry::{ArchiveEntry, ArchiveFormat, Broken};

const BLOCK: usize = 512;

#[derive(Default)]
pub(super) struct Tar {
    /// The size that the header of the present file has told.
    size: u64,
}

impl ArchiveFormat for Tar {
    fn directory(&mut self, entry: &ArchiveEntry<'_>, out: &mut Vec<u8>) -> Result<(), Broken> {
        header(entry, 0, out);
        Ok(())
    }

    fn whole(
        &mut self,
        entry: &ArchiveEntry<'_>,
        content: &[u8],
        _: &mut Deflater,
        out: &mut Vec<u8>,
    ) -> Result<(), Broken> {
        let size = content.len() as u64;
        header(entry, size, out);
        out.extend_from_slice(content);
        pad(size, out);
        Ok(())
    }

    fn begin(
        &mut self,
        entry: &ArchiveEntry<'_>,
        size: u64,
        first: &[u8],
        _: &mut Deflater,
        out: &mut Vec<u8>,
    ) -> Result<(), Broken> {
        self.size = size;
        header(entry, size, out);
        out.extend_from_slice(first);
        Ok(())
    }

    fn content(&mut self, _: usize, _: &mut Deflater, _: &mut Vec<u8>) {}

    /// To fill up with zeros was rejected: they would look like content.
    fn end(&mut self, missing: u64, out: &mut Vec<u8>) -> Result<(), Broken> {
        if missing > 0 {
            return Err(Broken);
        }
        pad(self.size, out);
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> bool {
        out.resize(out.len() + 2 * BLOCK, 0);
        false
    }
}

/// To the end of a block.
fn pad(size: u64, out: &mut Vec<u8>) {
    let over = usize::try_from(size % BLOCK as u64).unwrap_or(0);
    if over > 0 {
        out.resize(out.len() + BLOCK - over, 0);
    }
}

fn header(entry: &ArchiveEntry<'_>, size: u64, out: &mut Vec<u8>) {
    let split = split(entry.path);
    let mut records = Vec::new();
    let is_text = std::str::from_utf8(entry.path).is_ok();
    if split.is_none() || (is_text && !entry.path.is_ascii()) {
        if !is_text {
            record("hdrcharset", b"BINARY", &mut records);
        }
        record("path", entry.path, &mut records);
    }
    if size > OCTAL_12_MAX {
        record("size", size.to_string().as_bytes(), &mut records);
    }
    if !u64::try_from(entry.modified).is_ok_and(|time| time <= OCTAL_12_MAX) {
        let time = entry.modified.to_string();
        record("mtime", time.as_bytes(), &mut records);
    }
    if !records.is_empty() {
        let extended = ArchiveEntry {
            path: b"././@PaxHeader",
            modified: 0,
            executable: false,
        };
        let size = records.len() as u64;
        block(&extended, size, (b"", extended.path), b'x', out);
        out.extend_from_slice(&records);
        pad(size, out);
    }
    let names = split.unwrap_or_else(|| (b"", &entry.path[..NAME_MAX]));
    let kind = if entry.is_directory() { b'5' } else { b'0' };
    block(entry, size, names, kind, out);
}

/// One block of ustar.
fn block(entry: &ArchiveEntry<'_>, size: u64, names: (&[u8], &[u8]), kind: u8, out: &mut Vec<u8>) {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, names.1);
    put(100, format!("{:07o}", entry.mode()).as_bytes());
    put(108, b"0000000"); // root's
    put(116, b"0000000");
    put(124, &number(i128::from(size)));
    put(136, &number(i128::from(entry.modified)));
    put(148, b"        "); // the checksum counts as spaces
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    put(329, b"0000000");
    put(337, b"0000000");
    put(345, names.0);
    let sum: u32 = block.iter().copied().map(u32::from).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    out.extend_from_slice(&block);
}

/// The largest number of eleven octal digits: 8 GiB, or the year 2242.
const OCTAL_12_MAX: u64 = 0o777_7777_7777;

/// Twelve bytes: octal, or else base 256 with the topmost bit set (tar(5), "GNU tar archives").
fn number(value: i128) -> [u8; 12] {
    let mut field = [0; 12];
    if (0..=i128::from(OCTAL_12_MAX)).contains(&value) {
        field[..11].copy_from_slice(format!("{value:011o}").as_bytes());
    } else {
        field.copy_from_slice(&value.to_be_bytes()[4..]);
        field[0] = if value < 0 { 0xFF } else { 0x80 };
    }
    field
}

const NAME_MAX: usize = 100;
const PREFIX_MAX: usize = 155;

/// A path as prefix and name, at a slash that belongs to neither, if it is short enough for that.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.len() <= NAME_MAX {
        return Some((b"", path));
    }
    // A name is not empty: the slash at a directory's end is a part of it.
    let longest = path.len().min(PREFIX_MAX + 1).min(path.len() - 1);
    let at = path[..longest].iter().rposition(|&b| b == b'/')?;
    let (prefix, name) = (&path[..at], &path[at + 1..]);
    (at > 0 && name.len() <= NAME_MAX).then_some((prefix, name))
}

/// One line of a pax header, which begins with its own length.
fn record(key: &str, value: &[u8], out: &mut Vec<u8>) {
    let rest = key.len() + value.len() + 3; // space, equals sign, end of line
    let mut len = rest;
    while len != rest + len.to_string().len() {
        len = rest + len.to_string().len();
    }
    out.extend_from_slice(format!("{len} {key}=").as_bytes());
    out.extend_from_slice(value);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &[u8]) -> ArchiveEntry<'_> {
        ArchiveEntry {
            path,
            modified: 1_234_567_890,
            executable: false,
        }
    }

    fn headers(entry: &ArchiveEntry<'_>, size: u64) -> Vec<u8> {
        let mut out = Vec::new();
        header(entry, size, &mut out);
        assert_eq!(out.len() % BLOCK, 0);
        out
    }

    /// Byte for byte what GNU tar 1.34 writes, `--format=ustar --owner=0 --group=0 --numeric-owner`.
    #[test]
    fn a_short_name_is_a_block() {
        let block = headers(&entry(b"d/a.txt"), 5);
        let fields: [(usize, &[u8]); 9] = [
            (0, b"d/a.txt\0"),
            (100, b"0000644\x000000000\x000000000\x00"),
            (124, b"00000000005\x00"),
            (136, b"11145401322\x00"),
            (148, b"010434\0 0\0"),
            (257, b"ustar\x0000\0"),
            (329, b"0000000\x000000000\x00"),
            (345, b"\0\0"),
            (500, &[0; 12]),
        ];
        for (at, expected) in fields {
            let found = &block[at..at + expected.len()];
            assert_eq!(
                String::from_utf8_lossy(found),
                String::from_utf8_lossy(expected),
                "{at}"
            );
        }
        let directory = headers(&entry(b"d/"), 0);
        assert_eq!(&directory[100..107], b"0000755");
        assert_eq!(directory[156], b'5');
    }

    #[test]
    fn records_count_themselves() {
        let check = |value: &str, expected: &str| {
            let mut out = Vec::new();
            record("path", value.as_bytes(), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check("a", "9 path=a\n");
        check("", "8 path=\n");
        check("ab", "11 path=ab\n");
        // No number stands for a line of 100 bytes with one of two digits in it.
        let long = "x".repeat(90);
        check(&long, &format!("99 path={long}\n"));
        let long = "x".repeat(91);
        check(&long, &format!("101 path={long}\n"));
    }

    #[test]
    fn names_are_split_where_that_is_enough() {
        let (a, b) = ("a".repeat(100), "b".repeat(155));
        let check = |path: &str, expected: Option<(&str, &str)>| {
            let expected = expected.map(|(prefix, name)| (prefix.as_bytes(), name.as_bytes()));
            assert_eq!(split(path.as_bytes()), expected, "{path}");
        };
        check("a/b", Some(("", "a/b")));
        check(&a, Some(("", &a)));
        check(&format!("{a}x"), None);
        check(&format!("{b}/{a}"), Some((&b, &a)));
        check(&format!("{b}x/{a}"), None);
        check(&format!("{b}/{a}x"), None);
        check(&format!("/{a}"), None);
        let directory = format!("{}/", "a".repeat(99));
        check(
            &format!("{b}/{directory}"),
            Some((b.as_str(), directory.as_str())),
        );
        check(&format!("{b}/"), None);
    }

    #[test]
    fn what_does_not_fit_has_a_header_of_its_own() {
        let check = |path: &[u8], modified: i64, size: u64, records: &[&[u8]]| {
            let named = ArchiveEntry {
                modified,
                ..entry(path)
            };
            let out = headers(&named, size);
            let extended = out[156] == b'x';
            assert_eq!(extended, !records.is_empty(), "{path:?}");
            for record in records {
                let found = out[BLOCK..].windows(record.len()).any(|w| w == *record);
                assert!(found, "{path:?} {record:?}");
            }
            let sizes = out.len() / BLOCK;
            assert!(sizes == 1 || sizes >= 3);
        };
        check(b"plain", 0, 0, &[]);
        check(
            "caf\u{e9}".as_bytes(),
            0,
            0,
            &["14 path=caf\u{e9}\n".as_bytes()],
        );
        check(b"caf\xe9", 0, 0, &[]);
        check(b"x", -1, 0, &[b"12 mtime=-1\n"]);
        check(b"x", 8_589_934_591, 8_589_934_591, &[]);
        check(b"x", 0, 8_589_934_592, &[b"19 size=8589934592\n"]);
        let long = vec![b'y'; 300];
        check(&long, 0, 0, &[b"310 path=yyy"]);
        let long = vec![0xE9; 300];
        check(&long, 0, 0, &[b"21 hdrcharset=BINARY\n310 path=\xe9"]);
    }

    #[test]
    fn numbers_are_octal_as_long_as_they_fit() {
        assert_eq!(&number(0), b"00000000000\0");
        assert_eq!(&number(0o777_7777_7777), b"77777777777\0");
        assert_eq!(number(1 << 33), *b"\x80\0\0\0\0\0\0\x02\0\0\0\0");
        assert_eq!(number(-1), [0xFF; 12]);
    }

    #[test]
    fn a_file_that_shrank_breaks_it() {
        let (mut tar, mut out) = (Tar::default(), Vec::new());
        let deflater = &mut Deflater::default();
        tar.begin(&entry(b"a"), 600, b"first", deflater, &mut out)
            .unwrap();
        assert!(tar.end(595, &mut out).is_err());
        out.resize(512 + 600, b'x');
        tar.content(517, deflater, &mut out);
        tar.end(0, &mut out).unwrap();
        assert_eq!(out.len(), 512 + 1024);
        assert!(!tar.finish(&mut out));
        assert_eq!(out.len(), 512 + 1024 + 1024);
    }
}
