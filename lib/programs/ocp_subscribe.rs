//! Manages the subscriptions of Omilia's streaming export.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::cli::args::Common;
use crate::cli::named_files::NamedFiles;
use crate::cli::run::{self, Outcome, Run};

mod apply;
mod await_switch;
mod create;
mod delete;
mod list;
mod probe;
mod service;

/// Manage the subscriptions of Omilia's streaming export.
///
/// A subscription makes OCP push the records of one type and group to a receiver of yours. The
/// details of this API are not public: compare the output of "list" and --dry-run with your
/// environment, and correct the [sub_…] sections of --api-profile.
#[derive(Parser, Debug)]
#[command(
    name = "ocp-subscribe",
    version,
    before_help = "\
Examples:
  ocp-subscribe list --region us1 --group acme
  ocp-subscribe apply --region us1 subscriptions.toml --dry-run
  ocp-subscribe apply --region us1 subscriptions.toml
  ocp-subscribe await --receiver http://127.0.0.1:9465 --new-client b --old-client a"
)]
struct Args {
    #[command(subcommand)]
    command: SubscribeCommand,

    #[command(flatten)]
    common: Common,
}

#[derive(Subcommand, Debug)]
enum SubscribeCommand {
    /// Print the subscriptions of a group, a line each, without secrets.
    #[command(before_help = list::EXAMPLES)]
    List(Box<list::Args>),
    /// Print one subscription's configuration, without secrets.
    #[command(before_help = list::SHOW_EXAMPLES)]
    Show(Box<list::ShowArgs>),
    /// Create and update the subscriptions that a file describes.
    ///
    /// Prints a line for each subscription, in the order of the file: created, updated or same.
    /// Then it prints a line for each subscription that --prune deletes.
    #[command(before_help = apply::EXAMPLES)]
    Apply(Box<apply::Args>),
    /// Create one subscription.
    ///
    /// If the service already has a subscription of this group and type with the same settings, the
    /// program prints it as "same". With other settings, the run exits with 69. If the reply is
    /// lost, the program looks for the subscription in the service's list before it sends the
    /// request again.
    #[command(before_help = create::EXAMPLES)]
    Create(Box<create::Args>),
    /// Get a token and push an empty envelope, as the vendor will do.
    ///
    /// Exits with 77 if the credentials are refused, with 69 for a bad certificate, a status other
    /// than 200 or a body that is not a JSON object, and with 75 if nobody answers.
    #[command(before_help = probe::EXAMPLES)]
    Probe(Box<probe::Args>),
    /// Change the settings or the secret of a subscription.
    ///
    /// The vendor uses the old URL and credentials for some more minutes: the receiver must accept
    /// the old and the new ones until "await" exits with 0.
    #[command(before_help = create::UPDATE_EXAMPLES)]
    Update(Box<create::Args>),
    /// Check whether the vendor uses the new credentials.
    ///
    /// Reads /v1/usage of the receiver. Exits with 0 if the receiver has seen the new client since
    /// the update and has not seen the old client for --quiet-for. Otherwise it exits with 75.
    #[command(name = "await", before_help = await_switch::EXAMPLES)]
    Await(Box<await_switch::Args>),
    /// Delete a subscription.
    ///
    /// Records that the vendor has collected but not delivered can be lost. The program prints the
    /// time window that a batch export must cover. Do not delete a subscription to change its
    /// settings: use update.
    #[command(before_help = delete::EXAMPLES)]
    Delete(Box<delete::Args>),
}

/// Runs the program.
pub fn main() -> ExitCode {
    run::main(|args: &Args| &args.common, name_files, body)
}

fn name_files(args: &Args, files: &mut NamedFiles) {
    match &args.command {
        SubscribeCommand::List(args) => args.service.name_files(files),
        SubscribeCommand::Show(args) => args.service.name_files(files),
        SubscribeCommand::Apply(args) => args.name_files(files),
        SubscribeCommand::Create(args) | SubscribeCommand::Update(args) => args.name_files(files),
        SubscribeCommand::Probe(args) => args.name_files(files),
        SubscribeCommand::Await(args) => args.name_files(files),
        SubscribeCommand::Delete(args) => args.name_files(files),
    }
}

fn body(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    match &args.command {
        SubscribeCommand::List(args) => list::list(args, run),
        SubscribeCommand::Show(args) => list::show(args, run),
        SubscribeCommand::Apply(args) => apply::apply(args, run),
        SubscribeCommand::Create(args) => create::create(args, run),
        SubscribeCommand::Probe(args) => probe::probe(args, run),
        SubscribeCommand::Update(args) => create::update(args, run),
        SubscribeCommand::Await(args) => await_switch::look(args, run),
        SubscribeCommand::Delete(args) => delete::delete(args, run),
    }
}
