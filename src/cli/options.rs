//! What can be typed: every option, its meaning in one line, its default as a number.
//!
//! *Floor 5.* Declarations only: what a word may be is in `values.rs` and `listen.rs`, what
//! becomes of it in `plan.rs`.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Arg, ArgAction, Args, Command, CommandFactory, Parser};
use clap_complete::Shell;
use httpoll::config::{Backend, ListenAddr, LogMode};
use httpoll::confine::Sandbox;
use httpoll::service::{EtagMode, FieldLine, HostName, OnConflict, PathGlob, Symlinks};

use super::listen::{self, Listen};
use super::values::{self, Proxy, Workers};

/// Serve a directory over HTTP/1.1, from raw sockets.
#[derive(Parser, Debug)]
#[command(
    name = "httpoll",
    version,
    max_term_width = 100,
    disable_help_flag = true
)]
pub(super) struct Options {
    /// Directory to serve, or one file [default: the current directory]
    pub(super) dir: Option<PathBuf>,
    /// Print all options (-h: the usual ones)
    #[arg(short, long, action = ArgAction::HelpShort)]
    help: Option<bool>,
    #[command(flatten)]
    pub(super) generated: Generated,
    #[command(flatten)]
    pub(super) serving: Serving,
    #[command(flatten)]
    pub(super) files: FileOptions,
    #[command(flatten)]
    pub(super) caching: CacheOptions,
    #[command(flatten)]
    pub(super) uploads: UploadOptions,
    #[command(flatten)]
    pub(super) limits: LimitOptions,
    #[command(flatten)]
    pub(super) trust: TrustOptions,
    #[command(flatten)]
    pub(super) rights: Rights,
    #[command(flatten)]
    pub(super) watching: Watching,
}

/// What `-h` shows: a screen of it.
const USUAL: [&str; 17] = [
    "dir",
    "listen",
    "port",
    "backend",
    "workers",
    "hello",
    "hidden",
    "no_listing",
    "spa",
    "cors",
    "max_age",
    "immutable",
    "upload",
    "qr",
    "log",
    "trace",
    "help",
];

/// The command line as clap sees it. In the brief help most options are left out; they are taken all
/// the same.
pub(super) fn command(brief: bool) -> Command {
    // `--max-age -1` is a wrong number, and not an unknown option.
    let command = Options::command().mut_args(|arg| {
        let takes_value = !arg.is_positional() && arg.get_action().takes_values();
        by_variable(arg).allow_negative_numbers(takes_value)
    });
    match brief {
        false => command.after_help(EXAMPLES),
        true => command
            .mut_args(|arg| {
                let unusual = !USUAL.contains(&arg.get_id().as_str());
                arg.hide(unusual)
            })
            .after_help("httpoll --help lists all options, the backends and examples."),
    }
}

/// Has an option taken from its environment variable, unless it is typed: `HTTPOLL_MAX_AGE`.
fn by_variable(arg: Arg) -> Arg {
    let variable = format!("HTTPOLL_{}", arg.get_id().as_str().to_ascii_uppercase());
    match arg.get_action() {
        ArgAction::Set | ArgAction::Append => arg.env(variable).hide_env(true),
        ArgAction::SetTrue => {
            let arg = arg.env(variable).hide_env(true);
            arg.value_parser(BoolishValueParser::new())
        }
        _ => arg,
    }
}

/// What else can be had, for packages: neither is in the help.
#[derive(Args, Debug)]
pub(super) struct Generated {
    /// Print completions for a shell
    #[arg(long, value_name = "SHELL", hide = true)]
    pub(super) completions: Option<Shell>,
    /// Print the manual page
    #[arg(long, hide = true)]
    pub(super) man: bool,
}

