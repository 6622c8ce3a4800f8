//! Where a request's content ends: the length rules and the chunked coding.
//!
//! *Floor 0.* Request smuggling lives in the gaps between two parsers' idea of these rules, so
//! nothing here is lenient: what RFC 9112 §6 and §7.1 do not allow is an error, and after an error
//! the connection closes. httparse's `parse_chunk_size` is not used: it reads an empty line as 0
//! and lets a bare LF pass inside an extension.
//!
//! *References:* RFC 9112 §6.1, §6.3, §7.1.

use super::error::ProtocolError;

/// How the content of a request is delimited (RFC 9112 §6.3).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum BodyLength {
    /// There is none (rule 7: neither field is present).
    #[default]
    None,
    /// So many bytes (rule 6).
    Exactly(u64),
    /// The chunked coding says (rule 4).
    Chunked,
}

/// Reads a Content-Length value: digits, or a list of the same digits (RFC 9112 §6.3 rule 5).
pub(crate) fn content_length(value: &[u8]) -> Result<u64, ProtocolError> {
    let mut length = None;
    for member in value.split(|b| *b == b',') {
        let this = decimal(member.trim_ascii()).ok_or(ProtocolError::LengthSyntax)?;
        if length.replace(this).is_some_and(|before| before != this) {
            return Err(ProtocolError::LengthContradiction);
        }
    }
    length.ok_or(ProtocolError::LengthSyntax)
}

/// 1*DIGIT that fits 64 bits; no sign, no white space.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |n, b| {
        let digit = b.is_ascii_digit().then(|| u64::from(b - b'0'))?;
        n.checked_mul(10)?.checked_add(digit)
    })
}

/// Checks the members of all Transfer-Encoding lines, given in order: chunked alone is served.
///
/// # Errors
/// `CodingNotFinal` unless the last member is `chunked` and no earlier one is; `CodingUnknown`
/// when another coding stands before it (RFC 9112 §6.1, §6.3 rule 4).
pub(crate) fn transfer_encoding<'a>(
    lines: impl Iterator<Item = &'a [u8]>,
) -> Result<BodyLength, ProtocolError> {
    let mut chunked = false;
    let mut others = false;
    for member in lines.flat_map(|line| line.split(|b| *b == b',')) {
        // An empty member and anything behind `chunked` are how two parsers come to differ.
        if chunked {
            return Err(ProtocolError::CodingNotFinal);
        }
        match member.trim_ascii() {
            b"" => return Err(ProtocolError::CodingNotFinal),
            coding if coding.eq_ignore_ascii_case(b"chunked") => chunked = true,
            _ => others = true,
        }
    }
    match (chunked, others) {
        (true, false) => Ok(BodyLength::Chunked),
        (true, true) => Err(ProtocolError::CodingUnknown),
        (false, _) => Err(ProtocolError::CodingNotFinal),
    }
}

/// What the decoder found at the front of its input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Chunked {
    /// All of the input was framing; more is needed.
    NeedBytes,
    /// So many bytes of content stand at the front of what is left.
    Data(usize),
    /// The last chunk and the trailer section are over.
    End,
}

/// The chunked transfer coding (RFC 9112 §7.1), one byte of framing at a time, content in runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChunkDecoder {
    state: ChunkState,
    /// Bytes of the current chunk that are still to come.
    left: u64,
    /// Digits of the size read so far.
    digits: u8,
    /// Extension and trailer bytes that may still come.
    extra_left: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ChunkState {
    Size,
    /// White space behind the size, a name or a value: allowed only before `;` or `=` (BWS).
    BeforeExtension,
    NameStart,
    Name,
    AfterName,
    ValueStart,
    Value,
    Quoted,
    QuotedPair,
    AfterQuoted,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    End,
}

/// 16 hexadecimal digits fill 64 bits; more could only be zeros or an overflow.
const SIZE_DIGITS_MAX: u8 = 16;

