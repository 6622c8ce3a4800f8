//! The names it answers to, where it does not answer to its addresses: `--allow-host`.
//!
//! *Floor 5, of the program only.*

use std::net::{IpAddr, SocketAddr};

use super::place;
use crate::cli::Plan;

/// A line that says so.
pub(crate) fn note(plan: &Plan) -> Option<String> {
    let names: Vec<_> = plan.hosts.iter().map(ToString::to_string).collect();
    let names = (!names.is_empty()).then(|| names.join(", "))?;
    Some(format!("  It answers to these names only: {names}\n"))
}

/// A URL of what is served at `address`: by that, if it is answered, else by a name that leads there
/// perhaps. Only one for this machine itself is certainly of no use to `others`, and for us the best.
pub(super) fn url(plan: &Plan, address: SocketAddr, others: bool) -> String {
    let bare = match address.ip() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    let names: Vec<_> = plan.hosts.iter().map(ToString::to_string).collect();
    let fits = |name: &&String| is_local(name) != others;
    let host = match names.contains(&bare) {
        true => &bare,
        false => names.iter().find(fits).or(names.first()).unwrap_or(&bare),
    };
    format!("http://{host}:{}{}", address.port(), place(plan))
}

/// Whether a host is the machine that asks for it (RFC 6761 §6.3).
fn is_local(host: &str) -> bool {
    let ip = host.trim_matches(['[', ']']).parse::<IpAddr>();
    let is_loopback = ip.is_ok_and(|ip| ip.to_canonical().is_loopback());
    is_loopback || host == "localhost" || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(hosts: &[&str]) -> Plan {
        let words = hosts.iter().flat_map(|host| ["--allow-host", host]);
        let words = ["httpoll", "--hello"].into_iter().chain(words);
        crate::cli::parse(words.map(Into::into)).unwrap()
    }

    #[test]
    fn names_are_told() {
        let told = note(&plan(&["a.example", "2001:db8::7"]));
        let expected = "  It answers to these names only: a.example, [2001:db8::7]\n";
        assert_eq!(told.as_deref(), Some(expected));
        assert_eq!(note(&plan(&[])), None);
    }

    #[test]
    fn a_url_is_one_that_is_answered() {
        let check = |hosts: &[&str], address: &str, others: bool, expected: &str| {
            let url = url(&plan(hosts), address.parse().unwrap(), others);
            assert_eq!(url, format!("http://{expected}/"), "{hosts:?}");
        };
        let many = ["localhost", "box.lan", "192.0.2.7"];
        check(&[], "192.0.2.1:80", true, "192.0.2.1:80");
        check(&[], "[2001:db8::7]:80", true, "[2001:db8::7]:80");
        check(&many, "192.0.2.1:80", true, "box.lan:80");
        check(&many, "192.0.2.7:80", true, "192.0.2.7:80");
        check(&many, "127.0.0.1:80", false, "localhost:80");
        check(&["::1"], "[::1]:80", false, "[::1]:80");
        check(&["box.lan"], "127.0.0.1:80", false, "box.lan:80");
        check(&["localhost"], "192.0.2.1:80", true, "localhost:80");
    }
}
