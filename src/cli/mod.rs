//! The program: from what was typed to what is run.
//!
//! *Floor 5, of the program only.* clap turns words into [`Options`]; [`Options::plan`] turns
//! those into the values that the library takes ([`Config`], [`FilesConfig`]) and refuses what
//! contradicts itself, with one look at DIR; [`services`] opens what they name. Nothing is bound.
//!
//! Every complaint is one line: what is wrong, and what would be right.
//!
//! ```text
//! options/     every option, its meaning in one line, its default as a number
//! values.rs    what one word may be; listen.rs: where to listen
//! config_file.rs, print_config.rs: options in a file
//! plan/        options to values of the library
//! password.rs  one that is asked for on a terminal
//! advice.rs    clap's complaints as one line
//! hang_up.rs   the end of the terminal it was started in
//! services.rs  the plan's services, opened and stacked
//! startup/     what is printed when it runs, the QR code and the browser; colour.rs: whether in colours
//! ```

mod advice;
pub(crate) mod colour;
mod config_file;
pub(crate) mod hang_up;
mod listen;
mod options;
mod password;
mod plan;
mod print_config;
pub(crate) mod services;
pub(crate) mod startup;
mod values;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{Arg, Command, FromArgMatches};
use httpoll::config::Config;
use httpoll::confine::Sandbox;
use httpoll::service::{Decoration, FilesConfig, HostName};

use colour::Colour;
use config_file::FromFile;
use options::Options;
use plan::PasswordPlan;

/// What to run.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The server.
    pub(crate) config: Config,
    /// The directory or file, unless it is `--hello` alone.
    pub(crate) files: Option<FilesConfig>,
    /// Whether pages reload when a file changes.
    pub(crate) watch: bool,
    /// Whether hello is served.
    pub(crate) hello: bool,
    /// What is said if no index stands for the directory itself.
    pub(crate) index_note: Option<String>,
    /// What stands on every answer, whichever service makes it.
    pub(crate) decoration: Decoration,
    /// The names it answers to; any if there are none.
    pub(crate) hosts: Vec<HostName>,
    /// Who is asked for a password.
    pub(crate) passwords: Option<PasswordPlan>,
    /// The user to become once the ports are bound.
    pub(crate) user: Option<String>,
    /// What is given up then.
    pub(crate) sandbox: Sandbox,
    /// Whether the address is shown as a QR code.
    pub(crate) qr: bool,
    /// Whether it is opened in a browser.
    pub(crate) open: bool,
    /// Where the turns of the loops are recorded.
    pub(crate) record: Option<PathBuf>,
    /// Whether lines on standard output have colours.
    pub(crate) colour: Colour,
    /// The file of the access lines, if it is not standard output.
    pub(crate) log_file: Option<PathBuf>,
}

/// Why there is nothing to run.
#[derive(Debug)]
pub(crate) enum Exit {
    /// `--help` or `--version`: the text that was asked for.
    Asked(String),
    /// The words make no sense; one line.
    Usage(String),
    /// They do, but what they name cannot be served; one line.
    Start(String),
}

/// The whole way from words to a plan.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Plan, Exit> {
    let words: Vec<_> = words.into_iter().collect();
    let command = options::command(words.iter().any(|word| word == "-h"));
    no_empty_variables(&command)?;
    let file = config_of(&words)?;
    let matches = command.try_get_matches_from(file.in_front_of(&words));
    let matches = matches.map_err(|error| file.placed(advice::exit(&error)))?;
    let options = Options::from_arg_matches(&matches);
    let options = options.map_err(|error| advice::exit(&error))?;
    if options.configuration.print_config {
        let text = print_config::text(&options::command(false), &matches, &file);
        return Err(Exit::Asked(text));
    }
    if options.passwords.hash_password {
        return Err(password::hash().map_or_else(Exit::Start, Exit::Asked));
    }
    match options.generated.text() {
        Some(text) => Err(Exit::Asked(text)),
        None => options.plan().map_err(|exit| file.placed(exit)),
    }
}

