//! Markdown: a file as a page, and the README beneath a listing.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use httpoll::service::{FilesConfig, HeaderRule, ProtectedPaths, Symlinks, UploadConfig};

use super::Site;

const HTML: &str = "Accept: text/html";

/// The page is as fresh as its file, and the next client is sent it from memory, at the cost of a file.
#[test]
fn a_page_is_made_once_of_each_version() {
    let mut site = Site::new(|_| {});
    site.write("a.md", "# One");
    let first = site.get("/a.md?view");
    assert!(first.later && first.text().contains("<h1 id=\"md-one\">One</h1>"));
    assert_eq!(
        first.field("Content-Type").as_deref(),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(first.field("Last-Modified"), None);
    assert!(!site.get("/a.md?x&view=").later);
    site.get("/a.md").expect(200, "# One");
    assert_eq!(site.allocations("GET", "/a.md", &[]), 0);
    let tag = first.etag();
    assert!(tag.starts_with('"') && tag != site.get("/a.md").etag());
    let known = format!("If-None-Match: {tag}");
    assert_eq!(site.ask("GET", "/a.md?view", &[&known]).status, 304);
    let part = site.ask("GET", "/a.md?view", &["Range: bytes=0-14"]);
    part.expect(206, "<!DOCTYPE html>");
    let head = site.ask("HEAD", "/a.md?view", &[]);
    assert_eq!((head.status, head.etag()), (200, tag.clone()));

    site.write("a.md", "# Two");
    let second = site.ask("GET", "/a.md?view", &[&known]);
    assert!(second.later && second.text().contains("<h1 id=\"md-two\">Two</h1>"));
    assert_ne!(second.etag(), tag);
    // What is sent in parts is the same.
    site.write("long.md", "# A heading\n\n".repeat(9_000));
    let whole = site.get("/long.md?view");
    assert!(whole.body.len() > 300_000);
    let part = site.ask("GET", "/long.md?view", &["Range: bytes=100000-"]);
    assert_eq!((part.status, &part.body[..]), (206, &whole.body[100_000..]));
}

#[test]
fn what_is_no_markdown_is_sent_as_it_is() {
    let mut site = Site::new(|_| {});
    site.write("a.txt", "# a");
    site.write("b.md", "# b");
    site.write("c.md/d", "");
    site.get("/a.txt?view").expect(200, "# a");
    for query in ["", "?", "?views", "?x=view", "?VIEW", "?vie%77"] {
        site.get(&format!("/b.md{query}")).expect(200, "# b");
    }
    assert_eq!(site.get("/c.md?view").status, 301);
    assert_eq!(site.get("/c.md/?view").status, 200);
    for missing in [
        "/none.md?view",
        "/.b.md?view",
        "/b.md%00?view",
        "/b.md/?view",
    ] {
        let status = site.get(missing).status;
        assert!(status == 404 || status == 400, "{missing}: {status}");
    }
    // Longer than is read, and longer than is made.
    for long in ["a".repeat(256 * 1024 + 1), "> ".repeat(100_000)] {
        site.write("long.md", &long);
        let answer = site.get("/long.md?view");
        assert_eq!(answer.body, long.as_bytes());
        assert_eq!(
            answer.field("Content-Type").as_deref(),
            Some("text/markdown; charset=utf-8")
        );
        assert!(!site.get("/long.md?view").later);
    }
}

#[test]
fn options_are_heeded_by_pages() {
    let rule = |line: &str| {
        let (glob, field) = line.split_once(' ').unwrap();
        HeaderRule {
            glob: Some(glob.parse().unwrap()),
            field: field.parse().unwrap(),
        }
    };
    let mut site = Site::new(|config| {
        config.cors = true;
        config.headers = vec![
            rule("*.md X-A: b"),
            rule("*.md Content-Type: text/x-own"),
            rule("packed.md Content-Encoding: gzip"),
        ];
        config.prefix = "/p".into();
        config.protected = ProtectedPaths::Some(vec!["secret*".parse().unwrap()]);
    });
    for name in ["a.md", "packed.md", "secret.md"] {
        site.write(name, "# A");
    }
    let page = site.get("/p/a.md?view");
    for (name, value) in [
        ("X-A", "b"),
        ("Access-Control-Allow-Origin", "*"),
        ("Content-Type", "text/html; charset=utf-8"),
        ("Cache-Control", "no-cache"),
    ] {
        assert_eq!(page.field(name).as_deref(), Some(value));
    }
    let private = site.get("/p/secret.md?view").field("Cache-Control");
    assert_eq!(private.as_deref(), Some("private, no-cache"));
    site.get("/p/packed.md?view").expect(200, "# A");

    let mut site = Site::new(|config| config.compress = true);
    site.write("a.md", "# A\n\n".repeat(500));
    let gzip = site.ask("GET", "/a.md?view", &["Accept-Encoding: gzip"]);
    assert_eq!(gzip.field("Content-Encoding").as_deref(), Some("gzip"));
    let again = site.ask("GET", "/a.md?view", &["Accept-Encoding: gzip"]);
    assert!(!again.later && again.etag() == gzip.etag());
    let plain = site.get("/a.md?view");
    assert!(plain.etag() != gzip.etag() && plain.text().starts_with("<!DOCTYPE"));
    assert_eq!(
        site.ask("GET", "/a.md", &["Accept-Encoding: gzip"]).body[0],
        0x1f
    );

    let mut site = Site::filled(&[("a.md", "# A"), ("b.md", "# B")], |config| {
        config.root.push("a.md");
        config.single_file = true;
    });
    site.get("/").expect(200, "# A");
    for target in ["/?view", "/a.md?view"] {
        let page = site.get(target);
        assert!(page.text().contains("<h1 id=\"md-a\">A</h1>"), "{target}");
        assert!(page.text().contains("<a href=a.md>") && !page.text().contains("Folder"));
        assert_eq!(page.field("Content-Disposition"), None);
    }
    assert_eq!(site.get("/b.md?view").status, 404);
}

fn has_readme(site: &mut Site, target: &str, fields: &[&str]) -> bool {
    let answer = site.ask("GET", target, fields);
    assert_eq!(answer.status, 200, "{target}");
    let policy = answer.field("Content-Security-Policy").unwrap_or_default();
    let has = answer.text().contains("<article class=\"md\">");
    assert_eq!(policy.contains("img-src 'self'"), has, "{target}");
    has
}

#[test]
fn a_readme_is_shown_beneath_a_listing() {
    let mut site = Site::new(|_| {});
    site.write("d/readme.MD", "# Hello\n\n![a](b.png)");
    site.write("d/x", "");
    let page = site.ask("GET", "/d/", &[HTML]);
    assert!(page.text().contains("<h1 id=\"md-hello\">Hello</h1>"));
    assert!(page.text().contains("<form action=readme.MD>"));
    assert!(has_readme(&mut site, "/d/?sort=size&order=desc", &[HTML]));
    for (target, form) in [
        ("/d/?q=e", HTML),
        ("/d/?after=f/a", HTML),
        ("/d/?before=f/z", HTML),
        ("/d/", "Accept: application/json"),
        ("/d/", "Accept: text/plain"),
    ] {
        assert!(!has_readme(&mut site, target, &[form]), "{target} {form}");
    }
    // The tag is over it, too.
    let tag = page.etag();
    site.write("d/readme.MD", "# Other\n\n![a](b.png)");
    let known = format!("If-None-Match: {tag}");
    assert_eq!(site.ask("GET", "/d/", &[HTML, &known]).status, 200);
    // The one that is written as it should be comes first.
    site.write("d/README.md", "# Right");
    assert!(
        site.ask("GET", "/d/", &[HTML])
            .text()
            .contains(">Right</h1>")
    );
    site.write("d/README.md", "a ".repeat(40_000));
    let long = site.ask("GET", "/d/", &[HTML]);
    assert!(long.text().contains("too long to be shown") && long.text().len() < 64_000);
    fs::remove_file(site.path("d/README.md")).unwrap();
    fs::remove_file(site.path("d/readme.MD")).unwrap();
    site.write("d/README.md/x", "");
    assert!(!has_readme(&mut site, "/d/", &[HTML]), "a directory");
}

/// It is read as a request for it would be answered.
#[test]
fn a_readme_that_would_not_be_served_is_not_shown() {
    let shows = |configure: fn(&mut FilesConfig), make: &dyn Fn(&Site)| {
        let mut site = Site::new(configure);
        site.write("d/x", "");
        site.write("inside.md", "# Secret");
        fs::write(site.outside("out.md"), "# Secret").unwrap();
        make(&site);
        site.ahead = Duration::from_secs(60);
        has_readme(&mut site, "/d/", &[HTML])
    };
    let file = |site: &Site| site.write("d/README.md", "# Secret");
    let link = |site: &Site| symlink("../inside.md", site.path("d/README.md")).unwrap();
    let out = |site: &Site| symlink("../../out.md", site.path("d/README.md")).unwrap();
    let lost = |site: &Site| symlink("none", site.path("d/README.md")).unwrap();
    assert!(shows(|_| {}, &file));
    assert!(shows(|_| {}, &link));
    assert!(!shows(|_| {}, &out));
    assert!(!shows(|_| {}, &lost));
    assert!(!shows(|config| config.symlinks = Symlinks::Deny, &link));
    assert!(shows(|config| config.symlinks = Symlinks::Follow, &out));
    let protect = |glob: &str| ProtectedPaths::Some(vec![glob.parse().unwrap()]);
    assert!(protect("README.md") != protect("d"));
    assert!(!shows(
        |config| config.protected = ProtectedPaths::Some(vec!["readme.md".parse().unwrap()]),
        &file
    ));
    assert!(shows(
        |config| config.protected = ProtectedPaths::Some(vec!["d".parse().unwrap()]),
        &file
    ));
    // Whoever sends one would write the page that all see there.
    assert!(!shows(
        |config| {
            config.uploads = Some(UploadConfig {
                directory: "d".into(),
                ..UploadConfig::default()
            });
        },
        &file
    ));
}

/// A person is shown a way to the page, by a form: programs that follow links do not take it twice.
#[test]
fn a_listing_has_a_button_for_each_markdown_file() {
    let mut site = Site::new(|_| {});
    site.write("d/a b.md", "");
    site.write("d/c.txt", "");
    site.write("d/e.md/x", "");
    let page = site.ask("GET", "/d/", &[HTML]);
    assert_eq!(page.text().matches("name=\"view\"").count(), 1);
    let form = "<a href=\"a%20b.md\"><bdi>a b.md</bdi></a>\
        <form class=\"view\" action=a%20b.md><button name=\"view\">View</button></form>";
    assert!(page.text().contains(form), "{}", page.text());
}
