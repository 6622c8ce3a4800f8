//! What is printed once it runs: the exact addresses, what is served, and who can see it.
//!
//! *Floor 5, of the program only.* [`text`] is a pure function of the plan, the addresses the
//! kernel gave, and the machine's interfaces; a test shows each of its sentences.

pub(crate) mod browser;
pub(crate) mod names;
mod qr;
pub(crate) mod variables;

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use httpoll::config::{Backend, Config, Faults, FilesConfig, ListenAddr};
use httpoll::http::target::encode_segment;

use super::Plan;

/// The start-up text, whole lines.
pub(crate) fn text(
    plan: &Plan,
    bound: &[ListenAddr],
    interfaces: &[IpAddr],
    is_terminal: bool,
) -> String {
    let mut text = format!(
        "httpoll {} serves {} ({})\n",
        env!("CARGO_PKG_VERSION"),
        subject(plan),
        carried(&plan.config)
    );
    let place = place(plan);
    for (at, address) in bound.iter().enumerate() {
        let how = match plan.config.proxy_protocol.is_expected_at(at) {
            true => " behind PROXY headers",
            false => "",
        };
        match address {
            ListenAddr::Tcp(address) => {
                for address in reachable(*address, interfaces) {
                    let _ = writeln!(text, "  http://{address}{place}{how}");
                }
            }
            ListenAddr::Unix(path) => {
                let path = printable(path);
                let _ = writeln!(
                    text,
                    "  unix:{path} (curl --unix-socket {path} http://localhost{place}){how}"
                );
            }
        }
    }
    if plan.hello && plan.files.is_some() {
        text.push_str("  with Hello, World! at /hello\n");
    }
    text.push_str(&injection(plan.config.faults.as_ref()));
    if let Some(note) = &plan.index_note {
        let _ = writeln!(text, "  {note}");
    }
    text.push_str(&passwords(plan, bound));
    if let Some(files) = &plan.files
        && bound.iter().any(is_public)
    {
        text.push_str(&everybody(plan, files));
        if !plan.qr && is_terminal {
            text.push_str("  With --qr a phone takes the address from here.\n");
        }
    }
    text.push_str(&served_log(plan));
    if plan.hosts.is_empty() && bound.iter().any(is_public) {
        text.push_str("  With --allow-host NAME it answers to that name only: no DNS rebinding.\n");
    }
    text
}

/// A log that can be read by those who are in it.
fn served_log(plan: &Plan) -> String {
    let log = plan.log_file.as_deref().filter(|log| is_served(plan, log));
    let told = |log| format!("  {log} lies in what is served: who can read that can read it.\n");
    log.map_or(String::new(), |log| told(printable(log)))
}

/// Who can do what, and what to do about it.
fn everybody(plan: &Plan, files: &FilesConfig) -> String {
    let can = match &files.uploads {
        None => "read it".to_owned(),
        Some(uploads) if uploads.directory == Path::new("") && uploads.only => {
            "send files into it".into()
        }
        Some(uploads) if uploads.directory == Path::new("") => {
            "read it and send files into it".into()
        }
        Some(uploads) => {
            let directory = printable(&uploads.directory);
            format!("read it and send files into {directory}")
        }
    };
    let (who, whereof) = match plan.passwords.as_ref().map(|plan| plan.partly) {
        None => ("Everybody who", ""),
        Some(true) => ("Everybody who", ", where no password is needed"),
        Some(false) => ("Who has a password and", ""),
    };
    format!(
        "  {who} can reach this machine over the network can {can}{whereof}.\n  \
         Those are all in the same Wi-Fi, say; without --listen it is for this machine only.\n"
    )
}

/// Whether the log, whose file may not be there yet, is among the files.
fn is_served(plan: &Plan, log: &Path) -> bool {
    let Some(files) = plan.files.as_ref().filter(|files| !files.single_file) else {
        return false;
    };
    let Ok(root) = files.root.canonicalize() else {
        return false;
    };
    let log = std::path::absolute(log).ok();
    let folder = log.as_deref().and_then(Path::parent);
    let folder = folder.and_then(|folder| folder.canonicalize().ok());
    folder.is_some_and(|folder| folder.starts_with(root))
}

/// What is wrong with this server, if anything was asked for.
fn injection(faults: Option<&Faults>) -> String {
    let Some(faults) = faults else {
        return String::new();
    };
    let (percent, seed) = (faults.percent, faults.seed);
    let kinds: Vec<_> = faults.kinds.iter().map(|fault| fault.name()).collect();
    let kinds = kinds.join(", ");
    format!(
        "  WARNING: it spoils {percent} in 100 calls on its sockets ({kinds}; seed {seed}): --inject is \
         for lessons.\n"
    )
}

