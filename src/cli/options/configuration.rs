//! Where options come from, other than the command line.

use std::path::PathBuf;

use clap::Args;

#[derive(Args, Debug)]
#[command(next_help_heading = "Configuration")]
pub(in crate::cli) struct Configuration {
    /// Take options from a TOML file; what is typed or in a variable goes first
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) config: Option<PathBuf>,
    /// Print all options as such a file, with where each comes from
    #[arg(long)]
    pub(in crate::cli) print_config: bool,
}
