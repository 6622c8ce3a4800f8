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
        // What a query says that means nothing changes nothing of what is shown.
        for query in ["x", "sort=name", "order=asc&sort=&q=", "after=x&page=3"] {
            let target = format!("/d/?{query}");
            assert_eq!(site.ask("GET", &target, &[form]).etag(), *tag, "{query}");
        }
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

/// A page of any directory has one; what is streamed to a program from a directory that is too long
/// to be read before has not.
#[test]
fn a_long_listing_has_a_tag_as_long_as_it_is_kept() {
    let mut site = Site::new(|_| {});
    let asked = |site: &mut Site, form: &str| {
        let long = site.ask("GET", "/d/", &[form]);
        assert!(long.body.len() > 250_000);
        assert_eq!(again(site, form, &long.etag()).status, 304, "{form}");
        long.etag()
    };
    for n in 0..3_200 {
        site.write(&format!("d/{n:0>240}"), "");
        if n == 1_000 {
            for form in [FORMS[0], FORMS[1]] {
                let tag = asked(&mut site, form);
                // What has changed is far behind what is made before the head is sent.
                let last = fs::File::open(site.path(&format!("d/{n:0>240}"))).unwrap();
                let moved = SystemTime::UNIX_EPOCH + Duration::from_secs(form.len() as u64);
                last.set_modified(moved).unwrap();
                assert_eq!(again(&mut site, form, &tag).status, 200, "{form}");
            }
        }
    }
    asked(&mut site, FORMS[0]);
    let longer = site.ask("GET", "/d/", &[FORMS[1]]);
    assert_eq!((longer.status, longer.field("ETag")), (200, None));
    assert_eq!(again(&mut site, FORMS[1], "*").status, 304);
    let other = site.ask("GET", "/d/", &[FORMS[1], "If-Match: \"x\""]);
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
    // What only a script can do is made by it: every control belongs to a form that is sent.
    let (mut forms, mut controls) = (0, 0);
    for form in html.split("<form").skip(1) {
        let (form, _) = form.split_once("</form>").unwrap();
        assert!(form.contains("<button"), "{form}");
        forms += 1;
        controls += form.matches("<input").count() + form.matches("<button").count();
    }
    assert_eq!(forms, 4, "a heading each, and the archives");
    let all = html.matches("<input").count() + html.matches("<button").count();
    assert_eq!(all, controls);
    assert!(script.contains("press /"), "what it adds is told by it");
}

/// RFC 9110 §8.3: what is shown in place is what the file itself is sent as.
#[test]
fn a_picture_is_what_is_sent_as_one() {
    let mut site = Site::new(|config| config.mime.push(("pic".into(), "image/png".into())));
    site.write("d/a #1?%.JPG", "x");
    site.write("d/b.pic", "x");
    site.write("d/c.svg", "<svg/>");
    site.write("d/d.mp4", "x");
    site.write("d/e.txt", "x");
    site.write("d/sub/e.txt", "x");
    let page = site.ask("GET", "/d/?as=grid", &[FORMS[0]]);
    let sources: Vec<&str> = (page.text().split("<img loading=\"lazy\"").skip(1))
        .map(|image| image.split('"').nth(3).unwrap())
        .collect();
    assert_eq!(sources, ["a%20%231%3F%25.JPG", "b.pic", "c.svg"]);
    for source in sources {
        let file = site.ask("GET", &format!("/d/{source}"), &[]);
        let kind = file.field("Content-Type").unwrap();
        assert!(
            file.status == 200 && kind.starts_with("image/"),
            "{source} is {kind}"
        );
    }
    for part in [
        "<td class=\"v\"><a href=\"d.mp4\"><span></span>",
        "<td><a href=\"e.txt\"><span></span>",
        "<td class=\"d\"><a href=\"sub/?as=grid\"><span></span>",
    ] {
        assert!(page.text().contains(part), "{part}");
    }
    assert!(
        !page.text().contains("<video"),
        "none is fetched without a script"
    );
    let allowed = |page: &Answer| {
        let policy = page.field("Content-Security-Policy").unwrap();
        policy.contains("img-src 'self' data:; media-src 'self'")
    };
    let list = site.ask("GET", "/d/", &[FORMS[0]]);
    assert!(allowed(&page) && allowed(&list));
    assert!(
        list.text()
            .contains("<td class=\"p\"><a href=\"b.pic\"><bdi>")
    );
    assert!(!allowed(&site.ask("GET", "/d/sub/", &[FORMS[0]])));
    assert_ne!(page.etag(), list.etag());
    for form in &FORMS[1..] {
        let tag = |site: &mut Site, target| site.ask("GET", target, &[form]).etag();
        assert_eq!(
            tag(&mut site, "/d/?as=grid"),
            tag(&mut site, "/d/"),
            "{form}"
        );
    }
}

