//! The header section: read by httparse, held against the rules, and remembered for the next head.
//!
//! *Floor 0.* Knows the bytes behind a request line; does not know which connection they came on.
//!
//! *References:* RFC 9112 §5 and §6, RFC 9110 §5 to §7.

use super::authority::is_authority;
use super::error::ProtocolError;
use super::framing::{self, BodyLength};
use super::head::{HeadLimits, HeaderSection, Known, Span};
use crate::http::list;

/// Fields that most heads stay below. A larger array would have to be cleared for every request.
const FEW: usize = 16;

/// Sections beyond this are not kept: they would stay in memory when nobody asks.
const KEPT_BYTES_MAX: usize = 4096;

/// The header section read last, byte for byte, and what it says.
///
/// A client asks for one path after another and sends the same fields with each; HTTP/2 has a table
/// for that (RFC 7541 §2.3.2). What is equal byte for byte says the same, whoever sends it, so it is
/// not read again: a request with the 600 bytes of a browser's fields costs 3,900 instructions outside
/// the kernel then, instead of 8,100. A section that differs costs a comparison and a copy, 150 to 350.
#[derive(Default)]
pub(crate) struct LastSection {
    /// With its blank line. Empty if there was none yet, or the last one was refused or too long to be
    /// kept.
    bytes: Vec<u8>,
    /// The version it came with, which decides what it says.
    minor_version: u8,
    fields: usize,
    section: HeaderSection,
}

impl LastSection {
    /// What the section at the front of `bytes` says, with its length; `None` unless it is there whole
    /// and in order.
    pub(crate) fn read_at_once(
        &mut self,
        bytes: &[u8],
        minor_version: u8,
        limits: &HeadLimits,
    ) -> Option<(&HeaderSection, usize)> {
        // Both end at their first blank line.
        let is_repeated = !self.bytes.is_empty()
            && self.minor_version == minor_version
            && self.fields <= limits.fields_max
            && bytes.starts_with(&self.bytes);
        match is_repeated {
            true => Some((&self.section, self.bytes.len())),
            false => self.read_new(bytes, minor_version, limits),
        }
    }

    /// The same of one that is not the last one again. What httparse lets pass, a bare LF, is seen in
    /// the two bytes before each name and in the last four.
    fn read_new(
        &mut self,
        bytes: &[u8],
        minor_version: u8,
        limits: &HeadLimits,
    ) -> Option<(&HeaderSection, usize)> {
        let mut few = [httparse::EMPTY_HEADER; FEW];
        let Ok(httparse::Status::Complete((len, fields))) =
            httparse::parse_headers(bytes, &mut few)
        else {
            return None;
        };
        let bytes = &bytes[..len];
        let begins_a_line = |field: &httparse::Header<'_>| {
            let start = Span::within(bytes, field.name.as_bytes()).start();
            start == 0 || bytes[..start].ends_with(b"\r\n")
        };
        let is_blank = bytes == b"\r\n" || bytes.ends_with(b"\r\n\r\n");
        if !is_blank || !fields.iter().all(begins_a_line) {
            return None;
        }
        let section = self.take(bytes, fields, minor_version, limits).ok()?;
        Some((section, len))
    }

    /// What a whole section says, every line of which ends in CRLF.
    ///
    /// # Errors
    /// The first refusal that applies.
    pub(crate) fn read(
        &mut self,
        bytes: &[u8],
        minor_version: u8,
        limits: &HeadLimits,
    ) -> Result<&HeaderSection, ProtocolError> {
        let mut few = [httparse::EMPTY_HEADER; FEW];
        match httparse::parse_headers(bytes, &mut few) {
            Ok(httparse::Status::Complete((_, fields))) => {
                self.take(bytes, fields, minor_version, limits)
            }
            Err(httparse::Error::TooManyHeaders) => self.read_many(bytes, minor_version, limits),
            _ => Err(ProtocolError::FieldSyntax),
        }
    }

    /// The same for a section of more than [`FEW`] fields.
    #[cold]
    fn read_many(
        &mut self,
        bytes: &[u8],
        minor_version: u8,
        limits: &HeadLimits,
    ) -> Result<&HeaderSection, ProtocolError> {
        let mut many = vec![httparse::EMPTY_HEADER; limits.fields_max];
        match httparse::parse_headers(bytes, &mut many) {
            Ok(httparse::Status::Complete((_, fields))) => {
                self.take(bytes, fields, minor_version, limits)
            }
            Err(httparse::Error::TooManyHeaders) => Err(ProtocolError::TooManyFields),
            _ => Err(ProtocolError::FieldSyntax),
        }
    }

    /// Holds the section against the rules, and keeps it if they let it pass.
    fn take(
        &mut self,
        bytes: &[u8],
        fields: &[httparse::Header<'_>],
        minor_version: u8,
        limits: &HeadLimits,
    ) -> Result<&HeaderSection, ProtocolError> {
        self.bytes.clear();
        self.minor_version = minor_version;
        self.fields = fields.len();
        self.section = HeaderSection::default();
        check_fields(bytes, fields, minor_version, limits, &mut self.section)?;
        if bytes.len() <= KEPT_BYTES_MAX {
            self.bytes.extend_from_slice(bytes);
        }
        Ok(&self.section)
    }
}

