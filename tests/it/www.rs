//! The pages in `www/`: what browsers, checkers and readers without sight need of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::harness::{Server, tool};

fn www() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("www")
}

/// All files, relative to `www/`.
fn files() -> Vec<String> {
    let (mut found, mut open) = (Vec::new(), vec![www()]);
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false => found.push(path.strip_prefix(www()).unwrap().display().to_string()),
            }
        }
    }
    found.sort();
    found
}

/// Text from 2 KiB on is worth it: it then saves a packet at least.
fn is_worth_compressing(name: &str) -> bool {
    let text =
        ["html", "css", "js", "csv"].map(|extension| name.ends_with(&format!(".{extension}")));
    text.contains(&true) && fs::metadata(www().join(name)).unwrap().len() >= 2048
}

/// An edit makes its sibling stale: `gzip -9knf www/NAME` makes it anew.
#[test]
fn every_compressed_sibling_holds_its_file() {
    if !tool("gzip", "--version") {
        return;
    }
    for name in files() {
        if is_worth_compressing(&name) {
            let sibling = www().join(format!("{name}.gz"));
            assert!(sibling.exists(), "gzip -9kn www/{name}");
        }
        let Some(plain) = name.strip_suffix(".gz") else {
            continue;
        };
        let path = www().join(&name);
        let output = Command::new("gzip").arg("-dc").arg(&path).output().unwrap();
        let same = output.stdout == fs::read(www().join(plain)).unwrap();
        assert!(output.status.success() && same, "gzip -9knf www/{plain}");
        let modified = |name: &str| fs::metadata(www().join(name)).unwrap().modified().unwrap();
        assert!(modified(&name) >= modified(plain), "touch www/{name}");
    }
}

#[test]
fn the_pages_are_sent_compressed() {
    let server = Server::of("edge", &www(), &[]);
    for name in files() {
        let target = format!("/{name}");
        let answer = server.ask("GET", &target, &["Accept-Encoding: gzip"]);
        assert_eq!(answer.status, 200, "{name}");
        let coding = is_worth_compressing(&name).then_some("gzip");
        assert_eq!(answer.field("Content-Encoding"), coding, "{name}");
    }
}

/// A name for what is no landmark, group or control is not read aloud (ARIA 1.2 §5.2.8.6).
#[test]
fn what_has_a_label_has_a_role() {
    for name in files().iter().filter(|name| name.ends_with(".html")) {
        let page = fs::read_to_string(www().join(name)).unwrap();
        for tag in page.split('<').filter_map(|rest| rest.split('>').next()) {
            let named = tag.contains("aria-label=");
            let element = tag.split_whitespace().next().unwrap_or_default();
            let has_role = tag.contains("role=") || ["nav", "a", "button"].contains(&element);
            assert!(!named || has_role, "{name}: <{tag}>");
        }
    }
}
