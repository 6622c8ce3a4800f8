//! Options become the values that the library takes.
//!
//! *Floor 5.* Knows which options contradict each other; looks at DIR once, opens nothing.

mod files;
mod passwords;
mod uploads;

use std::sync::Arc;

use httpoll::config::{Backend, Config, Fault, Faults, LogMode, ProxyProtocol, TrustedProxies};
use httpoll::confine::Sandbox;
use httpoll::conn::Limits;
use httpoll::service::{Decoration, FilesConfig, ProtectedPaths};

use super::listen;
use super::options::Options;
use super::values::{Proxy, Workers};
use super::{Exit, Plan};
use files::{files_config, is_single_file};
pub(crate) use passwords::PasswordPlan;
use uploads::check_upload_directory;

impl Options {
    pub(super) fn plan(self) -> Result<Plan, Exit> {
        let mut config = self.config()?;
        let watch = self.is_watching().map_err(Exit::Usage)?;
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
        files.protected = self.passwords.protected(&files).map_err(Exit::Usage)?;
        // A page of a 404 answers under any name: one that needs a password does not.
        let protected = files.protected != ProtectedPaths::All;
        let is_shown = |page: &String| !(protected && files.protected.covers_page(page));
        files.not_found = files.not_found.take().filter(is_shown);
        let passwords = self.passwords.plan(&files)?;
        // Fields are for every answer, so also for those of hello and of the connection itself.
        let decoration = Decoration::new(&files);
        config.limits = limits_with(&config.limits, &decoration, &files);
        config.receives_files = files.uploads.is_some();
        Ok(Plan {
            config,
            files: serves_files.then_some(files),
            watch,
            hello,
            index_note,
            decoration,
            hosts: self.trust.allow_host,
            passwords,
            user: self.rights.user,
            sandbox: self.rights.sandbox,
            record: self.watching.record,
            colour: self.watching.color,
            log_file: self.watching.log_file,
            qr: self.serving.qr,
            open: self.serving.open,
        })
    }

    fn config(&self) -> Result<Config, Exit> {
        let serving = &self.serving;
        if self.watching.record.is_some() && is_loopless(serving.backend) {
            return Err(Exit::Usage(format!(
                "--record needs a backend with a loop: {LOOPS}"
            )));
        }
        if self.watching.log_file.is_some() && self.watching.log == LogMode::Off {
            let line = "--log off writes no lines into --log-file: leave one of them out";
            return Err(Exit::Usage(line.into()));
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
            faults: self.faults()?,
            ..default
        })
    }

    /// What is injected: all of what there is, or what was named.
    fn faults(&self) -> Result<Option<Faults>, Exit> {
        let Some(mut faults) = self.watching.inject.clone() else {
            return Ok(None);
        };
        let is_all = Fault::ALL.iter().all(|one| faults.kinds.contains(one));
        if is_loopless(self.serving.backend) && faults.kinds.contains(&Fault::SlowAccept) {
            if !is_all {
                return Err(Exit::Usage(format!(
                    "--inject slow-accept needs a backend with a loop: {LOOPS}"
                )));
            }
            faults.kinds.retain(|one| *one != Fault::SlowAccept);
        }
        Ok(Some(faults))
    }

    /// Whether pages reload: where they cannot, that is said.
    fn is_watching(&self) -> Result<bool, String> {
        if !self.files.watch {
            return Ok(false);
        }
        if self.serving.backend == Backend::Blocking {
            return Err(
                "--watch needs a backend with more than one connection: a page that waits for \
                 changes holds one, so take edge, level, poll, select or threads"
                    .into(),
            );
        }
        if self.rights.sandbox == Sandbox::Strict {
            return Err(
                "--watch needs inotify, which --sandbox strict forbids, because it tells what \
                 others do with files: leave one of them out"
                    .into(),
            );
        }
        if self.files.follow_root {
            return Err(
                "--watch looks at one directory, and --follow-root may switch to another: leave \
                 one of them out"
                    .into(),
            );
        }
        if self.serving.hello && self.dir.is_none() {
            return Err("--watch needs files that can change: httpoll --watch DIR".into());
        }
        Ok(true)
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

/// The limits of connections that carry these files.
fn limits_with(limits: &Limits, decoration: &Decoration, files: &FilesConfig) -> Arc<Limits> {
    Arc::new(Limits {
        refusal_fields: decoration.refusal_fields(),
        // An upload is refused by the store, in words.
        receive_bytes_max: files.uploads.as_ref().map_or(0, |_| u64::MAX),
        ..Limits::clone(limits)
    })
}

const fn is_loopless(backend: Backend) -> bool {
    matches!(backend, Backend::Threads | Backend::Blocking)
}

const LOOPS: &str = "edge, level, poll or select";

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