/// Holds every field against the rules for framing, routing and reuse.
fn check_fields(
    bytes: &[u8],
    fields: &[httparse::Header<'_>],
    minor_version: u8,
    limits: &HeadLimits,
    section: &mut HeaderSection,
) -> Result<(), ProtocolError> {
    if fields.len() > limits.fields_max {
        return Err(ProtocolError::TooManyFields);
    }
    for field in fields {
        let known = Known::of(field.name.as_bytes());
        let repeated = section.known.has(known);
        section.known.add(known);
        // An HTTP/1.0 client cannot mean Expect (RFC 9110 §10.1.1).
        if known != Known::NOTHING && (known != Known::EXPECT || minor_version > 0) {
            check_field(bytes, known, field.value, repeated, section)?;
        }
    }
    section.keep_alive = match minor_version {
        0 => section.asks_keep_alive && !section.asks_close,
        _ => !section.asks_close,
    };
    if !section.known.has(Known::HOST) && minor_version > 0 {
        return Err(ProtocolError::HostMissing);
    }
    if section.known.has(Known::TRANSFER_ENCODING) {
        check_coding(fields, minor_version, section)?;
    }
    Ok(())
}

/// One field that matters.
fn check_field(
    bytes: &[u8],
    known: Known,
    value: &[u8],
    repeated: bool,
    section: &mut HeaderSection,
) -> Result<(), ProtocolError> {
    match known {
        Known::HOST if repeated => return Err(ProtocolError::HostRepeated),
        Known::HOST if !is_authority(value) => return Err(ProtocolError::HostInvalid),
        Known::HOST => section.host = Span::within(bytes, value),
        Known::CONTENT_LENGTH => {
            let length = BodyLength::Exactly(framing::content_length(value)?);
            if repeated && section.body != length {
                return Err(ProtocolError::LengthContradiction);
            }
            section.body = length;
        }
        Known::CONNECTION => {
            for option in value.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
                section.asks_close |= option.eq_ignore_ascii_case(b"close");
                section.asks_keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            }
        }
        Known::EXPECT => {
            // Empty members are none (RFC 9110 §5.6.1.2).
            for member in list::members(value) {
                if !member.eq_ignore_ascii_case(b"100-continue") {
                    return Err(ProtocolError::ExpectationUnknown);
                }
                section.expects_continue = true;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Transfer-Encoding, over all its lines.
#[cold]
fn check_coding(
    fields: &[httparse::Header<'_>],
    minor_version: u8,
    section: &mut HeaderSection,
) -> Result<(), ProtocolError> {
    if section.known.has(Known::CONTENT_LENGTH) {
        return Err(ProtocolError::LengthAndCoding);
    }
    if minor_version == 0 {
        return Err(ProtocolError::CodingInHttp10);
    }
    let lines = fields
        .iter()
        .filter(|f| f.name.eq_ignore_ascii_case("transfer-encoding"))
        .map(|f| f.value);
    section.body = framing::transfer_encoding(lines)?;
    Ok(())
}
