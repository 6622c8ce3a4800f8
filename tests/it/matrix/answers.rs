//! What a directory answers, without any option.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;

use super::{NAVIGATION, Site, Six, date_back};

#[test]
fn methods_and_missing_things() {
    let site = Site::new(&[("a.txt", "0123456789"), ("index.html", "<p>home")]);
    let six = Six::of(&site, &[]);
    let page = [
        "Content-Type: text/html; charset=utf-8",
        "Content-Length: 7",
    ];
    six.content("GET /", &[], 200, &page, "<p>home");
    six.content("HEAD /", &[], 200, &page, ""); // RFC 9110 §9.3.2
    let allow = ["Allow: GET, HEAD, OPTIONS"];
    six.content(
        "OPTIONS /a.txt",
        &[],
        204,
        &["Allow: GET, HEAD, OPTIONS", "!Content-Length"],
        "",
    );
    six.content("OPTIONS *", &[], 204, &allow, ""); // §9.3.7
    // §15.5.6: known, as registered, and not for files.
    for method in [
        "POST", "PATCH", "TRACE", "PROPFIND", "MKCOL", "LOCK", "QUERY", "PURGE",
    ] {
        six.check(&format!("{method} /a.txt"), &[], 405, &allow);
    }
    // §15.6.2: unknown; methods are case-sensitive (§9.1).
    for method in ["BREW", "propfind", "PROPFINDX"] {
        six.check(&format!("{method} /a.txt"), &[], 501, &["!Allow"]);
    }
    let plain = [
        "Content-Type: text/plain; charset=utf-8",
        "Cache-Control: no-store",
    ];
    six.content("GET /none", &[], 404, &plain, "404 Not Found\n");
    six.content("HEAD /none", &[], 404, &["Content-Length: 14"], "");
    let html = six.check("GET /none", &[NAVIGATION], 404, &["Vary: Accept"]);
    assert!(
        html.text().starts_with("<!DOCTYPE html>"),
        "{}",
        html.text()
    );
    for (target, status) in [
        ("/%", 400),
        ("/a%00b", 400),
        ("/../etc/passwd", 400),
        ("/%2e%2e/etc/passwd", 400),
        ("/..%2fetc%2fpasswd", 404),
        ("//etc/passwd", 404),
        ("/a.txt/", 404),
    ] {
        six.check(&format!("GET {target}"), &[], status, &[]);
    }
    six.check(&format!("GET /{}", "n".repeat(300)), &[], 404, &[]);
    six.check(&format!("GET /{}", "n".repeat(8200)), &[], 414, &[]);
}

#[test]
fn types_by_name() {
    let types = [
        ("a.html", "text/html; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.mjs", "text/javascript; charset=utf-8"),
        ("a.json", "application/json"),
        ("a.txt", "text/plain; charset=utf-8"),
        ("a.svg", "image/svg+xml"),
        ("A.PNG", "image/png"),
        ("a.webp", "image/webp"),
        ("a.avif", "image/avif"),
        ("a.wasm", "application/wasm"),
        ("a.woff2", "font/woff2"),
        ("a.mp4", "video/mp4"),
        ("a.pdf", "application/pdf"),
        ("a.webmanifest", "application/manifest+json"),
        ("a.yaml", "application/yaml"),
        ("a.yml", "application/yaml"),
        ("a.toml", "application/toml"),
        ("a.vcf", "text/vcard; charset=utf-8"),
        ("a.rpm", "application/x-rpm"),
        ("a.deb", "application/vnd.debian.binary-package"),
        ("a.iso", "application/vnd.efi.iso"),
        ("a.dmg", "application/x-apple-diskimage"),
        ("a.mkv", "video/matroska"),
        ("a.log", "text/plain; charset=utf-8"),
        ("a.rs", "text/plain; charset=utf-8"),
        ("Makefile", "text/plain; charset=utf-8"),
        ("unknown", "text/plain; charset=utf-8"),
        ("a.unknown", "text/plain; charset=utf-8"),
        ("a.bin", "application/octet-stream"),
    ];
    let files = types.map(|(name, _)| (name, "x"));
    let site = Site::new(&files);
    let six = Six::of(&site, &[]);
    for (name, expected) in types {
        let line = format!("Content-Type: {expected}");
        let expected = [line.as_str(), "X-Content-Type-Options: nosniff"];
        six.check(&format!("GET /{name}"), &[], 200, &expected);
    }
}

