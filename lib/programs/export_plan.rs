//! Cuts a range of time into export requests, and exports into pages; shows what is
//! on disk. No network.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use serde::Serialize;

use crate::cli::args::{self, Common};
use crate::cli::named_files::NamedFiles;
use crate::cli::output::Output;
use crate::cli::run::{self, Outcome, Run};
use crate::time::{Timestamp, parse_duration};

mod coverage;
mod pages;
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
  export-plan coverage --ledger cdrs/ledger.ndjson"
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
    /// Show, hour by hour, what of the past is on disk.
    #[command(before_help = coverage::EXAMPLES)]
    Coverage(coverage::Args),
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
        Command::Coverage(args) => files.read("--ledger", [&args.ledger]),
    }
}

fn body(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    match &args.command {
        Command::Windows(args) => windows::print(args, run),
        Command::Pages(args) => pages::print(args, run),
        Command::Coverage(args) => coverage::print(args, run),
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
