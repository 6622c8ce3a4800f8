//! The client behind a proxy: `Forwarded` and `X-Forwarded-For`, believed from known proxies only.
//!
//! *Floor 0.* Knows fields and addresses; does not know who is connected: that is told.
//!
//! The idea: **any client can write these fields, so read them backwards.** Each proxy appends the
//! peer it saw. The last entry was written by the peer that is connected to us; if we trust that
//! one, the entry is true, and if the address in it is trusted as well, so is the entry before it.
//! The first address that is not a trusted proxy's is the client; everything to its left it may
//! have made up.
//!
//! ```text
//! X-Forwarded-For: 6.6.6.6, 203.0.113.9, 10.0.0.2      peer 10.0.0.1, trusted: 10.0.0.0/8
//!                  made up  the client   our proxy     our proxy
//! ```
//!
//! An entry that is no address (`unknown`, `_hidden`, garbage) ends the walk: what stands to its
//! left comes from an unknown writer, so the proxy that wrote it is the last one known.
//!
//! PITFALL: a proxy that writes one of the two fields usually hands on the other as the client sent
//! it. So if both are there and name different clients, one of them is a lie and neither is
//! believed; `a_client_cannot_use_the_field_its_proxy_does_not_write` shows it.
//!
//! *References:* RFC 7239 §4 to §7; the realip module of nginx.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use crate::http::list;
use crate::http::message::head::Request;

/// The addresses with a common prefix: `10.0.0.0/8`, `::1`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    first: IpAddr,
    prefix_bits: u32,
}

impl Network {
    /// Whether `ip` is one of them. An IPv4 address is the same in its IPv6 spelling.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let differ = match (self.first, ip.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(ip)) => (ours.to_bits() ^ ip.to_bits()).leading_zeros(),
            (IpAddr::V6(ours), IpAddr::V6(ip)) => (ours.to_bits() ^ ip.to_bits()).leading_zeros(),
            _ => return false,
        };
        differ >= self.prefix_bits
    }
}

impl FromStr for Network {
    type Err = &'static str;

    /// `ADDR` or `ADDR/BITS`. Bits behind the prefix must be zero: a user who writes 10.1.2.3/8 may
    /// mean the one address or all sixteen million.
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        const ADVICE: &str = "give an address or a network: 10.0.0.7, 10.0.0.0/8, fd00::/8";
        let (address, bits) = match word.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (word, None),
        };
        let first: IpAddr = address.parse().map_err(|_| ADVICE)?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match bits {
            None => most,
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                bits.parse().map_err(|_| ADVICE)?
            }
            Some(_) => return Err(ADVICE),
        };
        if prefix_bits > most {
            return Err("an IPv4 prefix has at most 32 bits, an IPv6 one 128");
        }
        let zeros = match first {
            IpAddr::V4(ip) => ip.to_bits().trailing_zeros(),
            IpAddr::V6(ip) => ip.to_bits().trailing_zeros(),
        };
        if zeros + prefix_bits < most {
            return Err("the address has bits behind its prefix: 10.0.0.0/8, or 10.1.2.3 alone");
        }
        if let IpAddr::V6(ip) = first
            && ip.to_ipv4_mapped().is_some()
        {
            return Err("write an IPv4 address as such: 10.0.0.7, not ::ffff:10.0.0.7");
        }
        Ok(Self { first, prefix_bits })
    }
}

/// The proxies whose word about their clients is taken.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct TrustedProxies {
    /// Their addresses.
    pub networks: Vec<Network>,
    /// Whether clients of our Unix sockets are such proxies: the file's permissions decide who
    /// they are.
    pub unix: bool,
}

impl TrustedProxies {
    /// The client that `request` comes from, as far as it is known: the peer itself, unless that
    /// is a trusted proxy and names another.
    pub fn client(&self, peer: Option<IpAddr>, request: &Request<'_>) -> Option<IpAddr> {
        let trusted = peer.map_or(self.unix, |peer| self.contains(peer));
        if !trusted {
            return peer;
        }
        let forwarded = self.last_untrusted(&forwarded_entries(request));
        let x_forwarded = self.last_untrusted(&x_entries(request));
        match (forwarded, x_forwarded) {
            (Some(one), Some(other)) if one != other => peer,
            (one, other) => one.or(other).flatten().or(peer),
        }
    }