impl Generated {
    /// The text that was asked for, if any was.
    pub(super) fn text(&self) -> Option<String> {
        let mut text = Vec::new();
        if let Some(shell) = self.completions {
            clap_complete::generate(shell, &mut command(false), "httpoll", &mut text);
        } else if self.man {
            // A Vec takes everything.
            let _ = clap_mangen::Man::new(command(false)).render(&mut text);
        }
        let text = String::from_utf8(text).unwrap_or_default();
        (!text.is_empty()).then_some(text)
    }
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Serving")]
pub(super) struct Serving {
    /// ADDR:PORT, ADDR, NAME, PORT or unix:PATH; repeatable [default: localhost]
    #[arg(short, long, value_name = "ADDR", value_parser = listen::listen)]
    pub(super) listen: Vec<Listen>,
    /// Port where --listen names none; 0 takes a free one [default: 8080]
    #[arg(short, long, value_parser = values::port)]
    pub(super) port: Option<u16>,
    /// edge, level, poll, select, threads or blocking
    #[arg(short, long, value_name = "NAME", default_value = "edge",
          value_parser = values::one_of(&BACKENDS), hide_possible_values = true)]
    pub(super) backend: Backend,
    /// Loops with clients and a cache of their own, or auto: one per processor
    #[arg(short, long, value_name = "N", default_value = "1", value_parser = values::workers)]
    pub(super) workers: Workers,
    /// Show the address as a QR code, for a phone: see --listen
    #[arg(long)]
    pub(super) qr: bool,
    /// Answer Hello, World! at / (at /hello if DIR is given too)
    #[arg(long)]
    pub(super) hello: bool,
    /// Share the port with another process; hand it over to that one at the end
    #[arg(long)]
    pub(super) reuse_port: bool,
    /// How long a stop waits for answers in flight
    #[arg(long, value_name = "SECONDS", default_value = "10",
          value_parser = values::duration_or_zero)]
    pub(super) grace: Duration,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Files")]
pub(super) struct FileOptions {
    /// Serve names that start with a dot (.well-known always is)
    #[arg(long)]
    pub(super) hidden: bool,
    /// Symbolic links: inside (of DIR), follow or deny
    #[arg(long, value_name = "POLICY", default_value = "inside",
          value_parser = values::one_of(&SYMLINKS), hide_possible_values = true)]
    pub(super) symlinks: Symlinks,
    /// DIR is itself a link that may be switched while serving
    #[arg(long)]
    pub(super) follow_root: bool,
    /// Stands for its directory; repeatable [default: index.html]
    #[arg(long, value_name = "NAME", value_parser = values::file_name)]
    pub(super) index: Vec<String>,
    /// Directories without an index file are 404 instead of listed
    #[arg(long)]
    pub(super) no_listing: bool,
    /// Listed directories cannot be had as one download (?zip, ?tar.gz, ?tar)
    #[arg(long)]
    pub(super) no_archive: bool,
    /// Answer navigations to missing paths with FILE [index.html]
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true,
          default_missing_value = "index.html")]
    pub(super) spa: Option<String>,
    /// Add a field to every answer: 'Name: value'; repeatable
    #[arg(long, value_name = "FIELD", value_parser = str::parse::<FieldLine>)]
    pub(super) header: Vec<FieldLine>,
    /// The same for files that match: '*.wasm' 'Name: value'
    #[arg(long, num_args = 2, value_names = ["GLOB", "FIELD"])]
    pub(super) header_for: Vec<String>,
    /// Let pages of any origin read the answers
    #[arg(long)]
    pub(super) cors: bool,
    /// Let pages use SharedArrayBuffer (sends COOP and COEP)
    #[arg(long)]
    pub(super) cross_origin_isolated: bool,
    /// Media type of an extension: md=text/markdown; repeatable
    #[arg(long, value_name = "EXT=TYPE", value_parser = values::mime)]
    pub(super) mime: Vec<(String, String)>,
    /// Whether text types say charset=utf-8: on or off
    #[arg(long, value_name = "SWITCH", default_value = "on", action = ArgAction::Set,
          value_parser = values::one_of(&SWITCH), hide_possible_values = true)]
    pub(super) charset: bool,
    /// Leave file.br, file.zst and file.gz alone where file is asked for
    #[arg(long)]
    pub(super) no_precompressed: bool,
    /// Leave out X-Content-Type-Options: nosniff
    #[arg(long)]
    pub(super) no_nosniff: bool,
    /// Serve DIR below this path instead of at /
    #[arg(long, value_name = "PATH", value_parser = values::prefix)]
    pub(super) prefix: Option<String>,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Caching")]