impl ChunkDecoder {
    /// A decoder that allows `extra_bytes_max` bytes of extensions and trailers in the whole body.
    pub const fn new(extra_bytes_max: usize) -> Self {
        Self {
            state: ChunkState::Size,
            left: 0,
            digits: 0,
            extra_left: extra_bytes_max,
        }
    }

    /// Reads framing from the front of `input`. Returns how many bytes it consumed and what stands
    /// behind them; content is not consumed until [`ChunkDecoder::take`].
    ///
    /// # Errors
    /// At the first byte that the grammar does not allow.
    pub fn decode(&mut self, input: &[u8]) -> Result<(usize, Chunked), ProtocolError> {
        let mut at = 0;
        loop {
            if self.state == ChunkState::Data {
                let here = usize::try_from(self.left)
                    .unwrap_or(usize::MAX)
                    .min(input.len() - at);
                let found = if here == 0 {
                    Chunked::NeedBytes
                } else {
                    Chunked::Data(here)
                };
                return Ok((at, found));
            }
            if self.state == ChunkState::End {
                return Ok((at, Chunked::End));
            }
            let Some(&byte) = input.get(at) else {
                return Ok((at, Chunked::NeedBytes));
            };
            self.state = self.framing(byte)?;
            at += 1;
        }
    }

    /// Counts `n` bytes of content as consumed.
    pub fn take(&mut self, n: usize) {
        debug_assert!(self.state == ChunkState::Data && n as u64 <= self.left);
        self.left -= n as u64;
        if self.left == 0 {
            self.state = ChunkState::DataCr;
        }
    }

    /// Content still to come in the current chunk: what the client has announced. Nothing before
    /// the size line is whole, because half a size may turn out to be none.
    pub const fn announced(&self) -> u64 {
        match self.state {
            ChunkState::Data => self.left,
            _ => 0,
        }
    }

