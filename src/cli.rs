//! What was typed: every option, its meaning in one line, its default as a number.
//!
//! *Floor 5, of the program only.* clap turns words into [`Options`]; [`Options::plan`] turns
//! those into the values that the library takes ([`Config`], [`FilesConfig`]) and refuses what
//! contradicts itself. Nothing is opened or bound here beyond one look at DIR.
//!
//! Every complaint is one line: what is wrong, and what would be right.
//!
//! *Read next:* `cli/values.rs` (what one word may be), `cli/startup.rs` (what is printed when it
//! runs), then `main.rs`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser};
use httpoll::config::{Backend, Config, ListenAddr, LogMode, ProxyProtocol, TrustedProxies};
use httpoll::confine::Sandbox;
use httpoll::conn::Limits;
use httpoll::service::{
    Decoration, EtagMode, Files, FilesConfig, HeaderRule, Hello, HostName, Hosts, Router, Service,
    Symlinks, hello,
};

pub(crate) mod startup;
mod values;

use values::{Listen, Proxy, Workers};

/// Serve a directory over HTTP/1.1, from raw sockets.
#[derive(Parser, Debug)]
#[command(name = "httpoll", version, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Options {
    /// Directory to serve, or one file [default: the current directory]
    dir: Option<PathBuf>,
    #[command(flatten)]
    serving: Serving,
    #[command(flatten)]
    files: FileOptions,
    #[command(flatten)]
    caching: CacheOptions,
    #[command(flatten)]
    limits: LimitOptions,
    #[command(flatten)]
    trust: TrustOptions,
    #[command(flatten)]
    rights: Rights,
    #[command(flatten)]
    watching: Watching,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Serving")]
struct Serving {
    /// ADDR:PORT, ADDR, PORT or unix:PATH; repeatable [default: 127.0.0.1, [::1]]
    #[arg(short, long, value_name = "ADDR", value_parser = values::listen)]
    listen: Vec<Listen>,
    /// Port where --listen names none; 0 takes a free one [default: 8080]
    #[arg(short, long)]
    port: Option<u16>,
    /// How connections are carried: see below
    #[arg(short, long, value_name = "NAME", default_value = "edge",
          value_parser = values::one_of(&BACKENDS), hide_possible_values = true)]
    backend: Backend,
    /// Loops that share nothing, or auto: one per processor
    #[arg(short, long, value_name = "N", default_value = "1", value_parser = values::workers)]
    workers: Workers,
    /// Answer Hello, World! at / (at /hello if DIR is given too)
    #[arg(long)]
    hello: bool,
    /// Share the port with another process; hand it over to that one at the end
    #[arg(long)]
    reuse_port: bool,
    /// How long a stop waits for answers in flight
    #[arg(long, value_name = "SECONDS", default_value = "10",
          value_parser = values::duration_or_zero)]
    grace: Duration,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Files")]
struct FileOptions {
    /// Serve names that start with a dot (.well-known always is)
    #[arg(long)]
    hidden: bool,
    /// Symbolic links: inside (of DIR), follow or deny
    #[arg(long, value_name = "POLICY", default_value = "inside",
          value_parser = values::one_of(&SYMLINKS), hide_possible_values = true)]
    symlinks: Symlinks,
    /// DIR is itself a link that may be switched while serving
    #[arg(long)]
    follow_root: bool,
    /// Stands for its directory; repeatable [default: index.html]
    #[arg(long, value_name = "NAME", value_parser = values::file_name)]
    index: Vec<String>,
    /// Directories without an index file are 404 instead of listed
    #[arg(long)]
    no_listing: bool,
    /// Answer navigations to missing paths with FILE [index.html]
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true,
          default_missing_value = "index.html")]
    spa: Option<String>,
    /// Add a field to every answer: 'Name: value'; repeatable
    #[arg(long, value_name = "FIELD", value_parser = values::field)]
    header: Vec<(String, String)>,
    /// The same for files that match: '*.wasm' 'Name: value'
    #[arg(long, num_args = 2, value_names = ["GLOB", "FIELD"])]
    header_for: Vec<String>,
    /// Let pages of any origin read the answers
    #[arg(long)]
    cors: bool,
    /// Let pages use SharedArrayBuffer (sends COOP and COEP)
    #[arg(long)]
    cross_origin_isolated: bool,
    /// Media type of an extension: md=text/markdown; repeatable
    #[arg(long, value_name = "EXT=TYPE", value_parser = values::mime)]
    mime: Vec<(String, String)>,
    /// Whether text types say charset=utf-8: on or off
    #[arg(long, value_name = "SWITCH", default_value = "on", action = clap::ArgAction::Set,
          value_parser = values::one_of(&SWITCH), hide_possible_values = true)]
    charset: bool,
    /// Leave out X-Content-Type-Options: nosniff
    #[arg(long)]
    no_nosniff: bool,
    /// Serve DIR below this path instead of at /
    #[arg(long, value_name = "PATH", value_parser = values::prefix)]
    prefix: Option<String>,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Caching")]
