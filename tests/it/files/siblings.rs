//! Encoded siblings: who gets one, which are believed, and for how long.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use httpoll::service::Symlinks;

use super::semantics::{set_mtime, unix};
use super::{Answer, Site};
use crate::encodings::{brotli, gzip, zstd};

const GZIP: &str = "Accept-Encoding: gzip";

#[track_caller]
fn expect(answer: &Answer, status: u16, body: &[u8], coding: Option<&str>) {
    let found = (
        answer.status,
        &*answer.body,
        answer.field("Content-Encoding"),
    );
    assert_eq!(
        found,
        (status, body, coding.map(String::from)),
        "{}",
        answer.fields
    );
}

#[test]
fn encoded_siblings_are_negotiated() {
    let mut site = Site::new(|_| {});
    let plain = b"plain";
    site.write("app.js", plain);
    site.write("app.js.gz", gzip(plain));
    site.write("app.js.br", brotli(plain));
    let tags: Vec<String> = ["", "gzip", "br"]
        .map(|coding| {
            site.ask("GET", "/app.js", &[&format!("Accept-Encoding: {coding}")])
                .etag()
        })
        .into();
    assert!(tags[0] != tags[1] && tags[1] != tags[2] && tags[0] != tags[2]); // §8.8.3.3
    let mut check = |accept: &str, coding: Option<&str>| {
        let answer = site.ask("GET", "/app.js", &[&format!("Accept-Encoding: {accept}")]);
        let body = match coding {
            Some("gzip") => gzip(plain),
            Some("br") => brotli(plain),
            _ => plain.to_vec(),
        };
        expect(&answer, 200, &body, coding);
        let kind = answer.field("Content-Type");
        assert_eq!(kind.as_deref(), Some("text/javascript; charset=utf-8"));
        assert_eq!(answer.field("Vary").as_deref(), Some("Accept-Encoding"));
    };
    check("gzip, br", Some("br"));
    check("gzip", Some("gzip"));
    check("gzip;q=1, br;q=0.5", Some("gzip")); // §12.4.2
    check("br;q=0, *", Some("gzip")); // §12.5.3
    check("zstd", None);
    check("", None);
    check("gzip;q=0", None);
    check("identity;q=0, deflate", None); // rather than 406
    // Conditions are about the tag of the encoded bytes; Vary on all answers.
    let known = |tag: &str| [GZIP.to_owned(), format!("If-None-Match: {tag}")];
    let mut ask = |fields: &[String]| {
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        site.ask("GET", "/app.js", &fields)
    };
    let same = ask(&known(&tags[1]));
    assert_eq!((same.status, same.etag()), (304, tags[1].clone()));
    assert_eq!(same.field("Vary").as_deref(), Some("Accept-Encoding"));
    assert_eq!(ask(&known(&tags[2])).status, 200);
    // Asked for by its own name it is a file like any other.
    let itself = site.ask("GET", "/app.js.gz", &[GZIP]);
    expect(&itself, 200, &gzip(plain), None);
    let kind = itself.field("Content-Type");
    assert_eq!(kind.as_deref(), Some("application/gzip"));
}

