//! The authority of a target or of Host: a host, and perhaps a port.
//!
//! *Floor 0.* Knows what may stand in one; does not know which of the two counts.
//!
//! *References:* RFC 3986 §3.2, RFC 9110 §4.2 and §7.2.

use memchr::memchr;

/// `uri-host [ ":" port ]` (RFC 9110 §7.2, RFC 3986 §3.2.2): a name, an IPv4 address or a
/// bracketed IP literal, without user information. Empty is refused: an http URI has a host
/// (RFC 9110 §4.2.1). One pass, since every request pays for it.
pub(super) fn is_authority(value: &[u8]) -> bool {
    let mut label_is_empty = true;
    let mut bytes = value.iter();
    while let Some(&byte) = bytes.next() {
        if IN_LABEL[usize::from(byte)] {
            label_is_empty = false;
            continue;
        }
        let rest = bytes.as_slice();
        let is_first = rest.len() + 1 == value.len();
        match (byte, rest) {
            (b'.', _) if !label_is_empty => label_is_empty = true,
            (b':', port) => return !is_first && is_port(port),
            (b'%', [high, low, rest @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                label_is_empty = false;
                bytes = rest.iter();
            }
            (b'[', literal) if is_first => return is_ip_literal_and_port(literal),
            _ => return false,
        }
    }
    // The last label may be empty: behind a final dot.
    !value.is_empty()
}

/// What follows `[`.
#[cold]
fn is_ip_literal_and_port(rest: &[u8]) -> bool {
    let Some(end) = memchr(b']', rest) else {
        return false;
    };
    is_ip_literal(&rest[..end])
        && match &rest[end + 1..] {
            [] => true,
            [b':', port @ ..] => is_port(port),
            _ => false,
        }
}

/// `*DIGIT` up to 65,535: what counts is in the last five.
fn is_port(digits: &[u8]) -> bool {
    let (zeros, digits) = digits.split_at(digits.len().saturating_sub(5));
    let number = digits.iter().try_fold(0u32, |n, b| {
        let digit = u32::from(b.wrapping_sub(b'0'));
        (digit <= 9).then_some(n * 10 + digit)
    });
    number.is_some_and(|n| n <= 65_535) && zeros.iter().all(|b| *b == b'0')
}

/// `IPv6address / IPvFuture`, without a zone (RFC 3986 §3.2.2, RFC 9844).
fn is_ip_literal(literal: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(literal) else {
        return false;
    };
    if let Some((version, address)) = text
        .strip_prefix(['v', 'V'])
        .and_then(|t| t.split_once('.'))
    {
        let part = |b: &u8| matches!(b, b':' | b'.') || IN_LABEL[usize::from(*b)];
        return !version.is_empty()
            && version.bytes().all(|b| b.is_ascii_hexdigit())
            && !address.is_empty()
            && address.as_bytes().iter().all(part);
    }
    text.parse::<std::net::Ipv6Addr>().is_ok()
}

/// Whether a byte may stand in a label of a host name: unreserved and sub-delims of RFC 3986 §3.2.2,
/// but the dot.
pub(super) const fn in_label(byte: u8) -> bool {
    matches!(byte,
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~'
        | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
}

/// [`in_label`] of each byte.
const IN_LABEL: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128u8 {
        table[byte as usize] = in_label(byte);
        byte += 1;
    }
    table
};
