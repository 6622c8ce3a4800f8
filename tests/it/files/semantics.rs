//! Conditions, ranges, methods, negotiation: RFC 9110 row by row.

use std::fs::File;
use std::time::{Duration, SystemTime};

use super::{Answer, Site};

/// 2001-09-09, in the three formats of RFC 9110 §5.6.7.
const DATE: &str = "Sun, 09 Sep 2001 01:46:40 GMT";
const DATE_850: &str = "Sunday, 09-Sep-01 01:46:40 GMT";
const DATE_ASCTIME: &str = "Sun Sep  9 01:46:40 2001";
const LATER: &str = "Sun, 09 Sep 2001 01:46:41 GMT";
const EARLIER: &str = "Sun, 09 Sep 2001 01:46:39 GMT";

pub(super) fn set_mtime(site: &Site, path: &str, mtime: SystemTime) {
    let file = File::options().write(true).open(site.path(path)).unwrap();
    file.set_modified(mtime).unwrap();
}

pub(super) fn unix(secs: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(secs)
}

/// `/ten` holds ten bytes from a billion seconds after the epoch; `/big` 200,000.
fn site() -> Site {
    let site = Site::new(|_| {});
    site.write("ten", "0123456789");
    site.write("empty", "");
    site.write("big", big());
    set_mtime(&site, "ten", unix(1_000_000_000));
    set_mtime(&site, "big", unix(1_000_000_000));
    site
}

fn big() -> Vec<u8> {
    (0..200_000_u32)
        .map(|n| b'a' + u8::try_from(n % 23).unwrap())
        .collect()
}

#[test]
fn a_plain_answer_says_all_a_cache_needs() {
    let mut site = site();
    for turn in ["from the file", "from the cache"] {
        let answer = site.get("/ten");
        answer.expect(200, "0123456789");
        assert_eq!(
            answer.field("Last-Modified").as_deref(),
            Some(DATE),
            "{turn}"
        );
        assert_eq!(answer.field("Cache-Control").as_deref(), Some("no-cache"));
        assert_eq!(answer.field("Accept-Ranges").as_deref(), Some("bytes"));
        assert_eq!(
            answer.field("Content-Type").as_deref(),
            Some("text/plain; charset=utf-8")
        );
        assert_eq!(
            answer.field("X-Content-Type-Options").as_deref(),
            Some("nosniff")
        );
        assert!(answer.etag().starts_with('"'), "strong: {}", answer.etag());
    }
    // RFC 9110 §9.3.2: HEAD has the fields of GET; the connection leaves the content away.
    let (get, head) = (site.get("/ten"), site.ask("HEAD", "/ten", &[]));
    assert_eq!(
        (get.status, get.fields, get.body),
        (head.status, head.fields, head.body)
    );
}

