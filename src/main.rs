//! httpoll, the program: words, a plan, a server, an exit code. Nothing else.
//!
//! Two things that it relies on were done before `main`, by Rust's runtime: standard descriptors
//! that were closed are open on /dev/null, so that no client's socket can become descriptor 1;
//! and SIGPIPE is ignored, so that writing to a pipe without a reader is an error and not the end.
//! `tests/it/startup.rs` shows both.

#![warn(clippy::disallowed_methods)]

mod cli;

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use cli::hang_up::Terminal;
use cli::{Exit, Plan, services, startup};
use httpoll::config::{Config, LogFormat, LogPlace};
use httpoll::confine::{self, Confined, Needs, User};
use httpoll::driver::{AccessLog, LogEnd, LogFile, Server, Style, Supervisor};
use httpoll::kernel::StartError;

fn main() -> ExitCode {
    let (code, line) = match cli::parse(std::env::args_os()) {
        Ok(plan) => match serve(&plan) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => (1, error.to_string()),
        },
        Err(Exit::Asked(text)) => {
            let _ = io::stdout().write_all(text.as_bytes()); // `httpoll --help | head -1`
            return ExitCode::SUCCESS;
        }
        Err(Exit::Usage(line)) => (2, line),
        Err(Exit::Start(line)) => (1, line),
    };
    let _ = writeln!(io::stderr(), "httpoll: {line}");
    ExitCode::from(code)
}

/// PITFALL: the order is the point. Rights belong to threads: what is given up before the first
/// one starts is given up by all of them, and the log is a thread.
fn serve(plan: &Plan) -> Result<(), Box<dyn std::error::Error>> {
    let user = plan.user.as_deref().map(User::find).transpose()?;
    let watched = services::watched(plan)?;
    let reload = watched.as_ref().map(|(_, reload)| reload);
    let (service, tallies) = services::service(plan, reload)?;
    let supervisor = Supervisor::from_env();
    let server = Server::bind(Config {
        activation: true,
        ..plan.config.clone()
    })?;
    let record = plan.record.as_deref().map(record_in).transpose()?;
    let log_file = plan.log_file.as_deref().map(log_file_in).transpose()?;
    let on_terminal = io::stdout().is_terminal();
    let terminal = match log_file {
        Some(_) => None, // SIGHUP is about that
        None => Terminal::watched()?,
    };
    let mut text = told(plan, &server, on_terminal);
    text.extend(give_up_rights(plan, &server, user)?);

    if let Some(terminal) = terminal {
        terminal.stops(server.stopper())?;
    }
    let Logs { out, log, ends } = logs(plan, log_file, on_terminal)?;
    let server = server.with_tallies(tallies).announced_by(out, text);
    let server = server.log_to(log).record_to(record).reloading(watched);
    let result = server.supervised_by(supervisor).run(service);
    // Whatever became of it: they say what came before.
    for end in ends {
        end.wait(LOG_PATIENCE);
    }
    Ok(result?)
}

/// What is said of a server that is bound, but for what it gives up.
fn told(plan: &Plan, server: &Server, on_terminal: bool) -> String {
    let (bound, interfaces) = (server.addresses(), startup::interfaces());
    let mut text = startup::text(plan, bound, &interfaces, on_terminal);
    text.push_str(&startup::room(&plan.config, server.room()));
    text.push_str(&startup::watched(&plan.config, server.watched()));
    text.push_str(&startup::admin(server.admin_address()));
    text.extend(startup::names::note(plan));
    let names = std::env::vars_os().map(|(name, _)| name);
    text.push_str(&startup::variables::notes(names));
    text.push_str(&startup::qr_code(plan, bound, &interfaces, on_terminal));
    let variable = |name: &str| std::env::var_os(name);
    text.extend(startup::browser::open(plan, bound, variable));
    text
}

/// Where lines go.
struct Logs {
    out: AccessLog,
    /// Of requests, if there are any.
    log: Option<AccessLog>,
    ends: Vec<LogEnd>,
}

/// PITFALL: to be called once all rights are given up: each is a thread.
fn logs(plan: &Plan, file: Option<LogFile>, on_terminal: bool) -> io::Result<Logs> {
    let place = match on_terminal {
        _ if file.is_some() => LogPlace::File,
        true => LogPlace::Terminal,
        false => LogPlace::Output,
    };
    let format = plan.config.log.format(place);
    let colour = plan.colour;
    let colour = colour.is_on(on_terminal, |name| std::env::var_os(name));
    let style = Style::of_output(colour, on_terminal);
    let (out, end) = AccessLog::stdout(format.unwrap_or(LogFormat::Plain), style)?;
    let mut ends = vec![end];
    let log = match (format, file) {
        (Some(format), Some(file)) => {
            let (log, end) = AccessLog::file(format, file)?;
            ends.push(end);
            Some(log)
        }
        (format, _) => format.map(|_| out.clone()),
    };
    Ok(Logs { out, log, ends })
}

/// The file of `--log-file`, opened with all rights; a sandbox lets it be opened again.
fn log_file_in(path: &Path) -> Result<LogFile, StartError> {
    LogFile::open(path).map_err(|error| {
        let message = format!("--log-file {}: {error}", startup::printable(path));
        StartError::new(message, "name a file that lines can be appended to")
    })
}

/// The file of `--record`; one that is there is overwritten.
fn record_in(path: &Path) -> Result<Box<dyn Write + Send>, StartError> {
    let file = File::create(path).map_err(|error| {
        let message = format!("--record {}: {error}", startup::printable(path));
        StartError::new(message, "name a file that can be written")
    })?;
    Ok(Box::new(file))
}

/// What is bound and open stays so; nothing else does. A line if that leaves more than is served.
fn give_up_rights(
    plan: &Plan,
    server: &Server,
    user: Option<User>,
) -> Result<Option<String>, StartError> {
    let listen = match server.is_inherited() {
        true => &[], // the process that made a socket's file removes it
        false => server.addresses(),
    };
    let places: Vec<_> = listen
        .iter()
        .chain(server.admin_address())
        .cloned()
        .collect();
    let needs = Needs::of(&places, plan.files.as_ref());
    let needs = needs.and_then(|needs| match &plan.log_file {
        Some(file) => needs.with_log(file),
        None => Ok(needs),
    });
    let needs = needs.map_err(|error| {
        let message = format!("the current directory is gone ({error})");
        StartError::new(message, "name DIR by its absolute path")
    })?;
    if let Some(user) = user {
        user.become_it()?;
    }
    let confined = confine::confine(plan.sandbox, &needs)?;
    let widened = needs.widened().filter(|_| confined == Confined::Yes);
    Ok(widened.map(|line| format!("  {line}\n")))
}

/// How long the last access lines may take at the end.
const LOG_PATIENCE: Duration = Duration::from_millis(100);
