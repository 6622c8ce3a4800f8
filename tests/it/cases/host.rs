//! The Host field and the authority of absolute-form (RFC 9112 §3.2, RFC 3986 §3.2).

use super::{Case, Rule, must, ours};

#[rustfmt::skip]
const VALUES: &[(Rule, &[u8], &str)] = &[
    (must("3986 §3.2.2"), b"a", "200"),
    (must("3986 §3.2.2"), b"www.example.org", "200"),
    (must("3986 §3.2.2"), b"WWW.Example.ORG", "200"),
    (must("3986 §3.2.2"), b"a-b_c~d.e", "200"),
    (must("3986 §3.2.2"), b"0.0.0.0=5000", "200"),
    (must("3986 §3.2.2"), b"a!$&'()*+,;=b", "200"),
    (must("3986 §3.2.2"), b"a,b", "200"),
    (must("3986 §3.2.2"), b"a%41%2d", "200"),
    (must("3986 §3.2.2"), b"xn--bcher-kva.example", "200"),
    (must("3986 §3.2.2"), b"example.org.", "200"),
    (must("3986 §3.2.2"), b"example.org.:80", "200"),
    (must("3986 §3.2.2"), b"127.0.0.1", "200"),
    (must("3986 §3.2.2"), b"127.0.0.1:8080", "200"),
    (must("3986 §3.2.2"), b"192.168.2", "200"),
    (must("3986 §3.2.2"), b"-a.c", "200"),
    (must("3986 §3.2.3"), b"a:0", "200"),
    (must("3986 §3.2.3"), b"a:", "200"),
    (must("3986 §3.2.3"), b"a:80", "200"),
    (must("3986 §3.2.3"), b"a:65535", "200"),
    (must("3986 §3.2.2"), b"[::1]", "200"),
    (must("3986 §3.2.2"), b"[::]", "200"),
    (must("3986 §3.2.2"), b"[::1]:", "200"),
    (must("3986 §3.2.2"), b"[::1]:8080", "200"),
    (must("3986 §3.2.2"), b"[2001:DB8::a]:80", "200"),
    (must("3986 §3.2.2"), b"[::ffff:192.0.2.1]", "200"),
    (must("3986 §3.2.2"), b"[1:2:3:4:5:6:7:8]", "200"),
    (must("9110 §5.5"), b"\ta\t", "200"),
    (must("9110 §5.5"), b"   a   ", "200"),

    (must("9112 §3.2"), b"a b", "400 x"),
    (must("9112 §3.2"), b"a, b", "400 x"),
    (must("9112 §3.2"), b"a\tb", "400 x"),
    (must("9112 §3.2"), b"u@a", "400 x"),
    (must("9112 §3.2"), b"u:p@a:80", "400 x"),
    (must("9112 §3.2"), b"a/", "400 x"),
    (must("9112 §3.2"), b"a/b", "400 x"),
    (must("9112 §3.2"), b"../a", "400 x"),
    (must("9112 §3.2"), b"http://a", "400 x"),
    (must("9112 §3.2"), b"a?b", "400 x"),
    (must("9112 §3.2"), b"a#b", "400 x"),
    (must("9112 §3.2"), b"a:b", "400 x"),
    (must("9112 §3.2"), b"a:-1", "400 x"),
    (must("9112 §3.2"), b"a:+1", "400 x"),
    (must("9112 §3.2"), b"a: 80", "400 x"),
    (must("9112 §3.2"), b"a :80", "400 x"),
    (must("9112 §3.2"), b"a:8.0", "400 x"),
    (must("9112 §3.2"), b"a:80:80", "400 x"),
    (must("9112 §3.2"), b"a::80", "400 x"),
    (must("9112 §3.2"), b"a:0x50", "400 x"),
    (must("9112 §3.2"), b"::1", "400 x"),
    (must("9112 §3.2"), b"[::1", "400 x"),
    (must("9112 §3.2"), b"::1]", "400 x"),
    (must("9112 §3.2"), b"[]", "400 x"),
    (must("9112 §3.2"), b"[]:80", "400 x"),
    (must("9112 §3.2"), b"[a]", "400 x"),
    (must("9112 §3.2"), b"[:::1]", "400 x"),
    (must("9112 §3.2"), b"[1::2::3]", "400 x"),
    (must("9112 §3.2"), b"[12345::]", "400 x"),
    (must("9112 §3.2"), b"[127.0.0.1]", "400 x"),
    (must("9112 §3.2"), b"[::1]]", "400 x"),
    (must("9112 §3.2"), b"[[::1]", "400 x"),
    (must("9112 §3.2"), b"[::1]a", "400 x"),
    (must("9112 §3.2"), b"[::1].", "400 x"),
    (must("9112 §3.2"), b"[::1].:80", "400 x"),
    (must("9112 §3.2"), b"a[::1]", "400 x"),
    (must("9112 §3.2"), b"[::1]:a", "400 x"),
    (must("9112 §3.2"), b"[::1]80", "400 x"),
    (must("9112 §3.2"), b"[::1]' OR '", "400 x"),
    (must("9112 §3.2"), b"[::1]/../", "400 x"),
    (must("9112 §3.2"), b"%", "400 x"),
    (must("9112 §3.2"), b"a%4", "400 x"),
    (must("9112 §3.2"), b"a%zz", "400 x"),
    (ours("9844 took zones out"), b"[fe80::1%25en0]", "400 x"),
    (ours("9844 took zones out"), b"[fe80::1%en0]", "400 x"),

    // An http URI has a host (RFC 9110 §4.2.1), so an empty one names nothing we could serve. But a
    // client whose target has no authority must send an empty Host (RFC 9110 §7.2).
    (ours("a URI has a host"), b"", "400 x"),
    (ours("a URI has a host"), b"   ", "400 x"),
    (ours("a URI has a host"), b"\t", "400 x"),
    (ours("a URI has a host"), b":80", "400 x"),
    (ours("a URI has a host"), b":", "400 x"),
    (ours("TCP has 65,535"), b"a:65536", "400 x"),
    (ours("TCP has 65,535"), b"a:98777", "400 x"),
    (ours("TCP has 65,535"), b"a:123456", "400 x"),
    (ours("TCP has 65,535"), b"a:99999999999999999999", "400 x"),
];