pub(super) struct CacheOptions {
    /// How long browsers may keep files [default: they ask every time]
    #[arg(long, value_name = "SECONDS", value_parser = values::max_age)]
    pub(super) max_age: Option<u64>,
    /// Files that never change under their name: 'assets/*'; repeatable
    #[arg(long, value_name = "GLOB", value_parser = str::parse::<PathGlob>)]
    pub(super) immutable: Vec<PathGlob>,
    /// Entity tags: stat, or content (same on every replica)
    #[arg(long, value_name = "FROM", default_value = "stat",
          value_parser = values::one_of(&ETAGS), hide_possible_values = true)]
    pub(super) etag: EtagMode,
    /// Memory for small files, over all loops
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = values::size)]
    pub(super) cache_memory: u64,
    /// How long a cached file is trusted unseen
    #[arg(long, value_name = "SECONDS", default_value = "0",
          value_parser = values::duration_or_zero)]
    pub(super) cache_valid: Duration,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Uploads")]
pub(super) struct UploadOptions {
    /// Take files, by page, form or PUT: into all of DIR, or SUBDIR of it
    #[arg(long, value_name = "SUBDIR", num_args = 0..=1, require_equals = true,
          default_missing_value = "", value_parser = values::subdirectory)]
    pub(super) upload: Option<PathBuf>,
    /// A drop box: files can be sent there and not read
    #[arg(long, requires = "upload")]
    pub(super) upload_only: bool,
    /// A name is taken: refuse, rename or replace [default: rename; PUT: refuse]
    #[arg(long, value_name = "POLICY", requires = "upload",
          value_parser = values::one_of(&CONFLICTS), hide_possible_values = true)]
    pub(super) on_conflict: Option<OnConflict>,
    /// Largest file [default: any]
    #[arg(long, value_name = "SIZE", requires = "upload", value_parser = values::size)]
    pub(super) max_upload: Option<u64>,
    /// All uploads together, since the start [default: any]
    #[arg(long, value_name = "SIZE", requires = "upload", value_parser = values::size)]
    pub(super) upload_quota: Option<u64>,
    /// What of the disk stays free
    #[arg(long, value_name = "SIZE", requires = "upload", default_value = "64M",
          value_parser = values::size)]
    pub(super) upload_reserve: u64,
    /// Files can be read while they come, as URL?follow
    #[arg(long, requires = "upload", conflicts_with = "upload_only")]
    pub(super) upload_follow: bool,
    /// A file is on the disk before its sender is told (fsync)
    #[arg(long, requires = "upload")]
    pub(super) durable: bool,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Connections and limits")]
pub(super) struct LimitOptions {
    /// For a whole request head, however it drips in
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = values::duration)]
    pub(super) header_timeout: Duration,
    /// For a request body without progress
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = values::duration)]
    pub(super) body_timeout: Duration,
    /// Bytes per second that a body must make
    #[arg(long, value_name = "SIZE", default_value = "500", value_parser = values::size)]
    pub(super) min_rate: u64,
    /// Between two requests of a connection
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = values::duration)]
    pub(super) idle_timeout: Duration,
    /// For an answer of which the client takes nothing
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = values::duration)]
    pub(super) write_timeout: Duration,
    /// Largest request body (413)
    #[arg(long, value_name = "SIZE", default_value = "1M", value_parser = values::size)]
    pub(super) max_body: u64,
    /// At once [default: by the descriptor limit; 512 for threads]
    #[arg(long, value_name = "N", value_parser = values::count)]
    pub(super) max_connections: Option<usize>,
    /// At once from one address [default: any number]
    #[arg(long, value_name = "N", value_parser = values::count)]
    pub(super) max_per_ip: Option<usize>,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Names and proxies")]
