//! What a user may ask for, option by option.

use std::io::ErrorKind;

use httpoll::service::{Files, FilesConfig, HeaderRule};

use super::Site;

fn rule(name: &str, value: &str, glob: Option<&str>) -> HeaderRule {
    HeaderRule {
        field: format!("{name}: {value}").parse().unwrap(),
        glob: glob.map(|glob| glob.parse().unwrap()),
    }
}

const NAVIGATION: &str = "Accept: text/html,application/xhtml+xml,*/*;q=0.8";

#[test]
fn how_long_answers_may_be_kept() {
    let files = [
        ("app.4f3a.js", ""),
        ("assets/a.css", ""),
        ("assets/deep/b.css", ""),
        ("index.html", ""),
    ];
    let mut site = Site::filled(&files, |config| {
        config.max_age = Some(600);
        config.immutable = ["*.????.js", "/assets/**"]
            .map(|glob| glob.parse().unwrap())
            .into();
    });
    let mut check = |target: &str, expected: &str| {
        let answer = site.get(target);
        assert_eq!(
            answer.field("Cache-Control").as_deref(),
            Some(expected),
            "{target}"
        );
    };
    check("/", "max-age=600");
    check("/index.html", "max-age=600");
    check("/app.4f3a.js", "max-age=31536000, immutable");
    check("/assets/a.css", "max-age=31536000, immutable");
    check("/assets/deep/b.css", "max-age=31536000, immutable");
    check("/none", "no-store"); // an error is never kept
}

#[test]
fn fields_of_the_users_own() {
    let files = [("a.html", "a"), ("b/c.wasm.gz", "c")];
    let mut site = Site::filled(&files, |config| {
        config.headers = vec![
            rule("X-All", "1", None),
            rule("Cache-Control", "public, max-age=5", Some("*.html")),
            rule("Content-Encoding", "gzip", Some("b/*.gz")),
            rule("Content-Type", "application/wasm", Some("*.wasm.gz")),
            rule("Vary", "Origin", None),
        ];
    });
    let page = site.get("/a.html");
    assert_eq!(page.field("X-All").as_deref(), Some("1"));
    assert_eq!(
        page.field("Cache-Control").as_deref(),
        Some("public, max-age=5")
    ); // instead of ours
    assert_eq!(
        page.field("Vary").as_deref(),
        Some("Accept-Encoding, Origin")
    ); // besides ours
    let wasm = site.get("/b/c.wasm.gz");
    assert_eq!(
        wasm.field("Content-Type").as_deref(),
        Some("application/wasm")
    );
    assert_eq!(wasm.field("Content-Encoding").as_deref(), Some("gzip"));
    assert_eq!(wasm.field("Cache-Control").as_deref(), Some("no-cache"));
    // RFC 9110 §15.4.5: a 304 repeats what a cache must update, not what describes the content.
    let same = site.ask(
        "GET",
        "/b/c.wasm.gz",
        &[&format!("If-None-Match: {}", wasm.etag())],
    );
    assert_eq!(same.field("X-All").as_deref(), Some("1"));
    assert_eq!(
        (same.field("Content-Type"), same.field("Content-Encoding")),
        (None, None)
    );
    let error = site.get("/none.html");
    assert_eq!(
        (error.status, error.field("X-All").as_deref()),
        (404, Some("1"))
    );
    assert_eq!(
        error.field("Content-Type").as_deref(),
        Some("text/plain; charset=utf-8")
    );
}

