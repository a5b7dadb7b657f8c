//! Receives the stream of Omilia's Exports API, and shows that nothing of it is missing.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::cli::args::Common;
use crate::cli::named_files::NamedFiles;
use crate::cli::run::{self, Outcome, Run};

mod check;
mod gaps;
mod reconcile;
mod reindex;
mod rotate_key;
mod serve;
mod serve_args;
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
  ocp-receive serve --listen 0.0.0.0:443 --cert fullchain.pem --key key.pem \\
      --clients clients.toml --dir ocp
  ocp-receive status --dir ocp
  ocp-receive gaps --dir ocp --audit daily | export-fetch --out-dir zips |
      unzip-jsonl --with-source | ocp-receive reconcile --dir ocp"
)]
struct Args {
    #[command(subcommand)]
    command: ReceiveCommand,

    #[command(flatten)]
    common: Common,
}

#[derive(Subcommand, Debug)]
enum ReceiveCommand {
    /// Take pushes until SIGTERM.
    ///
    /// Prints a line for each file that is published, as unzip-jsonl --layout does.
    #[command(before_help = serve::EXAMPLES)]
    Serve(Box<serve_args::ServeArgs>),
    /// Check what serve needs, and end: clients, certificate, disk, clock, keys.
    ///
    /// Takes the flags of serve. Prints a line for each thing; the status is that of the
    /// first thing that is wrong.
    #[command(before_help = check::EXAMPLES)]
    Check(Box<serve_args::ServeArgs>),
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
    /// had, missing those that were written, extra those that the export lacked. gaps leaves
    /// out the hours of an export when all its ZIPs, as export-fetch names them, were read to
    /// their end, hours without a record included. Every line of unzip-jsonl must arrive:
    /// what is cut off or filtered on the way proves nothing.
    #[command(before_help = reconcile::EXAMPLES)]
    Reconcile(reconcile::Args),
    /// Make the keys anew from the records of the lake.
    ///
    /// A file that is damaged is told, and the status is then 65: what can be read of it
    /// is known, as is the rest.
    #[command(before_help = reindex::EXAMPLES)]
    Reindex(reindex::Args),
    /// Show what comes on each path: a table on a terminal, else lines of JSON.
    #[command(before_help = status::EXAMPLES)]
    Status(status::Args),
    /// Sign tokens with a new key.
    ///
    /// Tokens of the old key are taken for two lifetimes more. Running receivers see the
    /// new key within 5 s.
    #[command(before_help = rotate_key::EXAMPLES)]
    RotateKey(rotate_key::Args),
}

/// Runs the program.
pub fn main() -> ExitCode {
    run::main(|args: &Args| &args.common, name_files, body)
}

fn name_files(args: &Args, files: &mut NamedFiles) {
    match &args.command {
        ReceiveCommand::Serve(args) | ReceiveCommand::Check(args) => args.name_files(files),
        ReceiveCommand::Reconcile(args) => {
            files.read("stdin", [&PathBuf::from("-")]);
            args.bad.name_files(files);
        }
        _ => {}
    }
}

fn body(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    match &args.command {
        ReceiveCommand::Serve(args) => serve::serve(args, run),
        ReceiveCommand::Check(args) => check::check(args, run),
        ReceiveCommand::RotateKey(args) => rotate_key::rotate(args, run),
        ReceiveCommand::Gaps(args) => gaps::print(args, run),
        ReceiveCommand::Reconcile(args) => reconcile::reconcile(args, run),
        ReceiveCommand::Reindex(args) => reindex::reindex(args, run),
        ReceiveCommand::Status(args) => status::print(args, run),
    }
}
