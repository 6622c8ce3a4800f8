//! What is taken from clients.

use std::path::PathBuf;

use clap::Args;
use httpoll::service::OnConflict;

use crate::cli::values;

#[derive(Args, Debug)]
#[command(next_help_heading = "Uploads")]
pub(in crate::cli) struct UploadOptions {
    /// Take files, by page, form or PUT: into all of DIR, or SUBDIR of it
    #[arg(long, value_name = "SUBDIR", num_args = 0..=1, require_equals = true,
          default_missing_value = "", value_parser = values::subdirectory)]
    pub(in crate::cli) upload: Option<PathBuf>,
    /// A drop box: files can be sent there and not read
    #[arg(long, requires = "upload")]
    pub(in crate::cli) upload_only: bool,
    /// A name is taken: refuse, rename or replace [default: rename; PUT: refuse]
    #[arg(long, value_name = "POLICY", requires = "upload",
          value_parser = values::one_of(&CONFLICTS), hide_possible_values = true)]
    pub(in crate::cli) on_conflict: Option<OnConflict>,
    /// Largest file [default: any]
    #[arg(long, value_name = "SIZE", requires = "upload", value_parser = values::size)]
    pub(in crate::cli) max_upload: Option<u64>,
    /// All uploads together, since the start [default: any]
    #[arg(long, value_name = "SIZE", requires = "upload", value_parser = values::size)]
    pub(in crate::cli) upload_quota: Option<u64>,
    /// What of the disk stays free
    #[arg(long, value_name = "SIZE", requires = "upload", default_value = "64M",
          value_parser = values::size)]
    pub(in crate::cli) upload_reserve: u64,
    /// Files can be read while they come, as URL?follow
    #[arg(long, requires = "upload", conflicts_with = "upload_only")]
    pub(in crate::cli) upload_follow: bool,
    /// A file is on the disk before its sender is told (fsync)
    #[arg(long, requires = "upload")]
    pub(in crate::cli) durable: bool,
}

const CONFLICTS: [(&str, OnConflict); 3] = [
    ("refuse", OnConflict::Refuse),
    ("rename", OnConflict::Rename),
    ("replace", OnConflict::Replace),
];
