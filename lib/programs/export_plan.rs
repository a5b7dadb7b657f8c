//! Splits a range of time into export requests, and READY exports into pages. Shows, checks and
//! prunes finished exports. Uses no network, except for files in a bucket.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::cli::args::Common;
use crate::cli::named_files::NamedFiles;
use crate::cli::run::{self, Outcome, Run};

mod check;
mod coverage;
mod pages;
mod plan_args;
mod prune;
mod totals;
mod windows;

/// Plan exports of Omilia's OCP, without calling OCP.
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
    command: PlanCommand,

    #[command(flatten)]
    common: Common,
}

#[derive(Subcommand, Debug)]
enum PlanCommand {
    /// Print the export requests that cover a range of time.
    #[command(before_help = windows::EXAMPLES)]
    Windows(windows::Args),
    /// Print the pages of the READY exports on stdin.
    ///
    /// Reads lines of export-fetch --until ready, or the metadata of exports as the service sends
    /// it: without a status, perhaps on several lines. The printed pages keep all fields of their
    /// export. export-fetch accepts only pages with group, types, from and to.
    #[command(before_help = pages::EXAMPLES)]
    Pages(pages::Args),
    /// Show for each hour whether it was exported.
    #[command(before_help = coverage::EXAMPLES)]
    Coverage(coverage::Args),
    /// Check a ledger and the ZIPs that it names.
    ///
    /// Checks every line of the ledger, and the size, checksum and number of members of
    /// every ZIP. Changes nothing. Exits with 65 if something is wrong.
    #[command(before_help = check::EXAMPLES)]
    Check(check::Args),
    /// Remove ZIPs that were fetched long ago.
    ///
    /// The ledger records the removal, so that the hours are not fetched again. The
    /// program does not know whether you have loaded the records: run it only when they are stored
    /// somewhere else.
    #[command(before_help = prune::EXAMPLES)]
    Prune(prune::Args),
}

/// Runs the program.
pub fn main() -> ExitCode {
    run::main(|args: &Args| &args.common, name_files, body)
}

fn name_files(args: &Args, files: &mut NamedFiles) {
    match &args.command {
        PlanCommand::Windows(args) => args.name_files(files),
        PlanCommand::Pages(_) => files.read("stdin", [&PathBuf::from("-")]),
        PlanCommand::Coverage(args) => {
            args.on_disk.name_files(files);
            files.read("--totals", args.totals.file());
        }
        PlanCommand::Check(args) => args.on_disk.name_files(files),
        PlanCommand::Prune(args) => args.name_files(files),
    }
}

fn body(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    match &args.command {
        PlanCommand::Windows(args) => windows::print(args, run),
        PlanCommand::Pages(args) => pages::print(args, run),
        PlanCommand::Coverage(args) => coverage::print(args, run),
        PlanCommand::Check(args) => check::print(args, run),
        PlanCommand::Prune(args) => prune::print(args, run),
    }
}
