//! What an encoded file says of itself, against the file it is said to be an encoding of.
//!
//! *Floor 3.* Knows the first and last bytes of three formats; decodes nothing.
//!
//! The idea: a client that is sent a sibling cannot see what it stands for, so a `.gz` that is something
//! else breaks the page, and one of an older text shows that. The formats tell how much they
//! decode to, and that has to be the size of the file:
//!
//! | coding | begins with | says how much it decodes to |
//! |---|---|---|
//! | gzip | `1f 8b 08`, no reserved flag | its last four bytes, modulo 2³² |
//! | zstd | `28 b5 2f fd`, no dictionary, a window of 8 MiB at most | its first frame, if it does |
//! | br | no number of its own | its first meta-block: all if it is the last one, else a part |
//!
//! A file of several members or frames is legal and is not used: what one of them says is not the
//! whole. Nothing here proves anything about the bytes between; the times do (`precompressed.rs`).
//!
//! *References:* RFC 1952 §2.3; RFC 8878 §3.1.1, RFC 9659 §3; RFC 7932 §9.

use crate::http::negotiate::Coding;
use crate::service::opening::load::Content;
use crate::service::opening::open::{Refusal, Wait};

/// Whether `content` may be an encoding of a file of `size` bytes.
pub(super) fn fits(
    coding: Coding,
    content: &Content,
    size: u64,
    wait: Wait,
) -> Result<bool, Refusal> {
    let mut buffer = [0; HEAD_BYTES];
    let filled = content.peek(&mut buffer, 0, wait)?;
    let head = &buffer[..filled];
    Ok(match coding {
        Coding::Gzip => {
            let mut tail = [0; 4];
            let begin = content.len().saturating_sub(4);
            content.peek(&mut tail, begin, wait)?;
            gzip(head, u32::from_le_bytes(tail), size)
        }
        Coding::Zstd => zstd(head, size),
        Coding::Br => brotli(head, size),
        Coding::Identity => true,
    })
}

/// The shortest gzip member, and more than the longest header that is read of the others.
const HEAD_BYTES: usize = 18;

/// RFC 1952 §2.3: magic and method, then flags, of which three must be zero.
fn gzip(head: &[u8], decoded: u32, size: u64) -> bool {
    let begins = matches!(head, [0x1f, 0x8b, 8, flags, ..] if flags & 0xe0 == 0);
    begins && head.len() == HEAD_BYTES && u64::from(decoded) == size & u64::from(u32::MAX)
}

/// RFC 8878 §3.1.1.1: the header of a frame.
fn zstd(head: &[u8], size: u64) -> bool {
    let [0x28, 0xb5, 0x2f, 0xfd, descriptor, rest @ ..] = head else {
        return false;
    };
    let single_segment = descriptor & 0x20 != 0;
    // The reserved bit, and a dictionary that no browser has.
    if descriptor & 0b1011 != 0 {
        return false;
    }
    let (window, rest) = match (single_segment, rest) {
        (true, _) => (None, rest),
        (false, [window, rest @ ..]) => (Some(*window), rest),
        (false, []) => return false,
    };
    let (bytes, base) = match (descriptor >> 6, single_segment) {
        (0, false) => (0, 0),
        (0, true) => (1, 0),
        (1, _) => (2, 256),
        (2, _) => (4, 0),
        _ => (8, 0),
    };
    let Some(field) = rest.get(..bytes) else {
        return false;
    };
    let decoded = little_endian(field) + base;
    let window = window.map_or(decoded, |window| {
        let base = 1_u64 << (10 + (window >> 3));
        base + base / 8 * u64::from(window & 7)
    });
    // RFC 9659 §3: what a client must be able to decode.
    window <= WINDOW_BYTES_MAX && (bytes == 0 || decoded == size)
}

const WINDOW_BYTES_MAX: u64 = 8 << 20;

/// RFC 7932 §9.1 and §9.2: the header of the stream and that of its first meta-block.
fn brotli(head: &[u8], size: u64) -> bool {
    let mut bits = little_endian(&head[..head.len().min(8)]);
    let mut take = |count: u64| {
        let value = bits & ((1 << count) - 1);
        bits >>= count;
        value
    };
    // The window is told in one, four or seven bits; the one that is no window marks other formats.
    if take(1) == 1 && take(3) == 0 && take(3) == 1 {
        return false;
    }
    let is_last = take(1) == 1;
    if is_last && take(1) == 1 {
        return size == 0;
    }
    // All that follows takes more than three bytes, whatever the file is.
    if head.len() <= 3 {
        return false;
    }
    let nibbles = match take(2) {
        // Bytes to be skipped: no encoder begins with them.
        3 => return false,
        more => 4 + more,
    };
    let len = take(4 * nibbles) + 1;
    // What fits into fewer nibbles is told in fewer.
    let is_shortest = nibbles == 4 || len > 1 << (4 * (nibbles - 1));
    let fits = if is_last { len == size } else { len <= size };
    is_shortest && fits
}

