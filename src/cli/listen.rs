//! Where to listen: what a word may be, and what several of them mean together.
//!
//! *Floor 5.* [`listen`] is a pure function; clap puts the option's name and the offending word in
//! front of what it complains of. [`places`] looks host names up, once, before anything is bound:
//! a name that later stands for another address does not move a running server.
//!
//! *References:* RFC 6761 §6.3 (`localhost` is the loopback address, whatever resolvers say).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::path::PathBuf;

use httpoll::config::{Config, ListenAddr, ProxyProtocol};

use super::Exit;
use super::values::{Advice, plain_number};

/// One `--listen`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Listen {
    /// A whole address.
    Tcp(SocketAddr),
    /// An address that takes `--port`.
    Ip(IpAddr),
    /// The default addresses on this port.
    Port(u16),
    /// A host name, which may take `--port`.
    Name(String, Option<u16>),
    /// A Unix socket.
    Unix(PathBuf),
    /// One of these, where connections begin with a PROXY header.
    Proxied(Box<Self>),
}

impl Listen {
    /// The address itself.
    pub(crate) fn place(&self) -> &Self {
        match self {
            Self::Proxied(place) => place,
            place => place,
        }
    }
}

/// `ADDR:PORT`, `[V6]:PORT`, `ADDR`, `PORT` or `unix:PATH`, perhaps behind `proxy:`, where ADDR may
/// be a name.
pub(crate) fn listen(word: &str) -> Result<Listen, Advice> {
    if let Some(word) = word.strip_prefix("proxy:") {
        return match listen(word)? {
            Listen::Port(port) => Err(format!("name the address too: proxy:127.0.0.1:{port}")),
            Listen::Proxied(_) => Err("say proxy: once".into()),
            place => Ok(Listen::Proxied(Box::new(place))),
        };
    }
    if let Some(path) = word.strip_prefix("unix:") {
        return unix_path(path);
    }
    if let Some(port) = plain_number(word) {
        return Ok(Listen::Port(port));
    }
    if let Ok(address) = word.parse() {
        return Ok(Listen::Tcp(address));
    }
    if let Ok(ip) = word.parse() {
        return match swallowed_port(ip) {
            Some(whole) => Err(format!("an IPv6 address with a port has brackets: {whole}")),
            None => Ok(Listen::Ip(ip)),
        };
    }
    let bare = word.strip_prefix('[').and_then(|w| w.strip_suffix(']'));
    if let Some(Ok(ip)) = bare.map(str::parse) {
        return Ok(Listen::Ip(IpAddr::V6(ip)));
    }
    name(word)
}

/// `NAME` or `NAME:PORT`; what is neither gets its advice.
fn name(word: &str) -> Result<Listen, Advice> {
    let (host, port) = match word.split_once(':') {
        Some((host, port)) => (host, Some(plain_number::<u16>(port))),
        None => (word, None),
    };
    match port {
        Some(Some(port)) if host.is_empty() => Err(format!(
            "say for whom: 127.0.0.1:{port} (this machine) or 0.0.0.0:{port}"
        )),
        Some(None) if word.contains("//") => {
            Err("give the address alone, without http:// and path: 127.0.0.1:8080".into())
        }
        Some(None) if is_host_name(host) => {
            Err("a port is a number from 0 to 65535: 127.0.0.1:8080".into())
        }
        None | Some(Some(_)) if is_host_name(host) => {
            Ok(Listen::Name(host.to_ascii_lowercase(), port.flatten()))
        }
        _ => Err("give ADDR:PORT, [IPV6]:PORT, NAME:PORT, PORT or unix:PATH".into()),
    }
}

