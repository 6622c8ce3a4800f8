//! The exercises that are there: folders, found by their numbers.

use std::fs;
use std::path::PathBuf;

/// One exercise.
pub struct Entry {
    pub number: u32,
    /// `07_drain`.
    pub folder: String,
    /// The first line of its README.
    pub title: String,
}

impl Entry {
    /// `drain`.
    pub fn name(&self) -> &str {
        self.folder.split_once('_').map_or("", |(_, name)| name)
    }

    /// One of its files.
    pub fn path(&self, file: &str) -> PathBuf {
        root().join(&self.folder).join(file)
    }

    /// The text of one of its files; empty if it cannot be read.
    pub fn text(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap_or_default()
    }

    /// The name of the program that judges it.
    pub fn program(&self) -> String {
        format!("ex{:02}", self.number)
    }

    /// The steps of its hints: what stands between the headings of `hint.md`.
    pub fn hints(&self) -> Vec<String> {
        let text = self.text("hint.md");
        let steps = text.split("\n## ").skip(1);
        let steps = steps.map(|step| step.split_once('\n').unwrap_or_default().1);
        steps.map(|step| step.trim().to_owned()).collect()
    }
}

/// All, by number.
pub fn all() -> Vec<Entry> {
    let folders = fs::read_dir(root()).into_iter().flatten().flatten();
    let names = folders.map(|folder| folder.file_name().to_string_lossy().into_owned());
    let mut all: Vec<_> = names.filter_map(entry).collect();
    all.sort_by_key(|entry| entry.number);
    all
}

fn entry(folder: String) -> Option<Entry> {
    let number = folder.split_once('_')?.0.parse().ok()?;
    let mut entry = Entry {
        number,
        folder,
        title: String::new(),
    };
    let text = entry.text("README.md");
    let title = text.lines().next().unwrap_or_default();
    entry.title = title.trim_start_matches(['#', ' ']).to_owned();
    Some(entry)
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
