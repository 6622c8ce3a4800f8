//! Uploads: what arrives is whole or not at all, stays where it belongs, and stops nobody.

#![expect(clippy::disallowed_methods, reason = "clients connect and wait")]

mod conflicts;
mod content;
mod crash;
mod flat_fs;
mod follow;
mod forms;
mod limits;
mod names;
mod safety;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::harness::{Answer, Server, request};

/// A server that takes files into `inbox` of its root.
struct Inbox {
    server: Server,
    root: tempfile::TempDir,
}

impl Inbox {
    fn start(backend: &str, words: &[&str]) -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("inbox")).unwrap();
        Self::of(backend, root, words)
    }

    fn of(backend: &str, root: tempfile::TempDir, words: &[&str]) -> Self {
        let mut all = vec!["--upload=inbox", "--upload-reserve=0", "--log=off"];
        all.extend(words);
        let server = Server::of(backend, root.path(), &all);
        Self { server, root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("inbox").join(name)
    }

    fn put(&self, target: &str, fields: &[&str], content: &[u8]) -> Answer {
        let length = format!("Content-Length: {}", content.len());
        let head = request("PUT", target, &[&[length.as_str()], fields].concat());
        self.send("PUT", head.as_bytes(), content)
    }

    fn post(&self, target: &str, fields: &[&str], form: &[u8]) -> Answer {
        let kind = format!("Content-Type: multipart/form-data; boundary={BOUNDARY}");
        let length = format!("Content-Length: {}", form.len());
        let all = [&[kind.as_str(), length.as_str()], fields].concat();
        self.send("POST", request("POST", target, &all).as_bytes(), form)
    }

    /// One request on a connection of its own. That the server stops reading when it has answered is
    /// its right.
    fn send(&self, method: &str, head: &[u8], content: &[u8]) -> Answer {
        let mut client = self.server.connect();
        client.send(head);
        let _ = client.0.get_mut().write_all(content);
        client.answer(method)
    }

    /// What is below the inbox, hidden names too: files with their content, directories with a slash.
    fn tree(&self) -> BTreeMap<String, Vec<u8>> {
        tree(&self.path(""))
    }

    fn names(&self) -> Vec<String> {
        self.tree().into_keys().collect()
    }
}

fn tree(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().unwrap().is_dir() {
            let below = tree(&entry.path());
            all.extend(
                below
                    .into_iter()
                    .map(|(below, content)| (format!("{name}/{below}"), content)),
            );
            all.insert(name + "/", Vec::new());
        } else {
            all.insert(name, fs::read(entry.path()).unwrap());
        }
    }
    all
}

/// So many bytes that repeat nowhere within a buffer.
fn bytes(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ len as u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[4]
    };
    (0..len).map(next).collect()
}

pub(crate) fn digest(content: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(content)))
}

fn chunked(content: &[u8], size: usize) -> Vec<u8> {
    let mut coded = Vec::new();
    for chunk in content.chunks(size) {
        write!(coded, "{:x}\r\n", chunk.len()).unwrap();
        coded.extend_from_slice(chunk);
        coded.extend_from_slice(b"\r\n");
    }
    coded.extend_from_slice(b"0\r\n\r\n");
    coded
}

const BOUNDARY: &str = "AaB03x";

fn part(disposition: &str, content: &[u8]) -> Vec<u8> {
    let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n");
    [head.as_bytes(), content, b"\r\n"].concat()
}

fn form(files: &[(&str, &[u8])]) -> Vec<u8> {
    let part =
        |(name, content): &(&str, &[u8])| part(&format!("name=f; filename=\"{name}\""), content);
    let parts: Vec<_> = files.iter().map(part).collect();
    [parts.concat(), format!("--{BOUNDARY}--\r\n").into_bytes()].concat()
}
