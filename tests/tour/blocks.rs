//! A chapter as text with blocks that are held to something.

use std::fs;
use std::path::{Path, PathBuf};

/// What a block is held to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Pieces of a file: where each begins, and where it ends if that is not plain.
    Quote { file: String, pieces: Vec<Piece> },
    /// What differs between two files, within a piece of each.
    Diff { files: [String; 2], piece: Piece },
    /// A server, and what it prints.
    Serve { numbers_vary: bool },
    /// A command that ends, and what it prints.
    Run { numbers_vary: bool },
}

/// From the first line that contains `start` to the next one that contains `end`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Piece {
    pub(crate) start: String,
    pub(crate) end: Option<String>,
}

/// A marker, and the lines that it is about.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) kind: Kind,
    /// The number of its marker's line, from 1.
    pub(crate) line: usize,
    /// The first of its lines and the one behind them, from 0.
    lines: (usize, usize),
    pub(crate) text: String,
}

#[derive(Debug)]
pub(crate) struct Chapter {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    pub(crate) blocks: Vec<Block>,
}

impl Chapter {
    pub(crate) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let blocks = blocks(&text, path);
        Self {
            path: path.to_owned(),
            text,
            blocks,
        }
    }

    /// `05-select.md`.
    pub(crate) fn name(&self) -> &str {
        self.path.file_name().unwrap().to_str().unwrap()
    }

    /// The chapter with each block as `new` says, or as it is.
    pub(crate) fn renewed(&self, mut new: impl FnMut(&Block) -> Option<String>) -> String {
        let lines: Vec<&str> = self.text.lines().collect();
        let (mut renewed, mut at) = (String::new(), 0);
        for block in &self.blocks {
            let (first, behind) = block.lines;
            push_lines(&mut renewed, &lines[at..first]);
            match new(block) {
                Some(text) => renewed.push_str(&text),
                None => push_lines(&mut renewed, &lines[first..behind]),
            }
            at = behind;
        }
        push_lines(&mut renewed, &lines[at..]);
        renewed
    }
}

fn push_lines(text: &mut String, lines: &[&str]) {
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
}

fn blocks(text: &str, path: &Path) -> Vec<Block> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let marker = line
            .strip_prefix("<!-- ")
            .and_then(|rest| rest.strip_suffix(" -->"));
        let Some(marker) = marker else { continue };
        let here = || format!("{}:{}", path.display(), at + 1);
        let kind = kind(marker).unwrap_or_else(|| panic!("{}: no marker: {marker}", here()));
        // A fence with what is in it, or else lines up to an empty one.
        let fence = lines.get(at + 1).filter(|next| next.starts_with("```"));
        let is_end: fn(&str) -> bool = match fence {
            Some(_) => |line| line == "```",
            None => str::is_empty,
        };
        let first = at + 1 + usize::from(fence.is_some());
        let rest = lines.get(first..).unwrap_or_default();
        let length = rest.iter().position(|line| is_end(line));
        let behind = first + length.unwrap_or_else(|| panic!("{}: no end", here()));
        let mut text = String::new();
        push_lines(&mut text, &lines[first..behind]);
        found.push(Block {
            kind,
            line: at + 1,
            lines: (first, behind),
            text,
        });
    }
    found
}

fn kind(marker: &str) -> Option<Kind> {
    let (word, rest) = marker.split_once(' ').unwrap_or((marker, ""));
    let numbers_vary = rest == "numbers";
    match word {
        "serve" if numbers_vary || rest.is_empty() => Some(Kind::Serve { numbers_vary }),
        "run" if numbers_vary || rest.is_empty() => Some(Kind::Run { numbers_vary }),
        "quote" => {
            let (file, pieces) = rest.split_once(": ")?;
            Some(Kind::Quote {
                file: file.to_owned(),
                pieces: pieces.split(" ; ").map(piece).collect(),
            })
        }
        "diff" => {
            let (files, rest) = rest.split_once(": ")?;
            let (one, other) = files.split_once(' ')?;
            Some(Kind::Diff {
                files: [one.to_owned(), other.to_owned()],
                piece: piece(rest),
            })
        }
        _ => None,
    }
}

fn piece(text: &str) -> Piece {
    let (start, end) = match text.split_once(" .. ") {
        Some((start, end)) => (start, Some(end.to_owned())),
        None => (text, None),
    };
    Piece {
        start: start.to_owned(),
        end,
    }
}