#[test]
fn ranges() {
    let large = "0123456789".repeat(30_000); // more than the cache keeps: sent from the file
    let site = Site::new(&[("small", "0123456789"), ("large", &large), ("empty", "")]);
    let six = Six::of(&site, &[]);
    for path in ["/small", "/large"] {
        let size = six
            .ask(&format!("HEAD {path}"), &[])
            .field("Content-Length")
            .unwrap()
            .to_owned();
        let last = size.parse::<u64>().unwrap() - 1;
        let get = format!("GET {path}");
        let check = |range: &str, content_range: &str, body: &str| {
            let line = format!("Content-Range: bytes {content_range}/{size}");
            six.content(&get, &[&format!("Range: {range}")], 206, &[&line], body);
        };
        check("bytes=0-3", "0-3", "0123"); // RFC 9110 §14.1.2
        check("bytes=-2", &format!("{}-{last}", last - 1), "89");
        check(
            &format!("bytes={}-", last - 2),
            &format!("{}-{last}", last - 2),
            "789",
        );
        let beyond = format!("Range: bytes={}-", last + 1);
        let unsatisfied = format!("Content-Range: bytes */{size}"); // §15.5.17
        six.check(&get, &[&beyond], 416, &[&unsatisfied]);
        six.check(&get, &["Range: lines=0-1"], 200, &["!Content-Range"]); // §14.2
        let joined = [format!("Content-Range: bytes 0-7/{size}")];
        six.check(&get, &["Range: bytes=0-5,2-7"], 206, &[&joined[0]]); // §15.3.7.2, overlap
        let head = format!("HEAD {path}");
        six.check(&head, &["Range: bytes=0-3"], 200, &["!Content-Range"]); // §14.2
    }
    let both = six.check(
        "GET /large",
        &["Range: bytes=0-1,100-101"],
        206,
        &["!Content-Range"],
    );
    let boundary = both
        .field("Content-Type")
        .unwrap()
        .split_once("boundary=")
        .unwrap()
        .1;
    let part = |range: &str| {
        format!(
            "--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Range: bytes {range}/300000\r\n\r\n01\r\n"
        )
    };
    let expected = format!("\r\n{}{}--{boundary}--\r\n", part("0-1"), part("100-101")); // §14.6
    assert_eq!(both.text(), expected);
    six.check(
        "GET /empty",
        &["Range: bytes=0-0"],
        416,
        &["Content-Range: bytes */0"],
    );
}

#[test]
fn conditions() {
    let site = Site::new(&[("a.txt", "0123456789")]);
    let six = Six::of(&site, &[]);
    let whole = six.check(
        "GET /a.txt",
        &[],
        200,
        &["Cache-Control: no-cache", "Accept-Ranges: bytes"],
    );
    let tag = whole.field("ETag").unwrap();
    let date = whole.field("Last-Modified").unwrap();
    assert!(tag.starts_with('"'), "{tag} is strong");
    let same = [format!("ETag: {tag}"), "Cache-Control: no-cache".into()];
    let same = same.each_ref().map(String::as_str);
    let check = |fields: &[String], status: u16, body: &str| {
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        six.content("GET /a.txt", &fields, status, &same, body);
    };
    let field = |name: &str, value: &str| format!("{name}: {value}");
    check(&[field("If-None-Match", tag)], 304, ""); // RFC 9110 §13.1.2
    check(
        &[field("If-None-Match", &format!("\"x\", W/{tag}"))],
        304,
        "",
    );
    check(&[field("If-None-Match", "*")], 304, "");
    check(&[field("If-Modified-Since", date)], 304, ""); // §13.1.3
    check(&[field("If-Match", tag)], 200, "0123456789"); // §13.1.1
    let range = || "Range: bytes=0-1".to_owned();
    check(&[range(), field("If-Range", tag)], 206, "01"); // §13.1.5
    check(&[range(), field("If-Range", "\"x\"")], 200, "0123456789");
    check(
        &[range(), field("If-Range", &format!("W/{tag}"))],
        200,
        "0123456789",
    );
    six.check("GET /a.txt", &["If-Match: \"x\""], 412, &[]);
    let long_ago = "If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT";
    six.check("GET /a.txt", &[long_ago], 412, &[]); // §13.1.4
    // §13.2.2: a tag that does not match rules the date out.
    check(
        &[
            field("If-None-Match", "\"x\""),
            field("If-Modified-Since", date),
        ],
        200,
        "0123456789",
    );
}