/// Refuses an empty variable of an option whose value may be left out: a template that was not filled
/// in would be taken for the option itself, and that of `--upload` lets everybody write.
fn no_empty_variables(command: &Command) -> Result<(), Exit> {
    let is_empty = |variable: &OsStr| std::env::var_os(variable).is_some_and(|it| it.is_empty());
    let may_be_left_out = |arg: &&Arg| {
        let values = arg.get_num_args();
        arg.get_action().takes_values() && values.is_some_and(|values| values.min_values() == 0)
    };
    for arg in command.get_arguments().filter(may_be_left_out) {
        if let Some(variable) = arg.get_env().filter(|variable| is_empty(variable)) {
            let name = variable.to_string_lossy();
            return Err(Exit::Usage(format!(
                "{name} is set and empty: unset it, or give it a value for --{}",
                arg.get_long().unwrap_or_default()
            )));
        }
    }
    Ok(())
}

/// What the file of `--config` says, if there is one. Words that are wrong are told later.
fn config_of(words: &[OsString]) -> Result<FromFile, Exit> {
    let command = options::command(false);
    let lenient = command.clone().ignore_errors(true);
    let Ok(typed) = lenient.try_get_matches_from(words) else {
        return Ok(FromFile::default());
    };
    match typed.get_one::<PathBuf>("config") {
        Some(path) => config_file::read(path, &command, &typed),
        None => Ok(FromFile::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::time::Duration;

    use httpoll::config::{ListenAddr, ProxyProtocol, TrustedProxies};
    use httpoll::conn::Limits;
    use httpoll::service::{EtagMode, HeaderRule, Symlinks};

    fn plan(words: &str) -> Result<Plan, Exit> {
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
        let words = "--hidden --symlinks deny --index main.rs --spa=lib.rs --header X-A:b --cors \
                     --header-for *.js X-B:c --mime md=text/markdown --charset off --prefix /d/ \
                     --max-age 60 --immutable *.css --etag content --cache-memory 1M \
                     --cache-valid 1s --no-nosniff --no-listing --no-archive --follow-root \
                     --no-precompressed --compress src";
        let files = plan(words).unwrap().files.unwrap();
        let rule = |name: &str, value: &str, glob: Option<&str>| HeaderRule {
            field: format!("{name}: {value}").parse().unwrap(),
            glob: glob.map(|glob| glob.parse().unwrap()),
        };
        let expected = FilesConfig {
            root: "src".into(),
            index: vec!["main.rs".into()],
            listing: false,
            archives: false,
            hidden: true,
            symlinks: Symlinks::Deny,
            follow_root: true,
            precompressed: false,
            compress: true,
            cache_valid: Some(Duration::from_secs(1)),
            cache_bytes: 1024 * 1024,
            max_age: Some(60),
            immutable: vec!["*.css".parse().unwrap()],
            spa: Some("lib.rs".into()),
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
            Err(Exit::Usage(line)) => {
                assert!(line.contains(advice), "{words}: {line}");
                assert!(!line.contains('\n'), "{line:?}");
            }
            other => panic!("{words}: {other:?}"),
        };
        check("-w 2 -b threads", "needs a backend with a loop");
        check("-w 3 --max-connections 2", "or try --workers 2");
        check("-l 9000 -p 9000", "use one of them");
        check("-l localhost:9000 -p 9000", "--listen ADDR:PORT");
        check("-l 9000 -l 127.0.0.1:1", "127.0.0.1:9000");
        check("-l 127.0.0.1:1 -p 2", "--listen ADDR:PORT");
        check("-b uring", "edge, level, poll, select, threads, blocking");
        check("--idle-timeout 0", "must be more than zero");
        check("--header Date:x", "written by the server itself");
        check("--header-for *.js Date:x", "written by the server itself");
        check("--prot 80", "exists: '--port'");
        check(
            "src extra",
            "one directory or file is served, and extra is a second",
        );
        check("src 8000", "a port is: httpoll -p 8000");
        check("src 0.0.0.0:80", "an address is: httpoll -l 0.0.0.0:80");
        check("--max-age 2147483649", "2147483648");
        check("--max-age soon", "5m");
        check("--max-age -1", "0 or more");
        check("--immutable a***", "assets/**");
        check("--allow-host http://a/", "without scheme and port");
        check("--trusted-proxy 10.1.2.3/8", "bits behind its prefix");
    }

    #[test]
    fn a_word_cannot_steer_the_terminal() {
        let Err(Exit::Usage(line)) = plan("--listen \u{1b}]0;x\u{7}") else {
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
                Err(Exit::Start(line)) => assert!(line.contains(advice), "{line}"),
                other => panic!("{dir}: {other:?}"),
            }
        }
    }
}