/// A rule means the files it matches, not what is said where there is none.
#[test]
fn no_rule_describes_or_keeps_what_is_no_file() {
    let files = [("a.js", "a"), ("d.svgz", "\x1f"), ("dir.js/b", "b")];
    let mut site = Site::filled(&files, |config| {
        config.headers = vec![
            rule("Cache-Control", "public, max-age=9", None),
            rule("CDN-Cache-Control", "max-age=9", None),
            rule("Content-Disposition", "attachment", None),
            rule("Content-Encoding", "br", Some("*.js")),
            rule("Content-Encoding", "br", Some("dir.js/**")),
            rule("Content-Location", "/x", None),
        ];
    });
    let about_content = [
        "Content-Encoding",
        "Content-Disposition",
        "Content-Location",
    ];
    let mut check = |method: &str, target: &str, field: &str, status: u16, kept: &str| {
        let answer = site.ask(method, target, &[field]);
        assert_eq!(answer.status, status, "{method} {target}");
        assert_eq!(
            answer.field("Cache-Control").as_deref(),
            Some(kept),
            "{target}"
        );
        let for_some = answer.field("CDN-Cache-Control");
        assert_eq!(for_some.is_some(), kept != "no-store", "{target}");
        for name in about_content {
            let value = answer.field(name);
            let own = name == "Content-Disposition" && target.ends_with("?zip");
            assert!(
                value.is_none() || own && value.unwrap().contains("dir.js.zip"),
                "{target} {name}"
            );
        }
    };
    check("GET", "/none.js", "X: 1", 404, "no-store");
    check("GET", "/%zz.js", "X: 1", 400, "no-store");
    check("GET", "/dir.js", "X: 1", 301, "no-store");
    check("POST", "/a.js", "X: 1", 405, "no-store");
    check("GET", "/a.js", "Range: bytes=9-", 416, "no-store");
    check("GET", "/dir.js/?zip", "X: 1", 200, "no-store");
    check("GET", "/dir.js/", "X: 1", 200, "public, max-age=9");
    let file = site.get("/a.js");
    assert_eq!(file.field("Content-Encoding").as_deref(), Some("br"));
    let same = site.ask(
        "GET",
        "/a.js",
        &[&format!("If-None-Match: {}", file.etag())],
    );
    let said = about_content.map(|name| same.field(name));
    assert_eq!(said, [None, None, Some("/x".into())], "RFC 9110 §15.4.5");
    // Said of itself, where no rule says otherwise.
    assert_eq!(
        site.get("/d.svgz").field("Content-Encoding").as_deref(),
        Some("gzip")
    );
    assert_eq!(site.get("/none.svgz").field("Content-Encoding"), None);
}

#[test]
fn of_several_rules_for_one_field_the_last_pattern_stands() {
    let mut site = Site::filled(&[("a.txt", "a"), ("b", "b"), ("all.html", "")], |config| {
        config.headers = vec![
            rule("Access-Control-Allow-Origin", "https://a", None),
            rule("Content-Type", "text/a", None),
            rule("Vary", "Origin", None),
            rule("X-Twice", "1", None),
            rule("X-Twice", "2", None),
            rule("Access-Control-Allow-Origin", "*", Some("*.txt")),
            rule("content-type", "text/b", Some("*.txt")),
            rule("Vary", "Cookie", Some("*.txt")),
            rule("Content-Type", "text/c", Some("a.*")),
            rule("Vary", "*", Some("all.*")),
        ];
    });
    let origin = "Access-Control-Allow-Origin";
    let answer = site.get("/a.txt");
    let said = |name| answer.field(name).unwrap_or_default();
    assert_eq!(
        (said(origin), said("Content-Type")),
        ("*".into(), "text/c".into())
    );
    assert_eq!(site.get("/all.html").field("Vary").as_deref(), Some("*"));
    let vary = "Vary: Accept-Encoding, Origin, Cookie\n";
    assert!(
        answer.fields.replace('\r', "").contains(vary),
        "{}",
        answer.fields
    );
    assert_eq!(said("X-Twice"), "1, 2");
    let answer = site.get("/b");
    let said = |name| answer.field(name).unwrap_or_default();
    assert_eq!(
        (said(origin), said("Content-Type")),
        ("https://a".into(), "text/a".into())
    );
}

#[test]
fn wishes_that_are_refused_at_the_start() {
    let check = |wish: &str, configure: &dyn Fn(&mut FilesConfig)| {
        let mut config = FilesConfig {
            root: "/".into(),
            ..FilesConfig::default()
        };
        configure(&mut config);
        let error = Files::open(&config, 1)
            .err()
            .unwrap_or_else(|| panic!("{wish}"));
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{wish}: {error}");
        assert!(error.to_string().contains(wish), "{error}");
    };
    check("app", &|config| config.prefix = "app".into());
    for prefix in ["/app/", "/", "//app", "/a//b", "/./app", "/app/.."] {
        check(prefix, &|config| config.prefix = prefix.into());
    }
    check("js", &|config| {
        config.mime = vec![("js".into(), "a\nb".into())];
    });
    let missing = FilesConfig {
        root: "/nowhere/at/all".into(),
        ..FilesConfig::default()
    };
    assert_eq!(
        Files::open(&missing, 1).err().map(|error| error.kind()),
        Some(ErrorKind::NotFound)
    );
    let file = FilesConfig {
        root: "/proc/self/status".into(),
        ..FilesConfig::default()
    };
    assert_eq!(
        Files::open(&file, 1).err().map(|e| e.kind()),
        Some(ErrorKind::NotADirectory)
    );
}

