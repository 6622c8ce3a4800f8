//! What browsers send: multipart/form-data (RFC 7578).

use super::*;
use crate::harness::BACKENDS;
use crate::process::{each, memory_kib};

const JSON: &[&str] = &["Accept: application/json"];

#[test]
fn a_form_is_the_same_in_small_pieces() {
    let near = format!("\r\n--{}\r\n--{BOUNDARY}", &BOUNDARY[..5]);
    let near = &near.as_bytes()[..near.len() - BOUNDARY.len()];
    let files: [(&str, &[u8]); 4] = [
        ("a", b""),
        ("b", b"\r\n"),
        ("c", near),
        ("d", b"\r\n\r\n--\r"),
    ];
    let whole = form(&files);
    each(&BACKENDS, |backend| {
        let inbox = Inbox::start(backend, &["--on-conflict=replace"]);
        for piece in [1, 2, 7, 64] {
            let kind = format!("Content-Type: multipart/form-data; boundary={BOUNDARY}");
            let length = format!("Content-Length: {}", whole.len());
            let mut client = inbox.server.connect();
            client.0.get_ref().set_nodelay(true).unwrap();
            client.send(request("POST", "/inbox/", &[&kind, &length]).as_bytes());
            for piece in whole.chunks(piece) {
                client.send(piece);
            }
            assert_eq!(client.answer("POST").status, 303, "{backend}");
            let expected: BTreeMap<_, _> = files
                .iter()
                .map(|(name, content)| ((*name).to_owned(), content.to_vec()))
                .collect();
            assert_eq!(inbox.tree(), expected, "{backend} {piece}");
        }
    });
}

/// An upload looks at its content a buffer at a time: the end of a part may lie anywhere between two.
#[test]
fn the_end_of_a_part_may_lie_across_two_buffers() {
    const BUFFER: usize = 256 * 1024;
    let before = part("name=f; filename=a", b"").len() - "\r\n".len();
    let delimiter = format!("\r\n--{BOUNDARY}\r\n").len();
    let content = bytes(BUFFER);
    each(&BACKENDS, |backend| {
        let inbox = Inbox::start(backend, &["--on-conflict=replace"]);
        for split in 0..=delimiter {
            let content = &content[..BUFFER - before - split];
            let whole = form(&[("a", content), ("b", content)]);
            assert_eq!(inbox.post("/inbox/", &[], &whole).status, 303, "{backend}");
            let tree = inbox.tree();
            assert!(
                tree["a"] == content && tree["b"] == content,
                "{backend} {split}"
            );
        }
    });
}

/// What came whole before a form broke off stays, and is said.
#[test]
fn a_form_that_breaks_off_keeps_its_complete_files() {
    each(&BACKENDS, |backend| {
        let end = format!("--{BOUNDARY}--\r\n");
        let whole = form(&[("a", b"whole"), ("b", b"broken")]);
        for cut in [end.len(), end.len() + 2, end.len() + 5, 2 + 2] {
            let inbox = Inbox::start(backend, &[]);
            let answer = inbox.post("/inbox/", JSON, &whole[..whole.len() - cut]);
            assert_eq!(answer.status, 400, "{backend} {cut}: {}", answer.text());
            assert!(
                answer.text().contains("\"name\":\"a\""),
                "{}",
                answer.text()
            );
            assert_eq!(inbox.names(), ["a"], "{backend} {cut}");
        }
    });
}

/// What looked like a boundary was none, so where the file ends is not known.
#[test]
fn a_file_in_front_of_a_bad_boundary_is_not_kept() {
    each(&BACKENDS, |backend| {
        let inbox = Inbox::start(backend, &[]);
        let content = format!("he\r\n--{BOUNDARY}B\r\nllo");
        let whole = form(&[("a", b"whole"), ("b", content.as_bytes())]);
        let answer = inbox.post("/inbox/", JSON, &whole);
        assert_eq!(answer.status, 400, "{backend}: {}", answer.text());
        assert_eq!(inbox.names(), ["a"], "{backend}");
    });
}

#[test]
fn one_bad_file_does_not_spoil_the_others() {
    each(&BACKENDS, |backend| {
        let inbox = Inbox::start(backend, &["--max-upload=10"]);
        let files: [(&str, &[u8]); 5] = [
            ("a", b"one"),
            ("CON", b"x"),
            ("b", b"eleven bytes"),
            (".c", b"x"),
            ("d", b"two"),
        ];
        let answer = inbox.post("/inbox/", JSON, &form(&files));
        assert_eq!(
            (answer.status, inbox.names()),
            (400, vec!["a".into(), "d".into()])
        );
        for said in [
            "\"name\":\"CON\",\"status\":400",
            "\"name\":\"b\",\"status\":413",
            "\"url\":\"/inbox/d\"",
        ] {
            assert!(answer.text().contains(said), "{backend}: {}", answer.text());
        }
        let names = ["a", "CON", "b", ".c", "d"];
        for (accept, begin) in [("text/plain", ""), ("text/html", "<bdi>")] {
            let inbox = Inbox::start(backend, &["--max-upload=10"]);
            fs::write(inbox.path("d"), "before").unwrap();
            let answer = inbox.post("/inbox/", &[&format!("Accept: {accept}")], &form(&files));
            assert_eq!(answer.status, 400, "{backend}");
            let text = answer.text().replace("</bdi>", "");
            let told: Vec<_> = (text.lines())
                .filter_map(|line| line.trim_start_matches("<p>").strip_prefix(begin))
                .filter_map(|line| line.split_once(": "))
                .collect();
            let expected = names.map(|name| if name == "d" { "d (1)" } else { name });
            assert_eq!(told.iter().map(|line| line.0).collect::<Vec<_>>(), expected);
            let kept = told.iter().filter(|line| line.1.starts_with("Uploaded."));
            assert_eq!(kept.map(|line| line.0).collect::<Vec<_>>(), ["a", "d (1)"]);
        }
        let page = inbox.post("/inbox/", &["Accept: text/html"], &form(&[("<b>.", b"x")]));
        assert!(
            page.text().contains("&lt;b&gt;"),
            "{backend}: {}",
            page.text()
        );
        let plain = inbox.post("/inbox/", &[], &form(&[("e", b"x")]));
        assert_eq!(
            (plain.status, plain.field("Location")),
            (303, Some("/inbox/"))
        );
    });
}

