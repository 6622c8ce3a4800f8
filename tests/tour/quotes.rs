//! What a marker quotes, from the file itself.

use std::fs;

use similar::{ChangeTag, TextDiff};

use super::blocks::{Kind, Piece};
use super::root;

/// What stands in the block of a quote or a difference.
pub(crate) fn quoted(kind: &Kind) -> String {
    match kind {
        Kind::Quote { file, pieces } => {
            let text = read(file);
            without_marks(pieces.iter().map(|piece| cut(&text, piece, file)).collect())
        }
        Kind::Diff { files, piece } => {
            let [one, other] = files.each_ref().map(|file| cut(&read(file), piece, file));
            difference(&one, &other)
        }
        Kind::Serve { .. } | Kind::Run { .. } => unreachable!("it is no quote"),
    }
}

fn read(file: &str) -> String {
    let text = fs::read_to_string(root().join(file));
    text.unwrap_or_else(|error| panic!("{file}, which a chapter quotes: {error}"))
}

/// A piece of `text`, moved to the left margin.
fn cut(text: &str, piece: &Piece, file: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut first = 0;
    for part in piece.start.split(" > ") {
        let ahead = lines[first..].iter().position(|line| line.contains(part));
        first += ahead.unwrap_or_else(|| panic!("no line of {file} contains {part:?}"));
    }
    let indent = indent(lines[first]);
    let behind = match &piece.end {
        Some(end) => {
            let length = lines[first..].iter().position(|line| line.contains(end));
            first + 1 + length.unwrap_or_else(|| panic!("no line of {file} contains {end:?}"))
        }
        None => end_of_item(&lines, first),
    };
    let lines = &lines[first..behind];
    let moved = lines
        .iter()
        .map(|line| line.get(indent..).unwrap_or_default());
    moved.map(|line| format!("{line}\n")).collect()
}

/// A doc comment without its marks, if the quote is nothing else.
fn without_marks(text: String) -> String {
    let marks = ["//!", "///"];
    let Some(mark) = marks
        .into_iter()
        .find(|mark| text.lines().all(|line| line.starts_with(mark)))
    else {
        return text;
    };
    let lines = text.lines().map(|line| line.trim_start_matches(mark));
    lines
        .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
        .collect()
}

/// One line, unless what follows stands deeper: then up to the line that closes it.
fn end_of_item(lines: &[&str], first: usize) -> usize {
    let own = indent(lines[first]);
    let mut behind = first + 1;
    while let Some(line) = lines.get(behind) {
        let opens_again = line.ends_with(['{', '(', '[']);
        let closes = indent(line) == own && line.trim_start().starts_with(['}', ')', ']']);
        if closes && !opens_again {
            return behind + 1;
        }
        if !closes && !line.is_empty() && indent(line) <= own {
            return first + 1;
        }
        behind += 1;
    }
    first + 1
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Only what changed, and where lines are left out a line that says so.
fn difference(one: &str, other: &str) -> String {
    let diff = TextDiff::from_lines(one, other);
    let mut text = String::new();
    for group in diff.grouped_ops(1) {
        if !text.is_empty() {
            text.push_str("@@\n");
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let mark = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            let line = format!("{mark}{}", change.value());
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    text
}