/// Clients that resume count decoded bytes, and join what does not belong together.
#[test]
fn a_part_is_one_of_the_plain_file_unless_if_range_names_another() {
    let mut site = Site::new(|_| {});
    let plain = b"0123456789".repeat(20_000); // the encoded ones are sent from their files
    site.write("a.txt", &plain);
    site.write("a.txt.gz", gzip(&plain));
    site.write("a.txt.br", brotli(&plain));
    let total = plain.len();
    let tag = |site: &mut Site, coding: &str| {
        let answer = site.ask("HEAD", "/a.txt", &[&format!("Accept-Encoding: {coding}")]);
        answer.etag()
    };
    let [identity, gz, br] = ["identity", "gzip", "br"].map(|coding| tag(&mut site, coding));
    let date = site.get("/a.txt").field("Last-Modified").unwrap();
    let both = "Accept-Encoding: gzip, br";
    let mut check = |fields: &[&str], status: u16, body: &[u8], coding: Option<&str>| {
        let answer = site.ask("GET", "/a.txt", fields);
        expect(&answer, status, body, coding);
        assert_eq!(
            answer.field("Vary").as_deref(),
            Some("Accept-Encoding"),
            "{fields:?}"
        );
        answer
    };
    let part = check(&[both, "Range: bytes=3-5"], 206, b"345", None);
    let range = part.field("Content-Range");
    assert_eq!(range.as_deref(), Some(&*format!("bytes 3-5/{total}")));
    assert_eq!(part.etag(), identity);
    check(&[both, "Range: bytes=0-"], 206, &plain, None);
    check(&["Accept-Encoding: *", "Range: bytes=-2"], 206, b"89", None);
    check(
        &["Accept-Encoding: gzip, identity;q=0", "Range: bytes=0-0"],
        206,
        b"0",
        None,
    );
    // Conditions come first, and one that names an encoded copy is about that.
    let condition = |name: &str, tag: &str| format!("{name}: {tag}");
    let gzip_only = "Accept-Encoding: gzip";
    let of_part = "Range: bytes=2-4";
    for coding in [gzip_only, "Accept-Encoding: gzip;q=1, *;q=0.5"] {
        let same = [coding, of_part, &condition("If-None-Match", &gz)];
        assert_eq!(check(&same, 304, b"", None).etag(), gz);
        let known = [coding, of_part, &condition("If-Match", &gz)];
        let part = check(&known, 206, &gzip(&plain)[2..5], Some("gzip"));
        assert_eq!(part.etag(), gz);
    }
    for (name, tag, status, body) in [
        ("If-None-Match", &br, 206, &b"234"[..]),
        ("If-None-Match", &identity, 304, b""),
        ("If-Match", &identity, 206, b"234"),
        ("If-Match", &"*".to_owned(), 206, b"234"),
    ] {
        check(
            &[gzip_only, of_part, &condition(name, tag)],
            status,
            body,
            None,
        );
    }
    let if_range = |tag: &str| format!("If-Range: {tag}");
    let third = "Range: bytes=2-4";
    check(
        &[both, third, &if_range(&gz)],
        206,
        &gzip(&plain)[2..5],
        Some("gzip"),
    );
    check(
        &[both, third, &if_range(&br)],
        206,
        &brotli(&plain)[2..5],
        Some("br"),
    );
    check(&[both, third, &if_range(&identity)], 206, b"234", None);
    // What a client has part of and does not accept any more begins again, as the plain file.
    check(&[GZIP, third, &if_range(&br)], 200, &plain, None);
    check(
        &["Accept-Encoding: br, gzip;q=0", third, &if_range(&gz)],
        200,
        &plain,
        None,
    );
    check(&[both, third, &if_range("\"x\"")], 200, &plain, None);
    check(
        &[both, third, &if_range(&format!("W/{gz}"))],
        200,
        &plain,
        None,
    );
    // A date may be that of all of them (RFC 9110 §8.8.1).
    check(&[both, third, &if_range(&date)], 200, &plain, None);
    // What is no range is not there (§14.2).
    let whole = brotli(&plain);
    check(&[both, "Range: lines=1-2"], 200, &whole, Some("br"));
    check(&[both, "Range: bytes=5-3"], 200, &whole, Some("br"));
    check(
        &[both, "Range: bytes=0-0", "Range: bytes=0-0"],
        200,
        &whole,
        Some("br"),
    );
    let beyond = site.ask("GET", "/a.txt", &[both, "Range: bytes=300000-"]);
    let unsatisfied = format!("bytes */{total}");
    assert_eq!(beyond.field("Content-Range"), Some(unsatisfied));
    assert_eq!(beyond.status, 416);
    // For HEAD there are no ranges at all.
    let head = site.ask("HEAD", "/a.txt", &[both, "Range: bytes=0-0"]);
    assert_eq!((head.status, head.etag()), (200, br));
}

#[test]
fn a_sibling_must_look_like_an_encoding_of_its_file() {
    let plain = b"0123456789".repeat(10);
    let large = b"0123456789".repeat(30_000);
    let older = b"012345678".repeat(10);
    let mut site = Site::new(|_| {});
    let mut check = |name: &str, coding: &str, bytes: &[u8], content: &[u8], used: bool| {
        site.write("f", content);
        site.write(name, bytes);
        let accept = format!("Accept-Encoding: {coding}");
        for place in ["from the file", "from the cache"] {
            let answer = site.ask("GET", "/f", &[&accept]);
            let expected = if used {
                (bytes, Some(coding))
            } else {
                (content, None)
            };
            let found = (&*answer.body, answer.field("Content-Encoding"));
            let found = (found.0, found.1.as_deref());
            assert!(
                found == expected,
                "{name} of {} {place}: {:?}",
                bytes.len(),
                found.1
            );
        }
        fs::remove_file(site.path(name)).unwrap();
        site.elapsed += Duration::from_secs(2);
    };
    type Encode = fn(&[u8]) -> Vec<u8>;
    let formats: [(&str, &str, Encode); 3] = [
        ("f.gz", "gzip", gzip),
        ("f.zst", "zstd", zstd),
        ("f.br", "br", brotli),
    ];
    for (name, coding, encode) in formats {
        for content in [&plain[..], &large, b"x", b""] {
            check(name, coding, &encode(content), content, true);
        }
        check(name, coding, &encode(&plain), &older, false);
        check(name, coding, &encode(&large), &plain, false);
        check(name, coding, b"", b"", false);
        check(name, coding, b"", &plain, false);
        check(name, coding, b"not found\n", &plain, false);
        check(
            name,
            coding,
            b"<!doctype html><title>not found</title>",
            &plain,
            false,
        );
        check(name, coding, &encode(&plain)[..3], &plain, false);
    }
    // What its first block says is all that is known of a longer one in brotli.
    check("f.gz", "gzip", &gzip(&older), &plain, false);
    check("f.zst", "zstd", &zstd(&older), &plain, false);
    // One format under the name of another.
    for (name, coding, _) in formats {
        for (other, _, encode) in formats {
            if name != other {
                check(name, coding, &encode(&plain), &plain, false);
            }
        }
    }
}