/// What has to be said of passwords, if there are any.
fn passwords(plan: &Plan, bound: &[ListenAddr]) -> String {
    let Some(passwords) = &plan.passwords else {
        return String::new();
    };
    let mut text = String::new();
    if let Some(note) = &passwords.note {
        let _ = writeln!(text, "  {note}");
    }
    if bound.iter().any(is_public) {
        text.push_str(
            "  Passwords cross the network as plain text: whoever listens there can read them. \
             Put a proxy with TLS in front.\n",
        );
    }
    text
}

/// The address as a QR code if that was asked for: the first one that another device can reach.
pub(crate) fn qr_code(
    plan: &Plan,
    bound: &[ListenAddr],
    interfaces: &[IpAddr],
    is_terminal: bool,
) -> String {
    if !plan.qr {
        return String::new();
    }
    let of_tcp = bound.iter().filter_map(|address| match address {
        ListenAddr::Tcp(address) => Some(reachable(*address, interfaces)),
        ListenAddr::Unix(_) => None,
    });
    let outside = |address: &SocketAddr| {
        let ip = address.ip().to_canonical();
        !ip.is_loopback() && !ip.is_unspecified()
    };
    let Some(address) = of_tcp.flatten().find(outside) else {
        return "  No QR code: no other device can reach it; --listen 0.0.0.0 lets them.\n".into();
    };
    let url = names::url(plan, address, true);
    match qr::code(&url, is_terminal) {
        Some(code) => format!("\n{code}  {url}\n\n"),
        None => "  No QR code: the address is too long.\n".into(),
    }
}

/// A line if `room` is less than what was asked for.
pub(crate) fn room(config: &Config, room: usize) -> String {
    let wanted = config.connections_max;
    let why = match config.backend {
        _ if wanted <= room => return String::new(),
        Backend::Select => "select(2) watches 1,024 descriptors",
        _ => "it may open so few descriptors (ulimit -Hn)",
    };
    format!("  It can hold {room} connections, not {wanted}: {why}, and files need some.\n")
}

/// A line if the loops leave the selector so little that clients will be looked at by the clock.
pub(crate) fn watched(config: &Config, watched: Option<usize>) -> String {
    let Some(watched) = watched.filter(|_| config.workers > 1) else {
        return String::new();
    };
    let loops = config.workers;
    format!(
        "  select(2) watches 1,024 descriptors, and {loops} loops take so many that only {watched} \
         connections are left; others are looked at ten times a second: give fewer --workers.\n"
    )
}

/// Where metrics and health are, if anywhere: a line of its own.
pub(crate) fn admin(address: Option<&ListenAddr>) -> String {
    match address {
        None => String::new(),
        Some(ListenAddr::Unix(path)) => format!("  admin: unix:{}\n", printable(path)),
        Some(ListenAddr::Tcp(at)) => {
            let public = address.is_some_and(is_public);
            let reach = if public {
                ", for everybody who can reach it"
            } else {
                ""
            };
            format!("  admin: http://{at}/ (/metrics, /healthz, /readyz){reach}\n")
        }
    }
}

/// The addresses of this machine's interfaces, without link-local ones: those need a zone that no
/// browser takes in a URL.
pub(crate) fn interfaces() -> Vec<IpAddr> {
    let found = if_addrs::get_if_addrs().unwrap_or_default();
    let addresses = found.iter().map(if_addrs::Interface::ip);
    addresses.filter(|ip| !is_link_local(ip)).collect()
}