struct CacheOptions {
    /// How long browsers may keep files [default: they ask every time]
    #[arg(long, value_name = "SECONDS", value_parser = values::max_age)]
    max_age: Option<u64>,
    /// Files that never change under their name: 'assets/*'; repeatable
    #[arg(long, value_name = "GLOB")]
    immutable: Vec<String>,
    /// Entity tags: stat, or content (same on every replica)
    #[arg(long, value_name = "FROM", default_value = "stat",
          value_parser = values::one_of(&ETAGS), hide_possible_values = true)]
    etag: EtagMode,
    /// Memory for small files, over all loops
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = values::size)]
    cache_memory: u64,
    /// How long a cached file is trusted unseen
    #[arg(long, value_name = "SECONDS", default_value = "0",
          value_parser = values::duration_or_zero)]
    cache_valid: Duration,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Connections and limits")]
struct LimitOptions {
    /// For a whole request head, however it drips in
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = values::duration)]
    header_timeout: Duration,
    /// For a request body without progress
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = values::duration)]
    body_timeout: Duration,
    /// Bytes per second that a body must make
    #[arg(long, value_name = "SIZE", default_value = "500", value_parser = values::size)]
    min_rate: u64,
    /// Between two requests of a connection
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = values::duration)]
    idle_timeout: Duration,
    /// For an answer of which the client takes nothing
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = values::duration)]
    write_timeout: Duration,
    /// Largest request body (413)
    #[arg(long, value_name = "SIZE", default_value = "1M", value_parser = values::size)]
    max_body: u64,
    /// At once [default: by the descriptor limit; 512 for threads]
    #[arg(long, value_name = "N", value_parser = values::count)]
    max_connections: Option<usize>,
    /// At once from one address [default: any number]
    #[arg(long, value_name = "N", value_parser = values::count)]
    max_per_ip: Option<usize>,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Names and proxies")]
struct TrustOptions {
    /// Answer to this Host only, 421 to others; repeatable [default: to any]
    #[arg(long, value_name = "NAME", value_parser = values::host)]
    allow_host: Vec<HostName>,
    /// Believe Forwarded and X-Forwarded-For from here (or unix); repeatable
    #[arg(long, value_name = "CIDR", value_parser = values::proxy)]
    trusted_proxy: Vec<Proxy>,
    /// Require a PROXY header on all listeners (one: --listen proxy:ADDR)
    #[arg(long)]
    proxy_protocol: bool,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Rights")]
struct Rights {
    /// Become this user once the ports are bound; needs root
    #[arg(long, value_name = "NAME[:GROUP]")]
    user: Option<String>,
    /// Rights to give up: auto, strict (system calls too), off
    #[arg(long, value_name = "MODE", default_value = "auto",
          value_parser = values::one_of(&SANDBOXES), hide_possible_values = true)]
    sandbox: Sandbox,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Watching")]
struct Watching {
    /// A line per request: auto (if stdout is a terminal), plain, off
    #[arg(long, value_name = "WHEN", default_value = "auto",
          value_parser = values::one_of(&LOGS), hide_possible_values = true)]
    log: LogMode,
    /// Metrics and health at PORT of this machine, ADDR:PORT or unix:PATH
    #[arg(long, value_name = "ADDR", value_parser = values::admin)]
    admin: Option<ListenAddr>,
    /// Print the system calls of each turn of the loop on stderr
    #[arg(long)]
    trace: bool,
}