/// Letters, digits and hyphens between dots (RFC 1123 §2.1). PITFALL: resolvers take `1.2.3` for
/// 1.2.0.3, so a name ends in a label that is no number.
fn is_host_name(word: &str) -> bool {
    let labels = word.strip_suffix('.').unwrap_or(word).split('.');
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    let last = labels.clone().next_back().unwrap_or_default();
    labels.clone().all(is_label) && last.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// `::1:9014` is an address too, but one that no machine has: these are IPv4 addresses of a kind
/// that is gone (RFC 4291 §2.5.5.1). A port was meant.
fn swallowed_port(ip: IpAddr) -> Option<String> {
    let IpAddr::V6(ip) = ip else { return None };
    let last = format!("{:x}", ip.segments()[7]);
    let gone = ip.segments()[..6] == [0; 6] && u128::from(ip) > 1;
    let port = plain_number::<u16>(&last).filter(|_| gone)?;
    let host = match ip.segments()[6] {
        0 => Ipv6Addr::UNSPECIFIED,
        1 => Ipv6Addr::LOCALHOST,
        _ => return None,
    };
    Some(format!("[{host}]:{port}"))
}

/// `PORT` of this machine, `ADDR:PORT` or `unix:PATH`: where operators ask.
pub(crate) fn admin(word: &str) -> Result<ListenAddr, Advice> {
    match listen(word) {
        Ok(Listen::Tcp(address)) => Ok(ListenAddr::Tcp(address)),
        Ok(Listen::Port(port)) => Ok(ListenAddr::Tcp((Ipv4Addr::LOCALHOST, port).into())),
        Ok(Listen::Name(name, Some(port))) if name == "localhost" => {
            Ok(ListenAddr::Tcp((Ipv4Addr::LOCALHOST, port).into()))
        }
        Ok(Listen::Unix(path)) => Ok(ListenAddr::Unix(path)),
        _ => Err("give PORT, ADDR:PORT or unix:PATH: 9090, unix:/run/httpoll-admin.sock".into()),
    }
}

fn unix_path(path: &str) -> Result<Listen, Advice> {
    const PATH_BYTES_MAX: usize = 107; // sun_path with its NUL, unix(7)
    match path.len() {
        0 => Err("give the socket's path: unix:/run/httpoll.sock".into()),
        1..=PATH_BYTES_MAX => Ok(Listen::Unix(path.into())),
        _ => Err(format!(
            "a socket's path holds at most {PATH_BYTES_MAX} bytes"
        )),
    }
}

/// What is advised for a port or an address that stands where DIR does: other servers take it there.
pub(super) fn typed_as_dir(word: &str) -> Option<String> {
    match listen(word).ok()? {
        Listen::Port(port) => Some(format!("a port is: httpoll -p {port}")),
        Listen::Tcp(_) | Listen::Ip(_) | Listen::Name(_, Some(_)) => {
            Some(format!("an address is: httpoll -l {word}"))
        }
        _ => None,
    }
}

/// Where to listen.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Places {
    /// The addresses, each once; none for the default ones.
    pub(super) addresses: Vec<ListenAddr>,
    /// The port of the default ones.
    pub(super) port: u16,
    /// Which of them begin connections with a PROXY header.
    pub(super) proxied: ProxyProtocol,
}

/// What several `--listen` and `--port` mean together; names become addresses.
pub(super) fn places(listen: &[Listen], port: Option<u16>) -> Result<Places, Exit> {
    let usage = |line: &str| Err(Exit::Usage(line.into()));
    let is_default = match listen {
        [] => Some(None),
        [Listen::Port(port)] => Some(Some(*port)),
        [Listen::Name(name, port)] if name == "localhost" => Some(*port),
        _ => None,
    };
    let takes_port = |one: &Listen| matches!(one.place(), Listen::Ip(_) | Listen::Name(_, None));
    if port.is_some() && !listen.is_empty() && !listen.iter().any(takes_port) {
        return match listen {
            [Listen::Port(_)] => usage("--listen PORT and --port say the same: use one of them"),
            _ => usage("--port is for addresses without one: put it into --listen ADDR:PORT"),
        };
    }
    let default_port = port.unwrap_or(Config::default().port);
    let mut places = Places {
        addresses: Vec::new(),
        port: is_default.flatten().unwrap_or(default_port),
        proxied: ProxyProtocol::Off,
    };
    if is_default.is_some() {
        return Ok(places);
    }
    let mut proxied = Vec::new();
    for one in listen {
        for address in addresses(one.place(), default_port)? {
            if places.addresses.contains(&address) {
                continue;
            }
            if matches!(one, Listen::Proxied(_)) {
                proxied.push(places.addresses.len());
            }
            places.addresses.push(address);
        }
    }
    if !proxied.is_empty() {
        places.proxied = ProxyProtocol::At(proxied);
    }
    Ok(places)
}

