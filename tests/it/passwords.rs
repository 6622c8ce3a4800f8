//! Passwords: who is asked for one, for what, and what else could be told or taken without it.

use std::fs;
use std::io::{BufRead, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use httpoll::http::{Request, Tick};
use httpoll::service::{Files, FilesConfig, Passwords, ProtectedPaths, Reply, Service, Users};
use tempfile::TempDir;

use crate::counting::counted;
use crate::harness::{Answer, Server, matrix};
use crate::process::{MANY, each, memory_kib};

/// What a client sends that knows a user's password.
fn basic(user: &str, password: &str) -> String {
    let token = STANDARD.encode(format!("{user}:{password}"));
    format!("Authorization: Basic {token}")
}

/// The program with these words and this input: its code and its two outputs.
fn run(words: &[&str], input: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_httpoll"));
    let (stdin, out) = (Stdio::piped(), Stdio::piped());
    let child = command
        .args(words)
        .stdin(stdin)
        .stdout(out)
        .stderr(Stdio::piped());
    let mut child = child.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// A directory to serve, and beside it a file of users: `bob` with the password `secret`.
struct Place {
    dir: TempDir,
    users: PathBuf,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        for file in [
            "a.txt",
            "pub/b.txt",
            "pub/c.pdf",
            "private/secret.txt",
            "private/deep/er.txt",
            "docs/index.html",
            "inbox/x",
        ] {
            fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            fs::write(root.join(file), format!("content of {file}\n")).unwrap();
        }
        let (code, hash, error) = run(&["--hash-password"], "secret\n");
        assert_eq!(code, 0, "{error}");
        let users = dir.path().join("users");
        fs::write(&users, format!("# who\nbob:{hash}")).unwrap();
        fs::set_permissions(&users, fs::Permissions::from_mode(0o600)).unwrap();
        Self { dir, users }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    fn server(&self, backend: &str, words: &[&str]) -> Server {
        let users = self.users.to_str().unwrap();
        let all = [&["--auth", "alice:a:b", "--auth-file", users], words].concat();
        Server::of(backend, &self.root(), &all)
    }
}

fn check_challenge(answer: &Answer, about: &str) {
    assert_eq!(answer.status, 401, "{about}: {}", answer.head);
    let challenge = answer.field("WWW-Authenticate");
    assert_eq!(
        challenge,
        Some("Basic realm=\"httpoll\", charset=\"UTF-8\""),
        "{about}"
    );
    assert_eq!(answer.field("Cache-Control"), Some("no-store"), "{about}");
    assert!(!answer.text().contains("content of"), "{about}");
}

const TARGETS: [&str; 10] = [
    "/",
    "/a.txt",
    "/missing",
    "/docs",
    "/docs/",
    "/private/?zip",
    "/pub/?tar.gz",
    "/%zz",
    "/a%2Fb",
    "http://localhost/a.txt",
];

matrix! {
    fn nothing_is_told_without_a_password(backend) {
        let place = Place::new();
        let server = place.server(backend, &["--upload"]);
        for target in TARGETS {
            for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"] {
                let about = format!("{method} {target}");
                check_challenge(&server.ask(method, target, &["Content-Length: 0"]), &about);
            }
        }
        check_challenge(&server.ask("OPTIONS", "*", &[]), "OPTIONS *");
        for field in [
            basic("alice", "wrong"),
            basic("bob", "a:b"),
            basic("Alice", "a:b"),
            "Authorization: Basic".into(),
            "Authorization: Bearer YWxpY2U6YTpi".into(),
            format!("{}\r\n{}", basic("alice", "a:b"), basic("alice", "a:b")),
        ] {
            check_challenge(&server.ask("GET", "/a.txt", &[&field]), &field);
        }
        for (user, password) in [("alice", "a:b"), ("bob", "secret"), ("bob", "secret")] {
            let field = basic(user, password);
            let answer = server.ask("GET", "/a.txt", &[&field]);
            assert_eq!((answer.status, answer.text().as_str()), (200, "content of a.txt\n"));
            assert_eq!(answer.field("Cache-Control"), Some("private, no-cache"), "{user}");
            let tag = format!("If-None-Match: {}", answer.field("ETag").unwrap());
            let answer = server.ask("GET", "/a.txt", &[&field, &tag]);
            assert!(answer.status == 304 || tag.contains("W/"), "{}", answer.head);
            assert_eq!(answer.field("Cache-Control"), Some("private, no-cache"), "{user}");
            let listing = server.ask("GET", "/pub/", &[&field]);
            assert!(listing.status == 200 && listing.text().contains("b.txt"));
            let cached = listing.field("Cache-Control").unwrap();
            assert!(cached.contains("private") || cached.contains("no-store"), "{cached}");
            assert_eq!(server.ask("GET", "/missing", &[&field]).status, 404);
        }
    }

    fn a_request_is_refused_before_its_content_is_taken(backend) {
        let place = Place::new();
        let server = place.server(backend, &["--upload"]);
        let head = "PUT /inbox/new HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n";
        let told = server.raw(format!("{head}Expect: 100-continue\r\n\r\n").as_bytes());
        assert!(told.starts_with("HTTP/1.1 401 "), "{told}");
        assert!(!told.contains("100 Continue"), "{told}");
        for (user, password) in [("alice", "a:b"), ("bob", "secret")] {
            let mut client = server.connect();
            let field = basic(user, password);
            let head = format!("PUT /inbox/{user} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n");
            client.send(format!("{head}{field}\r\nExpect: 100-continue\r\n\r\n").as_bytes());
            assert_eq!(client.head().status, 100);
            client.send(b"hello");
            let answer = client.answer("PUT");
            assert_eq!(answer.status, 201, "{}", answer.head);
            assert_eq!(answer.field("Cache-Control"), Some("no-store"));
            let saved = fs::read(place.root().join("inbox").join(user)).unwrap();
            assert_eq!(saved, b"hello");
        }
        assert!(!place.root().join("inbox/new").exists());
    }

    fn what_is_asked_for_has_many_spellings(backend) {
        let place = Place::new();
        let server = place.server(backend, &["--auth-for", "private/**", "--auth-for", "*.pdf"]);
        for target in [
            "/private",
            "/private/",
            "/private/secret.txt",
            "/private/missing",
            "/private/deep/er.txt",
            "/%70rivate/secret.txt",
            "/%50RIVATE/secret.txt",
            "/Private/secret.txt",
            "//private/secret.txt",
            "/private//secret.txt",
            "/./private/secret.txt",
            "/pub/../private/secret.txt",
            "/pub/%2e%2e/private/secret.txt",
            "/pub/.%2E/private/.//deep/er.txt",
            "/private/secret.txt?x",
            "/private/?zip",
            "/private/deep/?tar",
            "http://localhost/private/secret.txt",
            "/private%2Fsecret.txt",
            "/private/secret.txt%00",
            "/pub/c.pdf",
            "/pub/c%2epdf",
            "/pub/c.pdf.gz",
        ] {
            check_challenge(&server.get(target), target);
            let mut client = server.connect();
            let field = basic("alice", "a:b");
            client.send(crate::harness::request("GET", target, &[&field]).as_bytes());
            assert_ne!(client.head().status, 401, "{target}");
        }
        let answer = server.get("/pub/b.txt");
        assert_eq!((answer.status, answer.field("Cache-Control")), (200, Some("no-cache")));
        let private = server.ask("GET", "/private/secret.txt", &[&basic("bob", "secret")]);
        assert_eq!(private.field("Cache-Control"), Some("private, no-cache"));
    }

    fn listings_and_archives_of_what_is_public_leave_it_out(backend) {
        let place = Place::new();
        let server = place.server(backend, &["--auth-for", "private", "--auth-for", "*.pdf"]);
        for form in ["text/html", "application/json", "text/plain"] {
            for field in ["X: y".to_owned(), basic("alice", "a:b")] {
                let accept = format!("Accept: {form}");
                let listing = server.ask("GET", "/", &[&accept, &field]).text();
                assert!(listing.contains("a.txt") && !listing.contains("private"), "{listing}");
                let listing = server.ask("GET", "/pub/", &[&accept, &field]).text();
                assert!(listing.contains("b.txt") && !listing.contains("c.pdf"), "{listing}");
            }
        }
        let rest = |target: &str, field: &str| {
            let mut client = server.connect();
            let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{field}\r\n\r\n");
            client.send(head.as_bytes());
            let mut bytes = Vec::new();
            client.0.read_to_end(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        for target in ["/?tar", "/?zip", "/pub/?tar"] {
            let archive = rest(target, "X: y");
            assert!(archive.contains("b.txt"), "{target}");
            assert!(!archive.contains("private") && !archive.contains("c.pdf"), "{target}");
        }
        let archive = rest("/private/?tar", &basic("alice", "a:b"));
        assert!(archive.contains("secret.txt") && archive.contains("er.txt"));
    }

    /// As many as a browser has, and more: each is the same try.
    fn a_crowd_with_one_password_is_one_try(backend) {
        let place = Place::new();
        let server = place.server(backend, &[]);
        let request = crate::harness::request("GET", "/a.txt", &[&basic("bob", "secret"), "Connection: close"]);
        // `blocking` has one client at a time, so the others wait in its backlog.
        let mut clients: Vec<_> = (0..32).map(|_| server.connect()).collect();
        for client in &mut clients {
            client.send(request.as_bytes());
        }
        for mut client in clients {
            assert_eq!(client.answer("GET").status, 200);
        }
    }

    fn wrong_tries_are_slowed_for_their_address_only(backend) {
        let place = Place::new();
        let server = place.server(backend, &["--trusted-proxy", "127.0.0.1"]);
        let ask = |address: &str, password: &str| {
            let client = format!("X-Forwarded-For: {address}");
            server.ask("GET", "/a.txt", &[&client, &basic("bob", password)])
        };
        assert_eq!(ask("192.0.2.1", "secret").status, 200);
        let tries: Vec<_> = (0..20).map(|n| ask("192.0.2.1", &format!("wrong{n}"))).collect();
        let refused: Vec<_> = tries.iter().filter(|answer| answer.status == 429).collect();
        assert!(refused.len() >= 5, "{}", refused.len());
        assert!(tries[..10].iter().all(|answer| answer.status == 401));
        assert!(refused.iter().all(|answer| answer.field("Retry-After") == Some("1")));
        assert_eq!(ask("192.0.2.1", "secret").status, 200, "it has shown it before");
        assert_eq!(ask("192.0.2.1", "wrong0").status, 401, "nothing new is learnt from it");
        assert_eq!(ask("192.0.2.2", "secret").status, 200, "nobody else waits");
    }
}

/// Of those who guess from many addresses at once most are refused, and who knows a password is let in
/// meanwhile.
#[test]
fn guesses_from_many_addresses_keep_nobody_waiting_for_long() {
    each(&MANY, |backend| {
        let place = Place::new();
        let server = place.server(backend, &["--trusted-proxy", "127.0.0.1"]);
        let mut clients: Vec<_> = (0..300).map(|_| server.connect()).collect();
        for (n, client) in clients.iter_mut().enumerate() {
            let address = format!("X-Forwarded-For: 192.0.2.{}", n / 10);
            let fields = [address.as_str(), &basic("bob", &format!("wrong{n}"))];
            client.send(crate::harness::request("GET", "/a.txt", &fields).as_bytes());
        }
        let fields = ["X-Forwarded-For: 198.51.100.1", &basic("bob", "secret")];
        let newcomer = server.ask("GET", "/a.txt", &fields).status;
        assert_eq!(newcomer, 200, "{backend}");
        let statuses: Vec<_> = clients
            .iter_mut()
            .map(|client| client.answer("GET").status)
            .collect();
        let judged = statuses.iter().filter(|status| **status == 401).count();
        let refused = statuses.iter().filter(|status| **status == 429).count();
        assert_eq!(judged + refused, 300, "{backend}");
        assert!(
            judged >= 8 && refused > 100,
            "{backend}: {judged} {refused}"
        );
    });
}

/// Each hash takes 19 MiB, and a stranger can ask for any number of them.
#[test]
fn hashes_leave_no_memory_behind() {
    let place = Place::new();
    let server = place.server("edge", &["--trusted-proxy", "127.0.0.1"]);
    let before = memory_kib(server.pid());
    let mut clients: Vec<_> = (0..24).map(|_| server.connect()).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        let address = format!("X-Forwarded-For: 192.0.2.{n}");
        let fields = [&address, &basic("bob", "wrong"), "Connection: close"];
        client.send(crate::harness::request("GET", "/a.txt", &fields).as_bytes());
    }
    for mut client in clients {
        assert_eq!(client.answer("GET").status, 401);
    }
    let grown = memory_kib(server.pid()).saturating_sub(before);
    assert!(grown < 32 * 1024, "{grown} KiB");
}

#[test]
fn other_threads_and_a_confined_process_know_it_too() {
    let place = Place::new();
    let server = place.server("edge", &["--workers", "2", "--sandbox", "strict"]);
    for _ in 0..24 {
        let answer = server.ask("GET", "/a.txt", &[&basic("bob", "secret")]);
        assert_eq!(answer.status, 200, "{}", answer.head);
    }
}

/// A page of 500 files is one hash: what is remembered is answered at once and allocates nothing.
#[test]
fn what_is_remembered_costs_no_job_and_no_allocation() {
    let place = Place::new();
    let config = FilesConfig {
        root: place.root(),
        protected: ProtectedPaths::All,
        ..FilesConfig::default()
    };
    let mut users = Users::default();
    users
        .add_file(&fs::read_to_string(&place.users).unwrap())
        .unwrap();
    let files = Files::open(&config, 1).unwrap();
    let passwords = Passwords::new(users, &config).unwrap();
    let mut service = passwords.in_front_of(files.clone());
    let head = crate::harness::request("GET", "/a.txt", &[&basic("bob", "secret")]);
    let request = Request::parse(head.as_bytes()).unwrap();
    let mut now = Tick::for_tests();
    let mut work = 0;
    while let Reply::Later(job) = service.call(&request, &now) {
        work += 1;
        assert!(work < 3, "one for the hash, one for the file");
        drop(httpoll::service::run_to_end(job, &|| false));
        now.turn += 1;
    }
    for _ in 0..500 {
        now.turn += 1;
        let (count, reply) = counted(|| service.call(&request, &now));
        assert!(matches!(reply, Reply::Now(response) if response.status.code() == 200));
        assert_eq!(count, 0);
    }
    // Another loop is told, and computes nothing.
    let mut other = passwords.in_front_of(files);
    if let Reply::Later(job) = other.call(&request, &now) {
        assert_ne!(job.key(), Some(u64::MAX), "a hash");
    }
}

#[test]
fn a_form_cannot_put_what_needs_a_password() {
    let place = Place::new();
    let words = [
        "--upload=inbox",
        "--auth-for",
        "inbox/*.pdf",
        "--auth-for",
        "private",
    ];
    let server = place.server("edge", &words);
    let form =
        "--b\r\nContent-Disposition: form-data; name=f; filename=\"x.pdf\"\r\n\r\nx\r\n--b--\r\n";
    let head = format!(
        "POST /inbox/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\
         Content-Type: multipart/form-data; boundary=b\r\n",
        form.len()
    );
    let told = server.raw(format!("{head}\r\n{form}").as_bytes());
    assert!(told.starts_with("HTTP/1.1 401 "), "{told}");
    assert!(!place.root().join("inbox/x.pdf").exists());
    let field = basic("alice", "a:b");
    let told = server.raw(format!("{head}{field}\r\n\r\n{form}").as_bytes());
    assert!(
        told.starts_with("HTTP/1.1 201 ") || told.starts_with("HTTP/1.1 303 "),
        "{told}"
    );
    let put = |name: &str| {
        let head = format!(
            "PUT /inbox/{name} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"
        );
        server.raw(head.as_bytes())
    };
    assert!(put("free").starts_with("HTTP/1.1 201 "));
    assert!(put("y.pdf").starts_with("HTTP/1.1 401 "));
}

#[test]
fn what_stands_in_for_others_is_not_what_needs_a_password() {
    let place = Place::new();
    fs::write(place.root().join("404.html"), "content of 404\n").unwrap();
    let server = place.server("edge", &["--auth-for", "*.html"]);
    let answer = server.get("/missing");
    assert_eq!(answer.status, 404);
    assert!(!answer.text().contains("content of"), "{}", answer.text());
    check_challenge(&server.get("/docs/"), "its index is one");
    check_challenge(&server.get("/404.html"), "itself");
    let root = place.root();
    let root = root.to_str().unwrap();
    let spa = [
        root,
        "--auth",
        "a:b",
        "--auth-for",
        "docs",
        "--spa=docs/index.html",
    ];
    let (code, _, error) = run(&spa, "");
    assert!(code == 2 && error.contains("--spa"), "{error}");
    let one = format!("{root}/a.txt");
    let (code, _, error) = run(&[&one, "--auth", "a:b", "--auth-for", "a.txt"], "");
    assert!(code == 2 && error.contains("one file"), "{error}");
}

/// The file is public, what stands beside it is not.
#[test]
fn an_encoding_that_needs_a_password_is_not_sent_instead() {
    let place = Place::new();
    let root = place.root();
    fs::write(root.join("a.txt"), "public ".repeat(500)).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all("public ".repeat(500).as_bytes()).unwrap();
    fs::write(root.join("a.txt.gz"), encoder.finish().unwrap()).unwrap();
    let takes = "Accept-Encoding: gzip";
    let open = Server::of("edge", &root, &[]);
    let answer = open.ask("GET", "/a.txt", &[takes]);
    assert_eq!(answer.field("Content-Encoding"), Some("gzip"));
    let server = place.server("edge", &["--auth-for", "*.gz"]);
    check_challenge(&server.get("/a.txt.gz"), "itself");
    let answer = server.ask("GET", "/a.txt", &[takes]);
    assert_eq!(
        (answer.status, answer.field("Content-Encoding")),
        (200, None)
    );
    assert_eq!(answer.text(), "public ".repeat(500));
}

/// Who mistypes a pattern is told, and does not serve everything to everybody.
#[test]
fn a_pattern_that_could_match_nothing_is_refused() {
    let place = Place::new();
    let root = place.root();
    for pattern in [
        "./private",
        "private/../private",
        "private//",
        "{private,docs}",
        "!pub",
    ] {
        let words = [
            root.to_str().unwrap(),
            "--auth",
            "a:b",
            "--auth-for",
            pattern,
        ];
        let (code, _, error) = run(&words, "");
        assert!(
            code == 2 && error.contains("--auth-for"),
            "{pattern}: {error}"
        );
    }
}

/// Fetch: a preflight carries no credentials; `*` does not stand for Authorization.
#[test]
fn a_preflight_needs_no_password_where_it_is_answered() {
    let place = Place::new();
    let preflight = ["Origin: http://b", "Access-Control-Request-Method: GET"];
    let server = place.server("edge", &["--cors"]);
    let answer = server.ask("OPTIONS", "/a.txt", &preflight);
    assert_eq!(answer.status, 204);
    assert_eq!(
        answer.field("Access-Control-Allow-Headers"),
        Some("*, Authorization")
    );
    check_challenge(
        &server.ask("OPTIONS", "/a.txt", &preflight[..1]),
        "no preflight",
    );
    check_challenge(&server.ask("GET", "/a.txt", &preflight), "no preflight");
    let answer = server.ask("GET", "/a.txt", &preflight);
    assert_eq!(
        answer.field("Access-Control-Allow-Origin"),
        Some("*"),
        "a script may see why"
    );
    drop(server);
    let server = place.server("edge", &[]);
    check_challenge(
        &server.ask("OPTIONS", "/a.txt", &preflight),
        "without --cors",
    );
}

#[test]
fn no_rule_of_a_user_makes_it_public() {
    let place = Place::new();
    let words = [
        "--header",
        "Cache-Control: public, s-maxage=9, max-age=60",
        "--hello",
    ];
    let server = place.server("edge", &words);
    let field = basic("alice", "a:b");
    for (target, expected) in [
        ("/a.txt", "private, max-age=60"),
        ("/pub/", "private, max-age=60"),
        ("/hello", "private, max-age=60"),
        // What was not to be kept is not.
        ("/docs", "no-store"),
        ("/missing", "no-store"),
    ] {
        let answer = server.ask("GET", target, &[&field]);
        let value = answer.field("Cache-Control").unwrap();
        assert_eq!(value, expected, "{target}");
    }
    drop(server);
    let server = place.server("edge", &["--max-age", "60", "--immutable", "*.pdf"]);
    let kept = |target: &str| {
        let answer = server.ask("GET", target, &[&field]);
        answer.field("Cache-Control").unwrap().to_owned()
    };
    assert_eq!(kept("/a.txt"), "private, max-age=60");
    assert_eq!(kept("/pub/c.pdf"), "private, max-age=31536000, immutable");
}

/// Neither as it is nor as it is sent, on either output, in the record of the loop or by `--trace`.
#[test]
fn a_password_is_printed_nowhere() {
    let place = Place::new();
    let record = place.dir.path().join("record");
    let (log, users) = (place.dir.path().join("log"), place.users.to_str().unwrap());
    let mut command = Command::new(env!("CARGO_BIN_EXE_httpoll"));
    command
        .arg(place.root())
        .args(["--listen", "127.0.0.1:0", "--log", "plain", "--trace"]);
    command.args([
        "--auth",
        "alice:hunter2hunter2",
        "--auth-file",
        users,
        "--record",
    ]);
    command.arg(&record).stderr(fs::File::create(&log).unwrap());
    let mut server = Server::run(command);
    let wrong = basic("alice", "hunter3hunter3");
    for field in [
        basic("alice", "hunter2hunter2"),
        basic("bob", "secret"),
        wrong,
    ] {
        server.ask("GET", "/a.txt", &[&field]);
    }
    server.child().kill().unwrap();
    let printed = run(&["--auth", "alice:hunter2hunter2", "--print-config"], "");
    assert!(printed.1.contains("# auth is set"), "{}", printed.1);
    let mut said = server.told.clone() + &printed.1;
    server.out.read_to_string(&mut said).unwrap();
    assert!(said.contains("GET /a.txt"), "{said}");
    for file in [&record, &log] {
        said.push_str(&String::from_utf8_lossy(
            &fs::read(file).unwrap_or_default(),
        ));
    }
    for secret in ["hunter", "argon2", "aHVudGVy", "YWxpY2U6", "Ym9iOnN"] {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
}

#[test]
fn what_is_wrong_with_users_is_told_without_their_passwords() {
    let place = Place::new();
    let root = place.root();
    let root = root.to_str().unwrap();
    let check = |words: &[&str], expected: i32, advice: &str| {
        let (code, out, error) = run(&[&[root, "-p", "0"], words].concat(), "");
        assert_eq!(code, expected, "{words:?}: {out}{error}");
        assert!(
            error.contains(advice) && error.lines().count() == 1,
            "{words:?}: {error}"
        );
        assert!(!error.contains("hunter2"), "{error}");
    };
    check(&["--auth", "hunter2"], 2, "USER:PASSWORD");
    check(&["--auth", ":hunter2"], 2, "is empty");
    check(&["--auth", "a:"], 2, "is empty");
    check(&["--auth", "a:b", "--auth", "a:hunter2"], 2, "named before");
    check(&["--auth-for", "private"], 2, "--auth-for needs users");
    check(
        &["--auth-file", "/no/such"],
        1,
        "; name a file with lines of user:hash (",
    );
    let file = |text: &str| {
        let path = place.dir.path().join("other");
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    check(&["--auth-file", &file("# nobody\n")], 1, "nobody");
    check(
        &["--auth-file", &file("\na:hunter2\n")],
        1,
        "line 2: no Argon2 hash",
    );
    let served = place.root().join("users");
    fs::copy(&place.users, &served).unwrap();
    check(
        &["--auth-file", served.to_str().unwrap()],
        1,
        "lies in what is served",
    );
}

#[test]
fn it_says_who_could_read_the_hashes_and_the_passwords() {
    let place = Place::new();
    let told = place.server("edge", &[]).told.clone();
    assert!(
        !told.contains("chmod") && !told.contains("plain text"),
        "{told}"
    );
    fs::set_permissions(&place.users, fs::Permissions::from_mode(0o644)).unwrap();
    let (root, users) = (place.root(), place.users.to_str().unwrap());
    let root = root.to_str().unwrap();
    let words = [root, "--listen", "0.0.0.0:0", "--auth-file", users];
    let mut server = Server::start_with(&words);
    let mut told = server.told.clone();
    while !told.contains("--allow-host") {
        assert_ne!(server.out.read_line(&mut told).unwrap(), 0, "{told}");
    }
    assert!(
        told.contains("chmod o-r") && told.contains("plain text"),
        "{told}"
    );
    assert!(!told.contains("Everybody who can reach"), "{told}");
}

#[test]
fn a_hash_is_made_of_what_comes() {
    let (code, hash, error) = run(&["--hash-password"], "caf\u{e9}\r\nmore\n");
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && hash.ends_with('\n'));
    let mut users = Users::default();
    users.add_file(&format!("a:{hash}")).unwrap();
    for (input, advice) in [("", "empty"), ("\n", "empty"), ("a\u{7}b\n", "control")] {
        let (code, out, error) = run(&["--hash-password"], input);
        assert!(
            code == 1 && out.is_empty() && error.contains(advice),
            "{error}"
        );
    }
}