#[test]
fn directories() {
    let site = Site::new(&[
        ("docs/index.html", "<p>docs"),
        ("photos/a b.jpg", "x"),
        ("photos/<img src=x onerror=alert(1)>.txt", "x"),
        ("photos/50% #1?.txt", "percent"),
        ("photos/.secret", "x"),
        ("evil.example/x", "x"),
        ("\\evil.example/x", "x"),
        ("a b/x", "x"),
    ]);
    let six = Six::of(&site, &[]);
    // RFC 9110 §15.4.2: where to, and for who does not follow it, a link.
    let html = "Content-Type: text/html; charset=utf-8";
    let fields = ["Location: /docs/", html, "Cache-Control: no-store"];
    let moved = six.check("GET /docs", &[], 301, &fields);
    assert!(
        moved.text().contains("<a href=\"/docs/\">"),
        "{}",
        moved.text()
    );
    six.content("HEAD /docs", &[], 301, &fields, "");
    let moved = six.check("GET /docs?a=b&c", &[], 301, &["Location: /docs/?a=b&c"]);
    assert!(
        moved.text().contains("<a href=\"/docs/?a=b&amp;c\">"),
        "{}",
        moved.text()
    );
    six.check("GET /a%20b", &[], 301, &["Location: /a%20b/"]);
    six.content("GET /docs/", &[], 200, &[], "<p>docs");
    // An address that a browser reads as another host must never stand in Location.
    for evil in [
        "//evil.example",
        "///evil.example",
        "/.//evil.example",
        "/%5Cevil.example",
    ] {
        let line = format!("GET {evil}?//x");
        let location = match evil.contains('C') {
            true => "Location: /%5Cevil.example/?//x",
            false => "Location: /evil.example/?//x",
        };
        six.check(&line, &[], 301, &[location]);
    }
    let list = six.check(
        "GET /photos/",
        &[NAVIGATION],
        200,
        &["Content-Type: text/html; charset=utf-8"],
    );
    let page = list.text();
    assert!(page.contains("href=\"a%20b.jpg\""), "{page}");
    assert!(page.contains("50%25%20%231%3F.txt"), "{page}");
    assert!(
        page.contains("&lt;img src=x onerror") && !page.contains("<img src=x"),
        "{page}"
    );
    assert!(!page.contains(".secret"), "{page}");
    six.content("GET /photos/50%25%20%231%3F.txt", &[], 200, &[], "percent");
}

#[test]
fn a_listing_is_asked_again() {
    let site = Site::new(&[("photos/a.jpg", "x")]);
    let six = Six::of(&site, &[]);
    for accept in [NAVIGATION, "Accept: application/json", "Accept: text/plain"] {
        let listing = six.check("GET /photos/", &[accept], 200, &["Vary: Accept"]);
        let tag = listing.field("ETag").unwrap();
        let known = format!("If-None-Match: {tag}");
        let same = [
            format!("ETag: {tag}"),
            "Vary: Accept".into(),
            "!Content-Type".into(),
        ];
        let same = same.each_ref().map(String::as_str);
        six.content("GET /photos/", &[accept, &known], 304, &same, "");
        six.content("HEAD /photos/", &[accept, &known], 304, &same, "");
        six.check("GET /photos/", &[accept, "If-Match: \"x\""], 412, &[]);
    }
}

/// RFC 3986 §3.4: what is shown of a directory is part of its URL.
#[test]
fn a_listing_is_sorted_filtered_and_paged_by_its_url() {
    let site = Site::new(&[("d/a10", "x"), ("d/A9", "xxx"), ("d/b", "")]);
    let six = Six::of(&site, &[]);
    let plain = "Accept: text/plain";
    for (target, expected) in [
        ("GET /d/", "A9\na10\nb\n"),
        ("GET /d/?order=desc", "b\na10\nA9\n"),
        ("GET /d/?sort=size", "b\na10\nA9\n"),
        ("GET /d/?q=A", "A9\na10\n"),
    ] {
        let list = six.check(target, &[plain], 200, &["Vary: Accept"]);
        assert_eq!(list.text(), expected, "{target}");
    }
    let page = six.check("GET /d/?q=A&sort=size", &[NAVIGATION], 200, &[]);
    let page = page.text();
    assert!(page.contains("2 files, 4 B match"), "{page}");
}

#[test]
fn what_is_not_a_file_is_not_there() {
    let site = Site::new(&[
        ("file", "inside"),
        (".env", "KEY"),
        (".well-known/x", "token"),
    ]);
    let outside = Site::new(&[("secret", "SECRET")]);
    date_back(outside.0.path());
    let _socket = UnixListener::bind(site.path("socket")).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(site.path("fifo"))
            .status()
            .unwrap()
            .success()
    );
    for (name, target) in [
        ("zero", "/dev/zero".into()),
        ("out", outside.path("secret")),
        ("in", "file".into()),
    ] {
        symlink(target, site.path(name)).unwrap();
    }
    let table = [
        // path       inside follow deny
        ("/fifo", [404, 404, 404]),
        ("/socket", [404, 404, 404]),
        ("/zero", [404, 404, 404]),
        ("/out", [404, 200, 404]),
        ("/in", [200, 200, 404]),
        ("/.env", [404, 404, 404]),
        ("/.well-known/x", [200, 200, 200]),
    ];
    for (column, policy) in ["inside", "follow", "deny"].into_iter().enumerate() {
        let six = Six::of(&site, &["--symlinks", policy]);
        for (path, expected) in table {
            six.check(&format!("GET {path}"), &[], expected[column], &[]);
        }
    }
    let six = Six::of(&site, &["--hidden"]);
    six.content("GET /.env", &[], 200, &[], "KEY");
}