#[test]
fn a_sibling_is_no_older_than_its_file() {
    let nanos = Duration::from_nanos;
    let file = unix(1_000_000_000) + nanos(500_000_000);
    let rows = [
        (file, true),
        (file + nanos(1), true),
        (file + Duration::from_secs(86_400), true),
        (unix(1_000_000_000), true), // brotli(1): the file's own second, cut
        (file - nanos(1), false),
        (unix(1_000_000_000) + nanos(1), false),
        (unix(999_999_999), false),
        (file - Duration::from_secs(1), false),
    ];
    for (mtime, used) in rows {
        let mut site = Site::new(|_| {});
        site.write("a.txt", "plain");
        site.write("a.txt.gz", gzip(b"plain"));
        set_mtime(&site, "a.txt", file);
        set_mtime(&site, "a.txt.gz", mtime);
        let answer = site.ask("GET", "/a.txt", &[GZIP]);
        assert_eq!(
            answer.field("Content-Encoding").is_some(),
            used,
            "{mtime:?}"
        );
    }
}

/// What is sent was looked at in this turn: an edit, a removal, a replacement shows at once.
#[test]
fn an_edited_or_deleted_sibling_is_served_for_no_time_at_all() {
    let mut site = Site::new(|_| {});
    site.write("a.txt", "first");
    let check = |site: &mut Site, body: &[u8], coding: Option<&str>| {
        expect(&site.ask("GET", "/a.txt", &[GZIP]), 200, body, coding);
    };
    let encoded = gzip(b"first");
    let mut other = encoded.clone();
    other[9] = 3; // another operating system in its head, of the same length
    for n in 0..20 {
        let bytes = if n % 2 == 0 { &encoded } else { &other };
        site.write("a.txt.gz", bytes);
        site.elapsed += Duration::from_secs(u64::from(n == 0) * 2);
        check(&mut site, bytes, Some("gzip"));
        let renamed = if n % 2 == 0 { &other } else { &encoded };
        site.write("new", renamed);
        fs::rename(site.path("new"), site.path("a.txt.gz")).unwrap();
        check(&mut site, renamed, Some("gzip"));
    }
    site.write("a.txt.gz", "no gzip any more");
    check(&mut site, b"first", None);
    // One that comes is seen within a second; until then the plain file is right.
    site.write("a.txt.gz", &encoded);
    check(&mut site, b"first", None);
    site.elapsed += Duration::from_secs(1);
    check(&mut site, &encoded, Some("gzip"));
    fs::remove_file(site.path("a.txt.gz")).unwrap();
    check(&mut site, b"first", None);
    // The plain file is never stale: an edit makes the sibling old at once.
    site.write("a.txt.gz", &encoded);
    site.elapsed += Duration::from_secs(1);
    check(&mut site, &encoded, Some("gzip"));
    site.write("a.txt", "other");
    set_mtime(&site, "a.txt", SystemTime::now() + Duration::from_secs(60));
    check(&mut site, b"other", None);
    // The file itself is gone: its sibling does not stand in for it.
    site.write("b.txt.gz", gzip(b"only"));
    assert_eq!(site.ask("GET", "/b.txt", &[GZIP]).status, 404);
}

