//! The fields of an upload that comes in parts.
//!
//! *Floor 3.* Pure. A field that cannot be read is an error and not ignored: what says in some way
//! that it is a part must never be taken for the whole.
//!
//! *References:* draft-ietf-httpbis-resumable-upload §4, RFC 8941 §3.3.1, §3.3.6 (items).

use crate::http::Request;

/// What a request says of its part of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct PartFields {
    /// Whether the file ends with this part.
    pub(super) complete: Option<bool>,
    /// Where the part begins.
    pub(super) offset: Option<u64>,
    /// How long the whole is.
    pub(super) length: Option<u64>,
}

impl PartFields {
    /// Those of a request; what is wrong with one.
    pub(super) fn of(request: &Request<'_>) -> Result<Self, &'static str> {
        let number = |name| item(request.field_values(name), integer);
        Ok(Self {
            complete: item(request.field_values("upload-complete"), boolean)
                .ok_or("The field Upload-Complete is neither ?0 nor ?1.")?,
            offset: number("upload-offset").ok_or("The field Upload-Offset is no number.")?,
            length: number("upload-length").ok_or("The field Upload-Length is no number.")?,
        })
    }
}

/// The one value of a field, without parameters (RFC 8941 §3.1.2); `None` if it cannot be read.
fn item<'v, T>(
    mut values: impl Iterator<Item = &'v [u8]>,
    parse: fn(&[u8]) -> Option<T>,
) -> Option<Option<T>> {
    let Some(value) = values.next() else {
        return Some(None);
    };
    let bare = value.split(|byte| *byte == b';').next()?.trim_ascii();
    match values.next() {
        Some(_) => None,
        None => parse(bare).map(Some),
    }
}

fn boolean(bare: &[u8]) -> Option<bool> {
    match bare {
        b"?0" => Some(false),
        b"?1" => Some(true),
        _ => None,
    }
}

fn integer(bare: &[u8]) -> Option<u64> {
    let is_digits = bare.iter().all(u8::is_ascii_digit);
    let digits = std::str::from_utf8(bare).ok().filter(|_| is_digits)?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_one_value_of_its_kind() {
        let length = |values: &[&str]| item(values.iter().map(|value| value.as_bytes()), integer);
        for (values, expected) in [
            (&[][..], Some(None)),
            (&["0"], Some(Some(0))),
            (&["18446744073709551615"], Some(Some(u64::MAX))),
            (&["7;a=b"], Some(Some(7))),
            (&["7 ; a"], Some(Some(7))),
            (&["18446744073709551616"], None),
            (&["+7"], None),
            (&["-0"], None),
            (&["7, 7"], None),
            (&["7", "7"], None),
            (&[""], None),
            (&[";a"], None),
        ] {
            assert_eq!(length(values), expected, "{values:?}");
        }
        assert_eq!(
            ["?0", "?1", "?2", "1", "true"].map(|text| boolean(text.as_bytes())),
            [Some(false), Some(true), None, None, None]
        );
    }
}