/// A path or message for a terminal: what would steer it is escaped.
pub(crate) fn printable(path: &Path) -> String {
    let mut shown = String::new();
    for c in path.to_string_lossy().chars() {
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The path of what is served: that of one file ends in its name, so that a link says what it is.
fn place(plan: &Plan) -> String {
    let Some(files) = &plan.files else {
        return "/".into();
    };
    let name = files.root.file_name().filter(|_| files.single_file);
    let name = name.map(|name| encode_segment(name.as_bytes()));
    format!("{}/{}", files.prefix, name.unwrap_or_default())
}

fn subject(plan: &Plan) -> String {
    match &plan.files {
        None => "Hello, World!".into(),
        Some(files) if files.root == Path::new(".") => "the current directory".into(),
        Some(files) if files.single_file => format!("the file {}", printable(&files.root)),
        Some(files) => printable(&files.root),
    }
}

fn carried(config: &Config) -> String {
    let name = config.backend.name();
    match (config.backend, config.workers) {
        (Backend::Blocking, _) => format!("{name}, one connection at a time"),
        (Backend::Threads, _) => format!("{name}, at most {}", config.threads_max),
        (_, 1) => format!("{name}, one loop"),
        (_, loops) => format!("{name}, {loops} loops"),
    }
}

/// Where a browser finds a listener: the address itself, or, for an unspecified one, every
/// address of its family that this machine has.
fn reachable(bound: SocketAddr, interfaces: &[IpAddr]) -> Vec<SocketAddr> {
    if !bound.ip().is_unspecified() {
        return vec![bound];
    }
    let of_family = interfaces
        .iter()
        .filter(|ip| ip.is_ipv4() == bound.is_ipv4());
    let found: Vec<_> = of_family.map(|ip| (*ip, bound.port()).into()).collect();
    if found.is_empty() { vec![bound] } else { found }
}

fn is_public(address: &ListenAddr) -> bool {
    matches!(address, ListenAddr::Tcp(address) if !address.ip().to_canonical().is_loopback())
}

fn is_link_local(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(words: &str, bound: &[&str], expected: &Expect) {
        let words = std::iter::once("httpoll").chain(words.split_whitespace());
        let plan = crate::cli::parse(words.map(Into::into)).unwrap();
        let bound: Vec<_> = bound
            .iter()
            .map(|word| match word.strip_prefix("unix:") {
                Some(path) => ListenAddr::Unix(path.into()),
                None => ListenAddr::Tcp(word.parse().unwrap()),
            })
            .collect();
        let interfaces = ["127.0.0.1", "192.0.2.7", "::1", "2001:db8::7"];
        let interfaces = interfaces.map(|ip| ip.parse().unwrap());
        let text = text(&plan, &bound, &interfaces, true);
        expected.assert_eq(&text.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
    }

    #[test]
    fn it_names_each_address_as_it_was_bound() {
        check(
            "",
            &["127.0.0.1:8080", "[::1]:8080"],
            &expect![[r#"
                httpoll VERSION serves the current directory (edge, one loop)
                  http://127.0.0.1:8080/
                  http://[::1]:8080/
            "#]],
        );
    }

    #[test]
    fn an_unspecified_address_is_shown_as_those_that_reach_it() {
        check(
            "-w 4 -b level src",
            &["0.0.0.0:80", "[::]:80"],
            &expect![[r#"
                httpoll VERSION serves src (level, 4 loops)
                  http://127.0.0.1:80/
                  http://192.0.2.7:80/
                  http://[::1]:80/
                  http://[2001:db8::7]:80/
                  Everybody who can reach this machine over the network can read it.
                  Those are all in the same Wi-Fi, say; without --listen it is for this machine only.
                  With --qr a phone takes the address from here.
                  With --allow-host NAME it answers to that name only: no DNS rebinding.
            "#]],
        );
    }

    #[test]
    fn it_says_who_can_do_what() {
        let check = |words: &str, expected: &str| {
            let words = ["httpoll"].into_iter().chain(words.split_whitespace());
            let plan = crate::cli::parse(words.map(Into::into)).unwrap();
            let bound = [ListenAddr::Tcp("192.0.2.7:80".parse().unwrap())];
            let piped = text(&plan, &bound, &[], false);
            let begin = format!("over the network can {expected}.\n");
            assert!(piped.contains(&begin), "{piped}");
            assert!(!piped.contains("--qr"), "for those who look at it: {piped}");
        };
        check("src", "read it");
        check("--upload src", "read it and send files into it");
        check("--upload=cli src", "read it and send files into cli");
        check("--upload --upload-only src", "send files into it");
    }

    #[test]
    fn it_says_if_the_log_is_served() {
        let check = |words: &str, told: bool| {
            let words = ["httpoll"].into_iter().chain(words.split_whitespace());
            let plan = crate::cli::parse(words.map(Into::into)).unwrap();
            let text = text(&plan, &[], &[], true);
            assert_eq!(text.contains(" lies in what is served"), told, "{text}");
        };
        check("--log-file src/a.log src", true);
        check("--log-file src/cli/a.log src", true);
        check("--log-file a.log src", false);
        check("--log-file src/a.log Cargo.toml", false);
    }

    #[test]
    fn it_says_what_is_served() {
        check(
            "--hello -b blocking",
            &["0.0.0.0:80"],
            &expect![[r#"
                httpoll VERSION serves Hello, World! (blocking, one connection at a time)
                  http://127.0.0.1:80/
                  http://192.0.2.7:80/
                  With --allow-host NAME it answers to that name only: no DNS rebinding.
            "#]],
        );
        check(
            "--hello -b blocking --allow-host a.example",
            &["192.0.2.7:80"],
            &expect![[r#"
                httpoll VERSION serves Hello, World! (blocking, one connection at a time)
                  http://192.0.2.7:80/
            "#]],
        );
        check(
            "--hello -l 127.0.0.1:80 -l proxy:127.0.0.1:81",
            &["127.0.0.1:80", "127.0.0.1:81"],
            &expect![[r#"
                httpoll VERSION serves Hello, World! (edge, one loop)
                  http://127.0.0.1:80/
                  http://127.0.0.1:81/ behind PROXY headers
            "#]],
        );
        check(
            "--hello -b threads --prefix /p Cargo.toml",
            &["unix:/run/h.sock"],
            &expect![[r#"
                httpoll VERSION serves the file Cargo.toml (threads, at most 512)
                  unix:/run/h.sock (curl --unix-socket /run/h.sock http://localhost/p/Cargo.toml)
                  with Hello, World! at /hello
            "#]],
        );
    }

    #[test]
    fn it_warns_that_it_spoils_calls() {
        check(
            "--hello --inject short-read,eagain:25@7",
            &["127.0.0.1:80"],
            &expect![[r#"
                httpoll VERSION serves Hello, World! (edge, one loop)
                  http://127.0.0.1:80/
                  WARNING: it spoils 25 in 100 calls on its sockets (short-read, eagain; seed 7): --inject is for lessons.
            "#]],
        );
    }

    /// An index may stand for directories below only.
    #[test]
    fn it_says_if_no_index_stands_for_the_root() {
        let check = |words: &str, note: &str| {
            let words = std::iter::once("httpoll").chain(words.split_whitespace());
            let plan = crate::cli::parse(words.map(Into::into)).unwrap();
            let expected = format!("httpoll VERSION serves src (edge, one loop)\n{note}");
            let text = text(&plan, &[], &[], true).replace(env!("CARGO_PKG_VERSION"), "VERSION");
            assert_eq!(text, expected);
        };
        check("src", "");
        check("--index lib.rs src", "");
        check("--index mod.rs --index lib.rs src", "");
        check(
            "--index mod.rs --index a.html src",
            "  No file mod.rs or a.html (--index) stands for src itself.\n",
        );
    }

    #[test]
    fn a_phone_is_shown_an_address_that_it_can_reach() {
        let shown = |words: &str, bound: &[&str]| {
            let words = ["httpoll"].into_iter().chain(words.split_whitespace());
            let plan = crate::cli::parse(words.map(Into::into)).unwrap();
            let bound = bound
                .iter()
                .map(|word| ListenAddr::Tcp(word.parse().unwrap()));
            let interfaces = ["127.0.0.1", "192.0.2.7"].map(|ip| ip.parse().unwrap());
            qr_code(&plan, &bound.collect::<Vec<_>>(), &interfaces, false)
        };
        assert_eq!(shown("", &["0.0.0.0:80"]), "");
        let code = shown("--qr", &["[::1]:80", "0.0.0.0:80"]);
        assert!(code.ends_with("\n  http://192.0.2.7:80/\n\n"), "{code}");
        let code = shown("--qr --prefix /p Cargo.toml", &["192.0.2.9:80"]);
        assert!(
            code.ends_with("\n  http://192.0.2.9:80/p/Cargo.toml\n\n"),
            "{code}"
        );
        let none = shown("--qr", &["127.0.0.1:80", "[::1]:80"]);
        assert!(none.starts_with("  No QR code: no other device"), "{none}");
    }

    #[test]
    fn it_says_what_it_can_hold_if_that_is_less() {
        let check = |words: &str, expected: &str| {
            let words = std::iter::once("httpoll").chain(words.split_whitespace());
            let plan = crate::cli::parse(words.map(Into::into)).unwrap();
            assert_eq!(room(&plan.config, 640), expected);
        };
        check("", "");
        check("-b select", "");
        check("-b select --max-connections 640", "");
        check(
            "-b select --max-connections 5000",
            "  It can hold 640 connections, not 5000: select(2) watches 1,024 descriptors, and \
             files need some.\n",
        );
        check(
            "--max-connections 5000",
            "  It can hold 640 connections, not 5000: it may open so few descriptors (ulimit -Hn), \
             and files need some.\n",
        );
    }

    #[test]
    fn it_says_where_operators_ask_and_who_else_can() {
        let check = |address: Option<ListenAddr>, expected: &str| {
            assert_eq!(admin(address.as_ref()), expected);
        };
        let tcp = |word: &str| Some(ListenAddr::Tcp(word.parse().unwrap()));
        check(None, "");
        check(
            tcp("127.0.0.1:9"),
            "  admin: http://127.0.0.1:9/ (/metrics, /healthz, /readyz)\n",
        );
        check(
            tcp("192.0.2.1:9"),
            "  admin: http://192.0.2.1:9/ (/metrics, /healthz, /readyz), for everybody who can reach it\n",
        );
        check(Some(ListenAddr::Unix("/a".into())), "  admin: unix:/a\n");
    }

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        assert_eq!(
            printable(Path::new("a\u{1b}[2J\u{9b}é")),
            "a\\u{1b}[2J\\u{9b}é"
        );
    }
}
