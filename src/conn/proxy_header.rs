//! The PROXY protocol: a proxy names its client before the first request.
//!
//! *Floor 1.* Knows both versions of the header; does not know who sent it. Nothing in the bytes
//! could prove that: a listener on which the header is expected must be reachable by proxies only.
//! It is never guessed either. Where it is declared it is required, and a connection without it is
//! closed without a word: an answer would be as good as the guess.
//!
//! ```text
//! v1  PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\r\n                       107 bytes at most
//! v2  signature(12)  version|command  family|transport  length(2)  addresses  TLVs
//! ```
//!
//! Written here, and not taken from the crate `ppp`: that one calls a version 1 header that is cut
//! behind its first port malformed instead of incomplete, and takes `+80` for a port.
//!
//! *References:* <https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>, §2.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A whole header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ProxyHeader {
    /// Its bytes; the first request stands behind them.
    pub(super) len: usize,
    /// The client. `None` if the proxy speaks for itself (a health check), or for a client without
    /// an IP address: then the connection's own peer counts.
    pub(super) client: Option<IpAddr>,
}

/// Bytes that cannot become a header, whatever follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Malformed;

/// The longest header of version 1, with its CRLF.
const V1_BYTES_MAX: usize = 107;

/// The longest header of version 2 that is taken: room for a proxy's TLVs (536 bytes fit one
/// packet by the specification, a TLS client certificate does not), not for a flood.
const V2_BYTES_MAX: usize = 4096;

const V1_START: &[u8] = b"PROXY ";
const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const V2_HEAD: usize = 16;

/// Reads the header at the front of `bytes`; `None` as long as it is incomplete.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<ProxyHeader>, Malformed> {
    match bytes {
        [] => Ok(None),
        [b'P', ..] => text(bytes),
        _ => binary(bytes),
    }
}

/// Version 1.
fn text(bytes: &[u8]) -> Result<Option<ProxyHeader>, Malformed> {
    begins(bytes, V1_START)?;
    let line = &bytes[..bytes.len().min(V1_BYTES_MAX)];
    let Some(lf) = line.iter().position(|byte| *byte == b'\n') else {
        return if line.len() < V1_BYTES_MAX {
            Ok(None)
        } else {
            Err(Malformed)
        };
    };
    let words = line[..lf].strip_suffix(b"\r").ok_or(Malformed)?;
    let words: Vec<&[u8]> = words.split(|byte| *byte == b' ').collect();
    let client = match words[1..] {
        // "The receiver must ignore anything presented before the CRLF" (§2.1).
        [b"UNKNOWN", ..] => None,
        [b"TCP4", client, server, from, to] => {
            let client: Ipv4Addr = value(client)?;
            check_rest::<Ipv4Addr>(server, from, to)?;
            Some(client.into())
        }
        [b"TCP6", client, server, from, to] => {
            let client: Ipv6Addr = value(client)?;
            check_rest::<Ipv6Addr>(server, from, to)?;
            Some(client.to_canonical())
        }
        _ => return Err(Malformed),
    };
    let len = lf + 1;
    Ok(Some(ProxyHeader { len, client }))
}

/// What we do not use must be well-formed too, or the line is not what it claims to be.
fn check_rest<A: FromStr>(server: &[u8], from: &[u8], to: &[u8]) -> Result<(), Malformed> {
    value::<A>(server)?;
    for port in [from, to] {
        let digits = port.iter().all(u8::is_ascii_digit);
        let leading_zero = port.len() > 1 && port[0] == b'0';
        if !digits || leading_zero {
            return Err(Malformed);
        }
        value::<u16>(port)?;
    }
    Ok(())
}

fn value<V: FromStr>(word: &[u8]) -> Result<V, Malformed> {
    let word = std::str::from_utf8(word).map_err(|_| Malformed)?;
    word.parse().map_err(|_| Malformed)
}

/// Version 2.
fn binary(bytes: &[u8]) -> Result<Option<ProxyHeader>, Malformed> {
    begins(bytes, V2_SIGNATURE)?;
    let Some((head, rest)) = bytes.split_at_checked(V2_HEAD) else {
        return Ok(None);
    };
    let [command, family, high, low] = [head[12], head[13], head[14], head[15]];
    let len = usize::from(u16::from_be_bytes([high, low]));
    if V2_HEAD + len > V2_BYTES_MAX {
        return Err(Malformed);
    }
    let addresses_len = match (command, family) {
        // LOCAL: the proxy itself; whatever is said of addresses is ignored (§2.2).
        (0x20, _) | (0x21, 0x00) => 0,
        (0x21, 0x11 | 0x12) => 12,
        (0x21, 0x21 | 0x22) => 36,
        (0x21, 0x31 | 0x32) => 216,
        // Values that "must be rejected as invalid by receivers".
        _ => return Err(Malformed),
    };
    if len < addresses_len {
        return Err(Malformed);
    }
    let Some(body) = rest.get(..len) else {
        return Ok(None);
    };
    // Only streams: a header that speaks of datagrams is not about this connection.
    let client = match (command, family) {
        (0x21, 0x11) => body.first_chunk().map(|ip: &[u8; 4]| IpAddr::from(*ip)),
        (0x21, 0x21) => body
            .first_chunk()
            .map(|ip: &[u8; 16]| IpAddr::from(*ip).to_canonical()),
        _ => None,
    };
    let len = V2_HEAD + len;
    Ok(Some(ProxyHeader { len, client }))
}

