//! The chapters of `tour/`, held to what they show: quotes to their sources, transcripts to what
//! the programs print, names to what exists.
//!
//!     cargo test --test tour
//!     UPDATE_EXPECT=1 cargo test --test tour       renews quotes, differences and transcripts
//!
//! A block that is held to something stands behind a marker, an HTML comment that neither the code
//! host nor rustdoc shows:
//!
//! ```text
//! <!-- quote FILE: START -->              the item that begins in the first line with START
//! <!-- quote FILE: A > START -->          the same, behind the first line with A
//! <!-- quote FILE: START .. END ; … -->   up to the next line with END; and further pieces
//! <!-- diff FILE FILE: START .. END -->   what differs, from START to END in either
//! <!-- serve -->                          a server: what it prints until the chapter ends
//! <!-- run -->                            a command: what it prints until it ends
//! ```
//!
//! `serve numbers` and `run numbers` hold only the words to what is printed: the numbers are of the
//! machine. Times are so everywhere. A port that a command names stands for a free one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod blocks;
mod names;
#[path = "../programs/harness.rs"]
mod programs;
mod quotes;
mod session;
#[path = "../it/harness/skip.rs"]
mod skip;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use blocks::Chapter;

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `tour/NN-name.md`, in order.
fn chapters() -> Vec<Chapter> {
    let entries = fs::read_dir(root().join("tour")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    assert!(paths.len() > 2, "this is not the whole tour");
    paths.iter().map(|path| Chapter::read(path)).collect()
}

/// With `UPDATE_EXPECT` set, a chapter is made what it should be. In one thread per chapter, for
/// most of the time is spent waiting.
#[test]
fn chapters_show_what_the_sources_say_and_the_programs_print() {
    let chapters = chapters();
    programs::built("00_clients"); // all of them, before a server waits for it
    // On a machine that stands still for a moment, one pause may end before another: what differs
    // is looked at once more.
    let renew = |chapter: &Chapter| {
        let renewed = session::renewed(chapter);
        let same = renewed == chapter.text;
        if same {
            renewed
        } else {
            session::renewed(chapter)
        }
    };
    let renewed: Vec<String> = thread::scope(|scope| {
        let running: Vec<_> = chapters
            .iter()
            .map(|chapter| scope.spawn(move || renew(chapter)))
            .collect();
        running.into_iter().map(|one| one.join().unwrap()).collect()
    });
    for (chapter, renewed) in chapters.iter().zip(&renewed) {
        expect_test::expect_file![chapter.path.as_path()].assert_eq(renewed);
    }
}