/// What to run.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The server.
    pub(crate) config: Config,
    /// The directory or file, unless it is `--hello` alone.
    pub(crate) files: Option<FilesConfig>,
    /// Whether hello is served.
    pub(crate) hello: bool,
    /// What stands on every answer, whoever makes it.
    pub(crate) decoration: Decoration,
    /// The names it answers to; any if there are none.
    pub(crate) hosts: Vec<HostName>,
    /// Whom to become once the ports are bound.
    pub(crate) user: Option<String>,
    /// What is given up then.
    pub(crate) sandbox: Sandbox,
}

/// Why there is nothing to run.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// `--help` or `--version`: the text that was asked for.
    Asked(String),
    /// The words make no sense; one line.
    Usage(String),
    /// They do, but what they name cannot be served; one line.
    Start(String),
}

/// The whole way from words to a plan.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Plan, Refusal> {
    let options = Options::try_parse_from(words).map_err(|error| refusal(&error))?;
    options.plan()
}

/// What makes the service of each loop. Opens the directory, once.
pub(crate) fn service(plan: &Plan) -> Result<impl FnMut() -> Box<dyn Service> + use<>, String> {
    let open = |config: &FilesConfig| {
        let root = startup::printable(&config.root);
        Files::open(config, plan.config.workers).map_err(|error| match error.kind() {
            std::io::ErrorKind::PermissionDenied => {
                format!("may not read {root} (see ls -ld for who may)")
            }
            _ => format!("cannot serve {root}: {error}"),
        })
    };
    let (files, with_hello) = (plan.files.as_ref().map(open).transpose()?, plan.hello);
    let hosts: Arc<[HostName]> = plan.hosts.as_slice().into();
    let decoration = plan.decoration.clone();
    Ok(move || -> Box<dyn Service> {
        let service: Box<dyn Service> = match files.clone() {
            None => Box::new(router_of_hello("/", &decoration)),
            Some(files) if with_hello => {
                Box::new(router_of_hello("/hello", &decoration).otherwise(files))
            }
            Some(files) => Box::new(files),
        };
        match hosts.is_empty() {
            true => service,
            false => {
                let hosts = Hosts::new(Arc::clone(&hosts), service);
                Box::new(hosts.decorated(decoration.clone()))
            }
        }
    })
}

/// The smallest answer stays the smallest, unless fields were asked for.
fn router_of_hello(path: &str, decoration: &Decoration) -> Router {
    let router = Router::new().decorated(decoration.clone());
    match decoration.is_usual() {
        true => router.get(path, hello),
        false => router.get(path, Hello::new(decoration.clone())),
    }
}

impl Options {
    fn plan(self) -> Result<Plan, Refusal> {
        let mut config = self.config().map_err(Refusal::Usage)?;
        let hello = self.serving.hello;
        let root = match self.dir {
            None if hello => None,
            dir => Some(dir.unwrap_or_else(|| ".".into())),
        };
        let serves_files = root.is_some();
        let single_file = match &root {
            Some(root) => is_single_file(root).map_err(Refusal::Start)?,
            None => false,
        };
        let root = root.unwrap_or_default();
        let files = files_config(root, single_file, self.files, self.caching);
        let files = files.map_err(Refusal::Usage)?;
        // Fields are for every answer, so also for those of hello and of the connection itself.
        let decoration = Decoration::new(&files)
            .map_err(|error| Refusal::Start(format!("cannot add a field: {error}")))?;
        config.limits = Arc::new(Limits {
            refusal_fields: decoration.refusal_fields(),
            ..Limits::clone(&config.limits)
        });
        Ok(Plan {
            config,
            files: serves_files.then_some(files),
            hello,
            decoration,
            hosts: self.trust.allow_host,
            user: self.rights.user,
            sandbox: self.rights.sandbox,
        })
    }

    fn config(&self) -> Result<Config, String> {
        let serving = &self.serving;
        let workers = self.workers()?;
        let (listen, port) = addresses(&serving.listen, serving.port)?;
        let default = Config::default();
        let connections = self.limits.max_connections;
        Ok(Config {
            listen,
            port,
            backend: serving.backend,
            workers,
            reuse_port: serving.reuse_port,
            activation: false,
            grace: serving.grace,
            limits: Arc::new(self.limits()),
            connections_max: connections.unwrap_or(default.connections_max),
            connections_per_ip_max: self.limits.max_per_ip.unwrap_or(0),
            threads_max: connections.unwrap_or(default.threads_max),
            proxy_protocol: self.proxy_protocol(),
            trusted_proxies: trusted_proxies(&self.trust.trusted_proxy),
            admin: self.watching.admin.clone(),
            log: self.watching.log,
            trace: self.watching.trace,
        })
    }

