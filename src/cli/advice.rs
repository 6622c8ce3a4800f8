//! clap's complaints as one line.
//!
//! *Floor 5.* Knows the layout of clap's reports; does not know the options.
//!
//! *Read next:* `startup.rs`.

use std::path::Path;

use super::{Exit, startup};

/// clap's report as one line. Its layout is for eyes: the message, tips and usage as paragraphs.
pub(super) fn exit(error: &clap::Error) -> Exit {
    let text = error.render().to_string();
    if !error.use_stderr() {
        return Exit::Asked(text);
    }
    let told: Vec<_> = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        .filter(|line| !line.is_empty())
        .collect();
    let told = told.join(" ").replace(" tip: ", "; ");
    let told = told.strip_prefix("error: ").unwrap_or(&told);
    let told = startup::printable(Path::new(told));
    Exit::Usage(format!("{told} (httpoll --help lists the options)"))
}
