//! Options in a file: where they count, what is wrong with them, and that they read back to the same.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use expect_test::expect;

use crate::harness::Server;

/// Runs it beside a file `a.toml` with this text: exit code, standard output, standard error.
fn run(text: &str, words: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.toml"), text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_httpoll"));
    command.current_dir(&folder).args(["--config", "a.toml"]);
    command.args(words).envs(variables.iter().copied());
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    (code, text(output.stdout), text(output.stderr))
}

/// What is set, without where it comes from.
fn printed(text: &str, words: &[&str], variables: &[(&str, &str)]) -> String {
    let mut all = words.to_vec();
    all.push("--print-config");
    let (code, out, err) = run(text, &all, variables);
    assert_eq!((code, err.as_str()), (0, ""));
    let set = out
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    set.map(|line| format!("{line}\n")).collect()
}

const ALL_KINDS: &str = r##"
dir = "www"
listen = ["127.0.0.1:0", "[::1]:81"]
port = 0x1F90
workers = 2
hello = true
hidden = false
spa = true
upload = "inbox"
grace = 0.5
max-age = "1h"
charset = false
cors = true
index = "a.html"
header = ["X-A: \"b\"", 'X-C: d#e']
header-for = [["*.js", "X-A: b"], { glob = "*.css", field = "X-B: c" }]
"##;

