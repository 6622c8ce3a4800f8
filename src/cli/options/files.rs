//! What of a directory is served, how it is described, and how long it is kept.

use std::time::Duration;

use clap::{ArgAction, Args};
use httpoll::service::{EtagMode, FieldLine, PathGlob, Symlinks};

use crate::cli::values;

#[derive(Args, Debug)]
#[command(next_help_heading = "Files")]
pub(in crate::cli) struct FileOptions {
    /// Serve names that start with a dot (.well-known always is)
    #[arg(long)]
    pub(in crate::cli) hidden: bool,
    /// Symbolic links: inside (of DIR), follow or deny
    #[arg(long, value_name = "POLICY", default_value = "inside",
          value_parser = values::one_of(&SYMLINKS), hide_possible_values = true)]
    pub(in crate::cli) symlinks: Symlinks,
    /// DIR may be a link that is switched, or be made anew, while serving
    #[arg(long)]
    pub(in crate::cli) follow_root: bool,
    /// Stands for its directory; repeatable [default: index.html]
    #[arg(long, value_name = "NAME", value_parser = values::file_name)]
    pub(in crate::cli) index: Vec<String>,
    /// Directories without an index file are 404 instead of listed
    #[arg(long)]
    pub(in crate::cli) no_listing: bool,
    /// Listed directories cannot be had as one download (?zip, ?tar.gz, ?tar)
    #[arg(long)]
    pub(in crate::cli) no_archive: bool,
    /// Answer navigations to missing paths with FILE [index.html]
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true,
          default_missing_value = "index.html")]
    pub(in crate::cli) spa: Option<String>,
    /// Add a field to every answer: 'Name: value'; repeatable
    #[arg(long, value_name = "FIELD", value_parser = str::parse::<FieldLine>)]
    pub(in crate::cli) header: Vec<FieldLine>,
    /// The same for files that match: '*.wasm' 'Name: value'
    #[arg(long, num_args = 2, value_names = ["GLOB", "FIELD"])]
    pub(in crate::cli) header_for: Vec<String>,
    /// Let pages of any origin read the answers
    #[arg(long)]
    pub(in crate::cli) cors: bool,
    /// Let pages use SharedArrayBuffer (sends COOP and COEP)
    #[arg(long)]
    pub(in crate::cli) cross_origin_isolated: bool,
    /// Media type of an extension: md=text/markdown; repeatable
    #[arg(long, value_name = "EXT=TYPE", value_parser = values::mime)]
    pub(in crate::cli) mime: Vec<(String, String)>,
    /// Whether text types say charset=utf-8: on or off
    #[arg(long, value_name = "SWITCH", default_value = "on", action = ArgAction::Set,
          value_parser = values::one_of(&SWITCH), hide_possible_values = true)]
    pub(in crate::cli) charset: bool,
    /// Leave file.br, file.zst and file.gz alone where file is asked for
    #[arg(long)]
    pub(in crate::cli) no_precompressed: bool,
    /// Send text and the like as brotli or gzip to who takes it, made once and kept
    #[arg(long)]
    pub(in crate::cli) compress: bool,
    /// Leave out X-Content-Type-Options: nosniff
    #[arg(long)]
    pub(in crate::cli) no_nosniff: bool,
    /// Open pages reload when a file changes, for those who write them; browsers keep nothing
    #[arg(long)]
    pub(in crate::cli) watch: bool,
    /// Serve DIR below this path instead of at /
    #[arg(long, value_name = "PATH", value_parser = values::prefix)]
    pub(in crate::cli) prefix: Option<String>,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Caching")]
pub(in crate::cli) struct CacheOptions {
    /// How long browsers may keep files [default: they ask every time]
    #[arg(long, value_name = "SECONDS", value_parser = values::max_age)]
    pub(in crate::cli) max_age: Option<u64>,
    /// Files that never change under their name: 'assets/*'; repeatable
    #[arg(long, value_name = "GLOB", value_parser = str::parse::<PathGlob>)]
    pub(in crate::cli) immutable: Vec<PathGlob>,
    /// Entity tags: stat, or content (same on every replica)
    #[arg(long, value_name = "FROM", default_value = "stat",
          value_parser = values::one_of(&ETAGS), hide_possible_values = true)]
    pub(in crate::cli) etag: EtagMode,
    /// Memory for small files, over all loops
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = values::size)]
    pub(in crate::cli) cache_memory: u64,
    /// How long a cached file is trusted unseen
    #[arg(long, value_name = "SECONDS", default_value = "0",
          value_parser = values::duration_or_zero)]
    pub(in crate::cli) cache_valid: Duration,
}

const SYMLINKS: [(&str, Symlinks); 3] = [
    ("inside", Symlinks::Inside),
    ("follow", Symlinks::Follow),
    ("deny", Symlinks::Deny),
];
const SWITCH: [(&str, bool); 2] = [("on", true), ("off", false)];
const ETAGS: [(&str, EtagMode); 2] = [("stat", EtagMode::Stat), ("content", EtagMode::Content)];
