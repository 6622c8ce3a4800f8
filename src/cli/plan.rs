//! Options become the values that the library takes.
//!
//! *Floor 5.* Knows which options contradict each other; looks at DIR once, opens nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use httpoll::config::{Backend, Config, ProxyProtocol, TrustedProxies};
use httpoll::conn::Limits;
use httpoll::service::{Decoration, FieldLine, FilesConfig, HeaderRule, UploadConfig};

use super::listen::{self, Listen};
use super::options::{CacheOptions, FileOptions, Options, UploadOptions};
use super::values::{Proxy, Workers};
use super::{Exit, Plan, startup};

impl Options {
    pub(super) fn plan(self) -> Result<Plan, Exit> {
        let mut config = self.config()?;
        let hello = self.serving.hello;
        let root = match self.dir {
            None if hello => None,
            dir => Some(dir.unwrap_or_else(|| ".".into())),
        };
        let serves_files = root.is_some();
        let single_file = match &root {
            Some(root) => is_single_file(root).map_err(Exit::Start)?,
            None => false,
        };
        let mut index_note = None;
        if let Some(root) = root.as_deref().filter(|_| !single_file) {
            self.files.check_spa(root).map_err(Exit::Start)?;
            index_note = self.files.index_note(root);
        }
        let root = root.unwrap_or_default();
        let uploads = self.uploads.config();
        if uploads.is_some() && (single_file || !serves_files) {
            let line = "--upload needs a directory to put files in: httpoll --upload DIR";
            return Err(Exit::Usage(line.into()));
        }
        if let Some(uploads) = &uploads {
            check_upload_directory(&root, uploads).map_err(Exit::Start)?;
        }
        let files = files_config(root, single_file, self.files, self.caching);
        let mut files = files.map_err(Exit::Usage)?;
        files.uploads = uploads;
        // Fields are for every answer, so also for those of hello and of the connection itself.
        let decoration = Decoration::new(&files);
        config.limits = Arc::new(Limits {
            refusal_fields: decoration.refusal_fields(),
            // An upload is refused by the store, in words.
            receive_bytes_max: files.uploads.as_ref().map_or(0, |_| u64::MAX),
            ..Limits::clone(&config.limits)
        });
        Ok(Plan {
            config,
            files: serves_files.then_some(files),
            hello,
            index_note,
            decoration,
            hosts: self.trust.allow_host,
            user: self.rights.user,
            sandbox: self.rights.sandbox,
            record: self.watching.record,
            qr: self.serving.qr,
        })
    }

    fn config(&self) -> Result<Config, Exit> {
        let serving = &self.serving;
        if self.watching.record.is_some() && is_loopless(serving.backend) {
            return Err(Exit::Usage(format!(
                "--record needs a backend with a loop: {LOOPS}"
            )));
        }
        let workers = self.workers().map_err(Exit::Usage)?;
        let places = listen::places(&serving.listen, serving.port)?;
        let default = Config::default();
        let connections = self.limits.max_connections;
        Ok(Config {
            listen: places.addresses,
            port: places.port,
            backend: serving.backend,
            workers,
            reuse_port: serving.reuse_port,
            activation: false,
            grace: serving.grace,
            limits: Arc::new(self.limits()),
            connections_max: connections.unwrap_or(default.connections_max),
            connections_per_ip_max: self.limits.max_per_ip.unwrap_or(0),
            threads_max: connections.unwrap_or(default.threads_max),
            proxy_protocol: match self.trust.proxy_protocol {
                true => ProxyProtocol::Everywhere,
                false => places.proxied,
            },
            trusted_proxies: trusted_proxies(&self.trust.trusted_proxy),
            admin: self.watching.admin.clone(),
            admin_hosts: self.trust.allow_host.clone(),
            log: self.watching.log,
            trace: self.watching.trace,
        })
    }