/// The names that a listing has, in its order, however it is written.
fn names(site: &mut Site, target: &str, form: &str) -> Vec<String> {
    let answer = site.ask("GET", target, &[form]);
    assert_eq!(answer.status, 200, "{target}");
    assert_eq!(answer.field("Vary").as_deref(), Some("Accept"));
    let cut = |text: &str, before: &str, behind: &str| -> Vec<String> {
        let rows = text.split(before).skip(1);
        let cut = rows.map(|row| row.split_once(behind).unwrap().0);
        cut.map(|name| name.trim_end_matches('/').to_owned())
            .collect()
    };
    match form {
        "Accept: text/html" => {
            let (_, rows) = answer.text().split_once("<tbody id=").unwrap();
            cut(rows, "<bdi>", "</bdi>")
        }
        "Accept: application/json" => cut(answer.text(), "{\"name\":\"", "\""),
        _ => (answer.text().lines())
            .map(|line| line.trim_end_matches('/').to_owned())
            .collect(),
    }
}

/// One order and one filter, whoever asks.
#[test]
fn sort_and_filter_are_part_of_the_url_in_every_form() {
    let mut site = Site::new(|_| {});
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    // Size and age say something else than the names.
    for (name, size, age) in [
        ("file2", 30, 5),
        ("File10", 20, 4),
        ("file1", 20, 3),
        ("\u{c9}t\u{e9}.txt", 10, 2),
        ("zeta", 0, 1),
    ] {
        site.write(&format!("d/{name}"), vec![b'x'; size]);
        let file = fs::File::open(site.path(&format!("d/{name}"))).unwrap();
        file.set_modified(then - Duration::from_secs(age)).unwrap();
    }
    for name in ["mid", "Archive"] {
        fs::create_dir(site.path(&format!("d/{name}"))).unwrap();
        let file = fs::File::open(site.path(&format!("d/{name}"))).unwrap();
        file.set_modified(then).unwrap();
    }
    let e = "\u{c9}t\u{e9}.txt";
    for (query, expected) in [
        (
            "",
            vec!["Archive", "mid", "file1", "file2", "File10", "zeta", e],
        ),
        (
            "sort=name&order=desc",
            vec!["mid", "Archive", e, "zeta", "File10", "file2", "file1"],
        ),
        (
            "dirs=mixed",
            vec!["Archive", "file1", "file2", "File10", "mid", "zeta", e],
        ),
        (
            "sort=size",
            vec!["Archive", "mid", "zeta", e, "file1", "File10", "file2"],
        ),
        (
            "sort=size&order=desc",
            vec!["Archive", "mid", "file2", "file1", "File10", e, "zeta"],
        ),
        (
            "sort=time",
            vec!["Archive", "mid", "file2", "File10", "file1", e, "zeta"],
        ),
        (
            "order=desc&sort=time&dirs=mixed",
            vec!["Archive", "mid", "zeta", e, "file1", "File10", "file2"],
        ),
        (
            "as=grid",
            vec!["Archive", "mid", "file1", "file2", "File10", "zeta", e],
        ),
        ("q=FILE", vec!["file1", "file2", "File10"]),
        (
            "q=file&sort=size&order=desc",
            vec!["file2", "file1", "File10"],
        ),
        ("q=ete", vec![e]),
        ("q=%C3%A9T%C3%89", vec![e]),
        ("q=nothing+like+it", vec![]),
        (
            "sort=colour&order=up&dirs=&page=9&",
            vec!["Archive", "mid", "file1", "file2", "File10", "zeta", e],
        ),
    ] {
        for form in FORMS {
            let found = names(&mut site, &format!("/d/?{query}"), form);
            assert_eq!(found, expected, "{form} ?{query}");
        }
    }
    let none = site.ask("GET", "/d/?q=%3Cu%3E%22&sort=size", &[FORMS[0]]);
    assert!(
        none.text()
            .contains("Nothing matches \u{201c}&lt;u&gt;&quot;\u{201d}.")
    );
    assert!(none.text().contains("<a href=?sort&#61;size>Show all</a>"));
    assert!(!none.text().contains("<u>") && none.text().contains("value=\"&lt;u&gt;&quot;\""));
}

/// Neither an order nor a filter, nor a place in a long directory, tells of what is not served.
#[test]
fn no_query_tells_of_what_is_not_served() {
    let mut site = Site::new(|_| {});
    site.write("d/seen", "x");
    site.write("d/.hidden-seen", "secret");
    fs::write(site.outside("outside-seen"), "secret").unwrap();
    std::os::unix::fs::symlink("../../outside-seen", site.path("d/link-seen")).unwrap();
    for query in [
        "",
        "q=hidden",
        "q=.",
        "q=link",
        "q=seen",
        "sort=size&order=desc",
        "sort=time&dirs=mixed",
        "after=d/",
        "after=f/.hidden",
        "before=f/zz",
        "q=link&after=f/a",
    ] {
        for form in FORMS {
            let answer = site.ask("GET", &format!("/d/?{query}"), &[form]);
            for secret in ["hidden-seen", "link-seen", "2 files", "of 2", "of 3"] {
                assert!(!answer.text().contains(secret), "{form} ?{query}: {secret}");
            }
        }
    }
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
