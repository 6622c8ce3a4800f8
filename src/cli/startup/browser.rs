//! `--open`: the address in the user's browser.
//!
//! *Floor 5, of the program only.* The sockets are bound when it starts, so the browser waits in the
//! backlog until the loops stand; and nothing is given up yet, because what is started here would be
//! confined with us. It is a process of its own group, so that Ctrl-C ends the server alone, without our
//! standard streams, and is not waited for.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use httpoll::config::ListenAddr;

use super::names::url as url_of;
use super::{is_public, printable};
use crate::cli::Plan;

/// A line for the start-up text if no browser was started.
pub(crate) fn open(
    plan: &Plan,
    bound: &[ListenAddr],
    variable: impl Fn(&str) -> Option<OsString>,
) -> Option<String> {
    if !plan.open {
        return None;
    }
    let result = url(plan, bound).and_then(|url| {
        let has = |name| variable(name).is_some_and(|value| !value.is_empty());
        match ["DISPLAY", "WAYLAND_DISPLAY", "BROWSER"]
            .into_iter()
            .any(has)
        {
            true => start(&url).map_err(|error| error.to_string()),
            false => Err("there is no display".into()),
        }
    });
    let why = result.err()?;
    let why = printable(why.as_ref());
    Some(format!("  No browser was opened: {why}.\n"))
}

/// The first address that a browser of this machine reaches without a proxy; rather one that others
/// do not.
fn url(plan: &Plan, bound: &[ListenAddr]) -> Result<String, String> {
    let expects_proxy = |at| plan.config.proxy_protocol.is_expected_at(at);
    let tcp = bound
        .iter()
        .enumerate()
        .filter_map(|(at, address)| match address {
            ListenAddr::Tcp(tcp) if !expects_proxy(at) => Some((is_public(address), *tcp)),
            _ => None,
        });
    let (_, address) = tcp
        .min_by_key(|(is_public, _)| *is_public)
        .ok_or("it listens on no address that a browser reaches")?;
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        ip if ip.is_ipv4() => std::net::Ipv4Addr::LOCALHOST.into(),
        _ => std::net::Ipv6Addr::LOCALHOST.into(),
    };
    Ok(url_of(plan, SocketAddr::new(ip, address.port()), false))
}

/// By way of a shell that ends at once, so that the browser is no child of ours and leaves no zombie.
fn start(url: &str) -> io::Result<()> {
    const SCRIPT: &str = "command -v xdg-open >/dev/null || exit 127; xdg-open \"$1\" &";
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", SCRIPT, "sh", url]).process_group(0);
    let status = shell
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    match status.code() {
        Some(0) => Ok(()),
        Some(127) => Err(io::Error::other("there is no xdg-open (package xdg-utils)")),
        _ => Err(io::Error::other("the shell that starts it failed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(words: &str) -> Plan {
        let words = ["httpoll"].into_iter().chain(words.split_whitespace());
        crate::cli::parse(words.map(Into::into)).unwrap()
    }

    #[test]
    fn a_browser_is_shown_an_address_that_it_reaches() {
        let check = |words: &str, bound: &[&str], expected: Result<&str, &str>| {
            let bound = bound.iter().map(|word| match word.strip_prefix("unix:") {
                Some(path) => ListenAddr::Unix(path.into()),
                None => ListenAddr::Tcp(word.parse().unwrap()),
            });
            let found = url(&plan(words), &bound.collect::<Vec<_>>());
            assert_eq!(found.as_deref().map_err(|error| error.as_str()), expected);
        };
        let none = Err("it listens on no address that a browser reaches");
        check(
            "",
            &["127.0.0.1:80", "[::1]:80"],
            Ok("http://127.0.0.1:80/"),
        );
        check("", &["192.0.2.1:80", "[::1]:80"], Ok("http://[::1]:80/"));
        check("--prefix /p", &["0.0.0.0:81"], Ok("http://127.0.0.1:81/p/"));
        check("Cargo.toml", &["[::]:81"], Ok("http://[::1]:81/Cargo.toml"));
        check("", &["unix:/a"], none);
        check("--proxy-protocol", &["127.0.0.1:80"], none);
    }

    #[test]
    fn without_a_display_none_is_started() {
        let bound = [ListenAddr::Tcp("127.0.0.1:80".parse().unwrap())];
        let told = open(&plan("--open"), &bound, |_| None).unwrap();
        assert_eq!(told, "  No browser was opened: there is no display.\n");
        assert_eq!(open(&plan(""), &bound, |_| None), None);
    }
}
