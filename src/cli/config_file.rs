//! `--config FILE`: options by their long names, in TOML.
//!
//! *Floor 5.* Knows clap's declarations and nothing of any single option: a file becomes words in front
//! of those that were typed, without the options that are typed or in a variable. Each value is tried
//! alone first, so that a complaint names the file, the line and the column, and no word that was never
//! typed.
//!
//! ```toml
//! dir = "/srv/www"
//! listen = ["0.0.0.0:80", "[::]:80"]
//! cors = true
//! max-age = 60
//! header-for = [["*.wasm", "X-A: b"], { glob = "*.js", field = "X-A: c" }]
//! ```
//!
//! *References:* TOML 1.0.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::ffi::OsString;
use std::ops::Range;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Exit, advice, startup};

/// What a file says, and was not said by others.
#[derive(Debug, Default)]
pub(super) struct FromFile {
    words: Vec<OsString>,
    /// Where each option stands, by its id.
    pub(super) places: BTreeMap<String, String>,
}

impl FromFile {
    /// Says of the options that a complaint names where they stand, if they do in the file.
    pub(super) fn placed(&self, exit: Exit) -> Exit {
        match exit {
            Exit::Usage(line) => Exit::Usage(self.with_places(line)),
            Exit::Start(line) => Exit::Start(self.with_places(line)),
            asked @ Exit::Asked(_) => asked,
        }
    }

    fn with_places(&self, mut line: String) -> String {
        let is_end = |c: char| !c.is_ascii_alphanumeric() && c != '-';
        let words: Vec<_> = line.split(is_end).map(str::to_owned).collect();
        for (id, place) in &self.places {
            let name = id.replace('_', "-");
            if words.contains(&format!("--{name}")) {
                line.push_str(&format!(" ({place}: {name})"));
            }
        }
        line
    }

    /// The words of a whole command line.
    pub(super) fn in_front_of(&self, typed: &[OsString]) -> Vec<OsString> {
        let (program, rest) = typed.split_at(typed.len().min(1));
        [program, &self.words, rest].concat()
    }
}

/// Whether an option can stand in a file: not those that print something instead.
pub(super) fn is_setting(arg: &Arg) -> bool {
    let sets = matches!(
        arg.get_action(),
        ArgAction::Set | ArgAction::Append | ArgAction::SetTrue
    );
    sets && !arg.is_hide_set()
        && !["config", "print_config", "hash_password"].contains(&arg.get_id().as_str())
}

/// What it is called there.
pub(super) fn name_of(arg: &Arg) -> &str {
    arg.get_long().unwrap_or(arg.get_id().as_str())
}

/// How many values one occurrence takes.
pub(super) fn is_pair(arg: &Arg) -> bool {
    arg.get_num_args().is_some_and(|n| n.min_values() == 2)
}

/// Reads `path` and checks all of it; `typed` says which options are not taken from there.
pub(super) fn read(path: &Path, command: &Command, typed: &ArgMatches) -> Result<FromFile, Exit> {
    let shown = startup::printable(path);
    let unread = |error| {
        let advice = "name a TOML file (httpoll --print-config prints one)";
        Exit::Start(format!("--config {shown}: {error}; {advice}"))
    };
    let text = std::fs::read_to_string(path).map_err(unread)?;
    let file = ConfigText {
        path: &shown,
        text: &text,
        command,
    };
    file.options(typed).map_err(Exit::Usage)
}

/// A wrong place, and why it is wrong.
type Wrong = (Range<usize>, String);

/// The words of one occurrence, and where it stands.
type Occurrence = (Range<usize>, Vec<OsString>);

struct ConfigText<'a> {
    path: &'a str,
    text: &'a str,
    command: &'a Command,
}

