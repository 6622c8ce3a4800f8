//! The file service, asked without a socket: a request is parsed, the service called, the answer
//! looked at. Every rule is a row or a test named by the sentence it proves.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests stand where a driver stands: they have clocks, threads and files"
)]
#![expect(clippy::too_many_lines, reason = "a table is read row by row")]

mod compressed;
mod freshness;
mod listings;
mod options;
mod pages;
mod root;
mod semantics;
mod sent;
mod siblings;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use httpoll::http::{Body, Chunk, Part, Request, Response, Tick, Wake, date};
use httpoll::service::{Files, FilesConfig, Reply, Service, finish};
use tempfile::TempDir;

use crate::allocations::counted;

/// A directory in a temporary one, and a service of it.
pub(crate) struct Site {
    dir: TempDir,
    pub(crate) files: Files,
    turn: u64,
    /// How far the clock of requests is ahead of the file system's: files then count as settled.
    pub(crate) ahead: Duration,
    pub(crate) elapsed: Duration,
    start: Instant,
}

impl Site {
    pub(crate) fn new(configure: impl FnOnce(&mut FilesConfig)) -> Self {
        Self::filled(&[], configure)
    }

    /// With files, since some options want them at the start.
    pub(crate) fn filled(files: &[(&str, &str)], configure: impl FnOnce(&mut FilesConfig)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("root")).unwrap();
        for (path, content) in files {
            write(&dir.path().join("root").join(path), content.as_bytes());
        }
        let mut config = FilesConfig {
            root: dir.path().join("root"),
            ..FilesConfig::default()
        };
        configure(&mut config);
        Self {
            files: Files::open(&config, 1).unwrap(),
            dir,
            turn: 0,
            ahead: Duration::from_secs(5),
            elapsed: Duration::ZERO,
            start: Instant::now(),
        }
    }

    /// A path in the root.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join("root").join(path)
    }

    /// A path beside the root.
    pub(crate) fn outside(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        write(&self.path(path), content.as_ref());
    }

    pub(crate) fn get(&mut self, target: &str) -> Answer {
        self.ask("GET", target, &[])
    }

    /// One request in a turn of its own.
    pub(crate) fn ask(&mut self, method: &str, target: &str, fields: &[&str]) -> Answer {
        self.turn += 1;
        self.ask_in_this_turn(method, target, fields)
    }

    pub(crate) fn ask_in_this_turn(
        &mut self,
        method: &str,
        target: &str,
        fields: &[&str],
    ) -> Answer {
        let head = head(method, target, fields);
        match self.call(&head).1 {
            Reply::Now(response) => Answer::of(response, false),
            Reply::Later(job) => Answer::of(finish(job, &|| false).unwrap(), true),
            Reply::Receive(_) => panic!("files take no content"),
        }
    }

    /// Requests that the cache could not answer.
    pub(crate) fn misses(&self) -> u64 {
        self.files.cache_tallies().sum().misses
    }

    /// How often the service allocates for one request in a turn of its own.
    pub(crate) fn allocations(&mut self, method: &str, target: &str, fields: &[&str]) -> usize {
        self.turn += 1;
        let (count, reply) = self.call(&head(method, target, fields));
        assert!(matches!(reply, Reply::Now(_)));
        count
    }

    fn call(&mut self, head: &str) -> (usize, Reply) {
        let request = Request::parse(head.as_bytes()).unwrap_or_else(|| panic!("{head}"));
        let wall = SystemTime::now() + self.ahead;
        let now = Tick {
            instant: self.start + self.elapsed,
            wall,
            turn: self.turn,
            http_date: date::format(wall),
        };
        counted(|| self.files.call(&request, &now))
    }
}

fn head(method: &str, target: &str, fields: &[&str]) -> String {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: h\r\n");
    for field in fields {
        head.push_str(field);
        head.push_str("\r\n");
    }
    head + "\r\n"
}

fn write(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// An answer, as a client would have it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: String,
    pub(crate) body: Vec<u8>,
    /// Whether it was made by a job.
    pub(crate) later: bool,
}

impl Answer {
    fn of(response: Response, later: bool) -> Self {
        let fields = String::from_utf8(response.fields.as_bytes().to_vec()).unwrap();
        for line in fields.split_inclusive('\n') {
            assert!(line.ends_with("\r\n") && line.contains(": "), "{fields:?}");
        }
        let status = response.status.code();
        Self {
            status,
            fields,
            body: content(response.body),
            later,
        }
    }

    /// The values of a field, joined.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self
            .fields
            .lines()
            .filter_map(|line| line.split_once(": "))
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn etag(&self) -> String {
        self.field("ETag").unwrap()
    }

    #[track_caller]
    pub(crate) fn expect(&self, status: u16, text: &str) -> &Self {
        assert_eq!(
            (self.status, self.text()),
            (status, text),
            "{}",
            self.fields
        );
        self
    }
}

fn content(body: Body) -> Vec<u8> {
    let part = |source: &dyn httpoll::http::Source, offset: u64, len: u64| {
        let mut bytes = vec![0; usize::try_from(len).unwrap()];
        let mut filled = 0;
        while filled < bytes.len() {
            let n = source
                .read_at(&mut bytes[filled..], offset + filled as u64)
                .unwrap();
            assert!(n > 0, "the file is shorter than its promise");
            filled += n;
        }
        bytes
    };
    match body {
        Body::Empty => Vec::new(),
        Body::Static(bytes) => bytes.to_vec(),
        Body::Owned(bytes) => bytes,
        Body::Shared(bytes) => bytes.to_vec(),
        Body::Range {
            source,
            offset,
            len,
        } => part(&*source, offset, len),
        Body::Parts(parts) => parts
            .into_iter()
            .flat_map(|p| match p {
                Part::Bytes(bytes) => bytes,
                Part::Range {
                    source,
                    offset,
                    len,
                } => part(&*source, offset, len),
            })
            .collect(),
        Body::Stream(mut chunks) => {
            let mut all = Vec::new();
            while let Chunk::Bytes(bytes) = chunks.next_chunk(&Wake::noop()) {
                all.extend(bytes);
            }
            all
        }
    }
}