/// The settled rule holds for siblings, too: with the real clock, edits share ticks.
#[test]
fn a_sibling_rewritten_in_the_tick_in_which_it_was_read_is_not_served_old() {
    let mut site = Site::new(|_| {});
    site.ahead = Duration::ZERO;
    site.write("a.txt", "same");
    let mut bytes = gzip(b"same");
    for n in 0..100 {
        bytes[4] = n; // the time in its head
        site.write("a.txt.gz", &bytes);
        site.elapsed += Duration::from_secs(u64::from(n == 0) * 2);
        expect(
            &site.ask("GET", "/a.txt", &[GZIP]),
            200,
            &bytes,
            Some("gzip"),
        );
        let tag = site.ask("GET", "/a.txt", &[GZIP]).etag();
        bytes[5] ^= 1;
        site.write("a.txt.gz", &bytes);
        let answer = site.ask("GET", "/a.txt", &[GZIP, &format!("If-None-Match: {tag}")]);
        expect(&answer, 200, &bytes, Some("gzip"));
    }
}

/// With `--cache-valid` what is sent is trusted as long as was asked, be it a sibling or not.
#[test]
fn a_cached_sibling_is_trusted_as_long_as_was_asked() {
    let mut site = Site::new(|config| config.cache_valid = Some(Duration::from_secs(3)));
    site.write("a.txt", "first");
    let (first, mut other) = (gzip(b"first"), gzip(b"first"));
    other[9] = 3;
    site.write("a.txt.gz", &first);
    expect(
        &site.ask("GET", "/a.txt", &[GZIP]),
        200,
        &first,
        Some("gzip"),
    );
    site.write("a.txt.gz", &other);
    site.elapsed += Duration::from_millis(2_999);
    expect(
        &site.ask("GET", "/a.txt", &[GZIP]),
        200,
        &first,
        Some("gzip"),
    );
    site.elapsed += Duration::from_millis(1);
    expect(
        &site.ask("GET", "/a.txt", &[GZIP]),
        200,
        &other,
        Some("gzip"),
    );
}

/// Siblings are not looked for until a client asks that could be sent one.
#[test]
fn a_plain_answer_in_the_cache_hides_no_sibling() {
    let mut site = Site::new(|_| {});
    for (name, vary) in [("app.css", Some("Accept-Encoding")), ("a.bin", None)] {
        site.write(name, "plain");
        let path = format!("/{name}");
        let before = site.get(&path);
        assert_eq!(before.field("Vary").as_deref(), vary, "{name}");
        site.write(&format!("{name}.gz"), gzip(b"plain"));
        site.elapsed += Duration::from_secs(1);
        expect(
            &site.ask("GET", &path, &[GZIP]),
            200,
            &gzip(b"plain"),
            Some("gzip"),
        );
        let after = site.get(&path);
        after.expect(200, "plain");
        assert_eq!(after.field("Vary").as_deref(), Some("Accept-Encoding"));
    }
}

#[test]
fn siblings_obey_the_policy_for_links() {
    for (symlinks, expected) in [
        (Symlinks::Inside, [true, false, false]),
        (Symlinks::Follow, [true, true, true]),
        (Symlinks::Deny, [false, false, false]),
    ] {
        let mut site = Site::new(|config| config.symlinks = symlinks);
        let targets = [
            "kept/in.gz".into(),
            "../out.gz".into(),
            site.outside("out.gz"),
        ];
        for (n, (target, used)) in targets.into_iter().zip(expected).enumerate() {
            let (name, path) = (format!("{n}.txt"), format!("/{n}.txt"));
            site.write(&name, "plain");
            fs::write(site.outside("out.gz"), gzip(b"plain")).unwrap();
            site.write("kept/in.gz", gzip(b"plain"));
            symlink(target, site.path(&format!("{name}.gz"))).unwrap();
            for _ in 0..3 {
                let answer = site.ask("GET", &path, &[GZIP]);
                let found = answer.field("Content-Encoding").is_some();
                assert_eq!(found, used, "{symlinks:?} {n}");
                site.elapsed += Duration::from_secs(1);
            }
            // A link that is refused is not looked through: what it leads to changes nothing here.
            let before = site.misses();
            fs::write(site.outside("out.gz"), gzip(b"plain")).unwrap();
            site.elapsed += Duration::from_secs(1);
            site.ask("GET", &path, &[GZIP]);
            let looked_through = n > 0 && symlinks == Symlinks::Follow;
            assert_eq!(
                site.misses() - before,
                u64::from(looked_through),
                "{symlinks:?} {n}"
            );
        }
    }
}

#[test]
fn siblings_can_be_left_alone() {
    let mut site = Site::new(|config| config.precompressed = false);
    site.write("a.txt", "plain");
    site.write("a.txt.gz", gzip(b"plain"));
    let answer = site.ask("GET", "/a.txt", &[GZIP]);
    expect(&answer, 200, b"plain", None);
    assert_eq!(answer.field("Vary"), None);
}