#[test]
fn preconditions_in_their_order() {
    let mut site = site();
    for path in ["/ten", "/big"] {
        let tag = site.get(path).etag();
        let mut check = |section: &str, fields: &[&str], expected: u16| {
            let fields: Vec<String> = fields.iter().map(|f| f.replace("TAG", &tag)).collect();
            let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
            for method in ["GET", "HEAD"] {
                let answer = site.ask(method, path, &fields);
                assert_eq!(answer.status, expected, "{section} {fields:?}");
                if expected != 200 {
                    brief(&answer, &tag);
                }
            }
        };
        let since = |name: &str, date: &str| format!("{name}: {date}");
        check("§13.1.1", &["If-Match: TAG"], 200);
        check("§13.1.1", &["If-Match: \"x\", TAG"], 200);
        check("§13.1.1", &["If-Match: *"], 200);
        check("§13.1.1", &["If-Match: \"x\""], 412);
        check("§13.1.1 strong", &["If-Match: W/TAG"], 412);
        check("§13.1.2", &["If-None-Match: TAG"], 304);
        check("§13.1.2 weak", &["If-None-Match: W/TAG"], 304);
        check("§13.1.2 list", &["If-None-Match: \"x\" , TAG"], 304);
        check(
            "§5.3 lines",
            &["If-None-Match: \"x\"", "If-None-Match: TAG"],
            304,
        );
        check("§13.1.2", &["If-None-Match: *"], 304);
        check("§13.1.2", &["If-None-Match: \"x\""], 200);
        for date in [DATE, DATE_850, DATE_ASCTIME] {
            check("§13.1.3", &[&since("If-Modified-Since", date)], 304);
            check("§13.1.4", &[&since("If-Unmodified-Since", date)], 200);
        }
        check("§13.1.3", &[&since("If-Modified-Since", LATER)], 304);
        check("§13.1.3", &[&since("If-Modified-Since", EARLIER)], 200);
        check("§13.1.3 not a date", &["If-Modified-Since: yesterday"], 200);
        check("§13.1.4", &[&since("If-Unmodified-Since", EARLIER)], 412);
        check("§13.1.4 not a date", &["If-Unmodified-Since: 1"], 200);
        // §13.2.2: each rules out the one behind it.
        check(
            "§13.2.2",
            &["If-Match: TAG", &since("If-Unmodified-Since", EARLIER)],
            200,
        );
        check(
            "§13.2.2",
            &["If-None-Match: \"x\"", &since("If-Modified-Since", DATE)],
            200,
        );
        check(
            "§13.2.2",
            &["If-None-Match: TAG", &since("If-Modified-Since", EARLIER)],
            304,
        );
        check("§13.2.2", &["If-Match: \"x\"", "If-None-Match: TAG"], 412);
        // §13.2.2 step 5: conditions come before ranges.
        check("§13.2.2", &["If-None-Match: TAG", "Range: bytes=0-1"], 304);
        check(
            "§13.2.2",
            &["If-Match: \"x\"", "Range: bytes=99999999-"],
            412,
        );
    }
    // §13.2.1: no conditions without a representation.
    assert_eq!(site.ask("GET", "/none", &["If-Match: \"x\""]).status, 404);
    assert_eq!(site.ask("GET", "/none", &["If-None-Match: *"]).status, 404);
}

/// RFC 9110 §13.2.1: a listing has no validator, but conditions about its being there hold.
#[test]
fn preconditions_of_a_listing() {
    let mut site = Site::filled(&[("d/a", "")], |_| {});
    for (field, expected) in [
        ("If-Match: *", 200),
        ("If-Match: \"x\"", 412),
        ("If-None-Match: *", 304),
        ("If-None-Match: \"x\"", 200),
        ("If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT", 200),
        ("If-Unmodified-Since: Sun, 09 Sep 2001 01:46:40 GMT", 200),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = site.ask(method, "/d/", &[field]);
            assert_eq!(answer.status, expected, "{method} {field}");
            assert_eq!(answer.field("Vary").as_deref(), Some("Accept"));
            let kept = if expected == 412 {
                "no-store"
            } else {
                "no-cache"
            };
            assert_eq!(answer.field("Cache-Control").as_deref(), Some(kept));
            assert_eq!(answer.body.is_empty(), expected == 304);
        }
    }
}

/// RFC 9110 §15.4.5: what a cache must update, and nothing that describes content.
fn brief(answer: &Answer, tag: &str) {
    assert_eq!(answer.etag(), tag);
    assert_eq!(answer.field("Cache-Control").as_deref(), Some("no-cache"));
    for absent in ["Content-Type", "Content-Range", "Accept-Ranges"] {
        assert_eq!(answer.field(absent), None, "{}", answer.fields);
    }
    assert!(answer.body.is_empty());
}

