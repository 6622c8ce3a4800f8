//! Your part: see README.md.

/// This is no chunked content.
#[derive(Debug)]
pub struct Malformed;

/// Takes chunked content apart.
#[derive(Default)]
pub struct Decoder {
    // Add what has to be remembered from one call to the next.
}

impl Decoder {
    /// Takes the next bytes; returns whether this is the end.
    pub fn push(&mut self, mut bytes: &[u8], content: &mut Vec<u8>) -> Result<bool, Malformed> {
        loop {
            let line = take_line(&mut bytes).ok_or(Malformed)?;
            let size = line.split(|byte| *byte == b';').next().unwrap_or_default();
            let size = std::str::from_utf8(size).map_err(|_| Malformed)?;
            let size = usize::from_str_radix(size, 16).map_err(|_| Malformed)?;
            if size == 0 {
                // What is left is the trailer: lines, the last of them empty.
                while !take_line(&mut bytes).ok_or(Malformed)?.is_empty() {}
                return Ok(true);
            }
            content.extend_from_slice(bytes.get(..size).ok_or(Malformed)?);
            bytes = bytes.get(size + 2..).ok_or(Malformed)?;
        }
    }
}

/// A line without its CRLF.
fn take_line<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = bytes.windows(2).position(|two| two == b"\r\n")?;
    let line = &bytes[..end];
    *bytes = &bytes[end + 2..];
    Some(line)
}
