//! Which names this server answers to: `--allow-host`.
//!
//! *Floor 3.* Stands in front of another service; knows the request's host, and nothing of files.
//!
//! The idea: **a page may read only what its own origin serves, and an origin is a name.** The
//! owner of `evil.example` can let it stand for 127.0.0.1 or for a machine of your network once
//! the page has been loaded (DNS rebinding). To the browser that is still the same origin, so its
//! script may read every answer, from a server that no outsider can reach. The one trace is in the
//! request: its Host says `evil.example`. A server that knows its names refuses it.
//!
//! Off unless a name is given: a name it was not told of may be right, and only its owner knows.
//!
//! 421 is "not able to produce an authoritative response" for that name (RFC 9110 §15.5.20), which
//! is what this is. A literal address is a name like any other: a page cannot make it its own
//! origin, but then the operator can name it, and a list that says less than it does is no list.
//!
//! Numbers for operators are guarded without an option ([`Hosts::or_unrebindable`]): they are asked
//! for by an address, or from this machine, so that no name has to be given.
//!
//! *References:* RFC 9110 §7.2 (Host), §4.2.3 (comparison); RFC 3986 §3.2.2 (host).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::http::{Request, Status, Tick};
use crate::service::{Decoration, Reply, Service, pages};

/// A host as it is compared: without port, without the dot of the root, in lower case; an IPv6
/// address by its value, because it can be written in many ways.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostName(Host);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Host {
    Name(String),
    V6(Ipv6Addr),
}

impl HostName {
    /// The host of a name, an IPv4 address, or an IPv6 address with or without its brackets.
    /// `None` for what no request can ask for: a URL, a port, a pattern.
    pub fn new(word: &str) -> Option<Self> {
        let bare = word.strip_prefix('[').and_then(|w| w.strip_suffix(']'));
        if let Ok(ip) = bare.unwrap_or(word).parse() {
            return Some(Self(Host::V6(ip)));
        }
        let name = without_root(word);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let valid = !name.is_empty() && !name.starts_with('.') && name.bytes().all(plain);
        valid.then(|| Self(Host::Name(name.to_ascii_lowercase())))
    }

    /// Whether a request's host is this one: `name`, `name:port`, `[v6]:port`.
    fn matches(&self, host: &str) -> bool {
        match (&self.0, host.strip_prefix('[')) {
            (Host::V6(ip), Some(rest)) => {
                let literal = rest.split(']').next().unwrap_or_default();
                literal.parse() == Ok(*ip)
            }
            (Host::Name(name), None) => {
                let asked = host.split(':').next().unwrap_or_default();
                name.eq_ignore_ascii_case(without_root(asked))
            }
            _ => false,
        }
    }
}

/// As it stands in a URL.
impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Host::Name(name) => f.write_str(name),
            Host::V6(ip) => write!(f, "[{ip}]"),
        }
    }
}

/// Whether no page can make `host` its own origin by means of DNS: a literal address; a loopback
/// name, for which no name server is asked (RFC 6761 §6.3); none, which no browser sends.
fn is_unrebindable(host: &str) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        let literal = rest.split(']').next().unwrap_or_default();
        return literal.parse::<Ipv6Addr>().is_ok();
    }
    let asked = host.split(':').next().unwrap_or_default();
    let name = without_root(asked).to_ascii_lowercase();
    let loopback = name == "localhost" || name.ends_with(".localhost");
    host.is_empty() || loopback || name.parse::<Ipv4Addr>().is_ok()
}

