//! Whether standard output is written in colours.
//!
//! *Floor 5, of the program only.* A pure function of the option, the output, and the variables that
//! terminals and their users agree on.
//!
//! *References:* https://no-color.org, https://bixense.com/clicolors.

use std::ffi::OsString;

/// What `--color` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Colour {
    /// On a terminal, unless a variable says otherwise.
    #[default]
    Auto,
    /// In any case.
    Always,
    /// In none.
    Never,
}

impl Colour {
    /// Whether there are colours. What is typed goes before the variables, and a no before a yes.
    pub(crate) fn is_on(
        self,
        is_terminal: bool,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> bool {
        let is_set = |name| variable(name).is_some_and(|value| !value.is_empty() && value != "0");
        match self {
            Self::Always => true,
            Self::Never => false,
            // Any value, but not none.
            Self::Auto if variable("NO_COLOR").is_some_and(|value| !value.is_empty()) => false,
            Self::Auto if is_set("CLICOLOR_FORCE") => true,
            Self::Auto if variable("CLICOLOR").is_some_and(|value| value == "0") => false,
            Self::Auto => is_terminal && variable("TERM").is_none_or(|term| term != "dumb"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_unless_they_are_wanted_or_not() {
        let check = |colour: Colour, is_terminal: bool, set: &[(&str, &str)], expected: bool| {
            let variable = |name: &str| {
                let found = set.iter().find(|(known, _)| *known == name)?;
                Some(OsString::from(found.1))
            };
            let found = colour.is_on(is_terminal, variable);
            assert_eq!(found, expected, "{colour:?} {is_terminal} {set:?}");
        };
        check(Colour::Auto, true, &[], true);
        check(Colour::Auto, false, &[], false);
        check(Colour::Auto, true, &[("TERM", "dumb")], false);
        check(Colour::Auto, true, &[("TERM", "xterm")], true);
        check(Colour::Auto, true, &[("NO_COLOR", "1")], false);
        check(Colour::Auto, true, &[("NO_COLOR", "0")], false);
        check(Colour::Auto, true, &[("NO_COLOR", "")], true);
        check(Colour::Auto, false, &[("CLICOLOR_FORCE", "1")], true);
        check(Colour::Auto, false, &[("CLICOLOR_FORCE", "0")], false);
        check(Colour::Auto, true, &[("CLICOLOR", "0")], false);
        let both = [("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")];
        check(Colour::Auto, true, &both, false);
        check(Colour::Always, false, &both, true);
        check(Colour::Never, true, &[("CLICOLOR_FORCE", "1")], false);
    }
}
