//! The script behind a page.
//!
//! *Floor 3.* Knows which answers are pages and how one is added to; does not know what the script does.
//!
//! The server's own pages forbid all scripts but their own; where one has this one behind it, its policy
//! lets that in, too. A listing that takes files has none: it would be loaded anew for each file that
//! was sent, in the middle of the next one.

use crate::http::{Body, Chunk, Chunks, HeaderBlock, Part, Response, Status, Wake};
use crate::service::fields::{lines, names};
use crate::service::work::{Gone, Job, Outcome, Work};
use crate::service::{Reply, listing, markdown, pages};

/// The reply, with `tag` behind it if it is a page.
pub(super) fn reply_with_script(reply: Reply, tag: String) -> Reply {
    match reply {
        Reply::Now(response) => Reply::Now(with_script(response, tag)),
        Reply::Later(job) => Reply::Later(Box::new(ScriptedWork { job, tag })),
        Reply::Receive(sink) => Reply::Receive(sink),
    }
}

fn with_script(mut response: Response, tag: String) -> Response {
    let is_shown = matches!(response.status, Status::OK | Status::NOT_FOUND);
    if !is_shown || !is_page(response.fields.as_bytes()) {
        return response;
    }
    response.body = match add(response.body, tag) {
        Ok(body) => {
            response.fields = fields_of_a_page(response.fields.as_bytes());
            body
        }
        Err(body) => body,
    };
    response
}

/// Content with `tag` behind it, or as it was if it is not written in ASCII's bytes (its byte order
/// mark says so; Encoding, "BOM sniff"). What is made while it is sent is a listing.
fn add(body: Body, tag: String) -> Result<Body, Body> {
    let bytes = match &body {
        Body::Static(bytes) => bytes,
        Body::Owned(bytes) => bytes.as_slice(),
        Body::Shared(bytes) => bytes,
        Body::Empty => b"",
        Body::Range { .. } | Body::Parts(_) | Body::Stream(_) => return behind(body, tag),
    };
    if matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) {
        return Err(body);
    }
    Ok(Body::Owned([bytes, tag.as_bytes()].concat()))
}

/// The same of what is not in memory.
fn behind(body: Body, tag: String) -> Result<Body, Body> {
    Ok(match body {
        Body::Range {
            source,
            offset,
            len,
        } => Body::Parts(vec![
            Part::Range {
                source,
                offset,
                len,
            },
            Part::Bytes(tag.into_bytes()),
        ]),
        Body::Stream(page) => Body::Stream(Box::new(ScriptedChunks {
            page,
            tag: Some(tag),
        })),
        other => return Err(other),
    })
}

struct ScriptedChunks {
    page: Box<dyn Chunks>,
    /// Until it was sent.
    tag: Option<String>,
}

impl Chunks for ScriptedChunks {
    fn next_chunk(&mut self, wake: &Wake) -> Chunk {
        match self.page.next_chunk(wake) {
            Chunk::End => {
                (self.tag.take()).map_or(Chunk::End, |tag| Chunk::Bytes(tag.into_bytes()))
            }
            other => other,
        }
    }

    fn may_wait(&self) -> bool {
        self.page.may_wait()
    }
}

/// Whether it is HTML as it stands, and may load a script of this server that asks it for more.
fn is_page(fields: &[u8]) -> bool {
    let value = |line: &[u8], name: &str| {
        let value = line.get(name.len() + 1..).unwrap_or_default();
        names(line, name).then(|| String::from_utf8_lossy(value.trim_ascii()).to_ascii_lowercase())
    };
    let mut is_html = false;
    for line in lines(fields) {
        if let Some(media_type) = value(line, "Content-Type") {
            let essence = media_type.split(';').next().unwrap_or_default().trim_end();
            is_html = essence == "text/html" && !media_type.contains("utf-16");
        }
        let policy = value(line, "Content-Security-Policy");
        let is_forbidden = |policy: String| forbids(&policy) && own_policy(line).is_none();
        if names(line, "Content-Encoding") || policy.is_some_and(is_forbidden) {
            return false;
        }
    }
    is_html
}

/// The policy in a line if it is that of an error page, of a page made of Markdown or of a listing that
/// takes no files: the server's own words, and no user's.
fn own_policy(line: &[u8]) -> Option<&str> {
    let value = line.strip_prefix(b"Content-Security-Policy: ")?;
    let policy = str::from_utf8(value.strip_suffix(b"\r\n")?).ok()?;
    let is_own = pages::is_policy(line)
        || policy == markdown::page::policy()
        || listing::policies_without_uploads().any(|own| own == policy);
    is_own.then_some(policy)
}