/// `name.` is `name`, spelt out to the root of the tree of names (RFC 1034 §3.1).
fn without_root(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// A service that answers only to some names; 421 to all others.
///
/// ```
/// use httpoll::http::{Request, Tick};
/// use httpoll::service::{HostName, Hosts, Reply, Service, hello};
///
/// let names = [HostName::new("files.example").unwrap()];
/// let mut service = Hosts::new(names, hello);
/// # let mut status = |host: &str| {
/// #     let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
/// #     let request = Request::parse(head.as_bytes()).unwrap();
/// #     let Reply::Now(response) = service.call(&request, &Tick::for_tests()) else { panic!() };
/// #     response.status.code()
/// # };
/// assert_eq!(status("Files.Example:8080"), 200);
/// assert_eq!(status("evil.example"), 421);
/// ```
pub struct Hosts<S> {
    names: Arc<[HostName]>,
    unrebindable: bool,
    decoration: Decoration,
    service: S,
}

impl<S: Service> Hosts<S> {
    /// Lets requests for one of `names` through to `service`.
    pub fn new(names: impl Into<Arc<[HostName]>>, service: S) -> Self {
        Self {
            names: names.into(),
            unrebindable: false,
            decoration: Decoration::default(),
            service,
        }
    }

    /// Lets requests through as well whose host no page can make its own origin by means of DNS: a
    /// literal address, a loopback name, or none at all.
    #[must_use]
    pub fn or_unrebindable(mut self) -> Self {
        self.unrebindable = true;
        self
    }

    /// Puts these fields on the 421.
    #[must_use]
    pub fn decorated(mut self, decoration: Decoration) -> Self {
        self.decoration = decoration;
        self
    }
}

impl<S: Service> Service for Hosts<S> {
    fn call(&mut self, request: &Request<'_>, now: &Tick) -> Reply {
        let host = request.host();
        let named = self.names.iter().any(|name| name.matches(host));
        if named || (self.unrebindable && is_unrebindable(host)) {
            return self.service.call(request, now);
        }
        let response = pages::error_page(Status::MISDIRECTED_REQUEST, request);
        self.decoration.apply(response).into()
    }

    fn release_descriptors(&mut self) -> bool {
        self.service.release_descriptors()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Response;

    #[test]
    fn a_host_is_compared_without_case_port_and_final_dot() {
        let check = |allowed: &str, asked: &str, expected: bool| {
            let name = HostName::new(allowed).unwrap();
            assert_eq!(name.matches(asked), expected, "{allowed} for {asked:?}");
        };
        // RFC 9110 §4.2.3: case-insensitive; the port is not part of the name.
        check("files.example", "files.example", true);
        check("files.example", "FILES.Example:8080", true);
        check("files.example", "files.example:", true);
        check("Files.Example.", "files.example", true);
        check("files.example", "files.example.:80", true);
        check("files.example", "files.example..", false);
        check("files.example", "evil.files.example", false);
        check("files.example", "files.example.evil", false);
        check("files.example", "", false);
        check("127.0.0.1", "127.0.0.1:8080", true);
        check("127.0.0.1", "localhost:8080", false);
        check("::1", "[::1]:8080", true);
        check("[::1]", "[0:0:0:0:0:0:0:1]", true);
        check("::1", "[::2]", false);
        check("::1", "[", false);
        check("files.example", "[files.example]", false);
    }

    #[test]
    fn a_host_that_needs_no_name_server_cannot_be_rebound() {
        let check = |host: &str, expected: bool| {
            assert_eq!(is_unrebindable(host), expected, "{host:?}");
        };
        check("127.0.0.1", true);
        check("192.0.2.7:80", true);
        check("[::1]", true);
        check("[2001:db8::1]:80", true);
        check("localhost", true);
        check("LOCALHOST.:80", true);
        check("a.localhost", true);
        check("", true);
        check("example", false);
        check("localhost.example", false);
        check("alocalhost", false);
        check("127.0.0.1.example", false);
        check("127.1", false);
        check("[example]", false);
    }

    #[test]
    fn what_no_request_can_ask_for_is_no_name() {
        for word in [
            "",
            ".",
            ".example",
            "*.example",
            "http://a",
            "a/b",
            "a:80",
            "[::1",
            "[::1]:80",
            "a b",
            "b\u{fc}cher.example",
        ] {
            assert_eq!(HostName::new(word), None, "{word:?}");
        }
        assert!(HostName::new("xn--bcher-kva.example").is_some());
    }

    #[test]
    fn the_authority_of_an_absolute_target_is_what_counts() {
        let names = [HostName::new("a").unwrap(), HostName::new("::1").unwrap()];
        let inner = |_: &Request<'_>, _: &Tick| Reply::Now(Response::text("inside"));
        let mut service = Hosts::new(names, inner);
        let mut check = |head: &str, expected: u16| {
            let request = Request::parse(head.as_bytes()).unwrap();
            let Reply::Now(response) = service.call(&request, &Tick::for_tests()) else {
                panic!("answered at once");
            };
            assert_eq!(response.status.code(), expected, "{head:?}");
        };
        check("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 200);
        check("GET / HTTP/1.1\r\nHost: b\r\n\r\n", 421);
        check("GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", 200);
        check("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 421);
        // RFC 9112 §3.2.2: the target's authority replaces Host.
        check("GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", 200);
        check("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 421);
        check("OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n", 421);
        // HTTP/1.0 may say nothing; then it names none of ours either.
        check("GET / HTTP/1.0\r\n\r\n", 421);
    }
}