#[test]
fn each_kind_of_value_is_taken() {
    let expected = expect![[r#"
        dir = "www" # a.toml:2:1
        listen = ["127.0.0.1:0", "[::1]:81"] # a.toml:3:1
        port = 8080 # a.toml:4:1
        workers = 2 # a.toml:5:1
        hello = true # a.toml:6:1
        grace = "0.5" # a.toml:10:1
        index = ["a.html"] # a.toml:14:1
        spa = "index.html" # a.toml:8:1
        header = ['X-A: "b"', "X-C: d#e"] # a.toml:15:1
        header-for = [["*.js", "X-A: b"], ["*.css", "X-B: c"]] # a.toml:16:1
        cors = true # a.toml:13:1
        charset = "off" # a.toml:12:1
        max-age = "1h" # a.toml:11:1
        upload = "inbox" # a.toml:9:1
    "#]];
    expected.assert_eq(&printed(ALL_KINDS, &[], &[]));
    // One needs no list.
    let pair = printed("header-for = ['*.js', 'X-A: b']\nlisten = '0'", &[], &[]);
    assert!(
        pair.contains(r#"header-for = [["*.js", "X-A: b"]]"#),
        "{pair}"
    );
    let pair = printed("[[header-for]]\nglob = '*.js'\nfield = 'X-A: b'", &[], &[]);
    assert!(
        pair.contains(r#"header-for = [["*.js", "X-A: b"]]"#),
        "{pair}"
    );
    assert_eq!(printed("upload = false\nhello = false", &[], &[]), "");
}

#[test]
fn what_is_typed_goes_before_variables_and_these_before_the_file() {
    let file = "port = 1\nmax-age = 2\ngrace = 3\nindex = ['a', 'b']\nhello = true";
    let words = ["--port", "10", "--index", "c"];
    let variables = [
        ("HTTPOLL_PORT", "20"),
        ("HTTPOLL_MAX_AGE", "21"),
        ("HTTPOLL_HELLO", "0"),
    ];
    let expected = expect![[r#"
        port = 10 # typed
        hello = false # HTTPOLL_HELLO
        grace = 3 # a.toml:3:1
        index = ["c"] # typed
        max-age = 21 # HTTPOLL_MAX_AGE
    "#]];
    expected.assert_eq(&printed(file, &words, &variables));
}

#[test]
fn the_file_itself_may_be_in_a_variable() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.toml");
    fs::write(&file, "port = 'x'").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_httpoll"));
    let output = command.env("HTTPOLL_CONFIG", &file).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("a.toml:1:8: port = 'x': "), "{told}");
    // What is typed goes first.
    let (code, _, _) = run("", &["--print-config"], &[("HTTPOLL_CONFIG", "/none")]);
    assert_eq!(code, 0);
}

/// An option may need another one from elsewhere.
#[test]
fn typed_options_and_those_of_the_file_are_one_configuration() {
    let typed = printed("upload = true", &["--upload-only"], &[]);
    assert!(typed.contains("upload-only = true"), "{typed}");
    let file = printed("upload-only = true", &["--upload"], &[]);
    assert!(file.contains("upload-only = true"), "{file}");
    let (code, _, err) = run("upload-only = true", &[], &[]);
    assert_eq!(code, 2);
    assert!(
        err.contains("--upload") && err.lines().count() == 1,
        "{err}"
    );
    let (_, _, err) = run("workers = 2\nbackend = 'threads'", &["--hello"], &[]);
    assert!(err.contains("needs a backend with a loop"), "{err}");
    assert!(err.ends_with(" (a.toml:1:1: workers)\n"), "{err}");
    let (_, _, err) = run("hello = true\nheader-for = ['[', 'X-A: b']", &[], &[]);
    assert!(err.starts_with("httpoll: --header-for '['"), "{err}");
    assert!(err.ends_with(" (a.toml:2:1: header-for)\n"), "{err}");
}

#[test]
fn what_is_printed_reads_back_to_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let print = |file: &Path, words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_httpoll"));
        command
            .arg("--config")
            .arg(file)
            .args(words)
            .arg("--print-config");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let without = |line: &str| match line.rsplit_once(" # ") {
            Some((setting, _)) => setting.to_owned(),
            None => line.to_owned(),
        };
        text.lines().map(without).collect::<Vec<_>>().join("\n")
    };
    let files = ["a", "b"].map(|name| folder.path().join(name));
    fs::write(&files[0], ALL_KINDS).unwrap();
    let words = [
        "--upload-only",
        "--sandbox",
        "off",
        "--header",
        "X-Z: \t\"'\\\u{e9}",
    ];
    let first = print(&files[0], &words);
    fs::write(&files[1], &first).unwrap();
    assert_eq!(print(&files[1], &[]), first);
}

#[test]
fn a_mistake_is_one_line_with_its_place_and_advice() {
    let lines = MISTAKES.map(|text| {
        let (code, out, err) = run(text, &[], &[]);
        assert_eq!((code, out.as_str()), (2, ""), "{text}: {err}");
        assert_eq!(err.lines().count(), 1, "{err}");
        assert!(!err.trim_end().contains(char::is_control), "{err:?}");
        err
    });
    expect![[r#"
        httpoll: a.toml:2:8: port = 'abc': give a number from 0 to 65535; 0 takes a free port
        httpoll: a.toml:1:8: port = 70000: give a number from 0 to 65535; 0 takes a free port
        httpoll: a.toml:1:16: idle-timeout = 'soon': give seconds, or a number with ms, s, m, h or d: 0.2, 500ms, 5m, 1d
        httpoll: a.toml:1:11: backend = 'uring': give one of edge, level, poll, select, threads, blocking
        httpoll: a.toml:2:1: there is no option prot: did you mean port?
        httpoll: a.toml:1:1: there is no option max_age: did you mean max-age?
        httpoll: a.toml:1:1: there is no option bind: --listen ADDR says where, 0.0.0.0 for everybody who can reach this machine
        httpoll: a.toml:1:1: there is no option zzzz: httpoll --print-config lists the options
        httpoll: a.toml:1:2: there is no option serving: all options stand at the top, in no section
        httpoll: a.toml:1:9: hello is true or false
        httpoll: a.toml:1:8: port takes one value and no list
        httpoll: a.toml:1:8: port takes a text or a number, and no boolean
        httpoll: a.toml:3:3: listen = ':80': say for whom: 127.0.0.1:80 (this machine) or 0.0.0.0:80
        httpoll: a.toml:1:11: listen takes a text or a number, and no array
        httpoll: a.toml:1:15: header-for takes pairs: ["glob", "field"] or { glob = "…", field = "…" }
        httpoll: a.toml:1:15: header-for takes pairs: ["glob", "field"] or { glob = "…", field = "…" }
        httpoll: a.toml:1:1: config is for the command line only
        httpoll: a.toml:1:1: help is for the command line only
        httpoll: a.toml:1:1: man is for the command line only
        httpoll: a.toml:2:1: duplicate key
        httpoll: a.toml:1:8: string values must be quoted, expected literal string
        httpoll: a.toml:1:11: charset takes a text or a number, and no datetime
        httpoll: a.toml:1:1: there is no option a\u{1b}[2J: httpoll --print-config lists the options
    "#]].assert_eq(&lines.concat());
}

const MISTAKES: [&str; 23] = [
    "# the port\nport = 'abc'\n",
    "port = 70000\n",
    "idle-timeout = 'soon'",
    "backend = 'uring'",
    "hello = true\nprot = 80",
    "max_age = 80",
    "bind = '0.0.0.0'",
    "zzzz = 1",
    "[serving]\nport = 1",
    "hello = 1",
    "port = [1, 2]",
    "port = true",
    "listen = [\n  '127.0.0.1:1',\n  ':80',\n]",
    "listen = [['a']]",
    "header-for = ['*.js']",
    "header-for = [{ glob = '*.js', value = 'a' }]",
    "config = 'b'",
    "help = true",
    "man = true",
    "port = 1\nport = 2",
    "port = \n",
    "charset = 2024-01-01",
    "\"a\\u001b[2J\" = 1",
];

#[test]
fn a_file_that_is_not_there_is_one_line() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_httpoll"));
    let output = command.args(["--config", "no/such.toml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    let expected = "httpoll: --config no/such.toml: No such file or directory (os error 2); \
                    name a TOML file (httpoll --print-config prints one)\n";
    assert_eq!(told, expected);
}

#[test]
fn a_server_starts_from_a_file_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("b.txt"), "text").unwrap();
    let text = format!("dir = {:?}\nlisten = \"127.0.0.1:0\"\n", folder.path());
    let file = folder.path().join("a.toml");
    fs::write(&file, text + "header = \"X-A: b\"\n").unwrap();
    let server = Server::start_with(&["--config", file.to_str().unwrap()]);
    let answer = server.get("/b.txt");
    assert_eq!((answer.status, answer.field("X-A")), (200, Some("b")));
}
