//! What a listing and the pages the server makes itself say to clients that ask again.

use std::fs;
use std::time::{Duration, SystemTime};

use super::{Answer, Site};

const FORMS: [&str; 3] = [
    "Accept: text/html",
    "Accept: application/json",
    "Accept: text/plain",
];

fn again(site: &mut Site, form: &str, tag: &str) -> Answer {
    let known = format!("If-None-Match: {tag}");
    site.ask("GET", "/d/", &[form, &known])
}

/// RFC 9110 §13.1.2, §15.4.5; §8.8.3.3: each form is a representation with a tag of its own.
#[test]
fn a_listing_that_shows_the_same_is_not_sent_again() {
    let mut site = Site::new(|_| {});
    site.write("d/a", "a");
    let tags = FORMS.map(|form| site.ask("GET", "/d/", &[form]).etag());
    for tag in &tags {
        assert!(tag.starts_with('"'), "{tag} is strong: §8.8.1");
        assert_eq!(tags.iter().filter(|other| *other == tag).count(), 1);
    }
    for (form, tag) in FORMS.iter().zip(&tags) {
        for known in [
            tag.clone(),
            format!("W/{tag}"),
            format!("\"x\", {tag}"),
            "*".into(),
        ] {
            let same = again(&mut site, form, &known);
            assert_eq!((same.status, same.body.len()), (304, 0), "{form} {known}");
            assert_eq!(same.etag(), *tag);
            assert_eq!(same.field("Vary").as_deref(), Some("Accept"));
            assert_eq!(same.field("Cache-Control").as_deref(), Some("no-cache"));
            assert_eq!(same.field("Content-Type"), None);
        }
        assert_eq!(again(&mut site, form, "\"x\"").status, 200);
        let head = site.ask("HEAD", "/d/", &[form, &format!("If-None-Match: {tag}")]);
        assert_eq!(head.status, 304);
        // A query changes nothing of what is shown.
        assert_eq!(site.ask("GET", "/d/?sort=size", &[form]).etag(), *tag);
        for (field, status) in [(tag.as_str(), 200), ("*", 200), ("\"x\"", 412)] {
            let field = format!("If-Match: {field}");
            assert_eq!(site.ask("GET", "/d/", &[form, &field]).status, status);
        }
    }
    for (form, tag) in FORMS.iter().zip(tags.iter().cycle().skip(1)) {
        assert_eq!(again(&mut site, form, tag).status, 200, "{form}");
    }
}

/// The tag is over what is shown, all of it and nothing else.
#[test]
fn a_listing_has_another_tag_when_it_shows_something_else() {
    let mut site = Site::new(|_| {});
    site.write("d/a", "a");
    site.write("e/a", "a");
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let date = |site: &Site, name: &str, time| {
        let file = fs::File::open(site.path(name)).unwrap();
        file.set_modified(time).unwrap();
    };
    date(&site, "d/a", then);
    date(&site, "e/a", then);
    for form in FORMS {
        let tag = |site: &mut Site| site.ask("GET", "/d/", &[form]).etag();
        let mut seen = vec![tag(&mut site)];
        let mut check = |site: &mut Site, what: &str, shows: bool| {
            let (body, now) = (site.ask("GET", "/d/", &[form]).body, tag(site));
            let known = again(site, form, seen.last().unwrap()).status;
            assert_eq!(now != *seen.last().unwrap(), shows, "{form}: {what}");
            assert_eq!(known, if shows { 200 } else { 304 }, "{form}: {what}");
            assert!(!shows || !seen.contains(&now), "{form}: {what} {body:?}");
            seen.push(now);
        };
        let lines_only = form.ends_with("plain");
        site.write("d/.hidden", "x");
        check(&mut site, "hidden", false);
        site.write("d/b", "b");
        check(&mut site, "a new file", true);
        fs::rename(site.path("d/b"), site.path("d/c")).unwrap();
        check(&mut site, "another name", true);
        fs::write(site.path("d/a"), "longer").unwrap();
        date(&site, "d/a", then);
        check(&mut site, "another size", !lines_only);
        date(&site, "d/a", then + Duration::from_secs(1));
        check(&mut site, "another time", !lines_only);
        date(&site, "d/a", then + Duration::from_millis(1_300));
        check(&mut site, "a fraction of a second", false);
        fs::remove_file(site.path("d/c")).unwrap();
        fs::create_dir(site.path("d/c")).unwrap();
        check(&mut site, "a directory of that name", true);
        fs::remove_dir_all(site.path("d")).unwrap();
        site.write("d/a", "a");
        date(&site, "d/a", then);
        let here = site.ask("GET", "/d/", &[form]).etag();
        let there = site.ask("GET", "/e/", &[form]).etag();
        let names_itself = form.ends_with("html");
        assert_eq!(here != there, names_itself, "{form}: the path is shown");
    }
}