#[test]
fn a_single_page_application_answers_navigations_only() {
    let files = [
        ("index.html", "app"),
        ("real.html", "real"),
        ("404.html", "lost"),
    ];
    let mut site = Site::filled(&files, |config| config.spa = Some("index.html".into()));
    let mut check = |target: &str, fields: &[&str], expected: (u16, &str)| {
        site.ask("GET", target, fields)
            .expect(expected.0, expected.1);
    };
    check("/users/7", &[NAVIGATION], (200, "app"));
    check("/users/7/", &[NAVIGATION], (200, "app"));
    check(
        "/users/7",
        &[NAVIGATION, "Sec-Fetch-Mode: navigate"],
        (200, "app"),
    );
    check("/real.html", &[NAVIGATION], (200, "real"));
    check("/api/7", &["Accept: */*"], (404, "lost"));
    check("/api/7", &[], (404, "lost"));
    check(
        "/users/7",
        &[NAVIGATION, "Sec-Fetch-Mode: no-cors"],
        (404, "lost"),
    );
    check("/missing.js", &[NAVIGATION], (404, "lost"));
    check("/.env", &[NAVIGATION], (404, "lost"));
    // What no file can be called may be a route all the same; the way up stays refused.
    let long = format!("/docs/{}", "a".repeat(300));
    check("/blob/feature%2Fx", &[NAVIGATION], (200, "app"));
    check("/blob/feature%2Fx/", &[NAVIGATION], (200, "app"));
    check(&long, &[NAVIGATION], (200, "app"));
    check("/blob/feature%2Fx.js", &[NAVIGATION], (404, "lost"));
    check("/blob/feature%2Fx", &["Accept: */*"], (404, "lost"));
    for refused in ["/../x", "/%2e%2e/x", "/a/../../x", "/%00", "/%zz"] {
        assert_eq!(site.ask("GET", refused, &[NAVIGATION]).status, 400);
    }
    let answer = site.ask("GET", "/users/7", &[NAVIGATION]);
    // In one line: nginx before 1.23 looks at one.
    let vary = "Vary: Accept-Encoding, Accept, Sec-Fetch-Mode\n";
    assert!(
        answer.fields.replace('\r', "").contains(vary),
        "{}",
        answer.fields
    );
    let again = format!("If-None-Match: {}", answer.etag());
    assert_eq!(
        site.ask("GET", "/users/8", &[NAVIGATION, &again]).status,
        304
    );
    assert_eq!(site.ask("HEAD", "/users/7", &[NAVIGATION]).status, 200);
}

#[test]
fn the_page_of_a_404() {
    let mut site = Site::new(|config| config.max_age = Some(9));
    site.get("/none").expect(404, "404 Not Found\n");
    site.write("404.html", "lost");
    for _ in 0..2 {
        // RFC 9110 §13.2.1, §14.2: neither conditions nor ranges apply to an error.
        let answer = site.ask("GET", "/none", &["Range: bytes=0-1", "If-None-Match: *"]);
        answer.expect(404, "lost");
        assert_eq!(
            answer.field("Content-Type").as_deref(),
            Some("text/html; charset=utf-8")
        );
        assert_eq!(answer.field("Cache-Control").as_deref(), Some("no-store"));
        for absent in ["ETag", "Last-Modified", "Accept-Ranges"] {
            assert_eq!(answer.field(absent), None);
        }
    }
    site.get("/404.html").expect(200, "lost");
    // Also of a path that no file can have; of a file by the name that it spells it knows nothing.
    site.write("a%2Fb", "no");
    site.get("/a%2Fb").expect(404, "lost");
    site.get(&format!("/{}", "a".repeat(300)))
        .expect(404, "lost");
}

