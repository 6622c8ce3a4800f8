//! A password that is asked for: on a terminal without showing it, else the first line that comes.
//!
//! *Floor 5, of the program only.* Knows the terminal; does not know what becomes of the password.

use std::io::{self, BufRead, IsTerminal, Write};

use httpoll::service::hash_password;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// Asks for a password; the line that stands for it in a file of users.
pub(super) fn hash() -> Result<String, String> {
    let password = match io::stdin().is_terminal() {
        false => line()?,
        true => {
            let silence = Silence::begin().map_err(|error| format!("no silent input: {error}"))?;
            let first = ask("Password: ")?;
            let again = ask("Once more: ")?;
            drop(silence);
            if first != again {
                return Err("these are two passwords: nothing was hashed".into());
            }
            first
        }
    };
    Ok(hash_password(&password)? + "\n")
}

fn ask(prompt: &str) -> Result<String, String> {
    let mut terminal = io::stderr();
    let _ = terminal.write_all(prompt.as_bytes());
    let answer = line();
    let _ = terminal.write_all(b"\n"); // the one that was not shown
    answer
}

fn line() -> Result<String, String> {
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    read.map_err(|error| format!("no password was read: {error}"))?;
    let line = line.strip_suffix('\n').unwrap_or(&line);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

/// The terminal shows nothing of what is typed as long as this lives.
struct Silence(Termios);

impl Silence {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}
