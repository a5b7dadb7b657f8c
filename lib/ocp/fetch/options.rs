//! What the user chose.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::time::{parse_duration, parse_positive_duration};

/// How far a line is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Until {
    /// Until the export has been asked for.
    Submitted,
    /// Until it can be downloaded.
    Ready,
    /// Until its ZIPs are on disk.
    Fetched,
}

/// What to do with the lines.
#[derive(Args, Clone, Debug)]
pub struct FetchOptions {
    /// The directory for ZIPs: DIR/GROUP/FROM_TO/EXPORT-p0001.zip.
    #[arg(long, value_name = "DIR", required_unless_present_any = ["print_api_profile", "dry_run", "ledger"])]
    pub out_dir: Option<PathBuf>,

    /// How far each line is taken.
    #[arg(long, value_enum, default_value = "fetched")]
    pub until: Until,

    /// Files in each ZIP. Fixed for an export once a page of it is on disk.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    pub page_size: u64,

    /// Ask for the state of an export once instead of waiting for it: if it is
    /// not READY, write the line so far and end with status 75.
    #[arg(long)]
    pub poll_once: bool,

    /// The shortest pause between two questions for the state of an export; it
    /// grows to a tenth of the time waited, at most thirty times DUR.
    #[arg(long, value_name = "DUR", default_value = "2s", value_parser = parse_positive_duration)]
    pub poll: Duration,

    /// Wait for an export to become READY, or for a group's slot to become free,
    /// for at most DUR; what is not had then ends the run with 75.
    #[arg(long, value_name = "DUR", default_value = "6h", value_parser = parse_duration)]
    pub max_wait: Duration,
}

impl FetchOptions {
    /// Where the files of the ledger lie.
    pub fn root(&self) -> &Path {
        self.out_dir.as_deref().unwrap_or(Path::new(""))
    }
}