pub(super) struct TrustOptions {
    /// Answer to this Host only, 421 to others; repeatable [default: to any]
    #[arg(long, value_name = "NAME", value_parser = values::host)]
    pub(super) allow_host: Vec<HostName>,
    /// Believe Forwarded and X-Forwarded-For from here (or unix); repeatable
    #[arg(long, value_name = "CIDR", value_parser = values::proxy)]
    pub(super) trusted_proxy: Vec<Proxy>,
    /// Require a PROXY header on all listeners (one: --listen proxy:ADDR)
    #[arg(long)]
    pub(super) proxy_protocol: bool,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Rights")]
pub(super) struct Rights {
    /// Become this user once the ports are bound; needs root
    #[arg(long, value_name = "NAME[:GROUP]")]
    pub(super) user: Option<String>,
    /// Rights to give up: auto, strict (system calls too), off
    #[arg(long, value_name = "MODE", default_value = "auto",
          value_parser = values::one_of(&SANDBOXES), hide_possible_values = true)]
    pub(super) sandbox: Sandbox,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Watching")]
pub(super) struct Watching {
    /// A line per request: auto (if stdout is a terminal), plain, off
    #[arg(long, value_name = "WHEN", default_value = "auto",
          value_parser = values::one_of(&LOGS), hide_possible_values = true)]
    pub(super) log: LogMode,
    /// Metrics and health at PORT of this machine, ADDR:PORT or unix:PATH
    #[arg(long, value_name = "ADDR", value_parser = listen::admin)]
    pub(super) admin: Option<ListenAddr>,
    /// Print the system calls of each turn of the loop on stderr
    #[arg(long)]
    pub(super) trace: bool,
    /// Record each turn of the loop in FILE, up to 64 MiB, to be looked at
    #[arg(long, value_name = "FILE")]
    pub(super) record: Option<PathBuf>,
}

const BACKENDS: [(&str, Backend); 6] = {
    let mut words = [("", Backend::Edge); 6];
    let mut at = 0;
    while at < words.len() {
        words[at] = (Backend::ALL[at].name(), Backend::ALL[at]);
        at += 1;
    }
    words
};
const SYMLINKS: [(&str, Symlinks); 3] = [
    ("inside", Symlinks::Inside),
    ("follow", Symlinks::Follow),
    ("deny", Symlinks::Deny),
];
const CONFLICTS: [(&str, OnConflict); 3] = [
    ("refuse", OnConflict::Refuse),
    ("rename", OnConflict::Rename),
    ("replace", OnConflict::Replace),
];
const SWITCH: [(&str, bool); 2] = [("on", true), ("off", false)];
const ETAGS: [(&str, EtagMode); 2] = [("stat", EtagMode::Stat), ("content", EtagMode::Content)];
const SANDBOXES: [(&str, Sandbox); 3] = [
    ("auto", Sandbox::Auto),
    ("strict", Sandbox::Strict),
    ("off", Sandbox::Off),
];
const LOGS: [(&str, LogMode); 3] = [
    ("auto", LogMode::Auto),
    ("plain", LogMode::Plain),
    ("off", LogMode::Off),
];

const EXAMPLES: &str = "\
Backends:
  edge      one loop over epoll(7), told once per change
  level     one loop over epoll(7), told as long as it holds
  poll      one loop over poll(2)
  select    one loop over select(2): at most 1024 descriptors
  threads   a thread per connection, at most 512 of them
  blocking  one connection at a time, closed after its answer: to see why
            the other five exist

Seconds take decimals and units: 0.2, 500ms, 5m, 1h, 7d.
Sizes take K, M, G (or KiB, MiB, GiB: 1K is 1024) and KB, MB, GB (1KB is 1000).
A request head holds at most 16 KiB and 100 fields, its target 8 KiB.

Examples:
  httpoll                            this directory on http://127.0.0.1:8080/
  httpoll -p 0 www                   another one, on any free port
  httpoll -l 0.0.0.0 photos          for everybody who can reach this machine
  httpoll --spa dist                 an application with its own routes
  httpoll --immutable 'assets/*' --max-age 60 dist
  httpoll -l 0.0.0.0 --upload=inbox  others can send files into inbox
  httpoll --hello --log off -w auto  for a load test
  httpoll --trace -b select          watch the system calls

Each option has a variable: HTTPOLL_MAX_AGE=60 stands for --max-age 60,
HTTPOLL_HELLO=1 for --hello; what is typed goes first.

Exit code: 0 after a stop, 1 if it cannot start or go on, 2 for wrong options.";