    /// The state after one byte of framing.
    fn framing(&mut self, byte: u8) -> Result<ChunkState, ProtocolError> {
        use ChunkState as S;
        use ProtocolError as E;
        Ok(match (self.state, byte) {
            (S::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => self.size_digit(byte)?,
            (S::Size, _) if self.digits == 0 => return Err(E::ChunkSize),
            (S::Size | S::Name | S::Value | S::AfterQuoted, b'\r') => S::SizeLf,
            (S::Size, b' ' | b'\t' | b';') => self.extension(byte)?,
            (S::Size, _) => return Err(E::ChunkSize),
            (S::SizeLf, b'\n') => self.size_end(),
            (S::SizeLf, _) => return Err(E::ChunkSize),
            (S::DataCr, b'\r') => S::DataLf,
            (S::DataLf, b'\n') => {
                self.digits = 0;
                S::Size
            }
            (S::DataCr | S::DataLf, _) => return Err(E::ChunkEnd),
            (S::TrailerStart, b'\r') => S::EndLf,
            (S::TrailerValue, b'\r') => S::TrailerLf,
            (S::TrailerLf, b'\n') => S::TrailerStart,
            (S::EndLf, b'\n') => S::End,
            (S::TrailerStart | S::TrailerName | S::TrailerValue, _) => self.trailer(byte)?,
            (S::TrailerLf | S::EndLf, _) => return Err(E::Trailer),
            _ => self.extension(byte)?,
        })
    }

    /// `*( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )` (RFC 9112 §7.1.1).
    fn extension(&mut self, byte: u8) -> Result<ChunkState, ProtocolError> {
        use ChunkState as S;
        self.extra_left = self
            .extra_left
            .checked_sub(1)
            .ok_or(ProtocolError::ChunkExtension)?;
        Ok(match (self.state, byte) {
            (S::Quoted, b'"') => S::AfterQuoted,
            (S::Quoted, b'\\') => S::QuotedPair,
            (S::Quoted | S::QuotedPair, _) if is_field_byte(byte) => S::Quoted,
            (S::NameStart | S::ValueStart, b' ' | b'\t') => self.state,
            (S::NameStart | S::Name, _) if is_token_byte(byte) => S::Name,
            (S::ValueStart | S::Value, _) if is_token_byte(byte) => S::Value,
            (S::ValueStart, b'"') => S::Quoted,
            (S::Name | S::AfterName, b' ' | b'\t') => S::AfterName,
            (S::Name | S::AfterName, b'=') => S::ValueStart,
            (S::Size | S::Value | S::AfterQuoted | S::BeforeExtension, b' ' | b'\t') => {
                S::BeforeExtension
            }
            (S::Quoted | S::QuotedPair | S::NameStart | S::ValueStart, _) => {
                return Err(ProtocolError::ChunkExtension);
            }
            (_, b';') => S::NameStart,
            _ => return Err(ProtocolError::ChunkExtension),
        })
    }

    /// `*( field-line CRLF ) CRLF` (RFC 9112 §7.1.2), checked and forgotten.
    fn trailer(&mut self, byte: u8) -> Result<ChunkState, ProtocolError> {
        use ChunkState as S;
        self.extra_left = self
            .extra_left
            .checked_sub(1)
            .ok_or(ProtocolError::Trailer)?;
        match (self.state, byte) {
            (S::TrailerName, b':') => Ok(S::TrailerValue),
            (S::TrailerStart | S::TrailerName, _) if is_token_byte(byte) => Ok(S::TrailerName),
            (S::TrailerValue, _) if is_field_byte(byte) => Ok(S::TrailerValue),
            _ => Err(ProtocolError::Trailer),
        }
    }

    fn size_digit(&mut self, byte: u8) -> Result<ChunkState, ProtocolError> {
        let digit = (byte as char)
            .to_digit(16)
            .ok_or(ProtocolError::ChunkSize)?;
        if self.digits == SIZE_DIGITS_MAX {
            return Err(ProtocolError::ChunkSize);
        }
        self.left = self.left << 4 | u64::from(digit);
        self.digits += 1;
        Ok(ChunkState::Size)
    }

    const fn size_end(&self) -> ChunkState {
        if self.left == 0 {
            ChunkState::TrailerStart
        } else {
            ChunkState::Data
        }
    }
}

/// HTAB, SP, VCHAR and obs-text: what a field value or an extension may hold (RFC 9110 §5.5).
const fn is_field_byte(byte: u8) -> bool {
    byte == b'\t' || byte >= b' ' && byte != 0x7f
}

/// tchar (RFC 9110 §5.6.2).
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    TOKEN_BYTES[byte as usize]
}

