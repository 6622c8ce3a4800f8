//! Readers written from the RFCs as simply as possible, to hold the real ones against.
//!
//! They see all of their input at once and share no code with `src/http`.

/// Why a reader stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// The input ended, and nothing was wrong up to there.
    Short,
    /// No continuation could make it right.
    Bad,
}

/// A position in bytes.
#[derive(Clone, Copy)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    pub at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next byte.
    pub fn peek(&self) -> Result<u8, Stop> {
        self.bytes.get(self.at).copied().ok_or(Stop::Short)
    }

    /// The next byte, which must be `byte`.
    pub fn expect(&mut self, byte: u8) -> Result<(), Stop> {
        if self.peek()? != byte {
            return Err(Stop::Bad);
        }
        self.at += 1;
        Ok(())
    }

    pub fn crlf(&mut self) -> Result<(), Stop> {
        self.expect(b'\r')?;
        self.expect(b'\n')
    }

    /// All bytes that are `wanted`.
    pub fn run(&mut self, wanted: impl Fn(u8) -> bool) -> Result<&'a [u8], Stop> {
        let start = self.at;
        while wanted(self.peek()?) {
            self.at += 1;
        }
        Ok(&self.bytes[start..self.at])
    }

    /// At least one of them.
    pub fn run1(&mut self, wanted: impl Fn(u8) -> bool) -> Result<&'a [u8], Stop> {
        let run = self.run(wanted)?;
        if run.is_empty() {
            return Err(Stop::Bad);
        }
        Ok(run)
    }
}

/// tchar (RFC 9110 §5.6.2), by what it is not: VCHAR without delimiters.
pub fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(&byte)
}

/// What a field value is made of (RFC 9110 §5.5).
pub fn is_field(byte: u8) -> bool {
    byte == b'\t' || byte == b' ' || byte.is_ascii_graphic() || byte >= 0x80
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Reads a chunked body (RFC 9112 §7.1) into `content` and returns its length on the wire.
/// `extra_max` is our limit for extensions and trailers together.
pub fn unchunk(bytes: &[u8], extra_max: usize, content: &mut Vec<u8>) -> Result<usize, Stop> {
    let mut cursor = Cursor::new(bytes);
    let mut extra = extra_max;
    loop {
        let size = chunk_size(&mut cursor)?;
        let start = cursor.at;
        let extensions = chunk_extensions(&mut cursor);
        spend(&mut extra, cursor.at - start)?;
        extensions?;
        cursor.crlf()?;
        if size == 0 {
            break;
        }
        let here = (bytes.len() - cursor.at) as u64;
        let end = cursor.at + usize::try_from(size.min(here)).unwrap_or(0);
        content.extend_from_slice(&bytes[cursor.at..end]);
        cursor.at = end;
        cursor.crlf()?;
    }
    while cursor.peek()? != b'\r' {
        let start = cursor.at;
        let line = field_line(&mut cursor);
        spend(&mut extra, cursor.at - start)?;
        line?;
        cursor.crlf()?;
    }
    cursor.crlf()?;
    Ok(cursor.at)
}

/// `1*HEXDIG`; ours is to refuse more digits than 64 bits have.
fn chunk_size(cursor: &mut Cursor<'_>) -> Result<u64, Stop> {
    let mut size = 0;
    let start = cursor.at;
    loop {
        let byte = cursor.peek()?;
        let Some(digit) = char::from(byte).to_digit(16) else {
            return if cursor.at == start {
                Err(Stop::Bad)
            } else {
                Ok(size)
            };
        };
        if cursor.at - start == 16 {
            return Err(Stop::Bad);
        }
        size = size * 16 + u64::from(digit);
        cursor.at += 1;
    }
}

/// `*( BWS ";" BWS name [ BWS "=" BWS value ] )`, a name or a value being a token, and a value
/// perhaps a quoted string.
fn chunk_extensions(cursor: &mut Cursor<'_>) -> Result<(), Stop> {
    let mut blanks = cursor.run(is_blank)?;
    while cursor.peek()? == b';' {
        cursor.at += 1;
        cursor.run(is_blank)?;
        cursor.run1(is_token)?;
        blanks = cursor.run(is_blank)?;
        if cursor.peek()? == b'=' {
            cursor.at += 1;
            cursor.run(is_blank)?;
            if cursor.peek()? == b'"' {
                quoted_string(cursor)?;
            } else {
                cursor.run1(is_token)?;
            }
            blanks = cursor.run(is_blank)?;
        }
    }
    // White space was allowed only before the semicolon that did not come.
    if blanks.is_empty() {
        Ok(())
    } else {
        Err(Stop::Bad)
    }
}

fn quoted_string(cursor: &mut Cursor<'_>) -> Result<(), Stop> {
    cursor.expect(b'"')?;
    loop {
        cursor.run(|b| is_field(b) && b != b'"' && b != b'\\')?;
        if cursor.peek()? != b'\\' {
            return cursor.expect(b'"');
        }
        cursor.at += 1;
        if !is_field(cursor.peek()?) {
            return Err(Stop::Bad);
        }
        cursor.at += 1;
    }
}

/// `field-name ":" OWS field-value OWS`.
fn field_line(cursor: &mut Cursor<'_>) -> Result<(), Stop> {
    cursor.run1(is_token)?;
    cursor.expect(b':')?;
    cursor.run(is_field)?;
    Ok(())
}

fn spend(left: &mut usize, n: usize) -> Result<(), Stop> {
    *left = left.checked_sub(n).ok_or(Stop::Bad)?;
    Ok(())
}
