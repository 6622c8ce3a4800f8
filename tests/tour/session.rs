//! The commands of a chapter, one after the other, as a reader would type them.
//!
//! A server goes on until the chapter ends or another one is started on its port; what it printed
//! is complete only then. What depends on the machine is given the name that the chapter shows:
//! a port that a command names, the ports of clients, times.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use regex::{Captures, Regex};

use super::blocks::{Block, Chapter, Kind};
use super::programs::{Program, built};
use super::{quotes, root, skip};

/// Nothing more is coming from a server that has been silent for so long.
const QUIET: Duration = Duration::from_millis(700);

/// A server that runs, and the block that shows what it prints.
struct Running {
    block: usize,
    program: Program,
    /// The port that its command names.
    port: String,
}

/// A chapter with its quotes and transcripts as they are now.
pub(crate) fn renewed(chapter: &Chapter) -> String {
    let (printed, ports) = match needs(chapter) {
        Some(tool) => {
            skip::skip(tool);
            (BTreeMap::new(), Ports::default())
        }
        None => run(chapter),
    };
    let (mut number, mut clients) = (0.., Vec::new());
    chapter.renewed(|block| {
        let printed = printed.get(&number.next()?);
        let numbers_vary = match block.kind {
            Kind::Quote { .. } | Kind::Diff { .. } => return Some(quotes::quoted(&block.kind)),
            Kind::Serve { numbers_vary } | Kind::Run { numbers_vary } => numbers_vary,
        };
        let printed = ports.shown(printed?, &mut clients);
        let same = alike(&printed, numbers_vary) == alike(&block.text, numbers_vary);
        (!same).then_some(printed)
    })
}

/// A tool that its commands need and this machine lacks.
fn needs(chapter: &Chapter) -> Option<&'static str> {
    let lines = || chapter.blocks.iter().flat_map(commands_of);
    let needed = |tool: &str| lines().any(|line| line.contains(&format!("{tool} ")));
    ["curl", "nc"]
        .into_iter()
        .find(|tool| needed(tool) && !has(tool))
}

/// Runs its commands in their order. What each printed, by the number of its block.
fn run(chapter: &Chapter) -> (BTreeMap<usize, String>, Ports) {
    let mut ports = Ports::default();
    let mut running: Vec<Running> = Vec::new();
    let mut printed: BTreeMap<usize, String> = BTreeMap::new();
    for (number, block) in chapter.blocks.iter().enumerate() {
        match block.kind {
            Kind::Serve { .. } => {
                let port = port_of(&command_of(block), chapter, block);
                if let Some(at) = running.iter().position(|it| it.port == port) {
                    let earlier = running.remove(at);
                    printed.insert(earlier.block, stop(earlier, chapter));
                }
                let (program, real) = start(&command_of(block), &port);
                ports.serve(&port, real);
                running.push(Running {
                    block: number,
                    program,
                    port,
                });
            }
            Kind::Run { .. } => {
                let text = commands_of(block).map(|command| {
                    let mut program = Program::spawn(shell(&ports.real(&command)));
                    program.end();
                    format!("$ {command}\n{}", program.told)
                });
                printed.insert(number, text.collect());
            }
            Kind::Quote { .. } | Kind::Diff { .. } => {}
        }
    }
    for server in running {
        printed.insert(server.block, stop(server, chapter));
    }
    (printed, ports)
}

fn has(tool: &str) -> bool {
    let output = Command::new(tool).arg("-h").output();
    output.is_ok()
}

/// Each `$ …`, with the lines that a `\` at the end of a line continues.
fn commands_of(block: &Block) -> impl Iterator<Item = String> {
    let mut lines = block.text.lines();
    std::iter::from_fn(move || {
        let mut command = lines.find_map(|line| line.strip_prefix("$ "))?.to_owned();
        while command.ends_with('\\') {
            command.push('\n');
            command.push_str(lines.next().unwrap_or_default());
        }
        Some(command)
    })
}

fn command_of(block: &Block) -> String {
    let command = commands_of(block).next();
    command.unwrap_or_else(|| panic!("line {}: no command", block.line))
}

/// The port that a server's command names.
fn port_of(command: &str, chapter: &Chapter, block: &Block) -> String {
    let port = Regex::new(r"\b[1-9][0-9]{3,4}\b").unwrap().find(command);
    let port = port.unwrap_or_else(|| panic!("{}:{}: no port", chapter.name(), block.line));
    port.as_str().to_owned()
}

