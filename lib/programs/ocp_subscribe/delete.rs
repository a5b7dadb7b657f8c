//! `delete`: deletes a subscription, and prints the window whose records can be lost.

use super::service::{ExportsApiArgs, LedgerArgs};
use crate::cli::named_files::NamedFiles;
use crate::cli::run::{Outcome, Run};
use crate::error;
use crate::ocp::subscriptions::backlog;
use crate::ocp::subscriptions::changes::Changes;

pub(super) const EXAMPLES: &str = "\
Examples:
  ocp-subscribe delete --region us1 3f1c5b4e-90c2-4b7f-a0e1-3d1f0c5a7b21 --yes > windows";

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The id that the service gave the subscription.
    #[arg(value_name = "ID")]
    id: String,

    /// Confirm the deletion.
    #[arg(long)]
    yes: bool,

    /// Print the request that would be sent, and exit. The program only reads the subscription.
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,

    #[command(flatten)]
    ledger: LedgerArgs,

    #[command(flatten)]
    service: ExportsApiArgs,
}

impl Args {
    pub(super) fn name_files(&self, files: &mut NamedFiles) {
        self.service.name_files(files);
        files.write(
            "--ledger",
            [self.ledger.path()].into_iter().filter(|_| !self.dry_run),
        );
    }
}

pub(super) fn delete(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    if !args.yes && !args.dry_run {
        return Err(error::usage(
            "a deleted subscription collects nothing, and its undelivered records may be lost: to \
             change it use update, to delete it add --yes",
        ));
    }
    let connection = args.service.connect(run)?;
    let api = args.service.api(&connection, false)?;
    let listed = api.get("", &args.id)?;
    let group = listed.group.clone().unwrap_or_default();
    let mut changes = Changes {
        api: &api,
        ledger: None,
        probes: None,
    };
    if args.dry_run {
        let request = changes.show_delete(&group, &listed);
        run.output.write_line(request.as_bytes())?;
        return Ok(Outcome::Done);
    }
    changes.ledger = Some(args.ledger.open(&connection)?);
    changes.delete(&group, &listed)?;
    let message_type = listed.message_type.as_deref().unwrap_or_default();
    if let Some(line) = backlog::window(&group, message_type, connection.retry().now()) {
        run.output.write_record(&line)?;
    }
    Ok(Outcome::Done)
}
