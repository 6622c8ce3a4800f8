//! Strictly fresh, one version at a time, and bounded.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use super::Site;
use super::root::race;
use crate::encodings;

#[test]
fn an_edit_is_seen_by_the_very_next_request() {
    let mut site = Site::new(|_| {});
    // The real clock: edits in the same tick of the file system's must be seen as well.
    site.ahead = Duration::ZERO;
    for n in 0..120 {
        let content = format!("version {n:04}");
        site.write("a.txt", &content); // in place, of equal length
        site.get("/a.txt").expect(200, &content);
        let content = format!("renamed {n:04}");
        site.write("tmp", &content);
        fs::rename(site.path("tmp"), site.path("a.txt")).unwrap();
        site.get("/a.txt").expect(200, &content);
    }
    fs::remove_file(site.path("a.txt")).unwrap();
    assert_eq!(site.get("/a.txt").status, 404);
}

#[test]
fn a_file_is_looked_at_once_per_turn() {
    let mut site = Site::new(|_| {});
    site.write("a.txt", "old");
    // The first answer may be a job's, so it is the second that the loop looked at itself.
    site.get("/a.txt");
    site.get("/a.txt").expect(200, "old");
    site.write("a.txt", "new!");
    // The turn had read all its requests before it looked: this one was sent before the edit.
    site.ask_in_this_turn("GET", "/a.txt", &[])
        .expect(200, "old");
    site.get("/a.txt").expect(200, "new!");
}

#[test]
fn a_cached_file_is_trusted_as_long_as_was_asked() {
    let mut site = Site::new(|config| config.cache_valid = Some(Duration::from_secs(1)));
    site.write("a.txt", "old");
    site.get("/a.txt").expect(200, "old");
    site.write("a.txt", "new!");
    site.elapsed += Duration::from_millis(999);
    site.get("/a.txt").expect(200, "old");
    site.elapsed += Duration::from_millis(1);
    site.get("/a.txt").expect(200, "new!");
}

#[test]
fn other_kinds_of_change_are_seen_too() {
    let mut site = Site::new(|_| {});
    site.write("a", "file");
    site.get("/a").expect(200, "file");
    fs::remove_file(site.path("a")).unwrap();
    site.write("a/index.html", "index");
    assert_eq!(site.get("/a").status, 301);
    site.get("/a/").expect(200, "index");
    fs::remove_file(site.path("a/index.html")).unwrap();
    assert!(
        site.get("/a/").text().contains("<!DOCTYPE html>"),
        "a listing"
    );
    site.write("a/index.html", "again");
    site.get("/a/").expect(200, "again");
    fs::remove_dir_all(site.path("a")).unwrap();
    assert_eq!(site.get("/a/").status, 404);
}

#[test]
fn two_spellings_of_a_path_are_one_entry() {
    let mut site = Site::new(|_| {});
    site.write("a b.txt", "x");
    site.get("/a%20b.txt").expect(200, "x");
    site.get("/a%20b.txt").expect(200, "x");
    let cached = site.files.cached();
    for target in [
        "/a%20%62.txt",
        "/./a%20b.txt",
        "//a%20b.txt",
        "/c/../a%20b.txt?q",
    ] {
        site.get(target).expect(200, "x");
    }
    assert_eq!(site.files.cached(), cached);
    // A name that looks like an escape is another file.
    site.write("a%20b.txt", "y");
    site.get("/a%2520b.txt").expect(200, "y");
    site.get("/a%20b.txt").expect(200, "x");
}

/// The cache's promise is a number; a hundred files of ten times its size must not move it.
#[test]
fn memory_and_descriptors_are_bounded() {
    let (bytes_max, descriptors_max) = (300_000, 5);
    let mut site = Site::new(|config| {
        config.cache_bytes = bytes_max;
        config.cache_descriptors = descriptors_max;
    });
    for n in 0..100 {
        site.write(&format!("small{n}"), vec![b's'; 30_000]);
        site.write(&format!("large{n}"), vec![b'l'; 130 * 1024]);
    }
    site.write("huge.txt", vec![b'h'; 128 * 1024]);
    let mut most = (0, 0);
    for n in (0..100).chain(0..100) {
        for name in ["small", "large"] {
            assert_eq!(site.get(&format!("/{name}{n}")).status, 200);
        }
        site.get("/huge.txt");
        let (bytes, descriptors) = site.files.cached();
        assert!(
            bytes <= bytes_max && descriptors <= descriptors_max,
            "{bytes} {descriptors}"
        );
        most = (bytes.max(most.0), descriptors.max(most.1));
    }
    assert!(
        most.0 > bytes_max / 2 && most.1 == descriptors_max,
        "{most:?} is not used"
    );
    // Unused descriptors are closed after a minute.
    site.elapsed += Duration::from_secs(70);
    site.get("/small0");
    assert_eq!(site.files.cached().1, 0);
}

