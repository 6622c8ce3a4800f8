//! The program before it serves: words it understands, words it refuses, and how it says so.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use expect_test::{Expect, expect, expect_file};

/// Runs a command line that must end by itself: exit code, standard output, standard error.
fn run(words: &[&str]) -> (i32, String, String) {
    run_at(None, words)
}

/// The same on a terminal of so many columns, or on none.
fn run_at(columns: Option<u16>, words: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_httpoll"));
    command.env_remove("COLUMNS");
    command.envs(columns.map(|columns| ("COLUMNS", columns.to_string())));
    let output = command
        .args(words)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().expect("ended by itself");
    (code, text(output.stdout), text(output.stderr))
}

/// A refusal: its code, nothing on standard output, one line on standard error.
fn refused(words: &[&str], code: i32, line: &Expect) {
    let (actual, out, err) = run(words);
    assert_eq!((actual, out.as_str()), (code, ""), "{words:?}: {err}");
    assert_eq!(err.lines().count(), 1, "{err}");
    line.assert_eq(&err);
}

#[test]
fn help_is_a_page_worth_reading() {
    let (code, out, err) = run(&["--help"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.lines().all(|line| line.len() <= 100), "fits a terminal");
    expect_file!["help.txt"].assert_eq(&out);
}

#[test]
fn help_is_as_wide_as_its_terminal() {
    for columns in [40, 60, 80] {
        let (_, out, _) = run_at(Some(columns), &["--help"]);
        let longest = out.lines().map(str::len).max().unwrap();
        assert!(longest <= usize::from(columns), "{longest} of {columns}");
    }
}

#[test]
fn the_brief_help_is_a_screen_of_the_full_one() {
    let (code, brief, err) = run(&["-h"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let full = run(&["--help"]).1;
    assert!(brief.lines().count() <= 40, "{brief}");
    for option in ["--listen", "--port", "--spa", "--log", "--help"] {
        assert!(brief.contains(option), "{option}: {brief}");
    }
    // What it leaves out is taken all the same.
    assert!(
        full.contains("--grace") && !brief.contains("--grace"),
        "{brief}"
    );
    let (_, _, err) = run(&["-h", "--grace", "soon"]);
    assert_eq!(err, "");
}

/// The end of a server that was given variables and words which cannot be.
fn refused_by(variables: &[(&str, &str)], words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_httpoll"));
    let output = command.args(words).envs(variables.iter().copied());
    let output = output.stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{words:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_variable_stands_for_its_option_until_that_is_typed() {
    let told = refused_by(&[("HTTPOLL_PORT", "x")], &[]);
    assert!(
        told.contains("'x' for '--port <PORT>'") && told.contains(", from HTTPOLL_PORT"),
        "{told}"
    );
    let told = refused_by(&[("HTTPOLL_PORT", "x")], &["--port", "y"]);
    assert!(
        told.contains("'y' for") && !told.contains("HTTPOLL_PORT"),
        "{told}"
    );
    let told = refused_by(&[("HTTPOLL_HELLO", "perhaps")], &[]);
    assert!(told.contains("for '--hello'"), "{told}");
    // What a template left empty lets nobody write.
    for variable in ["HTTPOLL_UPLOAD", "HTTPOLL_SPA"] {
        let told = refused_by(&[(variable, "")], &[]);
        assert!(
            told.contains(&format!("{variable} is set and empty")),
            "{told}"
        );
    }
    // Taken, and contradicted by what is typed.
    let told = refused_by(&[("HTTPOLL_BACKEND", "threads")], &["--workers", "2"]);
    assert!(told.contains("needs a backend with a loop"), "{told}");
    let told = refused_by(&[("HTTPOLL_WORKERS", "2")], &["--backend", "threads"]);
    assert!(told.contains("needs a backend with a loop"), "{told}");
}

#[test]
fn what_packages_install_knows_every_option() {
    let help = run(&["--help"]).1;
    let options = help
        .split_whitespace()
        .filter(|word| word.starts_with("--"));
    let names = options.map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()));
    let names: Vec<_> = names
        .map(|name| name.split(['[', '=']).next().unwrap())
        .collect();
    assert!(names.len() > 40);
    for words in [
        &["--man"][..],
        &["--completions", "bash"],
        &["--completions", "zsh"],
        &["--completions", "fish"],
    ] {
        let (code, out, err) = run(words);
        assert_eq!((code, err.as_str()), (0, ""));
        let out = out.replace('\\', "");
        for name in &names {
            assert!(out.contains(name), "{words:?}: {name}");
        }
    }
}

#[test]
fn version_is_one_line() {
    let expected = concat!("httpoll ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(run(&["--version"]), (0, expected.into(), String::new()));
}

#[test]
fn wrong_options_are_one_line_of_advice() {
    refused(
        &["--backend", "uring"],
        2,
        &expect![[r#"
            httpoll: invalid value 'uring' for '--backend <NAME>' [possible values: edge, level, poll, select, threads, blocking] (httpoll --help lists the options)
        "#]],
    );
    refused(
        &["--idle-timeout", "soon"],
        2,
        &expect![[r#"
            httpoll: invalid value 'soon' for '--idle-timeout <SECONDS>': give seconds, or a number with ms, s, m, h or d: 0.2, 500ms, 5m, 1d (httpoll --help lists the options)
        "#]],
    );
    refused(
        &["--prot", "80"],
        2,
        &expect![[r#"
            httpoll: unexpected argument '--prot' found; a similar argument exists: '--port' (httpoll --help lists the options)
        "#]],
    );
    refused(
        &["--zzzzz"],
        2,
        &expect![[r#"
            httpoll: unexpected argument '--zzzzz' found (httpoll --help lists the options)
        "#]],
    );
    refused(
        &["--listen", ":80"],
        2,
        &expect![[r#"
            httpoll: invalid value ':80' for '--listen <ADDR>': say for whom: 127.0.0.1:80 (this machine) or 0.0.0.0:80 (httpoll --help lists the options)
        "#]],
    );
    refused(
        &["--header", "Content-Length: 1"],
        2,
        &expect![[r#"
            httpoll: invalid value 'Content-Length: 1' for '--header <FIELD>': Content-Length is written by the server itself (httpoll --help lists the options)
        "#]],
    );
    refused(
        &["--workers", "2", "--backend", "threads"],
        2,
        &expect![[r#"
            httpoll: --workers 2 needs a backend with a loop: edge, level, poll or select
        "#]],
    );
}

/// What people type first is often what another server is told.
#[test]
fn guesses_are_answered_with_what_would_work() {
    let check = |words: &[&str], advice: &[&str]| {
        let (code, out, err) = run(words);
        assert_eq!((code, out.as_str()), (2, ""), "{words:?}: {err}");
        assert_eq!(err.lines().count(), 1, "{err}");
        for advice in advice {
            assert!(err.contains(advice), "{words:?}: {err}");
        }
    };
    check(&["-p", "abc"], &["'abc'", "from 0 to 65535"]);
    check(&["-p", "+80"], &["'+80'", "from 0 to 65535"]);
    check(&["-p", "-1"], &["'-1'", "from 0 to 65535"]);
    check(&["-p", "::1:80"], &["--listen"]);
    check(&["-l", "::1:9014"], &["[::1]:9014"]);
    check(&["-l", "http://localhost:1/"], &["without http://"]);
    check(&["--max-age", "-1"], &["'-1'", "0 or more"]);
    check(&["--idle-timeout", "-1"], &["'-1'", "give seconds"]);
    check(&["--max-body", "1TB"], &["1K = 1KiB = 1024", "1KB = 1000"]);
    check(&["--immutable", "a***"], &["'a***'", "'*.js'"]);
    check(&["--immutable", ""], &["'*.js'"]);
    check(
        &["--header-for", "[", "X-A: b"],
        &["--header-for '['", "'*.js'"],
    );
    check(&["--header", "ETag: a"], &["written by the server itself"]);
    for word in ["--bind", "--host", "--address", "-a"] {
        check(&[word, "0.0.0.0"], &[word, "--listen ADDR"]);
    }
    for word in ["--tls", "--cert=a.pem", "--https"] {
        check(&[word], &["it has no TLS", "proxy"]);
    }
    check(
        &["-v"],
        &["--log plain", "--trace", "-V prints the version"],
    );
    check(&["--directory", "www"], &["httpoll DIR"]);
}

#[test]
fn what_cannot_be_served_is_one_line_of_advice() {
    let missing = |words: &[&str], line: &str| {
        let (code, out, err) = run(words);
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
        assert_eq!(err, format!("httpoll: {line}\n"));
    };
    missing(
        &["--spa", "src"],
        "no file index.html in src, the page that --spa answers with: create it, or name another",
    );
    missing(
        &["--spa=cli", "src"],
        "no file cli in src, the page that --spa answers with: create it, or name another",
    );
    missing(
        &["8000"],
        "no such directory: 8000 (a port is: httpoll -p 8000)",
    );
    missing(
        &["localhost:80"],
        "no such directory: localhost:80 (an address is: httpoll -l localhost:80)",
    );
    refused(
        &["no/such"],
        1,
        &expect![[r#"
            httpoll: no such directory: no/such (create it, or name another: httpoll DIR)
        "#]],
    );
    refused(
        &["/dev/null"],
        1,
        &expect![[r#"
            httpoll: cannot serve /dev/null: neither a directory nor a regular file
        "#]],
    );
}

#[test]
fn a_taken_port_is_an_error_however_many_want_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for workers in ["1", "3"] {
        let words = ["--hello", "-p", &port, "-w", workers];
        let (code, out, err) = run(&words);
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
        assert_eq!(
            err.replace(&port, "PORT"),
            "httpoll: port PORT is taken by another process (at 127.0.0.1); \
             try --port 0 for a free one\n"
        );
    }
}

#[test]
fn an_address_of_somebody_else_is_an_error() {
    refused(
        &["--hello", "--listen", "192.0.2.1:0"],
        1,
        &expect![[r#"
            httpoll: 192.0.2.1 is not an address of this machine; try 127.0.0.1 for this machine only, or 0.0.0.0 for all its addresses
        "#]],
    );
}