    /// How many loops: none of them without a connection to hold.
    fn workers(&self) -> Result<usize, String> {
        let backend = self.serving.backend;
        let blocking = matches!(backend, Backend::Threads | Backend::Blocking);
        let connections = self.limits.max_connections.unwrap_or(usize::MAX);
        match self.serving.workers {
            Workers::Count(count) if count > 1 && blocking => Err(format!(
                "--workers {count} needs a backend with a loop: edge, level, poll or select"
            )),
            Workers::Count(count) if count > 1 && count > connections => Err(format!(
                "--workers {count} share the connections: raise --max-connections {connections} \
                 or try --workers {connections}"
            )),
            Workers::Count(count) => Ok(count),
            Workers::Auto if blocking => Ok(1),
            Workers::Auto => {
                let processors = std::thread::available_parallelism().map_or(1, usize::from);
                Ok(processors.min(connections))
            }
        }
    }

    fn proxy_protocol(&self) -> ProxyProtocol {
        let listen = self.serving.listen.iter().enumerate();
        let proxied = listen.filter(|(_, one)| matches!(one, Listen::Proxied(_)));
        let positions: Vec<_> = proxied.map(|(position, _)| position).collect();
        match (self.trust.proxy_protocol, positions.is_empty()) {
            (true, _) => ProxyProtocol::Everywhere,
            (false, true) => ProxyProtocol::Off,
            (false, false) => ProxyProtocol::At(positions),
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            header_timeout: self.limits.header_timeout,
            body_timeout: self.limits.body_timeout,
            rate_min: self.limits.min_rate,
            idle_timeout: self.limits.idle_timeout,
            write_timeout: self.limits.write_timeout,
            body_bytes_max: self.limits.max_body,
            ..Limits::default()
        }
    }
}

fn files_config(
    root: PathBuf,
    single_file: bool,
    files: FileOptions,
    caching: CacheOptions,
) -> Result<FilesConfig, String> {
    let default = FilesConfig::default();
    Ok(FilesConfig {
        root,
        single_file,
        index: Some(files.index)
            .filter(|names| !names.is_empty())
            .unwrap_or(default.index),
        listing: !files.no_listing,
        hidden: files.hidden,
        symlinks: files.symlinks,
        follow_root: files.follow_root,
        cache_valid: Some(caching.cache_valid).filter(|valid| !valid.is_zero()),
        cache_bytes: usize::try_from(caching.cache_memory).unwrap_or(usize::MAX),
        max_age: caching.max_age,
        immutable: caching.immutable,
        spa: files.spa,
        headers: header_rules(files.header, &files.header_for)?,
        cors: files.cors,
        cross_origin_isolated: files.cross_origin_isolated,
        mime: files.mime,
        charset: files.charset,
        prefix: files.prefix.unwrap_or_default(),
        nosniff: !files.no_nosniff,
        etag: caching.etag,
        ..default
    })
}

/// The addresses, and the port of the default ones.
fn addresses(listen: &[Listen], port: Option<u16>) -> Result<(Vec<ListenAddr>, u16), String> {
    if let [Listen::Port(only)] = listen {
        return match port {
            None => Ok((Vec::new(), *only)),
            Some(_) => Err("--listen PORT and --port say the same thing: use one of them".into()),
        };
    }
    let takes_port = listen
        .iter()
        .any(|one| matches!(one.place(), Listen::Ip(_)));
    if port.is_some() && !listen.is_empty() && !takes_port {
        return Err("--port is for addresses without one: put it into --listen ADDR:PORT".into());
    }
    let port = port.unwrap_or(Config::default().port);
    let address = |one: &Listen| match one.place() {
        Listen::Tcp(address) => Ok(ListenAddr::Tcp(*address)),
        Listen::Ip(ip) => Ok(ListenAddr::Tcp((*ip, port).into())),
        Listen::Unix(path) => Ok(ListenAddr::Unix(path.clone())),
        Listen::Port(port) => Err(format!(
            "--listen {port} beside others: name the address too, as in 127.0.0.1:{port}"
        )),
        Listen::Proxied(_) => Err("say proxy: once".into()),
    };
    let addresses: Result<_, String> = listen.iter().map(address).collect();
    Ok((addresses?, port))
}

