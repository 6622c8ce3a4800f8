//! What a user may ask for, seen from outside.

use super::{NAVIGATION, Site, Six};

#[test]
fn an_application_with_its_own_routes() {
    let site = Site::new(&[("index.html", "<p>app"), ("a.js", "js")]);
    let six = Six::of(&site, &["--spa"]);
    six.content("GET /users/7", &[NAVIGATION], 200, &[], "<p>app");
    six.check("GET /users/7", &["Accept: */*"], 404, &[]); // not a navigation
    six.check("GET /missing.js", &[NAVIGATION], 404, &[]); // an asset that is missing is missing
    six.content("GET /a.js", &[], 200, &[], "js");
    let site = Site::new(&[("shell.html", "<p>shell")]);
    let six = Six::of(&site, &["--spa=shell.html"]);
    six.content("GET /users/7", &[NAVIGATION], 200, &[], "<p>shell");
}

#[test]
fn a_page_for_what_is_missing() {
    let site = Site::new(&[("404.html", "<p>lost?"), ("a.txt", "a")]);
    let six = Six::of(&site, &[]);
    let page = ["Content-Type: text/html; charset=utf-8"];
    six.content("GET /none/at/all", &[NAVIGATION], 404, &page, "<p>lost?");
    six.content(
        "GET /none",
        &[NAVIGATION, "If-None-Match: *"],
        404,
        &page,
        "<p>lost?",
    );
    six.content(
        "GET /none",
        &[NAVIGATION, "Range: bytes=0-1"],
        404,
        &page,
        "<p>lost?",
    );
}

#[test]
fn pages_of_other_origins() {
    let site = Site::new(&[("a.json", "{}")]);
    let six = Six::of(&site, &["--cors"]);
    let any = "Access-Control-Allow-Origin: *";
    six.check("GET /a.json", &["Origin: http://o.example"], 200, &[any]);
    six.check("GET /none", &["Origin: http://o.example"], 404, &[any]);
    let preflight = [
        "Origin: http://o.example",
        "Access-Control-Request-Method: GET",
    ];
    let allowed = [any, "Access-Control-Allow-Methods: GET, HEAD, OPTIONS"];
    six.check("OPTIONS /a.json", &preflight, 204, &allowed);
    let six = Six::of(&site, &["--cross-origin-isolated"]);
    let isolated = [
        "Cross-Origin-Opener-Policy: same-origin",
        "Cross-Origin-Embedder-Policy: require-corp",
        "!Access-Control-Allow-Origin",
    ];
    six.check("GET /a.json", &[], 200, &isolated);
}

#[test]
fn a_directory_below_a_path() {
    let site = Site::new(&[("index.html", "<p>home"), ("d/index.html", "<p>d")]);
    let six = Six::of(&site, &["--prefix", "/docs"]);
    six.content("GET /docs/", &[], 200, &[], "<p>home");
    six.check("GET /docs?q", &[], 301, &["Location: /docs/?q"]);
    six.check("GET /docs/d", &[], 301, &["Location: /docs/d/"]);
    six.content("GET /docs/d/", &[], 200, &[], "<p>d");
    for elsewhere in ["/", "/d/", "/docsx"] {
        six.check(&format!("GET {elsewhere}"), &[], 404, &[]);
    }
    six.check("GET /docs/../d/", &[], 404, &[]); // what leaves the directory is elsewhere
    six.content("GET /%64ocs/./d/", &[], 200, &[], "<p>d"); // RFC 3986 §6.2.2
    assert!(six.0[0].1.told.contains("/docs/\n"), "{}", six.0[0].1.told);
}

#[test]
fn fields_types_and_ages() {
    let site = Site::new(&[
        ("a.html", "<p>a"),
        ("b.md", "# b"),
        ("assets/c.js", "c"),
        ("d.wasm", "d"),
    ]);
    let six = Six::of(
        &site,
        &[
            "--header",
            "X-All: 1",
            "--header-for",
            "*.wasm",
            "X-Wasm: 1",
        ],
    );
    six.check("GET /a.html", &[], 200, &["X-All: 1", "!X-Wasm"]);
    six.check("GET /d.wasm", &[], 200, &["X-All: 1", "X-Wasm: 1"]);
    six.check("GET /none", &[], 404, &["X-All: 1"]);
    let six = Six::of(&site, &["--mime", "md=text/markdown", "--charset", "off"]);
    six.check("GET /b.md", &[], 200, &["Content-Type: text/markdown"]);
    six.check("GET /a.html", &[], 200, &["Content-Type: text/html"]);
    let six = Six::of(&site, &["--mime", "md=text/plain", "--no-nosniff"]);
    let markdown = [
        "Content-Type: text/plain", // as it was said
        "!X-Content-Type-Options",
    ];
    six.check("GET /b.md", &[], 200, &markdown);
    let six = Six::of(&site, &["--max-age", "60", "--immutable", "assets/*"]);
    six.check("GET /a.html", &[], 200, &["Cache-Control: max-age=60"]);
    let for_ever = ["Cache-Control: max-age=31536000, immutable"];
    six.check("GET /assets/c.js", &[], 200, &for_ever);
    six.check("GET /none", &[], 404, &["Cache-Control: no-store"]);
}

