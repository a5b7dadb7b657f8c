//! Arguments that several subcommands share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

use crate::cli::args;
use crate::cli::output::Output;
use crate::time::{Timestamp, parse_duration};

/// A ledger and its ZIPs.
#[derive(clap::Args, Debug)]
pub(super) struct OnDisk {
    /// The ledger of export-fetch.
    #[arg(long, value_name = "LEDGER")]
    pub(super) ledger: PathBuf,

    /// The directory of ZIPs, as for export-fetch. [default: where the ledger is]
    #[arg(long, value_name = "DIR")]
    pub(super) out_dir: Option<PathBuf>,
}

impl OnDisk {
    pub(super) fn root(&self) -> &Path {
        root(&self.ledger, self.out_dir.as_deref())
    }
}

pub(super) fn root<'a>(ledger: &'a Path, out_dir: Option<&'a Path>) -> &'a Path {
    out_dir.or(ledger.parent()).unwrap_or(Path::new(""))
}

/// What can be exported, and as of when.
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
