//! 12: processes.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::{Ended, Program, built};

#[test]
fn processes_share_only_what_they_say() {
    let mut program = Program::run::<&str>("12_processes", &[]);
    assert_eq!(program.end(), Ended::Code(0), "{}", program.told);
    let told = &program.told;
    for part in [
        "say hi [0]\nsay hi [1]\nsay hi [2]\nending []",
        "pipe: 11 22 33 44 went in, 110 came out",
        "0 -----> 100\n0 -----> 22\n0 -----> 33\n0 -----> 44\n1 -----> 100\n1 -----> 101\n",
        "shared memory: [100, 101, 33, 44]",
        "manager: ok\nmanager: [\"100\"]\nmanager: ok\nmanager: [\"100\", \"101\"]\n",
        "cost: a thread ",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    let manager = told
        .split("manager: process ")
        .nth(1)
        .unwrap()
        .lines()
        .next()
        .unwrap();
    assert!(
        !Path::new(&format!("/proc/{manager}")).exists(),
        "the manager was left"
    );
}

#[test]
fn a_child_with_the_wrong_input_says_so() {
    for words in [
        &["array", "0"][..],
        &["array", "9"],
        &["array", "x"],
        &["manager"],
        &["put", "nobody", "0"],
        &["what"],
    ] {
        let mut command = Command::new(built("12_processes"));
        command.args(words).stdin(Stdio::null());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(
            told.starts_with("Error: ") && !told.contains("panicked"),
            "{words:?}: {told}"
        );
    }
    let mut add = Program::run("12_processes", &["add"]);
    add.type_in("1 2 x");
    add.close_stdin();
    assert_eq!(add.end(), Ended::Code(1));
}
