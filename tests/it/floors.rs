//! The floors: which module may name which. Arrows go down only.
//!
//! The compiler would let any module name any other; this test reads each file under `src/` and
//! holds every `crate::…` path against the table below, and every foreign crate that is meant to
//! stay in one place against the second table. Comments may point anywhere (they are how a reader
//! finds the way), and so may the unit tests at the end of a file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What each module may name besides itself, from the ground up. `config` stands between the
/// floors: plain values that the drivers read, made from those of the floors below.
const FLOORS: [(&str, &[&str]); 9] = [
    ("http", &[]),
    ("conn", &["http"]),
    ("readiness", &[]),
    ("kernel", &["http", "readiness"]),
    ("service", &["http"]),
    ("config", &["conn", "http", "kernel", "service"]),
    // Knows which paths a configuration names.
    ("confine", &["config", "kernel"]),
    (
        "driver",
        &["config", "conn", "http", "kernel", "readiness", "service"],
    ),
    // The program sees the library from outside, as `httpoll::…`.
    ("cli", &[]),
];

/// All that the kernel's floor knows of HTTP: time, a way to wake a loop, and bytes with a length.
const HTTP_FOR_KERNEL: [&str; 4] = ["Notify", "Source", "Tick", "date"];

/// Crates and modules of std that stay where their subject is.
const CONTAINED: [(&str, &[&str]); 15] = [
    ("argon2::", &["service/auth/"]),
    ("clap::", &["cli/"]),
    ("httparse::", &["http/"]),
    ("landlock::", &["confine/"]),
    ("libc::", &["kernel/", "readiness/", "confine/"]),
    ("mime_guess::", &["service/"]),
    ("prometheus_client::", &["driver/observe/metrics.rs"]),
    ("mio::", &["readiness/edge_mio.rs"]),
    (
        "rustix::",
        &[
            "kernel/",
            "readiness/",
            "service/",
            "driver/",
            "confine/",
            "cli/hang_up.rs",
            "cli/password.rs",
        ],
    ),
    ("toml::", &["cli/"]),
    ("seccompiler::", &["confine/"]),
    ("signal_hook::", &["driver/", "cli/hang_up.rs"]),
    (
        "std::fs",
        &[
            "kernel/listen",
            "service/",
            "confine/user.rs",
            "cli/config_file.rs",
            "cli/hang_up.rs",
            "cli/plan/",
            "driver/observe/log/file.rs",
            "main.rs",
        ],
    ),
    (
        "std::thread",
        &["driver/", "kernel/sim", "cli/hang_up.rs", "cli/plan/"],
    ),
    (
        "std::process",
        &["main.rs", "driver/", "cli/startup/browser.rs"],
    ),
];