impl ConfigText<'_> {
    fn options(&self, typed: &ArgMatches) -> Result<FromFile, String> {
        let table = DeTable::parse(self.text).map_err(|error| {
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            self.line(&(error.span().unwrap_or_default(), message))
        })?;
        // In the order of the file, so that the first mistake is told.
        let mut entries: Vec<_> = table.get_ref().iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let mut found = FromFile::default();
        for (key, value) in entries {
            let (name, at) = (key.get_ref().as_ref(), key.span());
            let arg = self
                .arg(name, value)
                .map_err(|why| self.line(&(at.clone(), why)))?;
            let occurrences = occurrences(arg, value).map_err(|wrong| self.line(&wrong))?;
            for occurrence in &occurrences {
                self.check(name, occurrence)?;
            }
            let id = arg.get_id().as_str();
            let source = typed.value_source(id);
            if source.is_some_and(|source| source != ValueSource::DefaultValue) {
                continue;
            }
            found.places.insert(id.to_owned(), self.place(at.start));
            found
                .words
                .extend(occurrences.into_iter().flat_map(|(_, words)| words));
        }
        Ok(found)
    }

    /// The option of this name.
    fn arg(&self, name: &str, value: &Spanned<DeValue<'_>>) -> Result<&Arg, String> {
        let mut all = self.command.get_arguments();
        if let Some(arg) = all.find(|arg| name_of(arg) == name && is_setting(arg)) {
            return Ok(arg);
        }
        let word = format!("--{name}");
        let tried = self.command.clone();
        let advice = match tried.try_get_matches_from(["httpoll", &word]) {
            _ if value.get_ref().is_table() => {
                Some("all options stand at the top, in no section".into())
            }
            Err(error) if error.kind() == ErrorKind::UnknownArgument => unknown(&error),
            _ => return Err(format!("{name} is for the command line only")),
        };
        let all = "httpoll --print-config lists the options";
        let advice = advice.unwrap_or_else(|| all.into());
        Err(format!("there is no option {name}: {advice}"))
    }

    /// Tries one occurrence alone; what it needs besides may come from elsewhere.
    fn check(&self, name: &str, (at, words): &Occurrence) -> Result<(), String> {
        let program = OsString::from("httpoll");
        let words = std::iter::once(&program).chain(words);
        let Err(error) = self.command.clone().try_get_matches_from(words) else {
            return Ok(());
        };
        if matches!(
            error.kind(),
            ErrorKind::MissingRequiredArgument | ErrorKind::ArgumentConflict
        ) {
            return Ok(());
        }
        let value = self.text.get(at.clone()).unwrap_or_default();
        let why = why(&error);
        Err(self.line(&(at.clone(), format!("{name} = {value}: {why}"))))
    }

    fn line(&self, (at, why): &Wrong) -> String {
        let line = format!("{}: {why}", self.place(at.start));
        startup::printable(Path::new(&line))
    }

    /// `FILE:LINE:COLUMN`, both from 1, as editors count.
    fn place(&self, at: usize) -> String {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .map_or(0, |line| line.chars().count())
            + 1;
        format!("{}:{line}:{column}", self.path)
    }
}

/// What an option that does not exist may have been meant to be.
fn unknown(error: &clap::Error) -> Option<String> {
    if let Some(advice) = advice::guess(error) {
        return Some(advice.to_owned());
    }
    match error.get(ContextKind::SuggestedArg)? {
        ContextValue::String(word) => {
            Some(format!("did you mean {}?", word.trim_start_matches('-')))
        }
        _ => None,
    }
}

/// What is wrong with a value, without the option's name.
fn why(error: &clap::Error) -> String {
    if let Some(source) = error.source() {
        return source.to_string();
    }
    match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(words)) if words.is_empty() => "a value is required".into(),
        Some(ContextValue::Strings(words)) => format!("give one of {}", words.join(", ")),
        _ => advice::one_line(&error.render().to_string()),
    }
}

