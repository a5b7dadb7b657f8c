//! Tests whether an account works, and names the setting to change if it does not.

use super::service::{CallServiceArgs, token};
use crate::cli::probe::{ProbeFormat, ProbeReport};
use crate::cli::run::{Outcome, Run};
use crate::voicegain::probe::{CallProbe, CallProbeArgs};

pub(super) const EXAMPLES: &str = "\
Examples:
  vg-consecutive probe
  vg-consecutive probe --format ndjson | jq -c '[.role, .ok, .found]'";

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    probe: CallProbeArgs,

    /// The format of the steps.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: ProbeFormat,

    #[command(flatten)]
    pub(super) service: CallServiceArgs,
}

pub(super) fn run(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    let base = args.service.base(None)?;
    let connection = args.service.connect(None, run)?;
    let client = args.service.client(&token()?, &connection);
    let report = ProbeReport::new(&mut run.output, args.format);
    let probe = CallProbe::new(&args.probe, client, base, report);
    probe.run()?.finish()
}
