//! What chapters name: it exists. What exists of the course: a chapter names it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use regex::Regex;

use super::blocks::Chapter;
use super::{chapters, root};

const MOST_LINES: usize = 150;

/// All that `pattern`'s group finds in a chapter.
fn found<'a>(text: &'a str, pattern: &str) -> BTreeSet<&'a str> {
    let pattern = Regex::new(pattern).unwrap();
    let captures = pattern.captures_iter(text);
    captures
        .map(|found| found.get(1).unwrap().as_str())
        .collect()
}

/// A chapter without what it shows, and without markers.
fn prose(text: &str) -> String {
    let parts = text.split("\n```").step_by(2).flat_map(str::lines);
    let lines = parts.filter(|line| !line.starts_with("<!--"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The names of the folder's entries.
fn entries(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(root().join(folder));
    let names = entries.into_iter().flatten();
    names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn programs() -> BTreeSet<String> {
    let names = entries("examples").into_iter();
    let name = |file: String| Some(file.strip_suffix(".rs")?.to_owned());
    names.filter_map(name).collect()
}

#[test]
fn chapters_are_short_and_have_the_same_shape() {
    let all = chapters();
    for chapter in &all {
        let lines = chapter.text.lines().count();
        assert!(lines <= MOST_LINES, "{}: {lines} lines", chapter.name());
        let number: usize = chapter.name()[..2].parse().unwrap();
        let title = format!("# {number}. ");
        assert!(
            chapter.text.starts_with(&title),
            "{}: {title}…",
            chapter.name()
        );
    }
    // The map and the lists of mistakes are no lessons.
    for chapter in all
        .iter()
        .filter(|it| !["00", "20", "21"].contains(&&it.name()[..2]))
    {
        for part in [
            "\n**The question.** ",
            "\n## Run this\n",
            "\n## Why\n",
            "\n## The number\n",
            "\n## Where it lives\n",
            "\n## Exercise\n",
            "\n## What the others do\n",
        ] {
            assert!(chapter.text.contains(part), "{}: {part:?}", chapter.name());
        }
    }
}

/// On the code host a link is a path; in rustdoc it is the item that `tour/links.txt` gives the
/// same label, so a relative link must have a label.
#[test]
fn every_link_leads_somewhere_on_the_code_host_and_in_rustdoc() {
    let definition = Regex::new(r"(?m)^(\[[^\]]+\]): (\S+)$").unwrap();
    let items = fs::read_to_string(root().join("tour/links.txt")).unwrap();
    for chapter in chapters() {
        let name = chapter.name();
        for target in found(&chapter.text, r"\]\(([^)]+)\)") {
            assert!(
                target.starts_with("https://"),
                "{name}: {target} has no label"
            );
        }
        for definition in definition.captures_iter(&chapter.text) {
            let (label, target) = (&definition[1], &definition[2]);
            let uses = chapter.text.matches(label).count();
            assert!(uses > 1, "{name}: nothing leads to {label}");
            if target.starts_with("https://") {
                continue;
            }
            let path = root().join("tour").join(target);
            assert!(path.exists(), "{name}: {target} is not there");
            let item = format!("{label}: crate::");
            assert!(
                items.contains(&item),
                "{name}: tour/links.txt has no {label}"
            );
        }
        // Labels are the same in capitals (CommonMark).
        let defined = |label: &str| {
            let label = label.replace("[Chapter", "[chapter");
            chapter.text.contains(&format!("\n{label}: "))
        };
        for label in found(
            &prose(&chapter.text),
            r"(?:^|[ (*])(\[`?[a-zA-Z_0-9: ]+`?\])(?:[^(:\[]|$)",
        ) {
            assert!(defined(label), "{name}: {label} is not defined");
        }
    }
}

#[test]
fn what_chapters_name_exists() {
    let test = Regex::new(r"`(\w+)`\s+in\s+`(tests/[^`]+)`").unwrap();
    let help = fs::read_to_string(root().join("tests/it/help.txt")).unwrap();
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let facts = fs::read_to_string(root().join("tour/facts.txt")).unwrap();
    let (programs, exercises) = (programs(), entries("exercises"));
    for chapter in chapters() {
        let (name, text) = (chapter.name(), &chapter.text);
        // What leads to another project names a file of that one.
        let path = r"`((?:src|tests|examples|benches|tour|www|deploy|fuzz)/[^ `:]*)`(?:[^\]]|$)";
        for path in found(text, path) {
            assert!(root().join(path).exists(), "{name}: {path}");
        }
        for program in found(text, r"--example (\w+)") {
            assert!(programs.contains(program), "{name}: {program}");
        }
        for bench in found(text, r"--bench (\w+)") {
            assert!(
                manifest.contains(&format!("name = \"{bench}\"")),
                "{name}: {bench}"
            );
        }
        for word in found(text, r"(?:--bench facts |`)-- ([^ `/]+)`") {
            let row = facts.lines().any(|line| line.contains(word));
            assert!(row, "{name}: no row of tour/facts.txt has {word}");
        }
        for option in found(text, r"`(--[a-z-]+)") {
            let known = help.contains(option) || ["--help", "--release"].contains(&option);
            assert!(known, "{name}: httpoll has no {option}");
        }
        for test in test.captures_iter(text) {
            let source = fs::read_to_string(root().join(&test[2])).unwrap();
            let is_there =
                ["(", "<"].map(|next| source.contains(&format!("fn {}{next}", &test[1])));
            assert!(is_there.contains(&true), "{name}: {}", &test[0]);
        }
        for exercise in found(text, r"cargo ex ([0-9]+)") {
            let prefix = format!("{:0>2}_", exercise);
            let exists = exercises.iter().any(|folder| folder.starts_with(&prefix));
            assert!(exists, "{name}: exercise {exercise}");
        }
        for folder in found(text, r"`exercises/([0-9]{2}_\w+)") {
            let exists = exercises.contains(folder);
            assert!(exists, "{name}: exercises/{folder}");
        }
    }
}

#[test]
fn every_program_and_every_exercise_is_named_in_a_chapter() {
    let chapters = chapters();
    let all: String = chapters
        .iter()
        .map(|chapter| chapter.text.as_str())
        .collect();
    for program in programs() {
        assert!(all.contains(&program), "no chapter names {program}");
        let row = format!("[`{program}`]");
        let mut map = chapters[0].text.lines();
        let is_there = map.any(|line| line.starts_with('|') && line.contains(&row));
        assert!(is_there, "no row of chapter 0 has {program}");
    }
    for exercise in entries("exercises") {
        let is_one = exercise.starts_with(|first: char| first.is_ascii_digit());
        assert!(
            !is_one || all.contains(&exercise),
            "no chapter names {exercise}"
        );
    }
    let modules = fs::read_to_string(root().join("tour/mod.rs")).unwrap();
    for program in programs() {
        let module = format!("p{program} \"{program}\"");
        assert!(
            modules.contains(&module),
            "tour/mod.rs does not show {program}"
        );
    }
    for chapter in chapters.iter().skip(1) {
        let shown = modules.contains(&format!("\"{}\"", chapter.name()));
        assert!(shown, "tour/mod.rs does not show {}", chapter.name());
    }
}

/// `tour/facts.txt` is what `cargo bench --bench facts` prints: each of its rows is there, under its
/// present name, and the rules say what they must.
#[test]
fn the_recorded_facts_are_those_of_the_bench() {
    let recorded = fs::read_to_string(root().join("tour/facts.txt")).unwrap();
    let (rules, measured) = ["rules", "measured"]
        .map(|name| fs::read_to_string(root().join(format!("benches/facts/{name}.rs"))).unwrap())
        .into();
    let mut rows = 0;
    for line in recorded.lines().skip(2).filter(|line| !line.is_empty()) {
        let (name, outcome) = line.split_once("  ").unwrap();
        let (name, outcome) = (format!("\"{name}\""), format!("\"{}\"", outcome.trim()));
        let is_rule = rules.contains(&name) && rules.contains(&outcome);
        assert!(
            is_rule || measured.contains(&name),
            "no fact any more: {line}"
        );
        rows += 1;
    }
    let names = |text: &str| text.matches("\n    (\n").count() + text.matches("\n    (\"").count();
    assert_eq!(
        rows,
        names(&rules) + names(&measured),
        "cargo bench --bench facts >tour/facts.txt"
    );
    let idle = recorded.lines().last().unwrap();
    let (_, idle) = idle.rsplit_once("  ").unwrap();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains(idle), "README.md says otherwise: {idle}");
}

/// A measured number has, in its section, the command that measures it or the file that it is from.
#[test]
fn no_number_is_without_a_command() {
    let number = r"([0-9][0-9.,]* ?(?:ns|µs|ms|KiB|MiB|wakes|requests/s|answers/s)\b)";
    let command =
        Regex::new(r"cargo (bench|run|test)|benches/|<!-- (quote|run|serve)|`strace").unwrap();
    for chapter in chapters() {
        for section in chapter.text.split("\n## ") {
            let title = section.lines().next().unwrap_or_default();
            // What others do is theirs, and has a source instead.
            if command.is_match(section) || title == "What the others do" {
                continue;
            }
            let numbers = found(section, number);
            assert!(
                numbers.is_empty(),
                "{}, {title}: {numbers:?}",
                chapter.name()
            );
        }
    }
}

/// What a chapter shows as Rust is a piece of something, and a program of examples/ would serve for
/// ever: neither is for rustdoc to run, which sets `doc` also where it looks for tests.
#[test]
fn what_chapters_show_is_no_doctest() {
    let library = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let (before, _) = library.split_once("pub mod tour;").unwrap();
    let attributes = before.rsplit("\n\n").next().unwrap();
    assert!(
        attributes.contains("#[cfg(all(doc, not(doctest)))]"),
        "{attributes}"
    );
}

/// One place says in which order to read: chapter 0.
#[test]
fn the_reading_order_is_in_chapter_0_alone() {
    for (file, link) in [
        ("README.md", "tour/00-map.md"),
        ("ARCHITECTURE.md", "tour/00-map.md"),
        ("src/lib.rs", "[`tour`]"),
        ("www/index.html", "tour/00-map.md"),
    ] {
        let text = fs::read_to_string(root().join(file)).unwrap();
        assert!(text.contains(link), "{file} does not lead to chapter 0");
    }
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => assert!(!has_an_order(&path), "{}: Read next", path.display()),
            }
        }
    }
}

fn has_an_order(path: &Path) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.contains("Read next"))
}

/// What looks like a transcript is one.
#[test]
fn every_transcript_has_a_marker() {
    let marked = Regex::new(r"<!-- (run|serve)( numbers)? -->\n```console\n").unwrap();
    for chapter in chapters() {
        let consoles = chapter.text.matches("\n```console\n").count();
        let marked = marked.find_iter(&chapter.text).count();
        assert_eq!(consoles, marked, "{}", chapter.name());
    }
}

/// Prose is no wider than a page of 100 columns, and what is shown does not need two.
#[test]
fn lines_are_no_longer_than_a_page() {
    for Chapter { path, text, .. } in chapters() {
        let mut is_shown = false;
        for (number, line) in text.lines().enumerate() {
            is_shown ^= line.starts_with("```");
            let starts = ["|", "<!--", "["];
            let free = line.contains("https://") || starts.iter().any(|it| line.starts_with(it));
            let (most, length) = (if is_shown { 150 } else { 100 }, line.chars().count());
            let place = format!("{}:{}", path.display(), number + 1);
            assert!(free || length <= most, "{place}: {length} columns");
        }
    }
}