    fn contains(&self, ip: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(ip))
    }

    /// Walks the entries backwards; `None` if there are none, `Some(None)` if not even the last
    /// one is an address.
    fn last_untrusted(&self, entries: &[Option<IpAddr>]) -> Option<Option<IpAddr>> {
        let mut known = None;
        for entry in entries.iter().rev() {
            let Some(ip) = entry else { break };
            known = Some(*ip);
            if !self.contains(*ip) {
                break;
            }
        }
        (!entries.is_empty()).then_some(known)
    }
}

/// The entries of Forwarded, first to last; `None` stands for one that is no address.
fn forwarded_entries(request: &Request<'_>) -> Vec<Option<IpAddr>> {
    let values = request.field_values("Forwarded");
    let elements = values.flat_map(|value| list::split_unquoted(value, b','));
    let elements = elements.filter(|element| !element.is_empty());
    elements.map(forwarded_node).collect()
}

/// The entries of X-Forwarded-For, likewise. PITFALL: it has no quoted strings. A quote is a byte
/// like any other, or one that a client has written hides what its proxy appends;
/// `a_quote_in_what_the_client_wrote_hides_nothing_behind_it` shows it.
fn x_entries(request: &Request<'_>) -> Vec<Option<IpAddr>> {
    let values = request.field_values("X-Forwarded-For");
    values.flat_map(list::bare_members).map(x_node).collect()
}

/// The client in one element of Forwarded: `for="[2001:db8::1]:4711";proto=https` (RFC 7239 §4).
/// Parameters that do not follow the grammar make the whole element unreadable, a repeated one
/// does too: RFC 7239 allows each once.
fn forwarded_node(element: &[u8]) -> Option<IpAddr> {
    let mut found = None;
    for pair in list::split_unquoted(element, b';') {
        let equals = memchr::memchr(b'=', pair)?;
        let (name, value) = (
            list::trim_ows(&pair[..equals]),
            list::trim_ows(&pair[equals + 1..]),
        );
        if name.eq_ignore_ascii_case(b"for") && found.replace(value).is_some() {
            return None;
        }
    }
    let value = found?;
    match value.strip_prefix(b"\"") {
        // No address holds a quote or a backslash, so a node needs no unescaping.
        Some(rest) => node(rest.strip_suffix(b"\"")?),
        // An unquoted value is a token, which holds neither colon nor bracket (RFC 7239 §4).
        None if value.iter().any(|byte| b":[]".contains(byte)) => None,
        None => node(value),
    }
}

/// One entry of X-Forwarded-For: whatever proxies write there, which is an address in any of its
/// spellings, with or without a port.
fn x_node(entry: &[u8]) -> Option<IpAddr> {
    let word = std::str::from_utf8(entry).ok()?;
    let bare = word.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    bare.map(|ip| ip.to_canonical()).or_else(|| node(entry))
}

/// `192.0.2.7`, `192.0.2.7:4711`, `[2001:db8::1]`, `[2001:db8::1]:4711` (RFC 7239 §6). A port may
/// also be a name, `_p`; it is not looked at.
fn node(node: &[u8]) -> Option<IpAddr> {
    let word = std::str::from_utf8(node).ok()?;
    let ip = match word.strip_prefix('[') {
        Some(rest) => {
            let (literal, port) = rest.split_once(']')?;
            (port.is_empty() || is_port(port.strip_prefix(':')?)).then_some(())?;
            IpAddr::V6(literal.parse().ok()?)
        }
        None => match word.split_once(':') {
            Some((literal, port)) if is_port(port) => IpAddr::V4(literal.parse().ok()?),
            Some(_) => return None,
            None => IpAddr::V4(word.parse().ok()?),
        },
    };
    Some(ip.to_canonical())
}

