//! Comma-separated field values, taken apart.
//!
//! *Floor 0.* Knows the list rule of [RFC 9110 §5.6.1] and optional white space; does not know what
//! a member means. Recipients must accept empty members (`a,,b`), so they are dropped here, once.
//! Fields differ in what hides a comma: an entity tag, a quoted string, or nothing.
//!
//! [RFC 9110 §5.6.1]: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.1

/// The members of a list, without the white space around them; empty ones are dropped.
///
/// A comma between double quotes separates nothing (`"a,b"` is one entity tag). A backslash before
/// a quote is an ordinary byte, as in an entity tag (RFC 9110 §8.8.3); a quote that is never closed
/// makes the rest one member, which no user of this function accepts.
pub(super) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    value
        .split(move |&b| {
            quoted ^= b == b'"';
            b == b',' && !quoted
        })
        .map(trim_ows)
        .filter(|member| !member.is_empty())
}

/// The members of a list whose members are never quoted: each comma separates.
pub(super) fn bare_members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let members = value.split(|&b| b == b',').map(trim_ows);
    members.filter(|member| !member.is_empty())
}

/// Splits at each `separator` that stands outside of quoted strings, in which a backslash takes
/// its meaning from the byte behind it (RFC 9110 §5.6.4).
pub(super) fn split_unquoted(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    let pieces = value.split(move |&b| {
        if escaped {
            escaped = false;
            return false;
        }
        escaped = quoted && b == b'\\';
        quoted ^= b == b'"';
        b == separator && !quoted
    });
    pieces.map(trim_ows)
}

/// Removes optional white space, which is space and tab only (RFC 9110 §5.6.3).
pub(super) fn trim_ows(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_split_at_its_own_commas() {
        let rows: &[(&str, &[&str])] = &[
            ("", &[]),
            (",", &[]),
            (" , \t,", &[]),
            ("a", &["a"]),
            ("a,b", &["a", "b"]),
            (" a\t, b ,, c", &["a", "b", "c"]),
            ("a b", &["a b"]),
            (r#""a,b", W/"c""#, &[r#""a,b""#, r#"W/"c""#]),
            (r#""a\", "b""#, &[r#""a\""#, r#""b""#]),
            (r#"a, "b, c"#, &["a", r#""b, c"#]),
        ];
        for (value, expected) in rows {
            let found: Vec<_> = members(value.as_bytes()).collect();
            let expected: Vec<_> = expected.iter().map(|m| m.as_bytes()).collect();
            assert_eq!(found, expected, "{value:?}");
        }
        let bare: Vec<_> = bare_members(b" \"a, b\",, c").collect();
        assert_eq!(bare, [&b"\"a"[..], b"b\"", b"c"]);
    }

    #[test]
    fn a_quoted_string_holds_separators_and_escapes() {
        let rows: &[(&str, &[&str])] = &[
            ("", &[""]),
            ("a, b,", &["a", "b", ""]),
            (r#""a,b",c"#, &[r#""a,b""#, "c"]),
            (r#""a\",b",c"#, &[r#""a\",b""#, "c"]),
            (r#""a\\",c"#, &[r#""a\\""#, "c"]),
            (r#"a\,b\",c"#, &[r"a\", r#"b\",c"#]),
            (r#""a,b"#, &[r#""a,b"#]),
        ];
        for (value, expected) in rows {
            let found: Vec<_> = split_unquoted(value.as_bytes(), b',').collect();
            let expected: Vec<_> = expected.iter().map(|m| m.as_bytes()).collect();
            assert_eq!(found, expected, "{value:?}");
        }
    }

    #[test]
    fn white_space_is_space_and_tab_only() {
        assert_eq!(trim_ows(b" \ta\x0c "), b"a\x0c");
        assert_eq!(trim_ows(b" \t "), b"");
    }
}