const TOKEN_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128u8 {
        table[byte as usize] = matches!(byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_'
            | b'`' | b'|' | b'~' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z');
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(mut input: &[u8], piece: usize) -> Result<Option<Vec<u8>>, ProtocolError> {
        let mut decoder = ChunkDecoder::new(64);
        let mut content = Vec::new();
        let mut held: Vec<u8> = Vec::new();
        loop {
            let (consumed, found) = decoder.decode(&held)?;
            held.drain(..consumed);
            match found {
                Chunked::Data(n) => {
                    content.extend(held.drain(..n));
                    decoder.take(n);
                }
                Chunked::End => return Ok((held.is_empty() && input.is_empty()).then_some(content)),
                Chunked::NeedBytes if input.is_empty() => return Ok(None),
                Chunked::NeedBytes => {
                    let (now, later) = input.split_at(piece.min(input.len()));
                    held.extend_from_slice(now);
                    input = later;
                }
            }
        }
    }

    #[test]
    fn chunked_bodies_decode_the_same_whole_and_in_any_pieces() {
        use ProtocolError as E;
        type Expected<'a> = Result<Option<&'a [u8]>, E>;
        let cases: &[(&[u8], Expected<'_>)] = &[
            (b"0\r\n\r\n", Ok(Some(b""))),
            (b"5\r\nhello\r\n0\r\n\r\n", Ok(Some(b"hello"))),
            (
                b"5\r\nhello\r\n6\r\n world\r\n000\r\n\r\n",
                Ok(Some(b"hello world")),
            ),
            (
                b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
                Ok(Some(b"01234567890123456789")),
            ),
            (
                b"5;name=value\r\nhello\r\n0;last\r\n\r\n",
                Ok(Some(b"hello")),
            ),
            (b"5 ;x\r\nhello\r\n0\r\n\r\n", Ok(Some(b"hello"))),
            (
                b"1\r\nx\r\n0\r\nTrailer: yes\r\nB:c\r\n\r\n",
                Ok(Some(b"x")),
            ),
            (b"5\r\nhel", Ok(None)),
            (b"\r\n", Err(E::ChunkSize)),
            (b";x\r\n", Err(E::ChunkSize)),
            (b"g\r\n", Err(E::ChunkSize)),
            (b"0x5\r\n", Err(E::ChunkSize)),
            (b"+5\r\n", Err(E::ChunkSize)),
            (b"-1\r\n", Err(E::ChunkSize)),
            (b" 5\r\n", Err(E::ChunkSize)),
            (b"5 \r\nhello\r\n", Err(E::ChunkExtension)),
            (b"5\nhello", Err(E::ChunkSize)),
            (b"5\rhello", Err(E::ChunkSize)),
            (b"5_0\r\n", Err(E::ChunkSize)),
            (b"10000000000000000\r\n", Err(E::ChunkSize)),
            (b"00000000000000005\r\n", Err(E::ChunkSize)),
            (b"5;x\ny\r\nhello\r\n", Err(E::ChunkExtension)),
            (b"5;x\0\r\nhello\r\n", Err(E::ChunkExtension)),
            (b"5;x\ry\r\n", Err(E::ChunkSize)),
            (b"5\r\nhelloX\r\n", Err(E::ChunkEnd)),
            (b"5\r\nhello\n0\r\n", Err(E::ChunkEnd)),
            (b"5\r\nhello\rX", Err(E::ChunkEnd)),
            (b"0\r\n\n", Err(E::Trailer)),
            (b"0\r\n folded: x\r\n\r\n", Err(E::Trailer)),
            (b"0\r\nno colon\r\n\r\n", Err(E::Trailer)),
            (b"0\r\nA : b\r\n\r\n", Err(E::Trailer)),
            (b"0\r\nA: b\n\r\n", Err(E::Trailer)),
            (b"0\r\nA: b\rC", Err(E::Trailer)),
        ];
        for (input, expected) in cases {
            for piece in 1..=input.len() {
                let expected = expected.map(|content| content.map(<[u8]>::to_vec));
                assert_eq!(
                    decode(input, piece),
                    expected,
                    "{} in {piece}s",
                    input.escape_ascii()
                );
            }
        }
    }

    /// Chunk extensions, by the grammar: what may stand between a size and its CRLF.
    #[test]
    fn extensions_are_checked_and_ignored() {
        let good = [
            ";a",
            "; a",
            ";\ta",
            " ;a",
            "\t;a",
            ";a=b",
            ";a = b",
            ";a\t=\tb",
            ";a=b;c=d",
            ";a=b ; c",
            ";a ;b",
            ";a=\"\"",
            ";a=\"b c\"",
            ";a= \"b\"",
            ";a=\"b;c\"",
            ";a=\"\\\"\"",
            ";a=\"\\\\\"",
            ";a=\"b\";c",
            ";a=\"b\" ;c",
            ";a=\"b\tc\"",
            ";a=\"\u{fc}\"",
        ];
        let bad = [
            ";",
            "; ",
            ";;",
            ";a;",
            ";a=",
            ";a= ",
            ";a==b",
            ";=b",
            ";\"a\"",
            ";a=b c",
            ";a b",
            ";a=\"b",
            ";a=\"b\\",
            ";a=\"b\"c",
            ";a=\"b\"=c",
            ";a=\"\u{1}\"",
            ";a=\"\u{7f}\"",
            ";a=\"\\\u{1}\"",
            ";a(",
            ";a=(",
            " a",
            ";\u{fc}",
        ];
        let cases = [
            (&good[..], Ok(Some(b"x".to_vec()))),
            (&bad[..], Err(ProtocolError::ChunkExtension)),
        ];
        for (extensions, expected) in cases {
            for extension in extensions {
                let input = format!("1{extension}\r\nx\r\n0\r\n\r\n");
                for piece in [1, input.len()] {
                    assert_eq!(decode(input.as_bytes(), piece), expected, "{extension:?}");
                }
            }
        }
    }

    /// What a client has announced is known from the end of the size line to the end of the chunk.
    #[test]
    fn a_size_is_announced_once_its_line_is_whole() {
        let announced = |input: &[u8]| {
            let mut decoder = ChunkDecoder::new(64);
            let (_, found) = decoder.decode(input).unwrap();
            if let Chunked::Data(n) = found {
                decoder.take(n);
            }
            decoder.announced()
        };
        assert_eq!(announced(b"1f"), 0);
        assert_eq!(announced(b"1f\r"), 0);
        assert_eq!(announced(b"1f\r\n"), 0x1f);
        assert_eq!(announced(b"Fedcba9876543210\r\n"), 0xfedc_ba98_7654_3210);
        assert_eq!(announced(b"10\r\nabc"), 13);
        assert_eq!(announced(b"3\r\nabc"), 0);
        assert_eq!(announced(b"0\r\n"), 0);
    }

    #[test]
    fn extensions_and_trailers_are_bounded_together() {
        let long = format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(64));
        assert_eq!(
            decode(long.as_bytes(), 7),
            Err(ProtocolError::ChunkExtension)
        );
        let long = format!(
            "1;{}\r\nx\r\n0\r\nA: {}\r\n\r\n",
            "e".repeat(40),
            "b".repeat(40)
        );
        assert_eq!(decode(long.as_bytes(), 7), Err(ProtocolError::Trailer));
    }

    #[test]
    fn content_length_is_digits_that_agree() {
        use ProtocolError as E;
        let cases: &[(&str, Result<u64, E>)] = &[
            ("0", Ok(0)),
            ("005", Ok(5)),
            ("18446744073709551615", Ok(u64::MAX)),
            ("5, 5", Ok(5)),
            ("", Err(E::LengthSyntax)),
            ("5,", Err(E::LengthSyntax)),
            ("5, 6", Err(E::LengthContradiction)),
            ("18446744073709551616", Err(E::LengthSyntax)),
            ("+5", Err(E::LengthSyntax)),
            ("-5", Err(E::LengthSyntax)),
            ("0x5", Err(E::LengthSyntax)),
            ("5 5", Err(E::LengthSyntax)),
            ("5.0", Err(E::LengthSyntax)),
            ("five", Err(E::LengthSyntax)),
        ];
        for (value, expected) in cases {
            assert_eq!(content_length(value.as_bytes()), *expected, "{value:?}");
        }
    }

    #[test]
    fn only_chunked_alone_is_a_transfer_coding_we_serve() {
        use ProtocolError as E;
        let cases: &[(&[&str], Result<BodyLength, E>)] = &[
            (&["chunked"], Ok(BodyLength::Chunked)),
            (&["CHUNKED"], Ok(BodyLength::Chunked)),
            (&["gzip, chunked"], Err(E::CodingUnknown)),
            (&["gzip", "chunked"], Err(E::CodingUnknown)),
            (&["chunked, gzip"], Err(E::CodingNotFinal)),
            (&["chunked, chunked"], Err(E::CodingNotFinal)),
            (&["chunked", "identity"], Err(E::CodingNotFinal)),
            (&["chunked,"], Err(E::CodingNotFinal)),
            (&[", chunked"], Err(E::CodingNotFinal)),
            (&["chunked;q=1"], Err(E::CodingNotFinal)),
            (&["xchunked"], Err(E::CodingNotFinal)),
            (&["identity"], Err(E::CodingNotFinal)),
            (&[""], Err(E::CodingNotFinal)),
        ];
        for (lines, expected) in cases {
            let found = transfer_encoding(lines.iter().map(|line| line.as_bytes()));
            assert_eq!(found, *expected, "{lines:?}");
        }
    }
}
