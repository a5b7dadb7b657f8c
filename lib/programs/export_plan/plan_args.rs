//! Arguments that several subcommands share.

use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

use crate::bucket::file_or_object::FileOrObject;
use crate::bucket::service::BucketService;
use crate::cli::args;
use crate::cli::named_files::NamedFiles;
use crate::cli::output::Output;
use crate::cli::run::{self, Run};
use crate::error;
use crate::net::connection::{Connection, NetArgs};
use crate::ocp::zip_store::ZipStore;
use crate::time::{Timestamp, parse_duration};

/// The flags for a ledger and its ZIPs.
#[derive(clap::Args, Debug)]
pub(super) struct OnDisk {
    /// The ledger of export-fetch. It may be an object s3://BUCKET/KEY.
    #[arg(long, value_name = "LEDGER", value_parser = FileOrObject::parser())]
    pub(super) ledger: FileOrObject,

    /// The directory of ZIPs, as for export-fetch. It may be an address s3://BUCKET/KEY. [default:
    /// the directory of the ledger, if the ledger is a file]
    #[arg(long, value_name = "DIR", value_parser = FileOrObject::parser())]
    pub(super) out_dir: Option<FileOrObject>,

    #[command(flatten)]
    net: NetArgs,
}

impl OnDisk {
    pub(super) fn name_files(&self, files: &mut NamedFiles) {
        files.read("--ledger", self.ledger.file());
        files.read("--ca-cert", &self.net.http.ca_cert);
    }

    /// The place of the ZIPs. An error with status 2 if --out-dir is missing and the ledger is in a
    /// bucket.
    pub(super) fn zips(&self, run: &Run) -> anyhow::Result<ZipStore> {
        zips(&self.ledger, self.out_dir.as_ref(), &self.net, run)
    }

    /// The text of the ledger.
    pub(super) fn read(&self, run: &Run) -> anyhow::Result<Vec<u8>> {
        self.ledger.read(|| self.service(run))
    }

    /// The service of the buckets that hold the ledger or the output files of export-fetch.
    pub(super) fn service(&self, run: &Run) -> anyhow::Result<BucketService> {
        service(&self.net, run)
    }
}

/// The place of the ZIPs of a ledger. An error with status 2 if `out_dir` is `None` and the ledger
/// is in a bucket.
pub(super) fn zips(
    ledger: &FileOrObject,
    out_dir: Option<&FileOrObject>,
    net: &NetArgs,
    run: &Run,
) -> anyhow::Result<ZipStore> {
    let beside = || Some(FileOrObject::File(ledger.file()?.parent()?.to_owned()));
    let root = out_dir.cloned().or_else(beside).ok_or_else(|| {
        error::usage(format!(
            "{ledger}: a ledger in a bucket does not say whether its ZIPs are in the bucket or on a disk: give --out-dir, as for export-fetch"
        ))
    })?;
    let service = || service(net, run).map(Arc::new);
    ZipStore::at(&root, run::temp_dir(&run::env), service)
}

/// The service of the bucket that holds a ledger.
pub(super) fn service(net: &NetArgs, run: &Run) -> anyhow::Result<BucketService> {
    let connection = Connection::without_signals(net, run.seed(), &run::env)?;
    BucketService::from_env(&connection, run.seed(), &run::env)
}

/// The range of time that can be exported, and the time that counts as now.
#[derive(clap::Args, Debug)]
pub(super) struct Horizon {
    /// How old data must be before it can be exported.
    #[arg(long, value_name = "DUR", default_value = "2h", value_parser = parse_duration)]
    pub(super) freshness: Duration,

    /// How far back data can be exported.
    #[arg(long, value_name = "DUR", default_value = "60d", value_parser = parse_duration)]
    pub(super) history: Duration,

    /// Use T as the current time.
    #[arg(long, value_name = "T")]
    pub(super) now: Option<String>,
}

impl Horizon {
    pub(super) fn now(&self, clock: Timestamp) -> anyhow::Result<Timestamp> {
        match &self.now {
            None => Ok(clock),
            Some(text) => args::time("--now", text, clock),
        }
    }

    /// The end of the last hour that can be exported.
    pub(super) fn latest(&self, now: Timestamp) -> Timestamp {
        now.minus(self.freshness).floor_hour()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum PlanFormat {
    /// One JSON object a line.
    Ndjson,
    /// One JSON array on one line, for Airflow's expand().
    JsonArray,
}

pub(super) fn print_plan<T: Serialize>(
    output: &mut Output,
    format: PlanFormat,
    lines: &[T],
) -> anyhow::Result<()> {
    match format {
        PlanFormat::Ndjson => {
            for line in lines {
                output.write_record(line)?;
            }
        }
        PlanFormat::JsonArray => output.write_record(lines)?,
    }
    Ok(())
}