fn trusted_proxies(named: &[Proxy]) -> TrustedProxies {
    let mut trusted = TrustedProxies::default();
    for proxy in named {
        match proxy {
            Proxy::Network(network) => trusted.networks.push(*network),
            Proxy::Unix => trusted.unix = true,
        }
    }
    trusted
}

fn header_rules(
    everywhere: Vec<(String, String)>,
    somewhere: &[String],
) -> Result<Vec<HeaderRule>, String> {
    let rule = |(name, value), glob| HeaderRule { name, value, glob };
    let for_all = everywhere.into_iter().map(|field| Ok(rule(field, None)));
    let for_some = somewhere.chunks_exact(2).map(|pair| {
        let (glob, line) = (&pair[0], &pair[1]);
        let field = values::field(line)
            .map_err(|advice| format!("--header-for {glob} '{line}': {advice}"))?;
        Ok(rule(field, Some(glob.clone())))
    });
    for_all.chain(for_some).collect()
}

/// Whether DIR is one file. What is neither a file nor a directory is refused here, before
/// anything opens it: opening a FIFO waits for its writer.
fn is_single_file(root: &Path) -> Result<bool, String> {
    let name = startup::printable(root);
    let metadata = std::fs::metadata(root).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            format!("no such directory: {name} (create it, or name another: httpoll DIR)")
        }
        std::io::ErrorKind::PermissionDenied => {
            format!("may not look at {name} (see ls -ld for who may)")
        }
        _ => format!("cannot serve {name}: {error}"),
    })?;
    let kind = metadata.file_type();
    if kind.is_dir() || kind.is_file() {
        return Ok(kind.is_file());
    }
    Err(format!(
        "cannot serve {name}: neither a directory nor a regular file"
    ))
}

/// clap's report as one line. Its layout is for eyes: the message, tips and usage as paragraphs.
fn refusal(error: &clap::Error) -> Refusal {
    let text = error.render().to_string();
    if !error.use_stderr() {
        return Refusal::Asked(text);
    }
    let told: Vec<_> = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        .filter(|line| !line.is_empty())
        .collect();
    let told = told.join(" ").replace(" tip: ", "; ");
    let told = told.strip_prefix("error: ").unwrap_or(&told);
    let told = startup::printable(Path::new(told));
    Refusal::Usage(format!("{told} (httpoll --help lists the options)"))
}

const BACKENDS: [(&str, Backend); 6] = {
    let mut words = [("", Backend::Edge); 6];
    let mut at = 0;
    while at < words.len() {
        words[at] = (Backend::ALL[at].name(), Backend::ALL[at]);
        at += 1;
    }
    words
};
const SYMLINKS: [(&str, Symlinks); 3] = [
    ("inside", Symlinks::Inside),
    ("follow", Symlinks::Follow),
    ("deny", Symlinks::Deny),
];
const SWITCH: [(&str, bool); 2] = [("on", true), ("off", false)];
const ETAGS: [(&str, EtagMode); 2] = [("stat", EtagMode::Stat), ("content", EtagMode::Content)];
const SANDBOXES: [(&str, Sandbox); 3] = [
    ("auto", Sandbox::Auto),
    ("strict", Sandbox::Strict),
    ("off", Sandbox::Off),
];
const LOGS: [(&str, LogMode); 3] = [
    ("auto", LogMode::Auto),
    ("plain", LogMode::Plain),
    ("off", LogMode::Off),
];

const EXAMPLES: &str = "\
Backends:
  edge      one loop over epoll(7), told once per change
  level     one loop over epoll(7), told as long as it holds
  poll      one loop over poll(2)
  select    one loop over select(2): at most 1024 descriptors
  threads   a thread per connection, at most 512 of them
  blocking  one connection at a time, closed after its answer: to see why
            the other five exist

Seconds take decimals and units (0.2, 500ms, 5m, 1h), sizes K, M and G.
A request head holds at most 16 KiB and 100 fields, its target 8 KiB.

