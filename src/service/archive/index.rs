//! What a zip archive's central directory will say, packed until then.
//!
//! *Floor 3.* Pure. A zip archive ends with a list of all that is in it, so that something of each
//! file is kept as long as the client takes: some 30 bytes, where its record will have 100. Paths
//! share their beginnings with the one before, numbers are as long as they are large.

use super::entry::Broken;

/// How large it may become: about a million entries. It grows by what the client has taken already.
const PACKED_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A path, and numbers.
const LINE_BYTES_MAX: usize = 5 * 1024;

/// One line.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Packed {
    pub(super) path: Vec<u8>,
    pub(super) modified: i64,
    pub(super) executable: bool,
    pub(super) deflated: bool,
    /// Whether its sizes stand behind its content.
    pub(super) described: bool,
    pub(super) checksum: u32,
    pub(super) size: u64,
    pub(super) packed_size: u64,
    /// Bytes from the beginning of its header to that of the next.
    pub(super) span: u64,
}

#[derive(Default)]
pub(super) struct Index {
    bytes: Vec<u8>,
    /// Where reading goes on.
    at: usize,
    len: u64,
    /// The line before the one that is written, or read.
    last: Packed,
}

impl Index {
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn push(&mut self, line: Packed) -> Result<(), Broken> {
        if self.bytes.len() > PACKED_BYTES_MAX {
            return Err(Broken);
        }
        let last = &self.last;
        if self.bytes.capacity() - self.bytes.len() < LINE_BYTES_MAX {
            // By an eighth and not twice: clients decide how long it is kept.
            self.bytes
                .reserve_exact(LINE_BYTES_MAX + self.bytes.len() / 8);
        }
        let same = line.path.iter().zip(&last.path);
        let same = same.take_while(|(a, b)| a == b).count();
        let flags = [line.executable, line.deflated, line.described];
        let flags = flags
            .iter()
            .fold(0, |sum, flag| sum << 1 | u64::from(*flag));
        let out = &mut self.bytes;
        put(flags, out);
        put(same as u64, out);
        put((line.path.len() - same) as u64, out);
        out.extend_from_slice(&line.path[same..]);
        out.extend_from_slice(&line.checksum.to_le_bytes());
        put(zigzag(line.modified.wrapping_sub(last.modified)), out);
        put(line.size, out);
        // Mostly the same, and then nothing.
        put(
            zigzag(
                line.packed_size
                    .cast_signed()
                    .wrapping_sub(line.size.cast_signed()),
            ),
            out,
        );
        put(line.span, out);
        self.len += 1;
        self.last = line;
        Ok(())
    }

    /// From now on lines are read.
    pub(super) fn rewind(&mut self) {
        self.at = 0;
        self.last = Packed::default();
    }

    pub(super) fn next(&mut self) -> Option<&Packed> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let flags = self.take()?;
        let same = usize::try_from(self.take()?).ok()?;
        let new = usize::try_from(self.take()?).ok()?;
        self.last.path.truncate(same);
        let path = self.bytes.get(self.at..self.at + new)?;
        self.last.path.extend_from_slice(path);
        self.at += new;
        let checksum = self.bytes.get(self.at..self.at + 4)?;
        self.last.checksum = u32::from_le_bytes(checksum.try_into().ok()?);
        self.at += 4;
        let modified = unzigzag(self.take()?);
        let size = self.take()?;
        let packed = unzigzag(self.take()?);
        let span = self.take()?;
        let last = &mut self.last;
        last.modified = last.modified.wrapping_add(modified);
        last.size = size;
        last.packed_size = size.wrapping_add_signed(packed);
        last.span = span;
        last.executable = flags & 4 != 0;
        last.deflated = flags & 2 != 0;
        last.described = flags & 1 != 0;
        Some(&self.last)
    }

    fn take(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            value |= u64::from(byte & 127) << shift;
            if byte < 128 {
                break;
            }
        }
        Some(value)
    }
}

/// Seven bits in each byte, and whether more follow.
fn put(mut value: u64, out: &mut Vec<u8>) {
    while value > 127 {
        out.push(value.to_le_bytes()[0] | 128);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Small numbers of either sign become small ones without.
const fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lines_come_back_as_they_were(
            lines in prop::collection::vec(
                (prop::collection::vec(any::<u8>(), 0..9), any::<i64>(), any::<[bool; 3]>(),
                 any::<u32>(), any::<[u64; 3]>()),
                0..20,
            )
        ) {
            let lines: Vec<Packed> = lines.into_iter().map(|line| Packed {
                path: line.0,
                modified: line.1,
                executable: line.2[0],
                deflated: line.2[1],
                described: line.2[2],
                checksum: line.3,
                size: line.4[0],
                packed_size: line.4[1],
                span: line.4[2],
            }).collect();
            let mut index = Index::default();
            for line in &lines {
                index.push(line.clone()).unwrap();
            }
            prop_assert_eq!(index.len(), lines.len() as u64);
            index.rewind();
            for line in &lines {
                prop_assert_eq!(index.next(), Some(line));
            }
            prop_assert_eq!(index.next(), None);
        }
    }

    #[test]
    fn an_entry_costs_some_thirty_bytes_and_they_are_bounded() {
        let mut index = Index::default();
        let line = |n: u64| Packed {
            path: format!("photos/2024/IMG_{n:06}.jpg").into_bytes(),
            modified: 1_700_000_000 + n.cast_signed() * 61,
            checksum: 7,
            size: 3_000_000 + n,
            packed_size: 3_000_000 + n,
            span: 3_000_100 + n,
            ..Packed::default()
        };
        for n in 0..1_000 {
            index.push(line(n)).unwrap();
        }
        assert!(index.bytes.len() < 1_000 * 30, "{}", index.bytes.len());
        const { assert!(PACKED_BYTES_MAX / 30 > 1_000_000) }
        index.bytes.resize(PACKED_BYTES_MAX, 0);
        assert!(index.push(line(1_000)).is_ok());
        assert!(index.push(line(1_001)).is_err());
    }
}
