//! `list` and `show`: print subscriptions without secrets.

use super::service::ExportsApiArgs;
use crate::cli::run::{Outcome, Run};

pub(super) const EXAMPLES: &str = "\
Examples:
  ocp-subscribe list --region us1 --group acme
  ocp-subscribe list --region us1 --group acme | jq -r .message_type";

pub(super) const SHOW_EXAMPLES: &str = "\
Examples:
  ocp-subscribe show --region us1 3f1c5b4e-90c2-4b7f-a0e1-3d1f0c5a7b21 | jq .";

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The name of the OCP group, exactly as OCP spells it.
    #[arg(long, value_name = "GROUP")]
    group: String,

    #[command(flatten)]
    pub(super) service: ExportsApiArgs,
}

#[derive(clap::Args, Debug)]
pub(super) struct ShowArgs {
    /// The id that the service gave the subscription.
    #[arg(value_name = "ID")]
    id: String,

    #[command(flatten)]
    pub(super) service: ExportsApiArgs,
}

pub(super) fn list(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    let connection = args.service.connect(run)?;
    let listed = args.service.api(&connection, false)?.list(&args.group)?;
    for one in &listed {
        run.output.write_record(&one.public())?;
    }
    run.report.set("subscriptions", listed.len());
    Ok(match listed.is_empty() {
        true => Outcome::Nothing,
        false => Outcome::Done,
    })
}

pub(super) fn show(args: &ShowArgs, run: &mut Run) -> anyhow::Result<Outcome> {
    let connection = args.service.connect(run)?;
    let listed = args.service.api(&connection, false)?.get("", &args.id)?;
    run.output.write_record(&listed.public())?;
    Ok(Outcome::Done)
}