#[test]
fn arrows_go_down_only() {
    let mut wrong = Vec::new();
    for (file, code) in sources() {
        let floor = floor_of(&file);
        let Some((_, below)) = FLOORS.iter().find(|(name, _)| *name == floor) else {
            assert!(
                ["lib.rs", "main.rs"].contains(&file.as_str()),
                "{file} stands on no floor"
            );
            continue;
        };
        for path in crate_paths(&code, &file) {
            let (named, item) = path.split_once("::").unwrap_or((&path, ""));
            let down = named == floor || below.contains(&named);
            let http_leaks = floor == "kernel"
                && named == "http"
                && !HTTP_FOR_KERNEL.contains(&item.split("::").next().unwrap_or(""));
            if !down || http_leaks {
                wrong.push(format!("{file} names crate::{path}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn borrowed_crates_stay_in_their_rooms() {
    let mut wrong = Vec::new();
    for (file, code) in sources() {
        for (name, rooms) in CONTAINED {
            let at_home = rooms.iter().any(|room| file.starts_with(room));
            if !at_home && names(&code, name) {
                wrong.push(format!("{file} names {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Parents aside: a `mod.rs` is the way into its folder, and its files may build on it.
#[test]
fn no_file_imports_its_importers() {
    let sources = sources();
    let modules: BTreeSet<String> = sources.iter().map(|(file, _)| module_of(file)).collect();
    let imports = |file: &str, code: &str| -> BTreeSet<String> {
        let own = module_of(file);
        let named = absolute_paths(code, &own).into_iter();
        let found = named.filter_map(|path| longest_module(&path, &modules));
        let related = |module: &String| own.starts_with(&format!("{module}::")) || *module == own;
        found.filter(|module| !related(module)).collect()
    };
    let graph: BTreeMap<String, BTreeSet<String>> = sources
        .iter()
        .map(|(file, code)| (module_of(file), imports(file, code)))
        .collect();
    let mut circles: Vec<String> = Vec::new();
    for module in graph.keys() {
        let (mut seen, mut next) = (BTreeSet::new(), vec![module]);
        while let Some(at) = next.pop() {
            for import in graph.get(at).into_iter().flatten() {
                if import == module {
                    circles.push(format!("{module} is imported by {at}, which it imports"));
                }
                if seen.insert(import) {
                    next.push(import);
                }
            }
        }
    }
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[test]
fn paths_are_found_in_every_way_of_writing_them() {
    let check = |code: &str, expected: &[&str]| {
        let found = crate_paths(&code_only(code), "kernel/linux.rs");
        let expected: BTreeSet<String> = expected.iter().map(ToString::to_string).collect();
        assert_eq!(found, expected, "{code}");
    };
    check("use crate::service::Files;", &["service::Files"]);
    check(
        "use crate::{service, conn::{Limits, Phase}};",
        &["service", "conn::Limits", "conn::Phase"],
    );
    check(
        "use crate::http::{\n    Tick,\n    body::{Body, Part},\n};",
        &["http::Tick", "http::body::Body", "http::body::Part"],
    );
    check("let x = crate::run(1);", &["run"]);
    check("fn f(x: &crate::conn::Limits) {}", &["conn::Limits"]);
    check("use super::super::driver;", &["driver"]);
    check("use super::Peer;", &[]);
    check(
        "//! [`X`](crate::service::X)\nuse crate::readiness::X;",
        &["readiness::X"],
    );
    check(
        "fn f() {}\n#[cfg(test)]\nmod tests { use crate::driver::X; }",
        &[],
    );
    check(
        "#[cfg(test)]\nuse crate::driver::X;\n\nmod y;",
        &["driver::X"],
    );
    check(
        "\n#[cfg(test)]\n#[expect(\n    x\n)]\nmod tests { use crate::driver::X; }",
        &[],
    );
    check("use mycrate::service::X;", &[]);
}

/// Every file under `src/` by its path there, without comments and unit tests.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut found) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).unwrap();
        let paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        for path in paths {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
                let code = code_only(&fs::read_to_string(&path).unwrap());
                found.push((name.to_owned(), code));
            }
        }
    }
    assert!(found.len() > 20, "this is not the whole house");
    found
}

/// `driver/event_loop/mod.rs` as `driver::event_loop`.
fn module_of(file: &str) -> String {
    let path = file.strip_suffix(".rs").unwrap();
    path.strip_suffix("/mod").unwrap_or(path).replace('/', "::")
}

/// The paths that `code` names by `crate::` or `super::`, from the root.
fn absolute_paths(code: &str, own: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for at in starts_of(code, "crate::") {
        expand("", &code[at + "crate::".len()..], &mut found);
    }
    for at in starts_of(code, "super::") {
        let (mut rest, mut base) = (&code[at..], own);
        while let Some(up) = rest.strip_prefix("super::") {
            (rest, base) = (up, base.rsplit_once("::").map_or("", |(parent, _)| parent));
        }
        let prefix = if base.is_empty() {
            String::new()
        } else {
            format!("{base}::")
        };
        expand(&prefix, rest, &mut found);
    }
    found
}

/// The file that a path leads to: `driver::settings::Budget` is in `driver::settings`.
fn longest_module(path: &str, modules: &BTreeSet<String>) -> Option<String> {
    let mut path = path;
    loop {
        if modules.contains(path) {
            return Some(path.to_owned());
        }
        path = path.rsplit_once("::")?.0;
    }
}

fn floor_of(file: &str) -> &str {
    let first = file.split('/').next().unwrap();
    first.strip_suffix(".rs").unwrap_or(first)
}

/// Tests stand at the end of their file (house style), so the rest of the file is theirs.
fn code_only(text: &str) -> String {
    let is_module = |at: &usize| {
        let mut lines = text[*at..].lines().skip(2);
        let item = lines.find(|line| line.is_empty() || line.starts_with(char::is_alphabetic));
        item.is_some_and(|item| item.starts_with("mod "))
    };
    let marks = text.match_indices("\n#[cfg(test)]\n").map(|(at, _)| at);
    let end = marks.filter(is_module).min().unwrap_or(text.len());
    let lines = text[..end].lines();
    let code: Vec<_> = lines
        .map(|line| line.find("//").map_or(line, |at| &line[..at]))
        .collect();
    code.join("\n")
}

/// Whether `code` has `path` as a path of its own, not as the end of a longer name.
fn names(code: &str, path: &str) -> bool {
    starts_of(code, path).next().is_some()
}

fn starts_of<'a>(code: &'a str, path: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(path).filter_map(move |(at, _)| {
        let before = code[..at].chars().next_back();
        let inside = before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':');
        (!inside).then_some(at)
    })
}

/// The paths from the crate's root in `code`: `crate::a::B` as `a::B`, groups taken apart, and
/// chains of `super::` that climb to the root.
fn crate_paths(code: &str, file: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let is_mod = file.ends_with("/mod.rs");
    let to_root = file.matches('/').count() + usize::from(!is_mod);
    for start in ["crate::".to_owned(), "super::".repeat(to_root)] {
        for at in starts_of(code, &start) {
            expand("", &code[at + start.len()..], &mut found);
        }
    }
    found
}

/// Adds the paths that `rest` begins with, below `prefix`. Returns what follows them.
fn expand<'a>(prefix: &str, rest: &'a str, found: &mut BTreeSet<String>) -> &'a str {
    let rest = rest.trim_start();
    if let Some(mut inner) = rest.strip_prefix('{') {
        loop {
            inner = expand(prefix, inner, found).trim_start();
            inner = inner.strip_prefix(',').unwrap_or(inner).trim_start();
            if let Some(after) = inner.strip_prefix('}') {
                return after;
            }
            assert!(!inner.is_empty(), "an unclosed group below {prefix}");
        }
    }
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '*');
    let (segment, after) = rest.split_at(end.unwrap_or(rest.len()));
    assert!(!segment.is_empty(), "no path below {prefix}: {:.40}", rest);
    let path = format!("{prefix}{segment}");
    if let Some(after) = after
        .strip_prefix("::")
        .filter(|next| !next.starts_with('<'))
    {
        return expand(&format!("{path}::"), after, found);
    }
    found.insert(path);
    match after.trim_start().strip_prefix("as ") {
        Some(alias) => alias.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_'),
        None => after,
    }
}
