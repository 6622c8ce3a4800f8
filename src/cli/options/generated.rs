//! What is printed for packages: completions and the manual page.
//!
//! *Floor 5.* Knows the options by their declarations alone.

use clap::Args;
use clap_complete::Shell;

use super::command;

/// What else can be had, for packages: neither is in the help.
#[derive(Args, Debug)]
pub(in crate::cli) struct Generated {
    /// Print completions for a shell
    #[arg(long, value_name = "SHELL", hide = true)]
    pub(in crate::cli) completions: Option<Shell>,
    /// Print the manual page
    #[arg(long, hide = true)]
    pub(in crate::cli) man: bool,
}

impl Generated {
    /// The text that was asked for, if any was.
    pub(in crate::cli) fn text(&self) -> Option<String> {
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
