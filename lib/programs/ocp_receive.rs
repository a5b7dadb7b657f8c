//! Receives the stream of Omilia's Exports API, and checks that no record of the stream is missing.

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
/// A push is acknowledged when it is on disk, and each record is published to the lake once, even
/// if pushes are repeated.
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
    /// Accept pushes until SIGTERM.
    ///
    /// Prints a line for each file that is published, as unzip-jsonl --layout does.
    #[command(before_help = serve::EXAMPLES)]
    Serve(Box<serve_args::ServeArgs>),
    /// Check what serve needs, and exit: clients, certificate, disk, clock, keys.
    ///
    /// Takes the flags of serve. Prints a line for each check. The exit status is that of the first
    /// check that failed.
    #[command(before_help = check::EXAMPLES)]
    Check(Box<serve_args::ServeArgs>),
    /// Print the hours that a batch export must fill or confirm.
    ///
    /// Prints the hours in which the receiver was down or refused pushes, extended back by
    /// --max-call, and, with --audit, all hours of yesterday. The lines are like those of
    /// export-plan windows, but have a `reason`: down, limited or audit. A line is left out if
    /// reconcile has compared all its hours after their records could be exported.
    #[command(before_help = gaps::EXAMPLES)]
    Gaps(gaps::Args),
    /// Compare batch exports with the lake, and fill what the stream lacked.
    ///
    /// Reads the lines of unzip-jsonl --with-source and of --wav-dir. Prints a line for each type
    /// and hour with four counts: batch (records of the export), stream (records that the lake
    /// had), missing (records that were added to the lake) and extra (records that the export
    /// lacked). After all ZIPs of an export were read to the end, its hours count as compared, also
    /// hours without records: the command `ocp-receive gaps` does not print them any more. Pipe in
    /// every line of unzip-jsonl: an input that was cut off or filtered proves nothing.
    #[command(before_help = reconcile::EXAMPLES)]
    Reconcile(reconcile::Args),
    /// Rebuild the keys, which recognise repeated records, from the records of the lake.
    ///
    /// If a file of the lake is damaged, a message names the file, its readable records are used,
    /// and the exit status is 65.
    #[command(before_help = reindex::EXAMPLES)]
    Reindex(reindex::Args),
    /// Show the pushes on each path: a table on a terminal, else lines of JSON.
    #[command(before_help = status::EXAMPLES)]
    Status(status::Args),
    /// Sign tokens with a new key.
    ///
    /// The old key stays valid for twice the time of --token-ttl after the rotation: tokens that it
    /// signed can be used until they expire. Running receivers use the new key within 5 s.
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