#[test]
fn single_ranges() {
    let mut site = site();
    let mut check = |range: &str, expected: Result<(&str, &str), u16>| {
        let answer = site.ask("GET", "/ten", &[&format!("Range: {range}")]);
        match expected {
            Ok(("", text)) => {
                answer.expect(200, text);
                assert_eq!(answer.field("Content-Range"), None);
            }
            Ok((content_range, text)) => {
                answer.expect(206, text);
                assert_eq!(
                    answer.field("Content-Range").as_deref(),
                    Some(content_range)
                );
                assert_eq!(answer.field("Last-Modified").as_deref(), Some(DATE));
                assert!(answer.field("Content-Type").is_some());
            }
            Err(status) => {
                assert_eq!(answer.status, status, "{range}");
                assert_eq!(answer.field("Content-Range").as_deref(), Some("bytes */10"));
            }
        }
    };
    check("bytes=0-3", Ok(("bytes 0-3/10", "0123"))); // RFC 9110 §14.1.2
    check("bytes=7-", Ok(("bytes 7-9/10", "789")));
    check("bytes=-2", Ok(("bytes 8-9/10", "89")));
    check("bytes=-99", Ok(("bytes 0-9/10", "0123456789")));
    check("bytes=5-99", Ok(("bytes 5-9/10", "56789")));
    check("BYTES=0-0", Ok(("bytes 0-0/10", "0"))); // §14.1: units compare case-insensitively
    check("bytes=10-", Err(416)); // §15.5.17
    check("bytes=-0", Err(416));
    check("bytes=3-2", Ok(("", "0123456789"))); // §14.1.1: invalid, so ignored
    check("bytes=a-b", Ok(("", "0123456789")));
    check("lines=0-1", Ok(("", "0123456789"))); // §14.2: unknown unit
    check("bytes=0-1,99-", Ok(("bytes 0-1/10", "01"))); // one left: not multipart
    check("bytes=0-5,2-7", Ok(("bytes 0-7/10", "01234567"))); // §15.3.7.2: overlapping are one
    check("bytes=5-6,7-8", Ok(("bytes 5-8/10", "5678"))); // and so are those that touch
}

#[test]
fn ranges_where_they_mean_nothing() {
    let mut site = site();
    // §14.2: GET only; HEAD ignores it.
    let head = site.ask("HEAD", "/ten", &["Range: bytes=0-3"]);
    assert_eq!(
        (head.status, head.body.len(), head.field("Content-Range")),
        (200, 10, None)
    );
    // An empty file has no first byte.
    let empty = site.ask("GET", "/empty", &["Range: bytes=0-0"]);
    assert_eq!(empty.status, 416);
    assert_eq!(empty.field("Content-Range").as_deref(), Some("bytes */0"));
    site.get("/empty").expect(200, "");
    // Two fields are no range at all.
    site.ask("GET", "/ten", &["Range: bytes=0-1", "Range: bytes=2-3"])
        .expect(200, "0123456789");
}

#[test]
fn if_range_compares_strongly() {
    let mut site = site();
    let tag = site.get("/ten").etag();
    let mut check = |section: &str, value: &str, expected: u16| {
        let field = format!("If-Range: {value}");
        let answer = site.ask("GET", "/ten", &["Range: bytes=0-1", &field]);
        assert_eq!(answer.status, expected, "{section} {value}");
    };
    check("§13.1.5", &tag, 206);
    check("§13.1.5 weak", &format!("W/{tag}"), 200);
    check("§13.1.5", "\"x\"", 200);
    check("§13.1.5 exact date", DATE, 206);
    check("§13.1.5 exact date", LATER, 200);
    check("§13.1.5 exact date", EARLIER, 200);
    check("§13.1.5 not a date", "now", 200);
    // A range beyond the end of another version is the whole of this one.
    let answer = site.ask("GET", "/ten", &["Range: bytes=50-", "If-Range: \"x\""]);
    assert_eq!(answer.status, 200);
}

/// Also where it comes from the cache.
#[test]
fn what_a_name_does_not_say_is_that_of_the_content_at_hand() {
    let mut site = site();
    let text = Some("text/plain; charset=utf-8");
    let binary = Some("application/octet-stream");
    for (name, content, expected) in [
        ("it", &b"one"[..], text),
        ("it", b"\x7fELF\x02\x01\x01\0", binary),
        ("it", b"", text),
        ("it.bin", b"one", binary),
        ("it", &vec![0; 300_000], binary),
        ("it", &vec![b'a'; 300_000], text),
    ] {
        site.write(name, content);
        for _ in 0..2 {
            let answer = site.ask("HEAD", &format!("/{name}"), &[]);
            assert_eq!(answer.field("Content-Type").as_deref(), expected, "{name}");
        }
    }
}

