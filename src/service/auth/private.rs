//! Answers that are for one client: no cache between may keep them for others.
//!
//! *Floor 3.* Knows the field Cache-Control; does not know why an answer is private.
//!
//! Any maker of an answer behind a password, now, by a job, or when an upload is complete: it says
//! `private` and nothing to the contrary, to some caches neither (RFC 9213), and keeps whatever else it says, as for how long.
//!
//! *References:* RFC 9111 §3.5, §5.2.2.7 (private), §5.2.2.9 (public), §5.2.2.10 (s-maxage).

use crate::http::{HeaderBlock, Response, Wake};
use crate::service::fields::{is_for_some_caches, lines, names};
use crate::service::work::{Gone, Job, Outcome, Work};
use crate::service::{Flow, Reply, Sink};

const FIELD: &str = "Cache-Control";

/// The same reply, private.
pub(super) fn private_reply(reply: Reply) -> Reply {
    match reply {
        Reply::Now(response) => Reply::Now(private(response)),
        Reply::Later(job) => Reply::Later(Box::new(PrivateWork(job))),
        Reply::Receive(sink) => Reply::Receive(Box::new(PrivateSink(sink))),
    }
}

/// The same answer, private. One that is so already, as files are, is not touched.
fn private(mut response: Response) -> Response {
    if is_private(response.fields.as_bytes()) {
        return response;
    }
    let mut fields = Vec::with_capacity(response.fields.as_bytes().len() + 32);
    let mut directives = vec!["private"];
    for line in lines(response.fields.as_bytes()).filter(|line| !is_for_some_caches(line)) {
        if names(line, FIELD) {
            directives.extend(directives_of(line).filter(|word| !is_about_sharing(word)));
        } else {
            fields.extend_from_slice(line);
        }
    }
    let line = format!("{FIELD}: {}\r\n", directives.join(", "));
    fields.extend_from_slice(line.as_bytes());
    response.fields = HeaderBlock::Owned(fields);
    response
}

fn is_private(fields: &[u8]) -> bool {
    let (mut private, mut shared) = (false, false);
    for line in lines(fields) {
        shared |= is_for_some_caches(line);
        if !names(line, FIELD) {
            continue;
        }
        for word in directives_of(line) {
            private |= is(word, "private") || is(word, "no-store");
            shared |= is(word, "public") || is(word, "s-maxage");
        }
    }
    private && !shared
}

/// The directives of a line; a quoted list of field names is of no use to us, and its pieces are
/// directives that are not known.
fn directives_of(line: &[u8]) -> impl Iterator<Item = &str> {
    let value = line.get(FIELD.len() + 1..).unwrap_or_default();
    let value = std::str::from_utf8(value).unwrap_or_default();
    value
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
}

/// `private="field"` is about that field only, so it is not [`is`] `private`.
fn is_about_sharing(word: &str) -> bool {
    let name = word.split('=').next().unwrap_or_default().trim();
    ["private", "public", "s-maxage"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

fn is(word: &str, name: &str) -> bool {
    let (found, argument) = word.split_once('=').unwrap_or((word, ""));
    found.trim().eq_ignore_ascii_case(name) && (argument.is_empty() || name == "s-maxage")
}

struct PrivateWork(Job);

impl Work for PrivateWork {
    fn run(self: Box<Self>, gone: &Gone<'_>) -> Outcome {
        match self.0.run(gone) {
            Outcome::Answer(response) => Outcome::Answer(private(response)),
            Outcome::Receive(sink) => Outcome::Receive(Box::new(PrivateSink(sink))),
            Outcome::Long(job) => Outcome::Long(Box::new(Self(job))),
            // It will be asked in front of the password again.
            Outcome::Again(request) => Outcome::Again(request),
            Outcome::Abandoned => Outcome::Abandoned,
        }
    }

    fn key(&self) -> Option<u64> {
        self.0.key()
    }

    fn writes(&self) -> bool {
        self.0.writes()
    }
}

struct PrivateSink(Box<dyn Sink>);

impl Sink for PrivateSink {
    fn bytes_max(&self) -> Option<u64> {
        self.0.bytes_max()
    }

    fn write(&mut self, chunk: &[u8], wake: &Wake) -> Result<Flow, Response> {
        self.0.write(chunk, wake).map_err(private)
    }

    fn flush(&mut self) -> Result<(), Response> {
        self.0.flush().map_err(private)
    }

    fn finish(self: Box<Self>) -> Reply {
        private_reply(self.0.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Status;

    #[test]
    fn answers_become_private_and_keep_the_rest() {
        let check = |given: &str, expected: &str| {
            let fields = HeaderBlock::Owned(given.replace('|', "\r\n").into_bytes());
            let response = Response {
                fields,
                ..Response::new(Status::OK)
            };
            let got = private(response);
            let got = String::from_utf8_lossy(got.fields.as_bytes()).replace("\r\n", "|");
            assert_eq!(got, expected, "{given}");
        };
        check("", "Cache-Control: private|");
        check("A: b|", "A: b|Cache-Control: private|");
        check(
            "Cache-Control: max-age=60, immutable|A: b|",
            "A: b|Cache-Control: private, max-age=60, immutable|",
        );
        check(
            "cache-control: PUBLIC, max-age=1|",
            "Cache-Control: private, max-age=1|",
        );
        check(
            "Cache-Control: s-maxage=9|Cache-Control: no-cache|",
            "Cache-Control: private, no-cache|",
        );
        check("Cache-Control: private, public|", "Cache-Control: private|");
        check("Cache-Control: private=\"x\"|", "Cache-Control: private|");
        // To which some caches listen instead.
        check(
            "Cache-Control: private|CDN-Cache-Control: max-age=9|Surrogate-Control: max-age=9|",
            "Cache-Control: private|",
        );
        for kept in [
            "Cache-Control: private, no-cache|",
            "Cache-Control: no-store|",
            "A: b|Cache-Control: max-age=1,Private|C: d|",
        ] {
            check(kept, kept);
        }
    }
}