/// `--help`: "every answer".
#[test]
fn fields_of_every_answer_whoever_makes_it() {
    let words = [
        "--header",
        "X-All: 1",
        "--header-for",
        "*",
        "X-File: 1",
        "--cors",
    ];
    let every = ["X-All: 1", "!X-File", "Access-Control-Allow-Origin: *"];
    let site = Site::new(&[("a", "a")]);
    let six = Six::of(
        &site,
        &[&words[..], &["--hello", "--allow-host", "localhost"]].concat(),
    );
    let of_file = ["X-All: 1", "X-File: 1", "Access-Control-Allow-Origin: *"];
    six.check("GET /a", &[], 200, &of_file);
    six.content("GET /hello", &[], 200, &every, "Hello, World!");
    six.check("GET /hello", &["If-None-Match: *"], 304, &every);
    six.check("POST /hello", &[], 405, &every);
    six.check("OPTIONS *", &[], 204, &every);
    six.check("GET http://evil.example/a", &[], 421, &every);
    // Made by the connection.
    six.check("GET a", &[], 400, &every);
    six.check("GET /a", &["Expect: miracles"], 417, &every);
    six.check("GET /a", &["Content-Length: 9999999"], 413, &every);
    six.check("GET /a", &["Transfer-Encoding: gzip, chunked"], 501, &every);
    six.check(&format!("GET /{}", "n".repeat(8200)), &[], 414, &every);
    six.check(
        "GET /a",
        &[&format!("X: {}", "y".repeat(17_000))],
        431,
        &every,
    );
    let six = Six::start(&[&words[..], &["--hello"]].concat());
    six.content("GET /", &[], 200, &every, "Hello, World!");
    six.check("GET /none", &[], 404, &every);
}

#[test]
fn tags_from_the_content_are_the_same_on_every_replica() {
    let tags = ["one", "other"].map(|_| {
        let site = Site::new(&[("a.txt", "the same")]);
        let six = Six::of(&site, &["--etag", "content"]);
        six.ask("GET /a.txt", &[]).field("ETag").unwrap().to_owned()
    });
    assert_eq!(tags[0], tags[1]);
}

#[test]
fn what_stands_for_a_directory() {
    let site = Site::new(&[
        ("index.html", "<p>index"),
        ("home.txt", "home"),
        ("d/x", "x"),
    ]);
    let six = Six::of(&site, &["--index", "home.txt"]);
    six.content(
        "GET /",
        &[],
        200,
        &["Content-Type: text/plain; charset=utf-8"],
        "home",
    );
    six.check("GET /d/", &[], 200, &[]);
    let six = Six::of(&site, &["--no-listing"]);
    six.content("GET /", &[], 200, &[], "<p>index");
    six.check("GET /d/", &[], 404, &[]);
    six.check("GET /d/x", &[], 200, &[]);
}

#[test]
fn one_file() {
    let site = Site::new(&[("a b.txt", "the file"), ("other.txt", "no")]);
    let six = Six::start(&[site.path("a b.txt").to_str().unwrap()]);
    six.content(
        "GET /",
        &[],
        200,
        &["Content-Type: text/plain; charset=utf-8"],
        "the file",
    );
    six.content("GET /a%20b.txt", &[], 200, &[], "the file");
    six.check("GET /other.txt", &[], 404, &[]);
}

#[test]
fn hello_alone_and_beside_a_directory() {
    let site = Site::new(&[("index.html", "<p>home")]);
    let six = Six::start(&["--hello"]);
    let plain = ["Content-Type: text/plain", "Content-Length: 13"];
    six.content("GET /", &[], 200, &plain, "Hello, World!");
    six.content("HEAD /", &[], 200, &plain, "");
    six.check("POST /", &[], 405, &["Allow: GET, HEAD, OPTIONS"]);
    six.check("GET /none", &[], 404, &[]);
    let six = Six::of(&site, &["--hello"]);
    six.content("GET /hello", &[], 200, &plain, "Hello, World!");
    six.content("GET /", &[], 200, &[], "<p>home");
}
