//! `--print-config`: what all options are, as a file that `--config` reads back to the same.
//!
//! *Floor 5.* Knows clap's declarations and what was made of the words. What is a default stands behind
//! `#`: a default that is said is no default, and some options are refused without others.

use std::ffi::OsStr;
use std::fmt::Write as _;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use toml::Value;

use super::config_file::{FromFile, is_pair, is_setting, name_of};

/// The text of such a file, with where each option comes from.
pub(super) fn text(command: &Command, matches: &ArgMatches, file: &FromFile) -> String {
    let (mut text, mut heading) = (String::new(), None);
    for arg in command.get_arguments().filter(|arg| is_setting(arg)) {
        let id = arg.get_id().as_str();
        let (Some(value), Some(source)) = (value(arg, matches), matches.value_source(id)) else {
            continue;
        };
        if heading != arg.get_help_heading() {
            heading = arg.get_help_heading();
            let _ = writeln!(text, "\n# {}", heading.unwrap_or_default());
        }
        let name = name_of(arg);
        if is_secret(arg) {
            let _ = writeln!(
                text,
                "# {name} is set, and not printed: it holds a password"
            );
            continue;
        }
        let from = match (source, file.places.get(id), arg.get_env()) {
            (ValueSource::DefaultValue, ..) => {
                let _ = writeln!(text, "# {name} = {value}");
                continue;
            }
            (ValueSource::EnvVariable, _, Some(variable)) => variable.to_string_lossy(),
            (_, Some(place), _) => place.into(),
            _ => "typed".into(),
        };
        let _ = writeln!(text, "{name} = {value} # {from}");
    }
    text
}

/// Whether what is given for an option is a secret.
fn is_secret(arg: &Arg) -> bool {
    arg.get_id().as_str() == "auth"
}

fn value(arg: &Arg, matches: &ArgMatches) -> Option<Value> {
    let id = arg.get_id().as_str();
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        return Some(Value::Boolean(matches.get_flag(id)));
    }
    let raw: Vec<_> = matches.get_raw(id)?.map(scalar).collect();
    Some(match arg.get_action() {
        ArgAction::Append if is_pair(arg) => {
            let pairs = raw.chunks(2).map(|pair| Value::Array(pair.to_vec()));
            Value::Array(pairs.collect())
        }
        ArgAction::Append => Value::Array(raw),
        _ => raw.into_iter().next()?,
    })
}

/// A number, if that is written as it was.
fn scalar(raw: &OsStr) -> Value {
    let text = raw.to_string_lossy();
    match text.parse::<i64>() {
        Ok(number) if number.to_string() == text => Value::Integer(number),
        _ => Value::String(text.into_owned()),
    }
}