/// The same policy, with leave to load a script of this server and to ask it for more.
fn letting_in(policy: &str) -> String {
    let own = match policy.contains("script-src ") {
        true => policy.replacen("script-src ", "script-src 'self' ", 1),
        false => format!("{policy}; script-src 'self'"),
    };
    own + "; connect-src 'self'"
}

/// Whether a policy, in lower case, keeps the script from being loaded or from asking: that of a
/// listing, or of a file that was sent by somebody.
fn forbids(policy: &str) -> bool {
    let directive = |wanted: &str| {
        let mut words = policy.split(';').map(str::split_ascii_whitespace);
        words.find_map(|mut words| (words.next() == Some(wanted)).then_some(words))
    };
    let allows = |names: &[&str]| {
        let sources = names.iter().find_map(|name| directive(name));
        sources.is_none_or(|mut words| words.any(|word| matches!(word, "'self'" | "*")))
    };
    directive("sandbox").is_some()
        || !allows(&["script-src-elem", "script-src", "default-src"])
        || !allows(&["connect-src", "default-src"])
}

/// The fields of the file, but for what is about its exact bytes. It is asked for every time.
fn fields_of_a_page(fields: &[u8]) -> HeaderBlock {
    const OF_THE_FILE: [&str; 4] = ["ETag", "Last-Modified", "Accept-Ranges", "Cache-Control"];
    let is_kept = |line: &&[u8]| !OF_THE_FILE.iter().any(|name| names(line, name));
    let mut kept = Vec::with_capacity(fields.len() + 64);
    for line in lines(fields).filter(is_kept) {
        match own_policy(line) {
            Some(policy) => {
                let policy = letting_in(policy);
                kept.extend_from_slice(format!("Content-Security-Policy: {policy}\r\n").as_bytes());
            }
            None => kept.extend_from_slice(line),
        }
    }
    kept.extend_from_slice(b"Cache-Control: no-cache\r\n");
    HeaderBlock::Owned(kept)
}

struct ScriptedWork {
    job: Job,
    tag: String,
}

impl Work for ScriptedWork {
    fn run(self: Box<Self>, gone: &Gone<'_>) -> Outcome {
        let Self { job, tag } = *self;
        match job.run(gone) {
            Outcome::Answer(response) => Outcome::Answer(with_script(response, tag)),
            Outcome::Long(job) => Outcome::Long(Box::new(Self { job, tag })),
            other => other,
        }
    }

    fn key(&self) -> Option<u64> {
        self.job.key()
    }

