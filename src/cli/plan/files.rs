//! What of the options is about the files that are served.

use std::path::{Path, PathBuf};
use std::time::Duration;

use httpoll::service::{FieldLine, FilesConfig, HeaderRule};

use crate::cli::listen;
use crate::cli::options::{CacheOptions, FileOptions};
use crate::cli::startup;

impl FileOptions {
    /// Without its page an application answers 404 everywhere: there is nothing to serve.
    pub(super) fn check_spa(&self, root: &Path) -> Result<(), String> {
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
    pub(super) fn index_note(&self, root: &Path) -> Option<String> {
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

pub(super) fn files_config(
    root: PathBuf,
    single_file: bool,
    files: FileOptions,
    caching: CacheOptions,
) -> Result<FilesConfig, String> {
    let default = FilesConfig::default();
    // Who edits wants nothing kept that may have changed.
    let caching = match files.watch {
        true => CacheOptions {
            max_age: None,
            immutable: Vec::new(),
            cache_valid: Duration::ZERO,
            ..caching
        },
        false => caching,
    };
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
        compress: files.compress,
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

/// Whether DIR is one file. What is neither a file nor a directory is refused here, before
/// anything opens it: opening a FIFO waits for its writer.
pub(super) fn is_single_file(root: &Path) -> Result<bool, String> {
    let name = startup::printable(root);
    let metadata = std::fs::metadata(root).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            let advice = listen::typed_as_dir(&name);
            let advice = advice.unwrap_or_else(|| "create it, or name another: httpoll DIR".into());
            format!("no such directory: {name} ({advice})")
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