Examples:
  httpoll                            this directory on http://127.0.0.1:8080/
  httpoll -p 0 www                   another one, on any free port
  httpoll -l 0.0.0.0 photos          for everybody who can reach this machine
  httpoll --spa dist                 an application with its own routes
  httpoll --immutable 'assets/*' --max-age 60 dist
  httpoll --hello --log off -w auto  for a load test
  httpoll --trace -b select          watch the system calls

Exit code: 0 after a stop, 1 if it cannot start or go on, 2 for wrong options.";

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(words: &str) -> Result<Plan, Refusal> {
        let words = std::iter::once("httpoll").chain(words.split_whitespace());
        parse(words.map(OsString::from))
    }

    #[test]
    fn the_definition_is_sound() {
        use clap::CommandFactory;
        Options::command().debug_assert();
    }

    #[test]
    fn without_options_the_defaults_of_the_library_hold() {
        let plan = plan("").unwrap();
        assert_eq!(
            format!("{:?}", plan.config),
            format!("{:?}", Config::default())
        );
        assert_eq!(plan.files, Some(FilesConfig::default()));
        assert!(!plan.hello);
    }

    #[test]
    fn listening_options_name_addresses() {
        let check = |words: &str, expected: &[&str], port: u16| {
            let config = plan(words).unwrap().config;
            let tcp = |word: &&str| ListenAddr::Tcp(word.parse().unwrap());
            assert_eq!(config.listen, expected.iter().map(tcp).collect::<Vec<_>>());
            assert_eq!(config.port, port, "{words}");
        };
        check("", &[], 8080);
        check("--port 0", &[], 0);
        check("--listen 9000", &[], 9000);
        check("-l 0.0.0.0", &["0.0.0.0:8080"], 8080);
        check(
            "-l 0.0.0.0 -l [::]:81 -p 80",
            &["0.0.0.0:80", "[::]:81"],
            80,
        );
        let unix = plan("-l unix:/run/h.sock").unwrap().config.listen;
        assert_eq!(unix, [ListenAddr::Unix("/run/h.sock".into())]);
    }

    #[test]
    fn hello_alone_serves_no_directory() {
        let hello = plan("--hello").unwrap();
        assert!(hello.hello && hello.files.is_none());
        let both = plan("--hello src").unwrap();
        assert!(both.hello && both.files.is_some());
    }

    #[test]
    fn one_file_may_be_served() {
        let files = plan("Cargo.toml").unwrap().files.unwrap();
        assert!(files.single_file);
        assert_eq!(files.root, Path::new("Cargo.toml"));
    }

    #[test]
    fn options_of_files_reach_the_service() {
        let words = "--hidden --symlinks deny --index a.html --spa --header X-A:b --cors \
                     --header-for *.js X-B:c --mime md=text/markdown --charset off --prefix /d/ \
                     --max-age 60 --immutable *.css --etag content --cache-memory 1M \
                     --cache-valid 1s --no-nosniff --no-listing --follow-root src";
        let files = plan(words).unwrap().files.unwrap();
        let rule = |name: &str, value: &str, glob: Option<&str>| HeaderRule {
            name: name.into(),
            value: value.into(),
            glob: glob.map(String::from),
        };
        let expected = FilesConfig {
            root: "src".into(),
            index: vec!["a.html".into()],
            listing: false,
            hidden: true,
            symlinks: Symlinks::Deny,
            follow_root: true,
            cache_valid: Some(Duration::from_secs(1)),
            cache_bytes: 1024 * 1024,
            max_age: Some(60),
            immutable: vec!["*.css".into()],
            spa: Some("index.html".into()),
            headers: vec![rule("X-A", "b", None), rule("X-B", "c", Some("*.js"))],
            cors: true,
            mime: vec![("md".into(), "text/markdown".into())],
            charset: false,
            prefix: "/d".into(),
            nosniff: false,
            etag: EtagMode::Content,
            ..FilesConfig::default()
        };
        assert_eq!(files, expected);
    }

    #[test]
    fn names_are_kept_as_they_are_compared() {
        let plan = plan("--allow-host A.example. --allow-host [::1]").unwrap();
        let expected = ["a.example", "::1"].map(|name| HostName::new(name).unwrap());
        assert_eq!(plan.hosts, expected);
    }

    #[test]
    fn proxies_are_networks_or_the_unix_sockets() {
        let config = plan("--trusted-proxy 10.0.0.0/8 --trusted-proxy unix")
            .unwrap()
            .config;
        let networks = vec!["10.0.0.0/8".parse().unwrap()];
        let expected = TrustedProxies {
            networks,
            unix: true,
        };
        assert_eq!(config.trusted_proxies, expected);
    }

    #[test]
    fn a_proxy_header_is_declared_per_listener() {
        let check = |words: &str, expected: ProxyProtocol| {
            assert_eq!(
                plan(words).unwrap().config.proxy_protocol,
                expected,
                "{words}"
            );
        };
        check("", ProxyProtocol::Off);
        check("--proxy-protocol", ProxyProtocol::Everywhere);
        let two = "-l 127.0.0.1:1 -l proxy:127.0.0.1:2";
        check(two, ProxyProtocol::At(vec![1]));
        assert_eq!(plan(two).unwrap().config.listen.len(), 2);
        let ip = plan("-l proxy:127.0.0.1 -p 3").unwrap().config.listen;
        assert_eq!(ip, [ListenAddr::Tcp("127.0.0.1:3".parse().unwrap())]);
    }

    #[test]
    fn limits_reach_the_connection() {
        let words = "--header-timeout 0.2 --body-timeout 1 --min-rate 2K --idle-timeout 3 \
                     --write-timeout 4 --max-body 5M --max-connections 7 --max-per-ip 8 --grace 0";
        let config = plan(words).unwrap().config;
        let expected = Limits {
            header_timeout: Duration::from_millis(200),
            body_timeout: Duration::from_secs(1),
            rate_min: 2048,
            idle_timeout: Duration::from_secs(3),
            write_timeout: Duration::from_secs(4),
            body_bytes_max: 5 * 1024 * 1024,
            ..Limits::default()
        };
        assert_eq!(format!("{:?}", config.limits), format!("{expected:?}"));
        let counts = (
            config.connections_max,
            config.threads_max,
            config.connections_per_ip_max,
        );
        assert_eq!(
            counts,
            (7, 7, 8),
            "a bound on connections bounds the threads too"
        );
        assert_eq!(config.grace, Duration::ZERO);
    }

    #[test]
    fn every_loop_has_a_connection_to_hold() {
        let workers = |words: &str| plan(words).unwrap().config.workers;
        assert_eq!(workers("-w 2 --max-connections 2"), 2);
        assert_eq!(workers("-w auto --max-connections 1"), 1);
        assert!(workers("-w auto") >= 1);
    }

    #[test]
    fn what_contradicts_itself_is_one_line_of_advice() {
        let check = |words: &str, advice: &str| match plan(words) {
            Err(Refusal::Usage(line)) => {
                assert!(line.contains(advice), "{words}: {line}");
                assert!(!line.contains('\n'), "{line:?}");
            }
            other => panic!("{words}: {other:?}"),
        };
        check("-w 2 -b threads", "needs a backend with a loop");
        check("-w 3 --max-connections 2", "or try --workers 2");
        check("-l 9000 -p 9000", "use one of them");
        check("-l 9000 -l 127.0.0.1:1", "127.0.0.1:9000");
        check("-l 127.0.0.1:1 -p 2", "--listen ADDR:PORT");
        check("-b uring", "edge, level, poll, select, threads, blocking");
        check("--idle-timeout 0", "must be more than zero");
        check("--header Date:x", "written by the server itself");
        check("--header-for *.js Date:x", "written by the server itself");
        check("--prot 80", "exists: '--port'");
        check("src extra", "unexpected argument 'extra'");
        check("--max-age 2147483649", "2147483648");
        check("--max-age soon", "5m");
        check("--allow-host http://a/", "without scheme and port");
        check("--trusted-proxy 10.1.2.3/8", "bits behind its prefix");
    }

    #[test]
    fn a_word_cannot_steer_the_terminal() {
        let Err(Refusal::Usage(line)) = plan("--listen \u{1b}]0;x\u{7}") else {
            panic!("it was taken");
        };
        assert!(!line.contains(char::is_control), "{line:?}");
    }

    #[test]
    fn what_cannot_be_served_is_a_start_error() {
        for (dir, advice) in [
            ("no/such", "no such directory: no/such"),
            ("/dev/null", "neither"),
        ] {
            match plan(dir) {
                Err(Refusal::Start(line)) => assert!(line.contains(advice), "{line}"),
                other => panic!("{dir}: {other:?}"),
            }
        }
    }
}