#[test]
fn a_file_in_use_survives_the_pressure() {
    let mut site = Site::new(|config| config.cache_bytes = 100_000);
    for n in 0..50 {
        site.write(&format!("f{n}"), vec![b'x'; 10_000]);
    }
    site.write("favourite", "here");
    site.get("/favourite");
    for n in 0..50 {
        site.get(&format!("/f{n}"));
        site.get("/favourite").expect(200, "here");
    }
    assert!(site.files.cached().0 <= 100_000);
}

#[test]
fn tags_of_content_are_the_same_on_every_replica() {
    let contents = [("small", "same".to_owned()), ("large", "x".repeat(200_000))];
    let tags: Vec<Vec<String>> = (0..2)
        .map(|_| {
            let mut site = Site::new(|config| config.etag = httpoll::service::EtagMode::Content);
            let tag = |(name, content): &(&str, String)| {
                site.write(name, content);
                site.get(&format!("/{name}")).etag()
            };
            contents.iter().map(tag).collect()
        })
        .collect();
    assert_eq!(tags[0], tags[1]);
    // SHA-256 of "same", its first 88 bits.
    assert_eq!(tags[0][0], "\"0967115f2813a3541eaef7\"");
}

/// A deployment by rename, as fast as rename(2) can: each answer is one version, whole, and a tag
/// never stands for two. Sizes lie on both sides of what is kept in memory.
#[test]
fn an_answer_is_one_version_of_the_file() {
    let mut site = Site::new(|_| {});
    site.ahead = Duration::ZERO;
    let content = |version: usize| {
        let letter = b'a' + u8::try_from(version % 26).unwrap();
        let len = if version.is_multiple_of(3) {
            150_000
        } else {
            1_000
        };
        vec![letter; len + version % 97]
    };
    site.write("a", content(0));
    let root = site.path("");
    let mut seen: HashMap<String, (u8, usize)> = HashMap::new();
    let mut version = 0;
    let mut deploy = || {
        version += 1;
        fs::write(root.join("tmp"), content(version)).unwrap();
        fs::rename(root.join("tmp"), root.join("a")).unwrap();
    };
    let mut ask = || {
        let answer = site.get("/a");
        assert_eq!(answer.status, 200);
        let first = answer.body[0];
        let one = answer.body.iter().all(|&byte| byte == first);
        assert!(one, "two versions in one answer");
        let version = (first, answer.body.len());
        assert_eq!(
            *seen.entry(answer.etag()).or_insert(version),
            version,
            "one tag, two versions"
        );
        seen.len()
    };
    // On a busy machine the two take turns that are longer than the race.
    let mut versions = 0;
    for _ in 0..50 {
        race(&mut deploy, || versions = ask());
        if versions > 20 {
            return;
        }
    }
    panic!("{versions} versions are no race");
}

#[test]
fn work_that_may_wait_comes_home_into_the_cache() {
    let mut site = Site::new(|_| {});
    let config = httpoll::service::FilesConfig {
        root: site.path(""),
        ..Default::default()
    };
    // Without openat2(2) it is not known whether a name is at hand: every miss is a job's.
    site.files = httpoll::service::Files::open_without_openat2(&config, 1).unwrap();
    site.write("a.txt", "a");
    let answer = site.get("/a.txt");
    assert!(answer.expect(200, "a").later);
    let answer = site.get("/a.txt");
    assert!(!answer.expect(200, "a").later, "the loop has it now");
    site.write("a.txt", "edited");
    assert!(site.get("/a.txt").expect(200, "edited").later);
}

#[test]
fn a_cached_answer_allocates_nothing() {
    let mut site = Site::new(|_| {});
    site.write("small.html", "x");
    site.write("small.html.gz", encodings::gzip(b"x"));
    site.write("large", vec![b'x'; 200_000]);
    site.write("dir/index.html", "i");
    let tag = format!("If-None-Match: {}", site.get("/small.html").etag());
    for target in ["/large", "/dir/"] {
        site.get(target);
    }
    let since = "If-Modified-Since: Thu, 01 Jan 2037 00:00:00 GMT";
    let mut check = |method: &str, target: &str, fields: &[&str], expected: usize| {
        for _ in 0..2 {
            site.ask(method, target, fields); // comes home from a job, if need be
        }
        let count = site.allocations(method, target, fields);
        assert!(count <= expected, "{method} {target} {fields:?}: {count}");
    };
    check("GET", "/small.html", &[], 0);
    check("HEAD", "/small.html", &[], 0);
    check("GET", "/small.html?query", &[], 0);
    check("GET", "/large", &[], 0);
    check("GET", "/dir/", &[], 0);
    check("GET", "/small%2ehtml", &[], 0); // decoded into a buffer that is lent
    check("GET", "/small.html", &[&tag], 0);
    check("GET", "/small.html", &[since], 0);
    check(
        "GET",
        "/small.html",
        &["Accept-Encoding: gzip, br;q=0.5"],
        0,
    );
    // Content-Range is made for each answer: its text, and the fields it is put behind.
    check("GET", "/large", &["Range: bytes=5-"], 4);
}
