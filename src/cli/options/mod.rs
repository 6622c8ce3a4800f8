//! What can be typed: every option, its meaning in one line, its default as a number.
//!
//! *Floor 5.* Declarations only, a file for each group of `--help`: what a word may be is in
//! `values.rs` and `listen.rs`, what becomes of it in `plan/`.

mod clients;
mod configuration;
mod files;
mod generated;
mod help;
mod passwords;
mod serving;
mod uploads;
mod watching;

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Arg, ArgAction, Command, CommandFactory, Parser};

pub(super) use clients::{LimitOptions, Rights, TrustOptions};
use configuration::Configuration;
pub(super) use files::{CacheOptions, FileOptions};
use generated::Generated;
use help::EXAMPLES;
pub(super) use passwords::PasswordOptions;
pub(super) use serving::Serving;
pub(super) use uploads::UploadOptions;
pub(super) use watching::Watching;

/// Serve a directory over HTTP/1.1, from raw sockets.
#[derive(Parser, Debug)]
#[command(
    name = "httpoll",
    version,
    max_term_width = 100,
    disable_help_flag = true
)]
pub(in crate::cli) struct Options {
    /// Directory to serve, or one file [default: the current directory]
    pub(in crate::cli) dir: Option<PathBuf>,
    /// Print all options (-h: the usual ones)
    #[arg(short, long, action = ArgAction::HelpShort)]
    help: Option<bool>,
    #[command(flatten)]
    pub(in crate::cli) generated: Generated,
    #[command(flatten)]
    pub(in crate::cli) configuration: Configuration,
    #[command(flatten)]
    pub(in crate::cli) serving: Serving,
    #[command(flatten)]
    pub(in crate::cli) files: FileOptions,
    #[command(flatten)]
    pub(in crate::cli) caching: CacheOptions,
    #[command(flatten)]
    pub(in crate::cli) uploads: UploadOptions,
    #[command(flatten)]
    pub(in crate::cli) passwords: PasswordOptions,
    #[command(flatten)]
    pub(in crate::cli) limits: LimitOptions,
    #[command(flatten)]
    pub(in crate::cli) trust: TrustOptions,
    #[command(flatten)]
    pub(in crate::cli) rights: Rights,
    #[command(flatten)]
    pub(in crate::cli) watching: Watching,
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
pub(in crate::cli) fn command(brief: bool) -> Command {
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