#[test]
fn several_ranges_are_parts_of_one_answer() {
    let mut site = site();
    let answer = site.ask("GET", "/big", &["Range: bytes=0-4, 100000-100002, -2"]);
    assert_eq!(answer.status, 206);
    assert_eq!(answer.field("Content-Range"), None); // §14.4: only in the parts
    let kind = answer.field("Content-Type").unwrap();
    let boundary = kind
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap();
    let (big, mut expected) = (big(), Vec::new());
    for (from, to) in [(0, 4), (100_000, 100_002), (199_998, 199_999)] {
        let head = format!(
            "\r\n--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Range: bytes {from}-{to}/200000\r\n\r\n"
        );
        expected.extend_from_slice(head.as_bytes());
        expected.extend_from_slice(&big[from..=to]);
    }
    expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    assert_eq!(answer.body, expected);
    // Another answer has another boundary: no file can be written that contains it.
    let again = site.ask("GET", "/big", &["Range: bytes=0-4, 100000-100002, -2"]);
    assert_ne!(again.field("Content-Type").unwrap(), kind);
    // Also where the framing is longer than the file.
    let answer = site.ask("GET", "/ten", &["Range: bytes=0-0,-2"]);
    let kind = answer.field("Content-Type").unwrap();
    let boundary = kind
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap();
    let part = |range: &str, text: &str| {
        format!(
            "\r\n--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Range: bytes {range}/10\r\n\r\n{text}"
        )
    };
    let parts = [part("0-0", "0"), part("8-9", "89")].concat();
    answer.expect(206, &format!("{parts}\r\n--{boundary}--\r\n"));
}

#[test]
fn an_answer_is_never_larger_than_the_file() {
    let mut site = site();
    let many: Vec<String> = (0..40)
        .map(|n| format!("{}-{}", n * 100, n * 100))
        .collect();
    for (set, status) in [
        (many.join(","), 200),
        ("0-,0-,0-".into(), 206),
        ("0-150000,100000-".into(), 206),
    ] {
        let answer = site.ask("GET", "/big", &[&format!("Range: bytes={set}")]);
        assert_eq!(
            (answer.status, answer.body.len()),
            (status, 200_000),
            "{set}"
        );
    }
}

#[test]
fn methods() {
    let mut site = site();
    for target in ["/ten", "/none", "/"] {
        // The HTTP Method Registry of IANA, but for what is served; and PURGE.
        let registered = "ACL BASELINE-CONTROL BIND CHECKIN CHECKOUT COPY DELETE LABEL LINK LOCK \
            MERGE MKACTIVITY MKCALENDAR MKCOL MKREDIRECTREF MKWORKSPACE MOVE ORDERPATCH PATCH POST \
            PRI PROPFIND PROPPATCH PURGE PUT QUERY REBIND REPORT SEARCH TRACE UNBIND UNCHECKOUT \
            UNLINK UNLOCK UPDATE UPDATEREDIRECTREF VERSION-CONTROL *";
        for method in registered.split(' ').filter(|method| !method.is_empty()) {
            let answer = site.ask(method, target, &["Content-Length: 0"]);
            assert_eq!(answer.status, 405, "RFC 9110 §15.5.6: {method}");
            assert_eq!(answer.field("Allow").as_deref(), Some("GET, HEAD, OPTIONS"));
        }
        for method in ["BREW", "get", "mkcol", "LOCKS", "MK", "**"] {
            let answer = site.ask(method, target, &[]);
            assert_eq!(answer.status, 501, "RFC 9110 §15.6.2: {method}");
            assert_eq!(answer.field("Allow"), None);
        }
        let options = site.ask("OPTIONS", target, &[]);
        assert_eq!((options.status, options.body.len()), (204, 0));
        assert_eq!(
            options.field("Allow").as_deref(),
            Some("GET, HEAD, OPTIONS")
        );
    }
}

#[test]
fn odd_modification_times_neither_break_nor_lie() {
    let mut site = site();
    let mut check = |mtime: SystemTime, expected: Option<&str>| {
        set_mtime(&site, "ten", mtime);
        let answer = site.get("/ten");
        answer.expect(200, "0123456789");
        assert_eq!(answer.field("Last-Modified").as_deref(), expected);
        // The date is no validator then, the entity tag is.
        if expected.is_none() {
            let now = ["If-Modified-Since: Thu, 01 Jan 2037 00:00:00 GMT"];
            assert_eq!(site.ask("GET", "/ten", &now).status, 200);
            let tag = format!("If-None-Match: {}", answer.etag());
            assert_eq!(site.ask("GET", "/ten", &[&tag]).status, 304);
        }
    };
    check(unix(0), None);
    check(unix(1), None);
    check(unix(2), Some("Thu, 01 Jan 1970 00:00:02 GMT"));
    check(SystemTime::UNIX_EPOCH - Duration::from_secs(86_400), None);
    check(SystemTime::now() + Duration::from_secs(86_400), None); // §8.8.2.1
    check(unix(1_000_000_000), Some(DATE));
}

