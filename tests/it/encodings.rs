//! Encoded files, each legal and as plain as its format allows: the bytes themselves in a frame.

/// The longest piece that all of them take.
const PIECE: usize = 32 * 1024;

/// RFC 1952, with stored blocks (RFC 1951 §3.2.4).
pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    for (piece, last) in pieces(content) {
        let len = u16::try_from(piece.len()).unwrap();
        bytes.push(u8::from(last));
        bytes.extend(len.to_le_bytes());
        bytes.extend((!len).to_le_bytes());
        bytes.extend(piece);
    }
    bytes.extend(crc32(content).to_le_bytes());
    bytes.extend(length(content).to_le_bytes());
    bytes
}

/// RFC 8878, with raw blocks; it says how long the content is.
pub(crate) fn zstd(content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x28, 0xb5, 0x2f, 0xfd, 0b1010_0000];
    bytes.extend(length(content).to_le_bytes());
    for (piece, last) in pieces(content) {
        let head = length(piece) << 3 | u32::from(last);
        bytes.extend(&head.to_le_bytes()[..3]);
        bytes.extend(piece);
    }
    bytes
}

/// RFC 7932, with uncompressed meta-blocks.
pub(crate) fn brotli(content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (piece, _) in pieces(content).filter(|(piece, _)| !piece.is_empty()) {
        // The first one has the bit for the window before it.
        let shift = u32::from(bytes.is_empty());
        let head = ((length(piece) - 1) << 3 | 1 << 19) << shift;
        bytes.extend(&head.to_le_bytes()[..3]);
        bytes.extend(piece);
    }
    bytes.push(if bytes.is_empty() { 0b110 } else { 0b11 });
    bytes
}

/// Empty content is one empty piece.
fn pieces(content: &[u8]) -> impl Iterator<Item = (&[u8], bool)> {
    let count = content.len().div_ceil(PIECE).max(1);
    let piece = move |n: usize| &content[n * PIECE..content.len().min((n + 1) * PIECE)];
    (0..count).map(move |n| (piece(n), n + 1 == count))
}

fn length(content: &[u8]) -> u32 {
    u32::try_from(content.len()).unwrap()
}

fn crc32(content: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in content {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                crc >> 1 ^ 0xedb8_8320
            } else {
                crc >> 1
            };
        }
    }
    !crc
}
