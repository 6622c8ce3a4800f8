//! What is served of a directory that takes uploads: files that strangers sent, and its page.

use std::path::PathBuf;

use httpoll::service::{FilesConfig, UploadConfig};

use super::Site;

/// A site whose `directory` takes uploads.
fn site(directory: &str) -> Site {
    let uploads = UploadConfig {
        directory: PathBuf::from(directory),
        ..UploadConfig::default()
    };
    let mut site = Site::new(|config: &mut FilesConfig| config.uploads = Some(uploads));
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