/// A server on a free port, and which one that is.
fn start(command: &str, port: &str) -> (Program, String) {
    let any = command.replacen(port, "0", 1);
    let mut program = Program::spawn(shell(&format!("exec {any}")));
    let address = Regex::new(r"127\.0\.0\.1:([0-9]+)").unwrap();
    loop {
        let line = program.line();
        if let Some(found) = address.captures(&line) {
            return (program, found[1].to_owned());
        }
    }
}

/// A server is stopped once it has printed as much as the block shows; or, to be renewed, no more.
fn stop(mut server: Running, chapter: &Chapter) -> String {
    let block = &chapter.blocks[server.block];
    let shown = block.text.lines().take_while(|line| *line != "^C");
    let wanted = shown.count() - 1;
    let renewing = std::env::var_os("UPDATE_EXPECT").is_some();
    let begun = Instant::now();
    while server.program.told.lines().count() < wanted || renewing {
        let more = server.program.next_line(QUIET);
        if more.is_none() && (renewing || begun.elapsed() > 7 * QUIET) {
            break;
        }
    }
    let before = server.program.told.len();
    server.program.interrupt();
    let (told, last) = server.program.told.split_at(before);
    let stopped = if last.is_empty() { "" } else { "^C\n" };
    format!("$ {}\n{told}{stopped}{last}", command_of(block))
}

/// A command line, with what is built in place of `cargo run`.
fn shell(command: &str) -> Command {
    let example = Regex::new(r"cargo run -q (?:--release )?--example (\w+)(?: --)?").unwrap();
    let httpoll = Regex::new(r"cargo run -q (?:--release )?--").unwrap();
    let path = |path: &Path| format!("'{}'", path.display());
    let command = example.replace_all(command, |found: &Captures<'_>| path(&built(&found[1])));
    let command = httpoll.replace_all(&command, path(Path::new(env!("CARGO_BIN_EXE_httpoll"))));
    let mut shell = Command::new("sh");
    // One pipe for both, so that lines come in the order of a terminal.
    shell
        .arg("-c")
        .arg(format!("exec 2>&1; {command}"))
        .current_dir(root());
    shell
}

/// Which port a chapter shows for which one.
#[derive(Default)]
struct Ports {
    /// Those of servers: as shown, as they are.
    servers: Vec<(String, String)>,
}

impl Ports {
    fn serve(&mut self, shown: &str, real: String) {
        self.servers.push((shown.to_owned(), real));
    }

    /// A command as the chapter shows it, with the ports as they are.
    fn real(&self, command: &str) -> String {
        self.servers
            .iter()
            .rev()
            .fold(command.to_owned(), |command, (shown, real)| {
                let port = Regex::new(&format!(r"\b{shown}\b")).unwrap();
                port.replace_all(&command, real.as_str()).into_owned()
            })
    }

    /// What was printed, with the ports as the chapter shows them: a client's is 50001 or more.
    fn shown(&self, printed: &str, clients: &mut Vec<String>) -> String {
        let port = Regex::new(r"\b(127\.0\.0\.1|\[::1\]):([0-9]{4,5})\b").unwrap();
        let shown = port.replace_all(printed, |found: &Captures<'_>| {
            let server = self.servers.iter().find(|(_, real)| *real == found[2]);
            let shown = match server {
                Some((shown, _)) => shown.clone(),
                None if self.servers.iter().any(|(shown, _)| *shown == found[2]) => {
                    found[2].to_owned()
                }
                None => {
                    let known = clients.iter().position(|client| *client == found[2]);
                    let at = known.unwrap_or_else(|| {
                        clients.push(found[2].to_owned());
                        clients.len() - 1
                    });
                    (50_001 + at).to_string()
                }
            };
            format!("{}:{shown}", &found[1])
        });
        shown.into_owned()
    }
}

/// What must be the same: times never are, and other numbers only where nothing else is said.
fn alike(text: &str, numbers_vary: bool) -> String {
    let time = Regex::new(r"[0-9][0-9.]* ?(?:ns|µs|ms|s|milliseconds)\b").unwrap();
    let text = time.replace_all(text, "TIME");
    let text = Regex::new(" +").unwrap().replace_all(&text, " ");
    match numbers_vary {
        true => {
            let number = Regex::new(r"[0-9][0-9.,]*").unwrap();
            number.replace_all(&text, "N").into_owned()
        }
        false => text.into_owned(),
    }
}