/// As far as there are bytes, they are those of `start`.
fn begins(bytes: &[u8], start: &[u8]) -> Result<(), Malformed> {
    let here = bytes.len().min(start.len());
    (bytes[..here] == start[..here])
        .then_some(())
        .ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let mut header = V2_SIGNATURE.to_vec();
        header.extend([command, family]);
        header.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        header.extend(body);
        header
    }

    const V4: [u8; 12] = [192, 0, 2, 7, 10, 0, 0, 1, 0xdc, 4, 1, 187];

    fn v6() -> Vec<u8> {
        let client: Ipv6Addr = "2001:db8::7".parse().unwrap();
        [
            &client.octets()[..],
            &Ipv6Addr::LOCALHOST.octets(),
            &[0, 1, 0, 2],
        ]
        .concat()
    }

    /// A header names `client` (empty: none), whole and with a request behind it, and is
    /// incomplete wherever it is cut.
    fn check(header: impl AsRef<[u8]>, client: &str) {
        let header = header.as_ref();
        let client = (!client.is_empty()).then(|| client.parse().unwrap());
        let len = header.len();
        let shown = header.escape_ascii();
        for behind in ["", "GET / HTTP/1.1\r\n", "PROXY TCP4"] {
            let all = [header, behind.as_bytes()].concat();
            assert_eq!(
                parse(&all),
                Ok(Some(ProxyHeader { len, client })),
                "{shown}"
            );
        }
        for cut in 0..len {
            assert_eq!(parse(&header[..cut]), Ok(None), "{shown} cut at {cut}");
        }
    }

    #[test]
    fn a_text_header_names_the_client() {
        check("PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\r\n", "192.0.2.7");
        check(
            "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
            "255.255.255.255",
        );
        check("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "0.0.0.0");
        check("PROXY TCP6 2001:db8::7 ::1 1 2\r\n", "2001:db8::7");
        check("PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n", "192.0.2.7");
        let full = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        check(format!("PROXY TCP6 {full} {full} 65535 65535\r\n"), full);
        check("PROXY UNKNOWN\r\n", "");
        let longest = format!("PROXY UNKNOWN {full} {full} 65535 65535\r\n");
        assert_eq!(longest.len(), V1_BYTES_MAX);
        check(longest, "");
        check(b"PROXY UNKNOWN \xff\0 \r x\r\n", "");
    }

    #[test]
    fn a_binary_header_names_the_client() {
        check(v2(0x21, 0x11, &V4), "192.0.2.7");
        check(v2(0x21, 0x21, &v6()), "2001:db8::7");
        let tlv = [&V4[..], &[0x03, 0, 4, 1, 2, 3, 4], &[0x04; 300]].concat();
        check(v2(0x21, 0x11, &tlv), "192.0.2.7");
        // No client, or none with an address.
        check(v2(0x21, 0x00, &[]), "");
        check(v2(0x21, 0x00, &[1, 2, 3]), "");
        check(v2(0x21, 0x31, &[b'/'; 216]), "");
        check(v2(0x21, 0x12, &V4), "");
        check(v2(0x20, 0x00, &[]), "");
        check(v2(0x20, 0x11, &V4), "");
        check(v2(0x20, 0xff, &[9; 40]), "");
        let most = vec![0; V2_BYTES_MAX - V2_HEAD];
        check(v2(0x21, 0x00, &most), "");
    }

    #[test]
    fn what_is_no_header_is_refused_as_soon_as_it_shows() {
        let check =
            |bytes: &[u8]| assert_eq!(parse(bytes), Err(Malformed), "{}", bytes.escape_ascii());
        check(b"GET");
        check(b"POST");
        check(b"PRI * HTTP/2.0\r\n");
        check(b"proxy");
        check(b"\r\n\r\nG");
        check(b"\0");
        for line in [
            "PROXY \r\n",
            "PROXY TCP5 192.0.2.7 10.0.0.1 1 2\r\n",
            "PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n",
            "PROXY tcp4 192.0.2.7 10.0.0.1 1 2\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 1\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 1 2 3\r\n",
            "PROXY TCP4  192.0.2.7 10.0.0.1 1 2\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 1 2 \r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 +1 2\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 01 2\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 1 65536\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 1 \r\n",
            "PROXY TCP4 192.0.2.07 10.0.0.1 1 2\r\n",
            "PROXY TCP4 192.0.2.7 ::1 1 2\r\n",
            "PROXY TCP4 2001:db8::7 ::1 1 2\r\n",
            "PROXY TCP6 192.0.2.7 10.0.0.1 1 2\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 1 2\n",
            "PROXY UNKNOWNS\r\n",
        ] {
            check(line.as_bytes());
        }
        check(format!("PROXY UNKNOWN {}", "x".repeat(93)).as_bytes());
        check(&v2(0x11, 0x11, &V4)[..16]);
        check(&v2(0x22, 0x11, &V4)[..16]);
        check(&v2(0x21, 0x41, &V4)[..16]);
        check(&v2(0x21, 0x13, &V4)[..16]);
        check(&v2(0x21, 0x11, &V4[..11])[..16]);
        check(&v2(0x21, 0x21, &V4)[..16]);
        check(&v2(0x21, 0x00, &vec![0; V2_BYTES_MAX])[..16]);
    }
}
