//! `apply`: creates and updates subscriptions so that the service has the subscriptions of a file.

use std::path::PathBuf;

use super::service::{ExportsApiArgs, LedgerArgs};
use crate::cli::named_files::NamedFiles;
use crate::cli::run::{self, Outcome, Run};
use crate::error::{self, Status};
use crate::net::secret::Secret;
use crate::ocp::subscriptions::changes::{Changes, SubscriptionStep};
use crate::ocp::subscriptions::subscription::{Subscription, SubscriptionChange, SubscriptionLine};
use crate::ocp::subscriptions::wanted::{self, WantedSubscription};

pub(super) const EXAMPLES: &str = "\
Examples:
  ocp-subscribe apply --region us1 subscriptions.toml --dry-run
  ocp-subscribe apply --region us1 subscriptions.toml
  ocp-subscribe apply --region us1 subscriptions.toml --prune --yes";

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// A file of [[subscription]] tables: group, type, name, url, token_url, client_id, and
    /// one of secret_env, secret_file and secret_command.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Print the lines that a run would print, and exit. The program only reads the subscriptions.
    #[arg(long)]
    dry_run: bool,

    /// In the groups that FILE names, delete the subscriptions that FILE does not describe. This
    /// flag needs --yes or --dry-run.
    #[arg(long)]
    prune: bool,

    /// Confirm the deletions of --prune.
    #[arg(long, requires = "prune")]
    yes: bool,

    /// Change the subscriptions without probing the receivers first.
    #[arg(long)]
    no_probe: bool,

    #[command(flatten)]
    ledger: LedgerArgs,

    #[command(flatten)]
    service: ExportsApiArgs,
}

impl Args {
    pub(super) fn name_files(&self, files: &mut NamedFiles) {
        self.service.name_files(files);
        files.read("FILE", [&self.file]);
        files.write(
            "--ledger",
            [self.ledger.path()].into_iter().filter(|_| !self.dry_run),
        );
    }
}

/// The number of changes with each result: created, updated, same, deleted.
#[derive(Default)]
struct ChangeCounts([usize; 4]);

impl ChangeCounts {
    /// Counts and prints a change. If the reader has closed stdout, the change is only counted: the
    /// user wants all changes of the file, even if no program reads the lines about them.
    fn print(&mut self, run: &mut Run, line: &SubscriptionLine) -> anyhow::Result<()> {
        self.0[line.status() as usize] += 1;
        match run.output.write_record(line).map_err(Into::into) {
            Err(e) if error::reader_left(&e) => Ok(()),
            printed => printed,
        }
    }

    fn report(&self, run: &mut Run) {
        for (name, count) in ["created", "updated", "same", "deleted"]
            .into_iter()
            .zip(self.0)
        {
            run.report.set(name, count);
        }
    }

    fn is_nothing(&self) -> bool {
        [
            SubscriptionChange::Created,
            SubscriptionChange::Updated,
            SubscriptionChange::Deleted,
        ]
        .into_iter()
        .all(|change| self.0[change as usize] == 0)
    }
}

pub(super) fn apply(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    if args.prune && !args.yes && !args.dry_run {
        return Err(error::usage(
            "--prune deletes subscriptions and their undelivered records: look at --dry-run, then \
             add --yes",
        ));
    }
    let wanted = wanted::read(&args.file)?;
    let connection = args.service.connect(run)?;
    let api = args.service.api(&connection, false)?;
    let mut changes = Changes {
        api: &api,
        ledger: match args.dry_run {
            true => None,
            false => Some(args.ledger.open(&connection)?),
        },
        probes: Some(&connection).filter(|_| !args.no_probe && !args.dry_run),
    };
    let subscriptions: Vec<&Subscription> = wanted.iter().map(|one| &one.subscription).collect();
    let steps = changes.plan(subscriptions.iter().copied())?;
    let others = match args.prune {
        true => changes.others(&subscriptions)?,
        false => Vec::new(),
    };
    let mut counts = ChangeCounts::default();
    if args.dry_run {
        for step in &steps {
            counts.print(run, &step.line())?;
        }
        for (group, listed) in &others {
            counts.print(run, &SubscriptionLine::deleted(group, listed))?;
        }
        counts.report(run);
        return Ok(outcome(&counts, Status::Done));
    }
    let secrets = read_and_probe(&steps, &wanted, &changes, |one| {
        one.secret.read(&run::env, connection.retry())
    })?;
    let mut worst = Status::Done;
    for (step, secret) in steps.iter().zip(&secrets) {
        match changes.take(step, secret) {
            Ok(line) => counts.print(run, &line)?,
            // The error is about this subscription alone: the others are still changed.
            Err(e) if error::is_narrow(&e) => {
                log::error!("{e:#}");
                worst = worst.worse(Status::of(&e));
            }
            Err(e) => return Err(e),
        }
    }
    // If a change failed, nothing is deleted: perhaps the failed subscription was meant to replace
    // a deleted one.
    for (group, listed) in others.iter().filter(|_| worst == Status::Done) {
        let line = changes.delete(group, listed)?;
        log::warn!(
            "subscription {} is deleted and its undelivered records may be lost: export the last \
             24 hours of {group} by batch",
            listed.id
        );
        counts.print(run, &line)?;
    }
    counts.report(run);
    Ok(outcome(&counts, worst))
}

fn outcome(counts: &ChangeCounts, worst: Status) -> Outcome {
    match worst {
        Status::Done if counts.is_nothing() => Outcome::Nothing,
        Status::Done => Outcome::Done,
        status => Outcome::Partly(status),
    }
}

/// Reads the secrets of the subscriptions to change, and probes their receivers with these secrets.
/// Sends nothing to the service.
fn read_and_probe(
    steps: &[SubscriptionStep<'_>],
    wanted: &[WantedSubscription],
    changes: &Changes<'_>,
    read: impl Fn(&WantedSubscription) -> anyhow::Result<Secret>,
) -> anyhow::Result<Vec<Secret>> {
    let mut secrets = Vec::new();
    for (step, one) in steps.iter().zip(wanted) {
        if step.change == SubscriptionChange::Same {
            secrets.push(Secret::new(""));
            continue;
        }
        let secret = read(one)?;
        changes.probe(step.wanted, &secret)?;
        secrets.push(secret);
    }
    Ok(secrets)
}