/// RFC 9110 §8.8.1: since it was read the file may have got other bytes under the same stamps.
#[test]
fn until_a_file_has_settled_nothing_matches_its_tag() {
    let mut site = site();
    for (name, content) in [("fresh", "1".into()), ("large", big())] {
        // Its date is of no help here, and of the past.
        let path = format!("/{name}");
        let unsettled = |site: &mut Site| {
            site.ahead = Duration::ZERO;
            for _ in 0..100 {
                site.write(name, &content);
                set_mtime(site, name, unix(1_000_000_000));
                let tag = site.get(&path).etag();
                if !tag.starts_with('"') {
                    return tag;
                }
            }
            panic!("{name} settled at once, each time");
        };
        for (field, expected) in [
            ("If-None-Match: TAG", 200),
            ("If-None-Match: *", 304),
            ("If-Match: TAG", 412),
            ("If-Match: *", 200),
        ] {
            let tag = unsettled(&mut site);
            assert!(tag.starts_with("W/\""), "{tag}");
            let answer = site.ask("GET", &path, &[&field.replace("TAG", &tag)]);
            // On a slow machine it may have settled meanwhile: then all the more.
            assert_eq!(answer.status, expected, "{name} {field}");
        }
        let tag = unsettled(&mut site);
        let opaque = tag.trim_start_matches("W/");
        for tag in [&*tag, opaque] {
            let range = ["Range: bytes=0-0", &format!("If-Range: {tag}")];
            assert_eq!(site.ask("GET", &path, &range).status, 200, "{tag}");
        }
        // Two looks make two tags: a cache behind us may compare them, too.
        assert_ne!(unsettled(&mut site), tag);
        site.ahead = Duration::from_secs(5);
        let settled = site.get(&path).etag();
        assert!(settled.starts_with('"'), "{settled}");
        for (tag, expected) in [(&tag, 200), (&settled, 304)] {
            let known = format!("If-None-Match: {tag}");
            assert_eq!(site.ask("GET", &path, &[&known]).status, expected, "{tag}");
        }
    }
}

/// RFC 9110 §8.8.2.2: an edit within the second of the date would have the same one, and a cache
/// that knows dates only would keep what it has.
#[test]
fn a_date_is_not_said_before_its_second_is_over() {
    let mut site = site();
    let tests: [(i64, bool); 4] = [(-60, true), (-3, true), (0, false), (60, false)];
    for (seconds, said) in tests {
        site.ahead = Duration::from_secs(3600);
        site.write("a", "a");
        let now = SystemTime::now() + site.ahead;
        let offset = Duration::from_secs(seconds.unsigned_abs());
        let mtime = if seconds < 0 {
            now - offset
        } else {
            now + offset
        };
        set_mtime(&site, "a", mtime);
        let answer = site.get("/a");
        assert_eq!(answer.field("Last-Modified").is_some(), said, "{seconds}");
        assert!(answer.etag().starts_with('"'), "the tag is finer");
        // What was kept says it as soon as it may.
        site.ahead += Duration::from_secs(62);
        assert!(site.get("/a").field("Last-Modified").is_some(), "{seconds}");
    }
    // The time is of the past, but it was set just now, and may be again.
    site.ahead = Duration::ZERO;
    let mut unsettled = 0;
    for _ in 0..100 {
        site.write("b", "b");
        set_mtime(&site, "b", unix(1_000_000_000));
        let answer = site.get("/b");
        let settled = answer.etag().starts_with('"');
        assert_eq!(answer.field("Last-Modified").is_some(), settled);
        unsettled += u32::from(!settled);
    }
    assert!(unsettled > 0);
}

#[test]
fn large_files_are_ranges_of_an_open_descriptor() {
    let mut site = site();
    for turn in 0..2 {
        let answer = site.get("/big");
        assert_eq!((answer.status, answer.body), (200, big()), "{turn}");
        let answer = site.ask("GET", "/big", &["Range: bytes=199999-"]);
        assert_eq!(
            (answer.status, answer.body),
            (206, big()[199_999..].to_vec())
        );
    }
    assert_eq!(site.files.cached().1, 1, "descriptors");
}
