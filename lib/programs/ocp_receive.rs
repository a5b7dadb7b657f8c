//! Receives the stream of Omilia's Exports API, and shows that nothing of it is missing.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::cli::args::Common;
use crate::cli::named_files::NamedFiles;
use crate::cli::run::{self, Outcome, Run};

mod gaps;
mod reconcile;
mod reindex;
mod status;

/// Receive the records and recordings that Omilia's OCP pushes.
///
/// A push is acknowledged when it is on disk, and each record is published to the lake
/// once, whatever is repeated.
#[derive(Parser, Debug)]
#[command(
    name = "ocp-receive",
    version,
    before_help = "\
Examples:
  ocp-receive status --dir ocp
  ocp-receive gaps --dir ocp --audit daily | export-fetch --out-dir zips | unzip-jsonl --with-source |
      ocp-receive reconcile --dir ocp"
)]
struct Args {
    #[command(subcommand)]
    command: ReceiveCommand,

    #[command(flatten)]
    common: Common,
}

#[derive(Subcommand, Debug)]
enum ReceiveCommand {
    /// Print the hours that a batch export must fill or prove.
    ///
    /// They are the hours in which pushes were not taken, widened by the longest call,
    /// and those in which some were refused; printed as export-plan windows does, with a
    /// reason: down, limited or audit. Hours that reconcile has seen since are left out.
    #[command(before_help = gaps::EXAMPLES)]
    Gaps(gaps::Args),
    /// Compare batch exports with the lake, and fill what the stream lacked.
    ///
    /// Reads the lines of unzip-jsonl --with-source, and those of --wav-dir. Prints a line
    /// for each type and hour: batch counts its lines, stream the records that the lake
    /// had, missing those that were written, extra those that the export lacked. Use
    /// `set -o pipefail`: an export that was not read to its end must not count.
    #[command(before_help = reconcile::EXAMPLES)]
    Reconcile(reconcile::Args),
    /// Make the keys anew from the records of the lake.
    #[command(before_help = reindex::EXAMPLES)]
    Reindex(reindex::Args),
    /// Show what comes on each path: a table on a terminal, else lines of JSON.
    #[command(before_help = status::EXAMPLES)]
    Status(status::Args),
}

/// Runs the program.
pub fn main() -> ExitCode {
    run::main(|args: &Args| &args.common, name_files, body)
}

fn name_files(args: &Args, files: &mut NamedFiles) {
    if let ReceiveCommand::Reconcile(args) = &args.command {
        files.read("stdin", [&PathBuf::from("-")]);
        args.bad.name_files(files);
    }
}

fn body(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    match &args.command {
        ReceiveCommand::Gaps(args) => gaps::print(args, run),
        ReceiveCommand::Reconcile(args) => reconcile::reconcile(args, run),
        ReceiveCommand::Reindex(args) => reindex::reindex(args, run),
        ReceiveCommand::Status(args) => status::print(args, run),
    }
}
