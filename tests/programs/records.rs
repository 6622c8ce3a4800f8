//! `40_record`: each use that its header names.

use std::fs;
use std::process::{Command, Output};

use crate::harness::{built, lines_of_code, source};

fn run(words: &[&str]) -> Output {
    Command::new(built("40_record"))
        .args(words)
        .output()
        .unwrap()
}

fn printed(words: &[&str]) -> String {
    let output = run(words);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn records_are_made_shown_compared_and_judged() {
    let directory = tempfile::tempdir().unwrap();
    let kept = |words: &[&str]| {
        let path = directory.path().join(words.join("-"));
        fs::write(&path, printed(words)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let right = kept(&["lab", "edge", "early"]);
    let wrong = kept(&["lab", "edge", "early", "budget"]);
    assert_eq!(
        printed(&["text", &wrong]),
        printed(&["show", "edge", "early", "budget"])
    );
    let difference = printed(&["diff", &right, &wrong]);
    assert!(
        difference.contains("write WRAQ") && difference.contains("write WRA."),
        "{difference}"
    );
    assert!(printed(&["check", &right]).starts_with("kept, "));
    let judged = run(&["check", &wrong]);
    let told = String::from_utf8_lossy(&judged.stderr).into_owned();
    assert!(
        !judged.status.success() && told.contains("stall, "),
        "{told}"
    );
    let trace: serde_json::Value = serde_json::from_str(&printed(&["trace", &wrong])).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let stalled = |event: &&serde_json::Value| event["name"] == "stalled";
    assert_eq!(events.iter().filter(stalled).count(), 1, "{trace}");
}

/// The disk was full in the middle of a line, which is the last one, or goes before a remark.
#[test]
fn a_line_that_breaks_off_is_left_out_and_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("record");
    let whole = printed(&["lab", "edge", "early"]);
    let lines: Vec<_> = whole.split_inclusive('\n').collect();
    let torn = |at: usize| format!("{}{}", lines[..at].concat(), &lines[at][..20]);
    let check = |text: &str, turns: usize, told: &str| {
        fs::write(&path, text).unwrap();
        let output = run(&["text", path.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.success(), turns > 0, "{said}");
        assert!(said.contains(told), "{said}");
        let text = String::from_utf8(output.stdout).unwrap();
        let shown = text.lines().filter(|line| line.starts_with("turn "));
        assert_eq!(shown.count(), turns, "{text}");
    };
    let last = lines.len() - 1;
    check(
        &torn(last),
        last - 1,
        &format!("line {} breaks off", last + 1),
    );
    let behind = format!("{}\n# lines lost: 1\n{}", torn(3), lines[4]);
    check(&behind, 3, "line 4 breaks off");
    // Anything else is no record.
    check(&format!("{}\n{}", torn(3), lines[4]), 0, "line 4: ");
}

#[test]
fn the_lab_is_listed_and_a_typing_error_is_told() {
    let list = printed(&[]);
    assert!(
        list.contains("\nearly ") && list.contains("\nbudget "),
        "{list}"
    );
    for words in [
        &["lab", "edge", "no"][..],
        &["lab", "no", "early"],
        &["text", "/no"],
        &["no"],
    ] {
        let output = run(words);
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert!(!output.stderr.is_empty());
    }
}

#[test]
fn its_header_is_like_the_others() {
    let text = source("40_record");
    for part in [
        "//! cargo run --example ",
        "*Needs:*",
        "*Shows:*",
        "*Cannot:*",
    ] {
        assert!(text.contains(part), "{part}");
    }
    assert!(lines_of_code("40_record") <= 150);
}
