//! The services that a plan names, opened once and stacked for each loop.
//!
//! *Floor 5, of the program only.* Knows which service stands in front of which; what each does is the
//! library's.

use std::sync::Arc;

use httpoll::config::{Backend, Config};
use httpoll::service::{
    Decoration, Files, FilesConfig, Hello, HostName, Hosts, LiveReload, Passwords, Router, Service,
    Tallies, TreeWatcher, UploadDirectory, hello,
};

use super::{Plan, startup};

/// A quarter of what select(2) can watch: the others are for clients.
const FILES_OF_SELECT: usize = 256;

/// Another quarter, three for each.
const UPLOADS_OF_SELECT: usize = FILES_OF_SELECT / 3;

/// What makes the service of each loop, and what these count. Opens the directory,
/// once.
pub(crate) fn service(
    plan: &Plan,
    reload: Option<&LiveReload>,
) -> Result<(impl FnMut() -> Box<dyn Service> + use<>, Tallies), String> {
    let uploads = (plan.files.as_ref()).and_then(|files| open_uploads(files, &plan.config));
    let uploads = uploads.transpose()?;
    let open = |files| open_files(files, &plan.config);
    let files = plan.files.as_ref().map(open).transpose()?;
    let tallies = Tallies {
        caches: files.as_ref().map(Files::cache_tallies).unwrap_or_default(),
        uploads: uploads
            .as_ref()
            .map(UploadDirectory::tallies)
            .unwrap_or_default(),
    };
    let opened = OpenServices {
        files,
        hello: plan.hello,
        uploads,
        reload: reload.cloned(),
        passwords: plan.passwords.as_ref().map(|plan| plan.passwords.clone()),
        hosts: plan.hosts.as_slice().into(),
        decoration: plan.decoration.clone(),
    };
    Ok((move || opened.stacked(), tallies))
}

/// What all loops share; each is in front of those above it.
struct OpenServices {
    files: Option<Files>,
    hello: bool,
    uploads: Option<UploadDirectory>,
    reload: Option<LiveReload>,
    passwords: Option<Passwords>,
    hosts: Arc<[HostName]>,
    decoration: Decoration,
}

impl OpenServices {
    fn stacked(&self) -> Box<dyn Service> {
        let decoration = &self.decoration;
        let mut service: Box<dyn Service> = match self.files.clone() {
            None => Box::new(router_of_hello("/", decoration)),
            Some(files) if self.hello => {
                Box::new(router_of_hello("/hello", decoration).otherwise(files))
            }
            Some(files) => Box::new(files),
        };
        if let Some(uploads) = &self.uploads {
            service = Box::new(uploads.in_front_of(service));
        }
        if let Some(reload) = &self.reload {
            service = Box::new(reload.in_front_of(service));
        }
        if let Some(passwords) = &self.passwords {
            service = Box::new(passwords.in_front_of(service));
        }
        if !self.hosts.is_empty() {
            let hosts = Hosts::new(Arc::clone(&self.hosts), service);
            service = Box::new(hosts.decorated(decoration.clone()));
        }
        service
    }
}

fn open_files(config: &FilesConfig, server: &Config) -> Result<Files, String> {
    let root = startup::printable(&config.root);
    let mut config = config.clone();
    if server.backend == Backend::Select {
        config.cache_descriptors = config.cache_descriptors.min(FILES_OF_SELECT);
    }
    Files::open(&config, server.workers).map_err(|error| match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            format!("may not read {root} (see ls -ld for who may)")
        }
        _ => format!("cannot serve {root}: {error}"),
    })
}

/// What tells of changes, and whom, if that is wanted.
pub(crate) fn watched(plan: &Plan) -> Result<Option<(TreeWatcher, LiveReload)>, String> {
    let files = plan.files.as_ref().filter(|_| plan.watch);
    let open = |files: &FilesConfig| {
        let tree = TreeWatcher::open(files).map_err(|error| {
            let root = startup::printable(&files.root);
            format!("--watch {root}: {error} (see sysctl fs.inotify for how much may be watched)")
        });
        Ok((tree?, LiveReload::new(files)))
    };
    files.map(open).transpose()
}

/// The directory that takes files, if one is to.
fn open_uploads(config: &FilesConfig, server: &Config) -> Option<Result<UploadDirectory, String>> {
    let mut uploads = config.uploads.clone()?;
    if server.backend == Backend::Select {
        uploads.at_once_max = uploads.at_once_max.min(UPLOADS_OF_SELECT);
    }
    let directory = startup::printable(&config.root.join(&uploads.directory));
    Some(
        UploadDirectory::open(config, &uploads).map_err(|error| match error.kind() {
            std::io::ErrorKind::PermissionDenied => {
                format!(
                    "may not write to {directory}, which --upload needs (see ls -ld for who may)"
                )
            }
            _ => format!("cannot take uploads into {directory}: {error}"),
        }),
    )
}

/// The smallest answer stays the smallest, unless fields were asked for.
fn router_of_hello(path: &str, decoration: &Decoration) -> Router {
    let router = Router::new().decorated(decoration.clone());
    match decoration.is_usual() {
        true => router.get(path, hello),
        false => router.get(path, Hello::new(decoration.clone())),
    }
}
