//! How one can see what the server does.

use std::path::PathBuf;

use clap::Args;
use httpoll::config::{Faults, ListenAddr, LogFormat, LogMode};

use crate::cli::colour::Colour;
use crate::cli::{listen, values};

#[derive(Args, Debug)]
#[command(next_help_heading = "Watching")]
pub(in crate::cli) struct Watching {
    /// A line per request: auto (short on a terminal, plain in a file), short, plain, common,
    /// combined, json or off
    #[arg(long, value_name = "FORMAT", default_value = "auto",
          value_parser = values::one_of(&LOGS), hide_possible_values = true)]
    pub(in crate::cli) log: LogMode,
    /// Append these lines to FILE; SIGHUP opens it again
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) log_file: Option<PathBuf>,
    /// Colours of short lines: auto (on a terminal, unless NO_COLOR is set), always, never
    #[arg(long, value_name = "WHEN", default_value = "auto",
          value_parser = values::one_of(&COLOURS), hide_possible_values = true)]
    pub(in crate::cli) color: Colour,
    /// Metrics and health at PORT of this machine, ADDR:PORT or unix:PATH
    #[arg(long, value_name = "ADDR", value_parser = listen::admin)]
    pub(in crate::cli) admin: Option<ListenAddr>,
    /// Print each turn of the loop on stderr: events, calls, and what it left behind
    #[arg(long)]
    pub(in crate::cli) trace: bool,
    /// Record each turn of the loop in FILE, up to 64 MiB, to be looked at
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) record: Option<PathBuf>,
    /// For lessons: spoil calls on its sockets: short-read, short-write, eagain, eintr, slow-accept or
    /// all; of 100 calls 10, or :PERCENT, others with each @SEED
    #[arg(long, value_name = "LIST", value_parser = values::faults)]
    pub(in crate::cli) inject: Option<Faults>,
}

const COLOURS: [(&str, Colour); 3] = [
    ("auto", Colour::Auto),
    ("always", Colour::Always),
    ("never", Colour::Never),
];
const LOGS: [(&str, LogMode); 7] = [
    ("auto", LogMode::Auto),
    ("short", LogMode::As(LogFormat::Short)),
    ("plain", LogMode::As(LogFormat::Plain)),
    ("common", LogMode::As(LogFormat::Common)),
    ("combined", LogMode::As(LogFormat::Combined)),
    ("json", LogMode::As(LogFormat::Json)),
    ("off", LogMode::Off),
];
