//! The options of `export-fetch`.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::bucket::file_or_object::FileOrObject;
use crate::time::{parse_duration, parse_positive_duration};

/// The name of the ledger in the directory of ZIPs.
pub const LEDGER_NAME: &str = "ledger.ndjson";

/// The step at which a line is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Until {
    /// When the export was requested.
    Submitted,
    /// When the export can be downloaded.
    Ready,
    /// When the ZIPs of the export are in --out-dir.
    Fetched,
}

/// What to do with each line.
#[derive(Args, Clone, Debug)]
pub struct FetchOptions {
    /// The directory for ZIPs: DIR/GROUP/FROM_TO/EXPORT-p0001.zip. It may be an address
    /// s3://BUCKET/KEY: each ZIP is then verified in a temporary file and uploaded.
    #[arg(long, value_name = "DIR", value_parser = FileOrObject::parser(), required_unless_present_any = ["print_api_profile", "dry_run", "ledger"])]
    pub out_dir: Option<FileOrObject>,

    /// The step at which to stop.
    #[arg(long, value_enum, default_value = "fetched")]
    pub until: Until,

    /// The number of files in each ZIP. Do not change it for an export that already has a ZIP in
    /// DIR.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    pub page_size: u64,

    /// Before requesting a new export, search the service's list for a READY export of the same
    /// group, types and hours, and download that export instead. Without this flag, the program
    /// searches the list only if the reply to a request for a new export was lost.
    #[arg(long)]
    pub adopt_ready: bool,

    /// Request the state of an export once instead of waiting for it. If the export is not READY,
    /// print its line with what is known so far, and exit with status 75.
    #[arg(long)]
    pub poll_once: bool,

    /// The shortest pause between two requests for the state of an export. Each pause is a tenth of
    /// the time that the run has waited for this export, but at least DUR and at most 30 times DUR.
    /// If the service does not show a new export within 150 times DUR, the run requests the export
    /// again.
    #[arg(long, value_name = "DUR", default_value = "2s", value_parser = parse_positive_duration)]
    pub poll: Duration,

    /// Wait at most DUR for an export to become READY, or for another export of the group to end.
    /// After that the run exits with 75.
    #[arg(long, value_name = "DUR", default_value = "6h", value_parser = parse_duration)]
    pub max_wait: Duration,
}

impl FetchOptions {
    /// The path of the ledger if the user does not give a path: [`LEDGER_NAME`] in `--out-dir`,
    /// which is a directory or a bucket. Without `--out-dir`, it is in the current directory.
    pub fn default_ledger(&self) -> FileOrObject {
        match &self.out_dir {
            None => FileOrObject::File(LEDGER_NAME.into()),
            Some(root) => root.below(LEDGER_NAME),
        }
    }
}