fn little_endian(bytes: &[u8]) -> u64 {
    let shifted = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    bytes.iter().rev().fold(0, shifted)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `hello hello hello hello` and a line end, 24 bytes, and 4,288,890 bytes of numbered lines, by
    /// gzip 1.12, zstd 1.5 and brotli 1.1 in several levels: their first bytes.
    #[test]
    fn what_encoders_write_is_believed_of_its_own_file_only() {
        const TEXT: u64 = 24;
        const BOOK: u64 = 4_288_890;
        const GZIP: &[u8] = b"\x1f\x8b\x08\x00\xb8\xe1\x0a\x6b\x02\xff\xcbH\xcd\xc9\xc9W\xc8@";
        assert!(gzip(GZIP, 24, TEXT) && gzip(GZIP, 24, TEXT + (1 << 32)));
        assert!(!gzip(GZIP, 24, TEXT + 1) && !gzip(GZIP, 0, TEXT));
        type Format = fn(&[u8], u64) -> bool;
        let rows: [(Format, &[u8], u64, bool); 9] = [
            (zstd, b"\x28\xb5\x2f\xfd\x20\x18\x6d\x00", TEXT, true),
            (
                zstd,
                b"\x28\xb5\x2f\xfd\x80\x58\x7a\x71\x41\x00\x6c",
                BOOK,
                true,
            ),
            (
                zstd,
                b"\x28\xb5\x2f\xfd\xa0\x7a\x71\x41\x00\x64",
                BOOK,
                true,
            ),
            (zstd, b"\x28\xb5\x2f\xfd\x00\x58\x6c\x91\x00", BOOK, false), // from a pipe
            (brotli, b"\x8b\x0b\x80hello", TEXT, false),
            (brotli, b"\x1b\x17\x00\x00\xa4\x14\x40", TEXT, true),
            (brotli, b"\xab\xff\xff\x00\x00\xa8", BOOK, false),
            (brotli, b"\x9b\x79\x71\x41\x29\x1d\x00\x89", BOOK, true),
            (brotli, b"\x3b", 0, true),
        ];
        for (format, head, size, is_told) in rows {
            assert!(format(head, size), "{head:?}");
            assert_eq!(!format(head, size + 1), is_told, "{head:?}");
        }
        assert!(
            !brotli(b"\x8b\x0b\x80hello", TEXT - 1),
            "a part is no longer than the whole"
        );
    }

    #[test]
    fn other_bytes_are_not_believed() {
        let gzips: [&[u8]; 6] = [
            b"",
            b"\x1f\x8b\x08\x00",
            b"\x1f\x8b\x08\x00 too short",
            b"\x1f\x8b\x07\x00 another method ",
            b"\x1f\x8b\x08\x20 reserved flag. ",
            b"PK\x03\x04 is another thing",
        ];
        for head in gzips {
            let head = &head[..head.len().min(HEAD_BYTES)];
            assert!(!gzip(head, 24, 24), "{head:?}");
        }
        let zstds: [(&[u8], &str); 7] = [
            (b"", "nothing"),
            (b"\x28\xb5\x2f\xfd", "cut"),
            (b"\x28\xb5\x2f\xfd\x00", "cut before the window"),
            (b"\x28\xb5\x2f\xfd\xa0\x18\x00\x00", "cut in the size"),
            (b"\x28\xb5\x2f\xfd\x21\x01\x18", "a dictionary"),
            (b"\x28\xb5\x2f\xfd\x28\x18", "the reserved bit"),
            (b"\x50\x2a\x4d\x18\x04\x00\x00\x00", "a frame to be skipped"),
        ];
        for (head, what) in zstds {
            assert!(!zstd(head, 24), "{what}");
        }
        for text in [
            "BR",
            "brotli",
            "hello hello",
            "<!doctype html>",
            "\u{1f}\u{8b}\u{8}",
            "",
            "\0",
        ] {
            assert!(!brotli(text.as_bytes(), 24), "{text:?}");
        }
        assert!(
            !brotli(b"\x11\x00\x00", 24),
            "a large window is another format"
        );
        assert!(!brotli(b"\x0c\x00\x00", 24), "bytes to be skipped first");
    }

    /// RFC 9659 §3: `--ultra` and `--long` make what browsers refuse.
    #[test]
    fn a_window_that_no_client_needs_to_have_is_not_sent() {
        let from_pipe = |window: u8| [0x28, 0xb5, 0x2f, 0xfd, 0x00, window, 1];
        assert!(zstd(&from_pipe(13 << 3), 24)); // 8 MiB
        for window in [13 << 3 | 1, 0x88, 0xff] {
            assert!(!zstd(&from_pipe(window), 24), "{window:#x}");
        }
        let whole = |size: u64| {
            let mut head = vec![0x28, 0xb5, 0x2f, 0xfd, 0xe0];
            head.extend(size.to_le_bytes());
            zstd(&head, size)
        };
        assert!(whole(8 << 20) && !whole((8 << 20) + 1));
    }
}