/// 1 to 5 digits, or an underscore and letters, digits, `.`, `_`, `-` (RFC 7239 §6).
fn is_port(word: &str) -> bool {
    match word.strip_prefix('_') {
        Some(rest) => {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            !rest.is_empty() && rest.bytes().all(plain)
        }
        None => (1..=5).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(word: &str) -> Option<IpAddr> {
        (!word.is_empty()).then(|| word.parse().unwrap())
    }

    fn trusted() -> TrustedProxies {
        TrustedProxies {
            networks: vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()],
            unix: false,
        }
    }

    /// Who it comes from, when `peer` sends `fields`.
    fn check(peer: &str, fields: &[&str], expected: &str) {
        let head = format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n",
            fields.join("\r\n")
        );
        let head = head.replace("\r\n\r\n\r\n", "\r\n\r\n");
        let request = Request::parse(head.as_bytes()).unwrap();
        let client = trusted().client(ip(peer), &request);
        assert_eq!(client, ip(expected), "{peer} sends {fields:?}");
    }

    #[test]
    fn the_last_address_that_is_no_proxy_of_ours_is_the_client() {
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &["X-Forwarded-For: 203.0.113.9"], "203.0.113.9");
        check(
            "10.0.0.1",
            &["X-Forwarded-For: 6.6.6.6, 203.0.113.9"],
            "203.0.113.9",
        );
        check(
            "10.0.0.1",
            &["X-Forwarded-For: 6.6.6.6,203.0.113.9, 10.0.0.2"],
            "203.0.113.9",
        );
        // RFC 9110 §5.3: a list may be split over several lines.
        let lines = [
            "X-Forwarded-For: 6.6.6.6, 203.0.113.9",
            "x-forwarded-for: 10.0.0.2",
        ];
        check("10.0.0.1", &lines, "203.0.113.9");
        // All of them ours: the first one is as far as it goes.
        check(
            "10.0.0.1",
            &["X-Forwarded-For: 10.0.0.3, 10.0.0.2"],
            "10.0.0.3",
        );
        check(
            "fd00::1",
            &["X-Forwarded-For: 2001:db8::1, fd00::2"],
            "2001:db8::1",
        );
        check(
            "::ffff:10.0.0.1",
            &["X-Forwarded-For: ::ffff:203.0.113.9"],
            "203.0.113.9",
        );
    }

    #[test]
    fn from_anybody_else_the_fields_are_air() {
        check("192.0.2.1", &["X-Forwarded-For: 203.0.113.9"], "192.0.2.1");
        check("192.0.2.1", &["Forwarded: for=203.0.113.9"], "192.0.2.1");
        check("", &["X-Forwarded-For: 203.0.113.9"], "");
        let request = b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n";
        let request = Request::parse(request).unwrap();
        let unix = TrustedProxies {
            unix: true,
            ..TrustedProxies::default()
        };
        assert_eq!(unix.client(None, &request), ip("203.0.113.9"));
        assert_eq!(unix.client(ip("192.0.2.1"), &request), ip("192.0.2.1"));
    }

    #[test]
    fn what_is_no_address_ends_the_walk() {
        check("10.0.0.1", &["X-Forwarded-For: unknown"], "10.0.0.1");
        check(
            "10.0.0.1",
            &["X-Forwarded-For: 203.0.113.9, unknown"],
            "10.0.0.1",
        );
        check(
            "10.0.0.1",
            &["X-Forwarded-For: 203.0.113.9, unknown, 10.0.0.2"],
            "10.0.0.2",
        );
        check(
            "10.0.0.1",
            &["X-Forwarded-For: \u{e9}, 1.2.3, 300.1.1.1"],
            "10.0.0.1",
        );
        check("10.0.0.1", &["X-Forwarded-For: , ,"], "10.0.0.1");
        check(
            "10.0.0.1",
            &["Forwarded: for=_hidden, for=10.0.0.2"],
            "10.0.0.2",
        );
        check("10.0.0.1", &["Forwarded: by=203.0.113.9"], "10.0.0.1");
    }

    /// What a client wrote stands before what its proxy appends.
    #[test]
    fn a_quote_in_what_the_client_wrote_hides_nothing_behind_it() {
        for made_up in ["\"", "\"a", "\"6.6.6.6\", \"", "a\\\"", "\"\\\""] {
            let field = format!("X-Forwarded-For: {made_up}, 203.0.113.9, 10.0.0.2");
            check("10.0.0.1", &[&field], "203.0.113.9");
        }
        // RFC 9110 §5.6.4: a backslash quotes the next byte, within a string only.
        for made_up in [
            r#"for="\"""#,
            r#"for="\\""#,
            r#"for="a, for=6.6.6.6""#,
            r#"by="\",";for=a"#,
            r"for=\",
        ] {
            let field = format!("Forwarded: {made_up}, for=203.0.113.9, for=10.0.0.2");
            check("10.0.0.1", &[&field], "203.0.113.9");
        }
        // A string that never ends is no member of any list, and so is what it has swallowed.
        let open = "Forwarded: for=\"6.6.6.6, for=203.0.113.9";
        check("10.0.0.1", &[open], "10.0.0.1");
        // The client chooses the host, and semicolons are allowed there (RFC 3986 §3.2.2).
        for host in [r#""a;for=6.6.6.6""#, r#""a;b""#, r#""\";for=6.6.6.6""#] {
            let field = format!("Forwarded: for=203.0.113.9;host={host}");
            check("10.0.0.1", &[&field], "203.0.113.9");
        }
    }

    #[test]
    fn a_client_cannot_use_the_field_its_proxy_does_not_write() {
        let one = ["Forwarded: for=6.6.6.6", "X-Forwarded-For: 203.0.113.9"];
        check("10.0.0.1", &one, "10.0.0.1");
        let garbage = ["Forwarded: for=_x", "X-Forwarded-For: 203.0.113.9"];
        check("10.0.0.1", &garbage, "10.0.0.1");
        let both = ["Forwarded: for=203.0.113.9", "X-Forwarded-For: 203.0.113.9"];
        check("10.0.0.1", &both, "203.0.113.9");
    }

    #[test]
    fn forwarded_follows_its_grammar() {
        let check = |element: &str, expected: &str| {
            let found = forwarded_node(element.as_bytes());
            assert_eq!(found, ip(expected), "{element}");
        };
        // RFC 7239 §4 and §6, with their examples.
        check("for=192.0.2.43", "192.0.2.43");
        check("For=\"192.0.2.43:47011\"", "192.0.2.43");
        check("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17");
        check("for=\"[2001:db8:cafe::17]\"", "2001:db8:cafe::17");
        check("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60");
        check("by=203.0.113.43; for=192.0.2.60", "192.0.2.60");
        check("for=\"192.0.2.43:_gazonk\"", "192.0.2.43");
        check("for=\"_gazonk\"", "");
        check("for=unknown", "");
        // Not the grammar: brackets and colons need quotes, and IPv6 needs brackets.
        check("for=[2001:db8::1]", "");
        check("for=192.0.2.43:80", "");
        check("for=\"2001:db8::1\"", "");
        check("for=\"192.0.2.43", "");
        check("for=\"192.0.2.43:123456\"", "");
        check("for=192.0.2.43;for=6.6.6.6", "");
        check("for=192.0.2.43;", "");
        check("192.0.2.43", "");
        check("", "");
    }

    #[test]
    fn x_forwarded_for_takes_every_spelling() {
        let check = |entry: &str, expected: &str| {
            assert_eq!(x_node(entry.as_bytes()), ip(expected), "{entry}");
        };
        check("192.0.2.43", "192.0.2.43");
        check("192.0.2.43:4711", "192.0.2.43");
        check("2001:db8::17", "2001:db8::17");
        check("[2001:db8::17]", "2001:db8::17");
        check("[2001:db8::17]:4711", "2001:db8::17");
        check("[2001:db8::17]4711", "");
        check("\"192.0.2.43\"", "");
        check("192.0.2.43:", "");
        check("fe80::1%eth0", "");
    }

    #[test]
    fn networks_are_written_one_way() {
        let check = |word: &str, inside: &[&str], outside: &[&str]| {
            let network: Network = word.parse().unwrap();
            let holds = |ip: &str| network.contains(ip.parse().unwrap());
            assert!(inside.iter().all(|ip| holds(ip)), "{word}");
            assert!(!outside.iter().any(|ip| holds(ip)), "{word}");
        };
        check(
            "10.0.0.0/8",
            &["10.0.0.0", "10.255.255.255", "::ffff:10.1.1.1"],
            &["11.0.0.0", "9.255.255.255", "::a00:1"],
        );
        check("192.0.2.7", &["192.0.2.7"], &["192.0.2.6"]);
        check("192.0.2.6/31", &["192.0.2.6", "192.0.2.7"], &["192.0.2.8"]);
        check("0.0.0.0/0", &["1.2.3.4"], &["::1"]);
        check("::/0", &["::1"], &["1.2.3.4"]);
        check("2001:db8::/32", &["2001:db8:ffff::"], &["2001:db9::"]);
        for word in [
            "",
            "10",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.1.2.3/8",
            "::/129",
            "a/8",
            "::ffff:10.0.0.0/104",
            "10.0.0.0/8/8",
        ] {
            assert!(word.parse::<Network>().is_err(), "{word}");
        }
    }
}
