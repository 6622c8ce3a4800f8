//! What is served of a directory that takes uploads: files that strangers sent, and its page.

use std::fs;
use std::path::PathBuf;

use httpoll::service::{FilesConfig, UploadConfig};

use super::Site;
use crate::harness::{Server, request};

/// A site whose `directory` takes uploads.
fn site(directory: &str) -> Site {
    let uploads = UploadConfig {
        directory: PathBuf::from(directory),
        ..UploadConfig::default()
    };
    let site = Site::new(|config: &mut FilesConfig| {
        config.uploads = Some(uploads);
        config.archives = false;
    });
    for path in ["in/a.html", "in/b/a.svg", "index/a.html", "a.html"] {
        site.write(path, "<b>a</b>");
    }
    site
}

/// A page among the uploads would otherwise be one of this server (HTML §7.1.5).
#[test]
fn a_page_that_was_sent_has_an_origin_of_its_own() {
    let check = |directory: &str, target: &str, expected: Option<&str>| {
        let answer = site(directory).get(target);
        let policy = answer.field("Content-Security-Policy");
        assert_eq!(policy.as_deref(), expected, "{directory} {target}");
    };
    for directory in ["in", "in/"] {
        check(directory, "/in/a.html", Some("sandbox"));
        check(directory, "/in/b/a.svg", Some("sandbox"));
        check(directory, "/a.html", None);
        check(directory, "/index/a.html", None);
    }
    for target in ["/a.html", "/in/a.html", "/in/b/a.svg"] {
        check("", target, Some("sandbox"));
    }
}

/// A page that takes nothing may send nothing but its own URL, with other parameters.
#[test]
fn a_listing_takes_files_where_uploads_go_and_nowhere_else() {
    let check = |directory: &str, target: &str, expected: bool| {
        let page = site(directory).ask("GET", target, &["Accept: text/html"]);
        assert_eq!(page.status, 200, "{target}");
        let policy = page.field("Content-Security-Policy").unwrap();
        let form = "<form id=\"upload\" method=\"post\" enctype=\"multipart/form-data\">\n";
        for (part, of) in [("connect-src 'self'", &*policy), (form, page.text())] {
            assert_eq!(of.contains(part), expected, "{directory} {target}: {part}");
        }
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"));
    };
    check("in", "/in/", true);
    check("in", "/in/b/", true);
    check("in", "/", false);
    check("in", "/index/", false);
    check("", "/", true);
    check("", "/in/b/", true);
}

/// So it is said before an hour of sending.
#[test]
fn the_page_knows_how_long_a_file_may_be() {
    let max = |file_bytes_max: u64| {
        let uploads = UploadConfig {
            file_bytes_max,
            ..UploadConfig::default()
        };
        let mut site = Site::new(|config: &mut FilesConfig| config.uploads = Some(uploads));
        let page = site.ask("GET", "/", &["Accept: text/html"]);
        let (_, rest) = page.text().split_once("<form id=\"upload\"").unwrap();
        let (attributes, _) = rest.split_once('>').unwrap();
        let (_, rest) = attributes.split_once("data-max=\"")?;
        rest.split_once('"').map(|(number, _)| number.to_owned())
    };
    assert_eq!(max(1_048_576).as_deref(), Some("1048576"));
    assert_eq!(max(u64::MAX), None);
}

/// Each form is a representation of its own, and a client that has one page asks for nothing more.
#[test]
fn only_the_page_has_the_form() {
    let mut site = site("");
    for form in ["Accept: application/json", "Accept: text/plain"] {
        let listing = site.ask("GET", "/", &[form]);
        assert!(!listing.text().contains("upload"), "{form}");
        assert_eq!(listing.field("Content-Security-Policy"), None, "{form}");
    }
}

/// The page of the program, where nothing is listed: RFC 9110 §15.4.4.
#[test]
fn a_drop_box_has_the_form_and_says_what_it_took() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("in")).unwrap();
    let words = ["--upload=in", "--upload-only", "--max-upload=1K"];
    let server = Server::of("edge", root.path(), &words);
    for target in ["/in", "/in/", "/in/?sent=2"] {
        let page = server.ask("GET", target, &["Accept: text/html"]);
        assert_eq!(page.status, 200, "{target}");
        let policy = page.field("Content-Security-Policy").unwrap();
        for part in [
            "default-src 'none'",
            "form-action 'self'",
            "connect-src 'self'",
            "frame-ancestors 'self'",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        let form = "<form id=\"upload\" data-max=\"1024\" method=\"post\"";
        assert!(page.text().contains(form), "{}", page.text());
        let told = page.text().contains("2 files were uploaded.");
        assert_eq!(told, target.contains('?'), "{target}");
    }
    let part = |name: &str, content: &str| {
        let disposition = "Content-Disposition: form-data; name=\"file\"; filename=";
        format!("--x\r\n{disposition}\"{name}\"\r\n\r\n{content}\r\n")
    };
    let send = |parts: &[String]| {
        let body = format!("{}--x--\r\n", parts.concat());
        let length = format!("Content-Length: {}", body.len());
        let kind = "Content-Type: multipart/form-data; boundary=x";
        let fields = ["Accept: text/html", kind, &length];
        let mut client = server.connect();
        let head = request("POST", "/in/", &fields);
        client.send(&[head.as_bytes(), body.as_bytes()].concat());
        client.answer("POST")
    };
    let taken = send(&[part("a", "1"), part("a", "2")]);
    let location = taken.field("Location");
    assert_eq!((taken.status, location), (303, Some("/in/?sent=2")));
    for (name, content) in [("a", "1"), ("a (1)", "2")] {
        let stored = fs::read_to_string(root.path().join("in").join(name));
        assert_eq!(stored.unwrap(), content, "{name}");
    }
    let refused = send(&[part("b", &"b".repeat(1025))]);
    assert_eq!(refused.status, 413);
    assert!(
        refused.text().contains("<a href=\"/in/\">"),
        "{}",
        refused.text()
    );
}
