//! Six backends, one server: the same bytes from each.
//!
//! What a request is answered with is asked of all six at once and compared ([`Six`]); what a
//! connection lives through is a test per backend (`matrix!`). `blocking` closes behind each
//! answer and says so: the one difference that is allowed, and it is demanded here.

#![expect(
    clippy::disallowed_methods,
    reason = "clients connect, and files change while they are served"
)]

mod answers;
mod changing;
mod connection;
mod freshness;
mod library;
mod options;
mod pages;
mod siblings;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use crate::harness::{Answer, BACKENDS, Server};

/// A directory of files, removed with the test. Its path has no link in it.
struct Site(TempDir);

impl Site {
    fn new(files: &[(&str, &str)]) -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        // Of a file that is younger than a second no time is told, and six servers are asked one after
        // the other.
        let old = SystemTime::now() - Duration::from_secs(3600);
        for (path, content) in files {
            site.write(path, content);
            let file = File::options().write(true).open(site.path(path)).unwrap();
            file.set_modified(old).unwrap();
        }
        site
    }

    fn root(&self) -> &Path {
        self.0.path()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

/// The six backends, serving the same.
struct Six(Vec<(&'static str, Server)>);

impl Six {
    fn of(site: &Site, words: &[&str]) -> Self {
        date_back(site.root());
        let one = |backend| (backend, Server::of(backend, site.root(), words));
        let six = Self(BACKENDS.map(one).into());
        settle();
        six
    }

    fn start(words: &[&str]) -> Self {
        let one = |backend| (backend, Server::start(backend, words));
        let six = Self(BACKENDS.map(one).into());
        settle();
        six
    }

    /// What all of them answer to `METHOD TARGET`, each on a connection of its own.
    fn ask(&self, line: &str, fields: &[&str]) -> Answer {
        let (method, target) = line.split_once(' ').unwrap();
        let mut common: Option<Answer> = None;
        let mut close = Vec::new();
        for (backend, server) in &self.0 {
            let mut answer = server.ask(method, target, fields);
            if answer.field("Connection") == Some("close") {
                close.push(*backend);
            }
            let lines = answer.head.split_inclusive("\r\n");
            let lines = lines.filter(|l| *l != "Connection: close\r\n" && !l.starts_with("Date: "));
            answer.head = lines.collect();
            hide_boundary(&mut answer);
            match &common {
                None => common = Some(answer),
                Some(common) => assert_eq!(answer, *common, "{backend} {line} {fields:?}"),
            }
        }
        // Only where the request itself was at fault do the others close, too.
        let all = close.len() == self.0.len();
        assert!(all || close == ["blocking"], "{close:?} {line:.100}");
        common.unwrap()
    }

    /// Asks all; `expected` are whole field lines, or `!Name` for a field that must not be there.
    fn check(&self, line: &str, fields: &[&str], status: u16, expected: &[&str]) -> Answer {
        let answer = self.ask(line, fields);
        assert_eq!(answer.status, status, "{line} {fields:?}\n{}", answer.head);
        for wish in expected {
            let met = match wish.strip_prefix('!') {
                Some(name) => answer.field(name).is_none(),
                None => answer.head.lines().any(|found| found == *wish),
            };
            assert!(met, "{line} {fields:?}: {wish}\n{}", answer.head);
        }
        answer
    }

    /// The same, and the whole content.
    fn content(&self, line: &str, fields: &[&str], status: u16, expected: &[&str], body: &str) {
        let answer = self.check(line, fields, status, expected);
        assert_eq!(answer.text(), body, "{line} {fields:?}");
    }
}

/// Makes all files a minute old. The date of one of this second is not said, and six servers that
/// are asked around the end of a second would differ.
fn date_back(directory: &Path) {
    let then = SystemTime::now() - Duration::from_secs(60);
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            date_back(&entry.path());
        } else if kind.is_file() {
            let file = File::options().write(true).open(entry.path()).unwrap();
            file.set_modified(then).unwrap();
        }
    }
}

/// Waits until what was written has a strong tag: it is weak for two ticks of the file system's
/// clock, 20 ms (`service/opening/meta.rs`), and six servers asked meanwhile may differ.
fn settle() {
    thread::sleep(Duration::from_millis(25));
}

/// A boundary of multipart/byteranges is made anew for each answer: of the same length always, so
/// that it can stand as `=…=` here.
fn hide_boundary(answer: &mut Answer) {
    let mark = "multipart/byteranges; boundary=";
    let Some((_, rest)) = answer.head.split_once(mark) else {
        return;
    };
    let boundary = rest.lines().next().unwrap().to_owned();
    let hidden = "=".repeat(boundary.len());
    answer.body = answer.text().replace(&boundary, &hidden).into_bytes();
    answer.head = answer.head.replace(&boundary, &hidden);
}

/// What browsers send when a user goes to a page.
const NAVIGATION: &str = "Accept: text/html,application/xhtml+xml,*/*;q=0.8";