    /// How many loops: none of them without a connection to hold.
    fn workers(&self) -> Result<usize, String> {
        let backend = self.serving.backend;
        let blocking = is_loopless(backend);
        let connections = self.limits.max_connections.unwrap_or(usize::MAX);
        match self.serving.workers {
            Workers::Count(count) if count > 1 && blocking => Err(format!(
                "--workers {count} needs a backend with a loop: {LOOPS}"
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

const fn is_loopless(backend: Backend) -> bool {
    matches!(backend, Backend::Threads | Backend::Blocking)
}

const LOOPS: &str = "edge, level, poll or select";

impl UploadOptions {
    fn config(self) -> Option<UploadConfig> {
        Some(UploadConfig {
            directory: self.upload?,
            only: self.upload_only,
            on_conflict: self.on_conflict,
            file_bytes_max: self.max_upload.unwrap_or(u64::MAX),
            quota_bytes: self.upload_quota,
            reserve_bytes: self.upload_reserve,
            follow: self.upload_follow,
            durable: self.durable,
        })
    }
}

/// A typing error, rather than a directory that should be made.
fn check_upload_directory(root: &Path, uploads: &UploadConfig) -> Result<(), String> {
    let directory = root.join(&uploads.directory);
    let shown = startup::printable(&directory);
    if !directory.is_dir() {
        return Err(format!(
            "no directory {shown} for --upload: create it, or name another"
        ));
    }
    // By its other name what was sent would be served as if it were the owner's.
    let (Ok(root), Ok(actual)) = (root.canonicalize(), directory.canonicalize()) else {
        return Ok(());
    };
    match actual.strip_prefix(&root) {
        Ok(inside) if inside != uploads.directory => Err(format!(
            "{shown} is a link within DIR: --upload={} is what it leads to",
            startup::printable(inside)
        )),
        _ => Ok(()),
    }
}

impl FileOptions {
    /// Without its page an application answers 404 everywhere: there is nothing to serve.
    fn check_spa(&self, root: &Path) -> Result<(), String> {
        let is_missing = |page: &&str| !root.join(page.trim_start_matches('/')).is_file();
        let Some(page) = self.spa.as_deref().filter(is_missing) else {
            return Ok(());
        };
        Err(format!(
            "no file {page} in {}, the page that --spa answers with: create it, or name another",
            startup::printable(root)
        ))
    }

    /// What is said if no index stands for the root: a slip of the keyboard, perhaps, but directories
    /// below may have one, or get one while serving.
    fn index_note(&self, root: &Path) -> Option<String> {
        if self.index.is_empty() || self.index.iter().any(|name| root.join(name).is_file()) {
            return None;
        }
        let names = self.index.join(" or ");
        let names = startup::printable(Path::new(&names));
        let shown = startup::printable(root);
        Some(format!(
            "No file {names} (--index) stands for {shown} itself."
        ))
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
        archives: !files.no_archive,
        hidden: files.hidden,
        symlinks: files.symlinks,
        follow_root: files.follow_root,
        precompressed: !files.no_precompressed,
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
    everywhere: Vec<FieldLine>,
    somewhere: &[String],
) -> Result<Vec<HeaderRule>, String> {
    let for_all = everywhere
        .into_iter()
        .map(|field| Ok(HeaderRule { field, glob: None }));
    let for_some = somewhere.chunks_exact(2).map(|pair| {
        let (glob, line) = (&pair[0], &pair[1]);
        let wrong = |advice| format!("--header-for '{glob}' '{line}': {advice}");
        let rule = HeaderRule {
            field: line.parse().map_err(wrong)?,
            glob: Some(glob.parse().map_err(wrong)?),
        };
        Ok(rule)
    });
    for_all.chain(for_some).collect()
}

/// What to do about a DIR that does not exist. Other servers take a port or an address there.
fn instead_of(name: &str) -> String {
    match listen::listen(name) {
        Ok(Listen::Port(port)) => format!("a port is: httpoll -p {port}"),
        Ok(Listen::Tcp(_) | Listen::Ip(_) | Listen::Name(_, Some(_))) => {
            format!("an address is: httpoll -l {name}")
        }
        _ => "create it, or name another: httpoll DIR".into(),
    }
}

/// Whether DIR is one file. What is neither a file nor a directory is refused here, before
/// anything opens it: opening a FIFO waits for its writer.
fn is_single_file(root: &Path) -> Result<bool, String> {
    let name = startup::printable(root);
    let metadata = std::fs::metadata(root).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            format!("no such directory: {name} ({})", instead_of(&name))
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