/// Each value as a Host field, in HTTP/1.1 and in HTTP/1.0, and as the authority of absolute-form.
pub(super) fn values() -> Vec<Case> {
    let mut cases = Vec::new();
    for &(rule, value, outcome) in VALUES {
        let shown = value.escape_ascii();
        let field = [b"GET / HTTP/1.1\r\nHost: ", value, b"\r\n\r\n"].concat();
        cases.push(Case::new(rule, &format!("Host: {shown}"), field, outcome));

        let old = if outcome == "200" { "200 x" } else { outcome };
        let field = [b"GET / HTTP/1.0\r\nHost: ", value, b"\r\n\r\n"].concat();
        cases.push(Case::new(
            rule,
            &format!("Host: {shown} in HTTP/1.0"),
            field,
            old,
        ));

        // What these bytes mean in a target is told in request_line.rs.
        if !value.iter().any(|byte| b" \t/?#".contains(byte)) {
            let line = [b"GET http://", value, b"/ HTTP/1.1\r\nHost: b\r\n\r\n"].concat();
            cases.push(Case::new(rule, &format!("http://{shown}/"), line, outcome));
        }
    }
    cases
}

#[rustfmt::skip]
const FIELDS: &[(Rule, &str, &[u8], &str)] = &[
    (must("9112 §3.2"), "no Host", b"GET / HTTP/1.1\r\n\r\n", "400 x"),
    (must("9112 §3.2"), "no Host among other fields", b"GET / HTTP/1.1\r\nX: a\r\nXHost: a\r\nHostX: a\r\n\r\n", "400 x"),
    (must("9112 §3.2"), "no Host in HTTP/1.9", b"GET / HTTP/1.9\r\n\r\n", "400 x"),
    (must("9112 §3.2"), "no Host with absolute-form", b"GET http://a/ HTTP/1.1\r\n\r\n", "400 x"),
    (must("9112 §3.2"), "no Host with OPTIONS *", b"OPTIONS * HTTP/1.1\r\n\r\n", "400 x"),
    (must("9112 §3.2"), "no Host with CONNECT", b"CONNECT a:443 HTTP/1.1\r\n\r\n", "400 x"),
    (must("9112 §3.2"), "no Host with an unknown method", b"BREW / HTTP/1.1\r\n\r\n", "400 x"),
    (must("9112 §3.2"), "HTTP/1.0 needs no Host", b"GET / HTTP/1.0\r\n\r\n", "200 x"),
    (must("9112 §3.2"), "HTTP/1.0 with absolute-form needs no Host", b"GET http://a/ HTTP/1.0\r\n\r\n", "200 x"),
    (must("9112 §3.2"), "two Host fields", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400 x"),
    (must("9112 §3.2"), "two equal Host fields", b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400 x"),
    (must("9112 §3.2"), "two Host fields apart", b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nHost: a\r\n\r\n", "400 x"),
    (must("9112 §3.2"), "two Host fields in two spellings", b"GET / HTTP/1.1\r\nHost: a\r\nhOST: a\r\n\r\n", "400 x"),
    (must("9112 §3.2"), "a second, empty Host field", b"GET / HTTP/1.1\r\nHost: a\r\nHost:\r\n\r\n", "400 x"),
    (must("9112 §3.2"), "three Host fields", b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\nHost: a\r\n\r\n", "400 x"),
    (must("9112 §3.2"), "two Host fields in HTTP/1.0", b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", "400 x"),
    (must("9112 §3.2"), "two Host fields with absolute-form", b"GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400 x"),
    (must("9112 §3.2"), "an invalid Host with absolute-form", b"GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n", "400 x"),
    (must("9112 §3.2"), "an invalid Host with OPTIONS *", b"OPTIONS * HTTP/1.1\r\nHost: a/b\r\n\r\n", "400 x"),
    (must("9110 §5.1"), "the name is case-insensitive", b"GET / HTTP/1.1\r\nhOsT: a\r\n\r\n", "200"),
    (must("9110 §5.5"), "no space behind the colon", b"GET / HTTP/1.1\r\nHost:a\r\n\r\n", "200"),
    (must("9112 §3.2"), "Host as the last field", b"GET / HTTP/1.1\r\nX: y\r\nZ: z\r\nHost: a\r\n\r\n", "200"),
    (must("9112 §5.2"), "a folded Host", b"GET / HTTP/1.1\r\nHost:\r\n a\r\n\r\n", "400 x"),
    (must("9112 §5.1"), "a space before Host's colon", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400 x"),
];

pub(super) fn fields() -> Vec<Case> {
    let row = |&(rule, name, sent, outcome): &(Rule, &'static str, &[u8], &'static str)| {
        Case::new(rule, name, sent.to_vec(), outcome)
    };
    FIELDS.iter().map(row).collect()
}

/// Every byte inside a Host value: unreserved and sub-delims are a reg-name's, a colon begins a
/// port, and nothing else belongs there.
pub(super) fn bytes() -> Vec<Case> {
    let outcome = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => "200",
        b'-' | b'.' | b'_' | b'~' | b':' => "200",
        b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' => "200",
        _ => "400 x",
    };
    Case::family(must("9112 §3.2"), "in a Host value", |byte| {
        let sent = [b"GET / HTTP/1.1\r\nHost: a", &[byte][..], b"1\r\n\r\n"].concat();
        (sent, outcome(byte))
    })
}