/// Whatever its size, up to where it is not sorted: then nothing is read before it is sent.
#[test]
fn a_long_listing_has_a_tag_as_long_as_it_is_sorted() {
    let mut site = Site::new(|_| {});
    for n in 0..3_200 {
        site.write(&format!("d/{n:0>240}"), "");
        if n == 1_000 {
            let long = site.ask("GET", "/d/", &[FORMS[0]]);
            assert!(long.body.len() > 500_000);
            assert_eq!(again(&mut site, FORMS[0], &long.etag()).status, 304);
            // What has changed is far behind what is made before the head is sent.
            let last = fs::File::open(site.path(&format!("d/{n:0>240}"))).unwrap();
            last.set_modified(SystemTime::UNIX_EPOCH).unwrap();
            assert_eq!(again(&mut site, FORMS[0], &long.etag()).status, 200);
        }
    }
    let longer = site.ask("GET", "/d/", &[FORMS[0]]);
    assert_eq!((longer.status, longer.field("ETag")), (200, None));
    assert_eq!(again(&mut site, FORMS[0], "*").status, 304);
    let other = site.ask("GET", "/d/", &["If-Match: \"x\""]);
    assert_eq!(other.status, 412);
}

/// A browser asks for /favicon.ico of every page that names none: a 404 in its console.
#[test]
fn pages_of_our_own_bring_their_icon_and_may_show_it() {
    let mut site = Site::new(|_| {});
    site.write("d/a", "a");
    for target in ["/d/", "/none", "/d/%zz"] {
        let page = site.ask("GET", target, &[FORMS[0]]);
        let (head, _) = page.text().split_once("</head>").unwrap();
        assert!(
            head.contains("<link rel=\"icon\" href=\"data:image/svg+xml,"),
            "{head}"
        );
        let policy = page.field("Content-Security-Policy").unwrap();
        for allowed in ["default-src 'none'", "img-src data:", "style-src 'sha256-"] {
            assert!(policy.contains(allowed), "{target}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{target}: {policy}");
    }
}

#[test]
fn a_listing_describes_itself_and_works_without_its_script() {
    let mut site = Site::new(|_| {});
    site.write("d&/a", "12345");
    let page = site.ask("GET", "/d&/", &[FORMS[0]]);
    let (html, script) = page.text().split_once("<script>").unwrap();
    let description = "<meta name=\"description\" content=\"Files in /d&amp;/: 1 file, 5 B\">";
    assert!(html.contains(description), "{html}");
    // What only a script can do is made by it.
    for control in ["<input", "Filter"] {
        assert!(!html.contains(control), "{control}");
    }
    let (form, _) = html.split_once("</form>").unwrap();
    let (_, form) = form.split_once("<form id=\"download\"").unwrap();
    let works_alone = form.matches("<button name=").count();
    assert_eq!(html.matches("<button").count(), works_alone);
    assert!(script.contains("\"input\"") && script.contains("Filter"));
}

#[test]
fn a_page_of_an_error_leads_back_where_there_is_a_listing() {
    let files = [("d/a", "a")];
    let link = |site: &mut Site, target: &str| {
        let page = site.ask("GET", target, &[FORMS[0]]);
        assert!(page.status >= 400, "{target}");
        let (_, rest) = page.text().split_once("<a href=\"")?;
        rest.split_once('"').map(|(link, _)| link.to_owned())
    };
    let mut site = Site::filled(&files, |_| {});
    for target in ["/none", "/d/none", "/none/none/", "/a%2Fb", "/%zz"] {
        assert_eq!(link(&mut site, target).as_deref(), Some("/"), "{target}");
    }
    for (target, condition, status) in [
        ("/d/a", "Range: bytes=9-", 416),
        ("/d/", "If-Match: \"x\"", 412),
    ] {
        let page = site.ask("GET", target, &[FORMS[0], condition]);
        assert_eq!(page.status, status, "{target}");
        assert!(page.text().contains("<a href=\"/\">"), "{target}");
    }
    let plain = site.ask("GET", "/none", &[]);
    assert_eq!(plain.text(), "404 Not Found\n");
    let mut site = Site::filled(&files, |config| config.prefix = "/<app>".into());
    let target = "/%3Capp%3E/none";
    assert_eq!(link(&mut site, target).as_deref(), Some("/%3Capp%3E/"));
    let mut site = Site::filled(&files, |config| config.listing = false);
    for target in ["/none", "/"] {
        assert_eq!(link(&mut site, target), None, "{target}");
    }
    let mut site = Site::filled(&[("d", "a")], |config| {
        config.root.push("d");
        config.single_file = true;
    });
    assert_eq!(link(&mut site, "/none"), None);
}