/// The addresses of one place: a name may have several.
fn addresses(place: &Listen, port: u16) -> Result<Vec<ListenAddr>, Exit> {
    match place {
        Listen::Tcp(address) => Ok(vec![ListenAddr::Tcp(*address)]),
        Listen::Ip(ip) => Ok(vec![ListenAddr::Tcp((*ip, port).into())]),
        Listen::Unix(path) => Ok(vec![ListenAddr::Unix(path.clone())]),
        Listen::Port(port) => Err(Exit::Usage(format!(
            "--listen {port} beside others: name the address too, as in 127.0.0.1:{port}"
        ))),
        Listen::Name(name, own) => {
            let found = look_up(name, own.unwrap_or(port)).map_err(|error| {
                Exit::Start(format!(
                    "cannot look up the name {name} ({error}); give an address: 127.0.0.1"
                ))
            })?;
            Ok(found.into_iter().map(ListenAddr::Tcp).collect())
        }
        Listen::Proxied(_) => Err(Exit::Usage("say proxy: once".into())),
    }
}

/// The addresses that a name stands for, of both families. Those that this machine does not have,
/// as ::1 where IPv6 is switched off, are left out unless it has none of them.
fn look_up(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let found: Vec<SocketAddr> = match name {
        "localhost" => vec![
            (Ipv4Addr::LOCALHOST, port).into(),
            (Ipv6Addr::LOCALHOST, port).into(),
        ],
        _ => (name, port).to_socket_addrs()?.collect(),
    };
    let is_here = |address: &&SocketAddr| UdpSocket::bind((address.ip(), 0)).is_ok();
    let here: Vec<_> = found.iter().filter(is_here).copied().collect();
    Ok(if here.is_empty() { found } else { here })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_takes_addresses_ports_and_unix_sockets() {
        let tcp = |word: &str| Ok(Listen::Tcp(word.parse().unwrap()));
        let check = |word: &str, expected| assert_eq!(listen(word), expected, "{word}");
        check("127.0.0.1:80", tcp("127.0.0.1:80"));
        check("[::1]:0", tcp("[::1]:0"));
        check("[fe80::1%2]:80", tcp("[fe80::1%2]:80"));
        check("0.0.0.0", Ok(Listen::Ip([0, 0, 0, 0].into())));
        check("::", Ok(Listen::Ip("::".parse().unwrap())));
        check("[::]", Ok(Listen::Ip("::".parse().unwrap())));
        check("8080", Ok(Listen::Port(8080)));
        let name = |host: &str, port| Ok(Listen::Name(host.into(), port));
        check("localhost", name("localhost", None));
        check("LOCALHOST:8080", name("localhost", Some(8080)));
        check("files.example:80", name("files.example", Some(80)));
        check("my-host", name("my-host", None));
        check("::1", Ok(Listen::Ip("::1".parse().unwrap())));
        check(
            "2001:db8::7",
            Ok(Listen::Ip("2001:db8::7".parse().unwrap())),
        );
        let proxied = |word| Ok(Listen::Proxied(Box::new(listen(word).unwrap())));
        check("proxy:127.0.0.1:80", proxied("127.0.0.1:80"));
        check("proxy:[::]", proxied("::"));
        check("proxy:unix:/run/a", proxied("unix:/run/a"));
        check("unix:/run/a b", Ok(Listen::Unix("/run/a b".into())));
        for word in [
            "",
            "65536",
            "+80",
            ":80",
            "example.com:http",
            "http://localhost:80/",
            "-x..y:80",
            "1.2.3:80",
            "1.2.3",
            "[127.0.0.1]:80",
            "::1:9014",
            "::8080",
            "localhost:+80",
            "localhost:",
            "::1:x",
            "unix:",
            "proxy:",
            "proxy:80",
            "proxy:proxy:127.0.0.1:80",
        ] {
            assert!(listen(word).is_err(), "{word}");
        }
        let long = format!("unix:/{}", "x".repeat(107));
        assert!(listen(&long).is_err());
        assert!(listen(&long[..long.len() - 1]).is_ok());
        let advised = |word: &str, advice: &str| {
            let told = listen(word).unwrap_err();
            assert!(told.contains(advice), "{word}: {told}");
        };
        advised(":80", "0.0.0.0:80");
        advised("::1:9014", "[::1]:9014");
        advised("::8080", "[::]:8080");
        advised("localhost:x", "from 0 to 65535");
        advised("http://localhost:80/", "without http://");
        advised("1.2.3", "[IPV6]:PORT");
    }

    #[test]
    fn names_become_addresses_of_both_families() {
        let check = |words: &[&str], port: Option<u16>, expected: &[&str], proxied: &[usize]| {
            let listen: Vec<_> = words.iter().map(|word| listen(word).unwrap()).collect();
            let got = places(&listen, port).unwrap();
            let got_words: Vec<_> = got.addresses.iter().map(ToString::to_string).collect();
            assert_eq!(got_words, expected, "{words:?}");
            let at = |at: &usize| got.proxied.is_expected_at(*at);
            let got_proxied: Vec<_> = (0..expected.len()).filter(at).collect();
            assert_eq!(got_proxied, proxied, "{words:?}");
            got.port
        };
        let both = ["127.0.0.1:7", "[::1]:7"];
        let both: Vec<&str> = match UdpSocket::bind("[::1]:0") {
            Ok(_) => both.to_vec(),
            Err(_) => both[..1].to_vec(),
        };
        let all: Vec<_> = both.iter().copied().chain(["127.0.0.2:9"]).collect();
        let positions: Vec<_> = (0..both.len()).collect();
        // Alone it is the default, with a port.
        assert_eq!(check(&["localhost:7"], None, &[], &[]), 7);
        assert_eq!(check(&["localhost"], Some(7), &[], &[]), 7);
        assert_eq!(check(&["localhost"], None, &[], &[]), 8080);
        check(&["localhost:7", "127.0.0.2:9"], None, &all, &[]);
        check(&["localhost", "127.0.0.2:9"], Some(7), &all, &[]);
        check(
            &["proxy:localhost:7", "127.0.0.2:9"],
            None,
            &all,
            &positions,
        );
        // Who names an address twice means it once.
        check(&["127.0.0.1:7", "localhost:7"], None, &both, &[]);
        check(&["127.0.0.1:0", "127.0.0.1:0"], None, &["127.0.0.1:0"], &[]);
    }

    #[test]
    fn a_name_without_an_address_is_a_start_error() {
        // RFC 6761 §6.4: `invalid` is never registered.
        let listen = [listen("nowhere.invalid:80").unwrap()];
        match places(&listen, None) {
            Err(Exit::Start(line)) => assert!(line.contains("nowhere.invalid"), "{line}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn operators_have_an_address_of_their_own() {
        let tcp = |word: &str| Ok(ListenAddr::Tcp(word.parse().unwrap()));
        assert_eq!(admin("9090"), tcp("127.0.0.1:9090"));
        assert_eq!(admin("[::1]:0"), tcp("[::1]:0"));
        assert_eq!(admin("unix:/run/a"), Ok(ListenAddr::Unix("/run/a".into())));
        for word in ["", "0.0.0.0", "proxy:127.0.0.1:1", "unix:", ":90"] {
            assert!(admin(word).is_err(), "{word}");
        }
    }
}
