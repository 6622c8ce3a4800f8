//! Who is asked for a password, and for what.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;

use clap::Args;
use httpoll::service::ProtectedGlob;

#[derive(Args, Debug)]
#[command(next_help_heading = "Passwords")]
pub(in crate::cli) struct PasswordOptions {
    /// Ask for USER:PASSWORD (ps shows it, HTTPOLL_AUTH does not); repeatable
    #[arg(long, value_name = "USER:PASSWORD", value_parser = secret)]
    pub(in crate::cli) auth: Vec<Secret>,
    /// Ask for those of a file: lines of user:hash
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) auth_file: Option<PathBuf>,
    /// Only for what matches, and all beneath it: 'private/**'; repeatable
    #[arg(long, value_name = "GLOB", value_parser = str::parse::<ProtectedGlob>)]
    pub(in crate::cli) auth_for: Vec<ProtectedGlob>,
    /// Read a password, print its hash for --auth-file, and end
    #[arg(long)]
    pub(in crate::cli) hash_password: bool,
}

/// A word that is never printed, by whatever prints options.
#[derive(Clone)]
pub(in crate::cli) struct Secret(pub(in crate::cli) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Takes any word: a complaint about it is made elsewhere, without it.
#[expect(clippy::unnecessary_wraps, reason = "that is what clap calls")]
fn secret(word: &str) -> Result<Secret, Infallible> {
    Ok(Secret(word.to_owned()))
}