    fn writes(&self) -> bool {
        self.job.writes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_that_may_load_it_have_the_script() {
        let check = |fields: &str, expected: bool| {
            let fields = fields.replace('|', "\r\n");
            assert_eq!(is_page(fields.as_bytes()), expected, "{fields}");
        };
        let html = |more: &str| format!("content-type: Text/HTML; charset=utf-8|{more}");
        check("", false);
        check("Content-Type: text/plain|", false);
        check("Content-Type: text/htmlx|", false);
        check("Content-Type: application/xhtml+xml|", false);
        check("Content-Type: text/html|", true);
        check("Content-Type: text/html; charset=UTF-16LE|", false);
        check(&html(""), true);
        check(&html("Content-Encoding: gzip|"), false);
        let policy = |text: &str| html(&format!("Content-Security-Policy: {text}|"));
        check(&policy("img-src 'none'"), true);
        check(&policy("default-src 'self'"), true);
        check(&policy("default-src *; script-src 'none'"), false);
        check(&policy("default-src 'none'; script-src 'self'"), false);
        check(
            &policy("default-src 'none'; script-src 'self'; connect-src 'SELF'"),
            true,
        );
        check(&policy("script-src 'sha256-x'"), false);
        check(&policy("sandbox"), false);
        check(&policy("sandbox allow-scripts"), false);
        check(
            &format!("{}Content-Security-Policy: sandbox|", policy("img-src *")),
            false,
        );
    }

    /// Its policy forbids all scripts, and lets this one in when it is added.
    #[test]
    fn a_page_of_markdown_has_it_too() {
        let policy = markdown::page::policy();
        let fields = |more: &str| {
            format!("Content-Type: text/html\r\nContent-Security-Policy: {policy}{more}\r\n")
        };
        assert!(is_page(fields("").as_bytes()));
        assert!(!is_page(fields("; sandbox").as_bytes()));
        let made = fields_of_a_page(fields("").as_bytes());
        let allowed = "; script-src 'self'; connect-src 'self'";
        let expected = fields(allowed) + "Cache-Control: no-cache\r\n";
        assert_eq!(made.as_bytes(), expected.as_bytes());
        assert!(is_page(made.as_bytes()));
    }

    /// The same of a listing, which has a script already, and of an error page.
    #[test]
    fn a_listing_has_it_too_unless_it_takes_files() {
        let check = |before: &str, after: Option<&str>| {
            let fields = |policy: &str| {
                format!("Content-Type: text/html\r\nContent-Security-Policy: {policy}\r\n")
            };
            let found = is_page(fields(before).as_bytes());
            assert_eq!(found, after.is_some(), "{before}");
            if let Some(after) = after {
                let made = fields_of_a_page(fields(before).as_bytes());
                let expected = fields(after) + "Cache-Control: no-cache\r\n";
                assert_eq!(String::from_utf8_lossy(made.as_bytes()), expected);
                assert!(is_page(made.as_bytes()), "{after}");
            }
        };
        let own = listing::policies_without_uploads().next().unwrap();
        let let_in = own.replace("script-src ", "script-src 'self' ") + "; connect-src 'self'";
        check(&own, Some(&let_in));
        let with_uploads = own.replace("img-src", "connect-src 'self'; img-src");
        check(&with_uploads, None);
        check(&format!("{own}; frame-ancestors 'none'"), None); // a user's own
        check("default-src 'none'; script-src 'sha256-other'", None);
        let page = pages::message_page(Status::NOT_FOUND, "");
        assert!(is_page(page.fields.as_bytes()));
    }

    /// Two pieces, which may wait.
    struct Slow(u8);

    impl Chunks for Slow {
        fn next_chunk(&mut self, _: &Wake) -> Chunk {
            self.0 += 1;
            match self.0 {
                1 => Chunk::Pending,
                2 => Chunk::Bytes(b"<p>a".to_vec()),
                _ => Chunk::End,
            }
        }

        fn may_wait(&self) -> bool {
            true
        }
    }

    #[test]
    fn what_is_made_while_it_is_sent_has_it_last_and_waits_where_it_did() {
        let Ok(Body::Stream(mut made)) = add(Body::Stream(Box::new(Slow(0))), "<t>".into()) else {
            panic!("it is a stream");
        };
        let wake = Wake::noop();
        let mut sent = Vec::new();
        let mut next = || {
            assert!(made.may_wait());
            made.next_chunk(&wake)
        };
        assert!(matches!(next(), Chunk::Pending));
        while let Chunk::Bytes(bytes) = next() {
            sent.extend(bytes);
        }
        assert_eq!(sent, b"<p>a<t>");
        assert!(matches!(next(), Chunk::End));
    }

    #[test]
    fn a_page_is_added_to_and_keeps_what_is_not_about_its_bytes() {
        let fields = "Content-Type: text/html\r\nETag: \"a\"\r\nX-A: b\r\n";
        let page = |body| Response {
            fields: HeaderBlock::Static(fields.as_bytes()),
            body,
            ..Response::new(Status::OK)
        };
        let tag = || "<t>".to_owned();
        for body in [
            Body::Owned(b"<p>a".to_vec()),
            Body::Static(b"<p>a"),
            Body::Shared(b"<p>a"[..].into()),
        ] {
            let made = with_script(page(body), tag());
            assert!(matches!(made.body, Body::Owned(bytes) if bytes == b"<p>a<t>"));
            let expected = "Content-Type: text/html\r\nX-A: b\r\nCache-Control: no-cache\r\n";
            assert_eq!(made.fields.as_bytes(), expected.as_bytes());
        }
        let utf_16 = Body::Owned(b"\xff\xfe<\0".to_vec());
        let gone = Response {
            status: Status::GONE,
            ..page(Body::Static(b"<p>a"))
        };
        for left in [page(utf_16), gone] {
            let length = left.body.len();
            let made = with_script(left, tag());
            assert_eq!(made.body.len(), length);
            assert_eq!(made.fields.as_bytes(), fields.as_bytes());
        }
    }
}
