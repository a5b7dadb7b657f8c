//! Cuts a range of time into export requests, and exports into pages; shows, checks
//! and prunes what was exported. No network.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use serde::Serialize;

use crate::cli::args::{self, Common};
use crate::cli::named_files::NamedFiles;
use crate::cli::output::Output;
use crate::cli::run::{self, Outcome, Run};
use crate::time::{Timestamp, parse_duration};

mod check;
mod coverage;
mod pages;
mod prune;
mod windows;

/// Plan exports of Omilia's OCP, without calling it.
#[derive(Parser, Debug)]
#[command(
    name = "export-plan",
    version,
    before_help = "\
Examples:
  export-plan windows --group acme --type dialog_end --from -60d | export-fetch --out-dir cdrs
  export-plan windows --group acme --type ALL --from -2d --have cdrs/ledger.ndjson
  export-fetch --until ready --out-dir cdrs < plan | export-plan pages --page-size 50
  export-plan coverage --ledger cdrs/ledger.ndjson
  export-plan check --ledger cdrs/ledger.ndjson"
)]
struct Args {
    #[command(subcommand)]
    command: Command,

    #[command(flatten)]
    common: Common,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Print the export requests that cover a range of time.
    #[command(before_help = windows::EXAMPLES)]
    Windows(windows::Args),
    /// Print the pages of the READY exports on stdin.
    #[command(before_help = pages::EXAMPLES)]
    Pages(pages::Args),
    /// Show, hour by hour, what of the past was exported.
    #[command(before_help = coverage::EXAMPLES)]
    Coverage(coverage::Args),
    /// Check a ledger and the ZIPs that it names: every line, size, checksum and
    /// number of members. Changes nothing. Ends with 65 if something is wrong.
    #[command(before_help = check::EXAMPLES)]
    Check(check::Args),
    /// Remove ZIPs whose records were read long ago.
    #[command(before_help = prune::EXAMPLES)]
    Prune(prune::Args),
}

/// A ledger and its ZIPs.
#[derive(clap::Args, Debug)]
struct OnDisk {
    /// The ledger of export-fetch.
    #[arg(long, value_name = "LEDGER")]
    ledger: PathBuf,

    /// The directory of ZIPs, as for export-fetch. [default: where the ledger is]
    #[arg(long, value_name = "DIR")]
    out_dir: Option<PathBuf>,
}

impl OnDisk {
    fn root(&self) -> &Path {
        root(&self.ledger, self.out_dir.as_deref())
    }
}

fn root<'a>(ledger: &'a Path, out_dir: Option<&'a Path>) -> &'a Path {
    out_dir.or(ledger.parent()).unwrap_or(Path::new(""))
}

/// What can be exported, and as of when.
#[derive(clap::Args, Debug)]
struct Horizon {
    /// How old data must be before it can be exported.
    #[arg(long, value_name = "DUR", default_value = "2h", value_parser = parse_duration)]
    freshness: Duration,

    /// How far back data can be exported.
    #[arg(long, value_name = "DUR", default_value = "60d", value_parser = parse_duration)]
    history: Duration,

    /// Do as if it were T.
    #[arg(long, value_name = "T")]
    now: Option<String>,
}

impl Horizon {
    fn now(&self, clock: Timestamp) -> anyhow::Result<Timestamp> {
        match &self.now {
            None => Ok(clock),
            Some(text) => args::time("--now", text, clock),
        }
    }

    /// The end of the last hour that can be exported.
    fn latest(&self, now: Timestamp) -> Timestamp {
        now.minus(self.freshness).floor_hour()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PlanFormat {
    /// One JSON object a line.
    Ndjson,
    /// One JSON array on one line, for Airflow's expand().
    JsonArray,
}

/// Runs the program.
pub fn main() -> ExitCode {
    run::main(|args: &Args| &args.common, name_files, body)
}

fn name_files(args: &Args, files: &mut NamedFiles) {
    match &args.command {
        Command::Windows(args) => files.read("--have", &args.have),
        Command::Pages(_) => files.read("stdin", [&PathBuf::from("-")]),
        Command::Coverage(args) => files.read("--ledger", [&args.on_disk.ledger]),
        Command::Check(args) => files.read("--ledger", [&args.on_disk.ledger]),
        Command::Prune(args) => files.write("--ledger", [&args.on_disk.ledger]),
    }
}

fn body(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    match &args.command {
        Command::Windows(args) => windows::print(args, run),
        Command::Pages(args) => pages::print(args, run),
        Command::Coverage(args) => coverage::print(args, run),
        Command::Check(args) => check::print(args, run),
        Command::Prune(args) => prune::print(args, run),
    }
}

fn print_plan<T: Serialize>(
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