/// RFC 7578 §4.2, RFC 8187, and what browsers do.
#[test]
fn names_come_in_the_encodings_of_browsers() {
    each(&BACKENDS, |backend| {
        let check = |disposition: &str, expected: &str| {
            let inbox = Inbox::start(backend, &[]);
            let end = format!("--{BOUNDARY}--");
            let whole = [part(disposition, b"x"), end.into_bytes()].concat();
            let answer = inbox.post("/inbox/", &[], &whole);
            assert_eq!(
                answer.status,
                303,
                "{backend} {disposition}: {}",
                answer.text()
            );
            assert_eq!(inbox.names(), [expected], "{backend} {disposition}");
        };
        check("name=\"f\"; filename=\"a.txt\"", "a.txt");
        check("name=\"f\"; filename=\"ü €.txt\"", "ü €.txt");
        check("name=\"f\"; filename=\"a%22b.txt\"", "a\"b.txt");
        check("name=\"f\"; filename=\"C:\\Users\\x\\a.txt\"", "a.txt");
        check("name=\"f\"; filename=\"../../a.txt\"", "a.txt");
        check(
            "name=\"f\"; filename=\"x\"; filename*=UTF-8''%e2%82%ac",
            "€",
        );
        check("name=\"f\"; filename*=UTF-8'en'..%2Fb", "b");
    });
}

#[test]
fn a_form_may_have_thousands_of_parts_and_no_more() {
    each(&BACKENDS, |backend| {
        let fields = part("name=\"note\"", b"text").repeat(3000);
        let end = format!("--{BOUNDARY}--").into_bytes();
        let inbox = Inbox::start(backend, &[]);
        let names: Vec<_> = (0..300).map(|n| format!("f{n}")).collect();
        let files: Vec<_> = names
            .iter()
            .map(|name| part(&format!("name=f; filename={name}"), b"x"))
            .collect();
        let whole = [fields, files.concat(), end.clone()].concat();
        assert_eq!(inbox.post("/inbox/", &[], &whole).status, 303, "{backend}");
        assert_eq!(inbox.names().len(), 300, "{backend}");
        let many = part("name=f; filename=CON", b"").repeat(10_001);
        let answer = inbox.post("/inbox/", &[], &[many, end].concat());
        assert_eq!(answer.status, 400, "{backend}");
        assert!(answer.text().contains("Too many files"), "{backend}");
        let kib = memory_kib(inbox.server.pid());
        assert!(kib < 60_000, "{backend}: {kib} KiB");
    });
}

#[test]
fn what_is_no_form_is_refused() {
    each(&BACKENDS, |backend| {
        let inbox = Inbox::start(backend, &[]);
        let check = |kind: &str, content: &[u8], status: u16| {
            let kind = format!("Content-Type: {kind}");
            let length = format!("Content-Length: {}", content.len());
            let head = request("POST", "/inbox/new/", &[&kind, &length]);
            let answer = inbox.send("POST", head.as_bytes(), content);
            assert_eq!(answer.status, status, "{backend} {kind}: {}", answer.text());
            assert_eq!(inbox.names(), [""; 0], "{backend} {kind}");
        };
        check("application/x-www-form-urlencoded", b"a=b", 415);
        check("multipart/form-data", b"", 415);
        check("multipart/form-data; boundary=", b"", 415);
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        check(&kind, b"", 400);
        check(&kind, b"no boundary in here", 400);
        let huge = format!("name=f; filename=\"{}\"", "a".repeat(9000));
        check(&kind, &part(&huge, b"x"), 400);
        check(
            &kind,
            &format!("--{BOUNDARY}\r\n{}", "A: b\r\n".repeat(2000)).into_bytes(),
            400,
        );
        check(
            &kind,
            format!("--{BOUNDARY}\r\nContent-Type: a/b\r\n\r\nx\r\n--{BOUNDARY}--").as_bytes(),
            400,
        );
        // A form of which no file was chosen.
        let empty = [
            part("name=f; filename=\"\"", b""),
            format!("--{BOUNDARY}--").into_bytes(),
        ]
        .concat();
        check(&kind, &empty, 303);
        // `curl -F f=a.txt`, without the `@`: a field, and no file.
        let field = [
            part("name=f", b"a.txt"),
            format!("--{BOUNDARY}--").into_bytes(),
        ]
        .concat();
        check(&kind, &field, 400);
    });
}