#[test]
fn scripts_from_elsewhere() {
    let mut site = Site::filled(&[("a", "abc")], |config| config.cors = true);
    for (target, field) in [
        ("/a", "X: 1"),
        ("/none", "X: 1"),
        ("/a", "Range: bytes=9-"),
        ("/a", "Range: bytes=0-0"),
    ] {
        let answer = site.ask("GET", target, &[field]);
        assert_eq!(
            answer.field("Access-Control-Allow-Origin").as_deref(),
            Some("*"),
            "{field}"
        );
        assert_eq!(
            answer.field("Access-Control-Expose-Headers").as_deref(),
            Some("*")
        );
        assert_eq!(
            answer.field("X-Content-Type-Options").as_deref(),
            Some("nosniff"),
            "once"
        );
    }
    let preflight = ["Origin: https://b", "Access-Control-Request-Method: GET"];
    let answer = site.ask("OPTIONS", "/a", &preflight);
    assert_eq!(answer.status, 204);
    assert_eq!(
        answer.field("Access-Control-Allow-Origin").as_deref(),
        Some("*")
    );
    assert_eq!(
        answer.field("Access-Control-Allow-Methods").as_deref(),
        Some("GET, HEAD, OPTIONS")
    );
    assert_eq!(
        answer.field("Access-Control-Allow-Headers").as_deref(),
        Some("*")
    );
    // Without the option nothing of it.
    let mut site = Site::filled(&[("a", "abc")], |_| {});
    let answer = site.ask("OPTIONS", "/a", &preflight);
    assert!(answer.status == 204 && !answer.fields.contains("Access-Control"));
    assert!(!site.get("/a").fields.contains("Access-Control"));
}

#[test]
fn isolation_types_charset_and_sniffing() {
    let mut site = Site::filled(&[("a.html", ""), ("a.ts", "")], |config| {
        config.cross_origin_isolated = true;
        config.charset = false;
        config.nosniff = false;
        config.mime = vec![("ts".into(), "text/plain; charset=latin1".into())];
    });
    let page = site.get("/a.html");
    assert_eq!(
        page.field("Cross-Origin-Opener-Policy").as_deref(),
        Some("same-origin")
    );
    assert_eq!(
        page.field("Cross-Origin-Embedder-Policy").as_deref(),
        Some("require-corp")
    );
    assert_eq!(page.field("Content-Type").as_deref(), Some("text/html"));
    assert_eq!(page.field("X-Content-Type-Options"), None);
    // The same on whatever else can be answered: a listing, a redirect, errors, no content at all.
    let check = |site: &mut Site, expected: Option<&str>| {
        site.write("d/a", "a");
        for (method, target, status, fields) in [
            ("GET", "/a.ts", 200, &[][..]),
            ("GET", "/d/", 200, &[]),
            ("GET", "/d/", 200, &["Accept: text/html"]),
            ("GET", "/d/", 200, &["Accept: application/json"]),
            ("GET", "/d/", 304, &["If-None-Match: *"]),
            ("GET", "/d/", 412, &["If-Match: \"x\""]),
            ("GET", "/d", 301, &[]),
            ("GET", "/none", 404, &[]),
            ("GET", "/none", 404, &["Accept: text/html"]),
            ("GET", "/d/a", 416, &["Range: bytes=9-"]),
            ("GET", "/d/a", 206, &["Range: bytes=0-0"]),
            ("GET", "/%zz", 400, &[]),
            ("POST", "/d/a", 405, &[]),
            ("BREW", "/d/a", 501, &[]),
            ("OPTIONS", "/d/a", 204, &[]),
        ] {
            let answer = site.ask(method, target, fields);
            assert_eq!(answer.status, status, "{method} {target} {fields:?}");
            let found = answer.field("X-Content-Type-Options");
            assert_eq!(found.as_deref(), expected, "{method} {target} {fields:?}");
        }
    };
    check(&mut site, None);
    let mut usual = Site::filled(&[("a.ts", "")], |_| {});
    check(&mut usual, Some("nosniff"));
    let script = site.get("/a.ts");
    assert_eq!(
        script.field("Content-Type").as_deref(),
        Some("text/plain; charset=latin1")
    );
}