fn occurrences(arg: &Arg, value: &Spanned<DeValue<'_>>) -> Result<Vec<Occurrence>, Wrong> {
    let wrong = |why: &str| Err((value.span(), format!("{} {why}", name_of(arg))));
    let name = format!("--{}", name_of(arg));
    let alone = |yes: bool| {
        Ok(yes
            .then(|| (value.span(), vec![name.clone().into()]))
            .into_iter()
            .collect())
    };
    match (arg.get_action(), value.get_ref()) {
        (ArgAction::SetTrue, DeValue::Boolean(yes)) => alone(*yes),
        (ArgAction::SetTrue, _) => wrong("is true or false"),
        (ArgAction::Append, DeValue::Array(all)) if is_pair(arg) => {
            // One pair needs no list around it.
            match all.iter().all(|one| one.get_ref().is_str()) && all.len() == 2 {
                true => Ok(vec![pair(arg, value)?]),
                false => all.iter().map(|one| pair(arg, one)).collect(),
            }
        }
        (ArgAction::Append, _) if is_pair(arg) => Ok(vec![pair(arg, value)?]),
        (ArgAction::Append, DeValue::Array(all)) => {
            all.iter().map(|one| single(arg, one)).collect()
        }
        (_, DeValue::Array(_)) => wrong("takes one value and no list"),
        (_, DeValue::Boolean(yes)) if is_optional(arg) => alone(*yes),
        _ => Ok(vec![single(arg, value)?]),
    }
}

/// `--upload`, but also `--upload=SUBDIR`.
fn is_optional(arg: &Arg) -> bool {
    arg.get_num_args().is_some_and(|n| n.min_values() == 0)
}

/// An option with one value.
fn single(arg: &Arg, value: &Spanned<DeValue<'_>>) -> Result<Occurrence, Wrong> {
    let name = name_of(arg);
    let is_switch = || {
        arg.get_possible_values()
            .iter()
            .any(|word| word.matches("off", false))
    };
    let word = match value.get_ref() {
        DeValue::Boolean(yes) if is_switch() => if *yes { "on" } else { "off" }.to_owned(),
        other => match scalar(other) {
            Some(word) => word,
            None => {
                let why = format!(
                    "{name} takes a text or a number, and no {}",
                    other.type_str()
                );
                return Err((value.span(), why));
            }
        },
    };
    let word = match arg.is_positional() {
        // No option, whatever it begins with.
        true if word.starts_with('-') => format!("./{word}"),
        true => word,
        false => format!("--{name}={word}"),
    };
    Ok((value.span(), vec![word.into()]))
}

/// An option with two: `["*.js", "X-A: b"]`, or a table with the names that stand in the help.
fn pair(arg: &Arg, value: &Spanned<DeValue<'_>>) -> Result<Occurrence, Wrong> {
    let names = arg.get_value_names().unwrap_or_default();
    let names: Vec<_> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
    let values: Option<Vec<_>> = match value.get_ref() {
        DeValue::Array(two) => two.iter().map(|one| scalar(one.get_ref())).collect(),
        DeValue::Table(table) if table.len() == names.len() => {
            let value = |name: &String| scalar(table.get(name.as_str())?.get_ref());
            names.iter().map(value).collect()
        }
        _ => None,
    };
    let Some(values) = values.filter(|values| values.len() == 2) else {
        let [a, b] = [0, 1].map(|at| names.get(at).map_or("", String::as_str));
        let why = format!(
            "{} takes pairs: [\"{a}\", \"{b}\"] or {{ {a} = \"…\", {b} = \"…\" }}",
            name_of(arg)
        );
        return Err((value.span(), why));
    };
    let name = format!("--{}", name_of(arg));
    let words = std::iter::once(name).chain(values).map(OsString::from);
    Ok((value.span(), words.collect()))
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Integer(number) => {
            let number = i64::from_str_radix(number.as_str(), number.radix()).ok()?;
            Some(number.to_string())
        }
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        _ => None,
    }
}
