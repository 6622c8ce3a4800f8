//! Where to listen: what a word may be, and what several of them mean together.
//!
//! *Floor 5.* Pure functions. clap puts the option's name and the offending word in front of what
//! they complain of.
//!
//! *Read next:* `plan.rs`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use httpoll::config::{Config, ListenAddr, ProxyProtocol};

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

/// `ADDR:PORT`, `[V6]:PORT`, `ADDR`, `PORT` or `unix:PATH`, perhaps behind `proxy:`. Names are not
/// looked up: which address a name stands for is decided elsewhere, and may change.
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
    if let Some(port) = plain_number(word.strip_prefix("localhost:").unwrap_or(word)) {
        return Ok(Listen::Port(port));
    }
    if let Ok(address) = word.parse() {
        return Ok(Listen::Tcp(address));
    }
    let bare = word.strip_prefix('[').and_then(|w| w.strip_suffix(']'));
    if let Ok(ip) = bare.unwrap_or(word).parse() {
        return Ok(Listen::Ip(ip));
    }
    let port = word.strip_prefix(':').and_then(plain_number::<u16>);
    Err(match port {
        Some(port) => format!("say for whom: 127.0.0.1:{port} (this machine) or 0.0.0.0:{port}"),
        None => "give ADDR:PORT, [IPV6]:PORT, PORT or unix:PATH".into(),
    })
}

/// `PORT` of this machine, `ADDR:PORT` or `unix:PATH`: where operators ask.
pub(crate) fn admin(word: &str) -> Result<ListenAddr, Advice> {
    match listen(word) {
        Ok(Listen::Tcp(address)) => Ok(ListenAddr::Tcp(address)),
        Ok(Listen::Port(port)) => Ok(ListenAddr::Tcp((Ipv4Addr::LOCALHOST, port).into())),
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

/// The addresses, and the port of the default ones.
pub(super) fn addresses(
    listen: &[Listen],
    port: Option<u16>,
) -> Result<(Vec<ListenAddr>, u16), String> {
    if let [Listen::Port(only)] = listen {
        return match port {
            None => Ok((Vec::new(), *only)),
            Some(_) => Err("--listen PORT and --port say the same thing: use one of them".into()),
        };
    }
    let takes_port = listen
        .iter()
        .any(|one| matches!(one.place(), Listen::Ip(_)));
    if port.is_some() && !listen.is_empty() && !takes_port {
        return Err("--port is for addresses without one: put it into --listen ADDR:PORT".into());
    }
    let port = port.unwrap_or(Config::default().port);
    let address = |one: &Listen| match one.place() {
        Listen::Tcp(address) => Ok(ListenAddr::Tcp(*address)),
        Listen::Ip(ip) => Ok(ListenAddr::Tcp((*ip, port).into())),
        Listen::Unix(path) => Ok(ListenAddr::Unix(path.clone())),
        Listen::Port(port) => Err(format!(
            "--listen {port} beside others: name the address too, as in 127.0.0.1:{port}"
        )),
        Listen::Proxied(_) => Err("say proxy: once".into()),
    };
    let addresses: Result<_, String> = listen.iter().map(address).collect();
    Ok((addresses?, port))
}

/// Where a PROXY header is expected: everywhere, or at the listeners that say so.
pub(super) fn proxied(listen: &[Listen], everywhere: bool) -> ProxyProtocol {
    let listen = listen.iter().enumerate();
    let proxied = listen.filter(|(_, one)| matches!(one, Listen::Proxied(_)));
    let positions: Vec<_> = proxied.map(|(position, _)| position).collect();
    match (everywhere, positions.is_empty()) {
        (true, _) => ProxyProtocol::Everywhere,
        (false, true) => ProxyProtocol::Off,
        (false, false) => ProxyProtocol::At(positions),
    }
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
        check("localhost:8080", Ok(Listen::Port(8080)));
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
            "example.com:80",
            "1.2.3:80",
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
        assert!(listen(":80").is_err_and(|advice| advice.contains("0.0.0.0:80")));
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