#[test]
fn a_prefix() {
    let files = [("index.html", "home"), ("a.txt", "a"), ("dir/b.txt", "b")];
    let mut site = Site::filled(&files, |config| config.prefix = "/app".into());
    site.get("/app/").expect(200, "home");
    site.get("/app/a.txt").expect(200, "a");
    for (target, location) in [("/app", "/app/"), ("/app/dir?q", "/app/dir/?q")] {
        let answer = site.get(target);
        assert_eq!(
            (answer.status, answer.field("Location").as_deref()),
            (301, Some(location))
        );
    }
    for outside in ["/", "/a.txt", "/apple", "/app2/a.txt", "/x/app/a.txt"] {
        assert_eq!(site.get(outside).status, 404, "{outside}");
    }
    // RFC 3986 §6.2.2: one path in many spellings. Twice, for the cache.
    for _ in 0..2 {
        for same in [
            "/app/a.txt",
            "/%61pp/a.txt",
            "/ap%70/%61.txt",
            "//app/a.txt",
            "/app//a.txt",
            "/./app/./a.txt",
            "/x/../app/a.txt",
            "/app/../app/a.txt",
            "/app/x/../a.txt",
            "/app/dir/%2e%2e/a.txt",
        ] {
            site.get(same).expect(200, "a");
        }
    }
    for root in ["/app/.", "/app/dir/..", "/%61pp/", "/app//", "/x/%2E./app/"] {
        site.get(root).expect(200, "home");
    }
    let answer = site.get("/%61pp");
    assert_eq!(
        (answer.status, answer.field("Location").as_deref()),
        (301, Some("/app/"))
    );
    // The way up leads out of the mount, where there is nothing, and never above the root.
    for outside in ["/app/..", "/app/../", "/app/../a.txt", "/app/%2e%2e/a.txt"] {
        site.get(outside).expect(404, "404 Not Found\n");
    }
    for above in ["/../app/a.txt", "/app/../../app/a.txt", "/app/%zz", "/%"] {
        assert_eq!(site.get(above).status, 400, "{above}");
    }
}

#[test]
fn an_application_below_a_prefix_does_not_answer_beside_it() {
    let mut site = Site::filled(&[("index.html", "app")], |config| {
        config.prefix = "/app".into();
        config.spa = Some("index.html".into());
    });
    for route in ["/app/r", "/%61pp/r", "/app/a%2Fb"] {
        site.ask("GET", route, &[NAVIGATION]).expect(200, "app");
    }
    for beside in ["/r", "/apple/r", "/b/a%2Fb", "/app/../r"] {
        assert_eq!(
            site.ask("GET", beside, &[NAVIGATION]).status,
            404,
            "{beside}"
        );
    }
}

#[test]
fn one_file_instead_of_a_directory() {
    let files = [
        ("one.pdf", "%PDF"),
        ("other", "no"),
        ("one.pdf.gz", "no"),
        ("404.html", "no"),
    ];
    let mut site = Site::filled(&files, |config| {
        config.root.push("one.pdf");
        config.single_file = true;
    });
    for target in ["/", "/one.pdf"] {
        let answer = site.ask("GET", target, &["Accept-Encoding: gzip"]);
        answer.expect(200, "%PDF");
        assert_eq!(
            answer.field("Content-Type").as_deref(),
            Some("application/pdf")
        );
    }
    for target in ["/other", "/one.pdf/", "/one.pdf.gz", "/none", "/404.html"] {
        site.get(target).expect(404, "404 Not Found\n");
    }
    let nothing = FilesConfig {
        root: site.path(""),
        single_file: true,
        ..FilesConfig::default()
    };
    assert_eq!(
        Files::open(&nothing, 1).err().map(|e| e.kind()),
        Some(ErrorKind::InvalidInput)
    );
}

#[test]
fn errors_tell_nothing_of_the_server() {
    let mut site = Site::new(|_| {});
    let path = site.path("").display().to_string();
    for target in ["/none", "/%2e%2e/x", "/%3cscript%3e", "/%00"] {
        for accept in ["Accept: */*", NAVIGATION] {
            let answer = site.ask("GET", target, &[accept]);
            assert!(matches!(answer.status, 400 | 404));
            assert!(!answer.text().contains(&path) && !answer.text().contains("<script"));
            let html = answer
                .field("Content-Type")
                .unwrap()
                .starts_with("text/html");
            assert_eq!(html, accept == NAVIGATION);
        }
    }
}
