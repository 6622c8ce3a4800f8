//! Variables that nearly are one of an option.
//!
//! *Floor 5, of the program only.* A word that is misspelt is refused; a variable cannot be, because
//! `HTTPOLL_…` may be somebody else's. It is named, and what was meant: with `HTTPOLL_AUHT` there is no
//! password.

use std::ffi::{OsStr, OsString};

use clap::Command;
use clap::error::{ContextKind, ContextValue};

use crate::cli::options;

/// A line for each of `names` that is no option's variable but looks like one.
pub(crate) fn notes(names: impl Iterator<Item = OsString>) -> String {
    let command = options::command(false);
    let is_known = |name: &str| {
        let mut arguments = command.get_arguments();
        arguments.any(|arg| arg.get_env() == Some(OsStr::new(name)))
    };
    let note = |name: OsString| {
        let name = name.to_str()?;
        let rest = name.strip_prefix("HTTPOLL_")?;
        // What Kubernetes sets for a service that is called httpoll.
        let is_of_service = rest.starts_with("SERVICE_") || rest.starts_with("PORT_");
        if is_known(name) || is_of_service {
            return None;
        }
        let meant = similar(&command, rest)?;
        let is_meant = is_known(&meant) && is_slip(name, &meant);
        is_meant.then(|| format!("  {name} is no option's variable: {meant} would be one\n"))
    };
    names.filter_map(note).collect()
}

/// The variable of the option that clap takes for the nearest.
fn similar(command: &Command, rest: &str) -> Option<String> {
    let option = format!("--{}", rest.to_ascii_lowercase().replace('_', "-"));
    let words = ["httpoll", &option];
    let error = command.clone().try_get_matches_from(words).err()?;
    let suggested = match error.get(ContextKind::SuggestedArg)? {
        ContextValue::String(suggested) => suggested,
        ContextValue::Strings(several) => several.first()?,
        _ => return None,
    };
    let name = suggested.trim_start_matches('-').replace('-', "_");
    Some(format!("HTTPOLL_{}", name.to_ascii_uppercase()))
}

/// Whether no more than one letter is missing, too many or another: clap guesses more boldly, at what
/// was typed just now and not set for something else.
fn is_slip(name: &str, meant: &str) -> bool {
    let lacks = |one: &str, other: &str| {
        let mut left = one.replace('_', "");
        for letter in other.chars() {
            if let Some(at) = left.find(letter) {
                left.remove(at);
            }
        }
        left.len() > 1
    };
    !lacks(name, meant) && !lacks(meant, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_nearly_is_one_is_told() {
        let told = |name: &str| notes([name.into()].into_iter());
        for (name, meant) in [
            ("HTTPOLL_AUHT", "HTTPOLL_AUTH"),
            ("HTTPOLL_ALOW_HOST", "HTTPOLL_ALLOW_HOST"),
            ("HTTPOLL_MAXAGE", "HTTPOLL_MAX_AGE"),
            ("HTTPOLL_WORKER", "HTTPOLL_WORKERS"),
        ] {
            let told = told(name);
            assert!(
                told.contains(name) && told.contains(&format!(": {meant} ")),
                "{told}"
            );
        }
        for name in [
            "HTTPOLL_AUTH",
            "HTTPOLL_BIN",
            "HTTPOLL_ARGS",
            "HTTPOLL_",
            "HTTPOLL_PORT_8080_TCP_ADDR",
            "HTTPOLL_SERVICE_HOST",
            "PATH",
        ] {
            assert!(told(name).is_empty(), "{name}");
        }
    }
}
