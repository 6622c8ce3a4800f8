//! What of the options is about files that clients send.

use std::path::Path;

use httpoll::service::UploadConfig;

use crate::cli::options::UploadOptions;
use crate::cli::startup;

impl UploadOptions {
    pub(super) fn config(self) -> Option<UploadConfig> {
        Some(UploadConfig {
            directory: self.upload?,
            only: self.upload_only,
            on_conflict: self.on_conflict,
            file_bytes_max: self.max_upload.unwrap_or(u64::MAX),
            quota_bytes: self.upload_quota,
            reserve_bytes: self.upload_reserve,
            follow: self.upload_follow,
            durable: self.durable,
            ..UploadConfig::default()
        })
    }
}

/// A typing error, rather than a directory that should be made.
pub(super) fn check_upload_directory(root: &Path, uploads: &UploadConfig) -> Result<(), String> {
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
