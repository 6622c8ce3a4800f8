//! Encoded siblings, from each backend.

use std::fs;

use super::{Site, Six};
use crate::encodings::{brotli, gzip, zstd};
use crate::harness::{Server, matrix};

const GZIP: &str = "Accept-Encoding: gzip";

#[test]
#[expect(clippy::too_many_lines, reason = "a table is read row by row")]
fn precompressed_siblings() {
    let plain = b"plain js";
    let site = Site::new(&[
        ("a.js", "plain js"),
        ("b.js", "alone"),
        ("b.js.gz", "no gzip"),
    ]);
    site.write("a.js.br", brotli(plain));
    site.write("a.js.gz", gzip(plain));
    let six = Six::of(&site, &[]);
    let js = "Content-Type: text/javascript; charset=utf-8";
    let vary = "Vary: Accept-Encoding";
    let br = [js, vary, "Content-Encoding: br"];
    let gz = [js, vary, "Content-Encoding: gzip"];
    let identity = [js, vary, "!Content-Encoding"];
    let check = |fields: &[&str], status: u16, expected: &[&str], body: &[u8]| {
        let answer = six.check("GET /a.js", fields, status, expected);
        assert_eq!(answer.body, body, "{fields:?}");
    };
    check(&["Accept-Encoding: gzip, br"], 200, &br, &brotli(plain));
    // RFC 9110 §12.5.3: the client's own order
    check(&["Accept-Encoding: br;q=0.1, gzip"], 200, &gz, &gzip(plain));
    check(&[GZIP], 200, &gz, &gzip(plain));
    check(&["Accept-Encoding: br;q=0"], 200, &identity, plain);
    check(&["Accept-Encoding: identity"], 200, &identity, plain);
    check(&[], 200, &identity, plain);
    let tags = ["gzip", "br", "identity"].map(|coding| {
        let answer = six.ask("HEAD /a.js", &[&format!("Accept-Encoding: {coding}")]);
        answer.field("ETag").unwrap().to_owned()
    });
    assert!(
        tags[0] != tags[1] && tags[1] != tags[2] && tags[0] != tags[2],
        "{tags:?}"
    );
    check(
        &[GZIP, &format!("If-None-Match: {}", tags[0])],
        304,
        &[vary],
        b"",
    );
    let part = "Range: bytes=1-2";
    check(&[GZIP, part], 206, &identity, b"la");
    check(
        &[GZIP, part, &format!("If-Range: {}", tags[0])],
        206,
        &gz,
        &gzip(plain)[1..3],
    );
    check(
        &[GZIP, part, &format!("If-Range: {}", tags[1])],
        200,
        &identity,
        plain,
    );
    check(
        &[GZIP, part, &format!("If-Range: {}", tags[2])],
        206,
        &identity,
        b"la",
    );
    six.content("GET /b.js", &[GZIP], 200, &identity, "alone");
    let six = Six::of(&site, &["--no-precompressed"]);
    six.content(
        "GET /a.js",
        &[GZIP],
        200,
        &[js, "!Vary", "!Content-Encoding"],
        "plain js",
    );
}

matrix! {
    /// A log that was packed an hour ago goes on: its old part is no encoding of it, however new.
    fn a_sibling_of_an_older_text_is_not_sent(backend) {
        let (old, new) = ("one line\n", "one line\nand another\n");
        let site = Site::new(&[]);
        let formats = [
            ("gz", "gzip", gzip(old.as_bytes())),
            ("zst", "zstd", zstd(old.as_bytes())),
            ("br", "br", brotli(new.as_bytes())),
        ];
        for (suffix, _, bytes) in &formats {
            for (name, content) in [("a", new), ("b", old)] {
                site.write(&format!("{name}-{suffix}.log"), content);
                site.write(&format!("{name}-{suffix}.log.{suffix}"), bytes);
            }
        }
        let server = Server::of(backend, site.root(), &[]);
        for (suffix, coding, bytes) in &formats {
            let accept = format!("Accept-Encoding: {coding}");
            let ask = |name: &str| server.ask("GET", &format!("/{name}-{suffix}.log"), &[&accept]);
            let (stale, true_to) = if *suffix == "br" { ("b", "a") } else { ("a", "b") };
            assert_eq!(ask(stale).field("Content-Encoding"), None, "{coding}");
            assert_eq!(ask(stale).text(), if stale == "a" { new } else { old });
            assert_eq!(ask(true_to).field("Content-Encoding"), Some(*coding));
            assert_eq!(ask(true_to).body, *bytes);
        }
    }

    /// As for the file: in place, by rename, by removal.
    fn an_edit_of_a_sibling_is_seen_by_the_very_next_request(backend) {
        let site = Site::new(&[("a", "plain")]);
        let mut bytes = gzip(b"plain");
        site.write("a.gz", &bytes);
        let server = Server::of(backend, site.root(), &[]);
        for n in 0..60 {
            bytes[4] = n; // the time in its head, at an equal length
            match n % 3 {
                0 => site.write("a.gz", &bytes),
                1 => {
                    site.write("new", &bytes);
                    fs::rename(site.path("new"), site.path("a.gz")).unwrap();
                }
                _ => {
                    // Never without one, whose return would be seen within a second only.
                    site.write("a.gz", &bytes);
                    site.write("a.gz", &bytes);
                }
            }
            assert_eq!(server.ask("GET", "/a", &[GZIP]).body, bytes, "edit {n}");
        }
        fs::remove_file(site.path("a.gz")).unwrap();
        assert_eq!(server.ask("GET", "/a", &[GZIP]).text(), "plain");
    }
}
