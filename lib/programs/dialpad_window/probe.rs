//! Tests whether an account works, and names the setting to change if it does not.

use super::connect::{ConnectArgs, key};
use crate::cli::args::time;
use crate::cli::probe::{ProbeFormat, ProbeReport};
use crate::cli::run::{Outcome, Run};
use crate::dialpad::probe::MessageProbe;
use crate::dialpad::query::Service;
use crate::error;
use crate::export::window::Window;

pub(super) const EXAMPLES: &str = "\
Examples:
  dialpad-window probe
  dialpad-window probe --from -7d --to -5d
  dialpad-window probe --format ndjson | jq -c '[.role, .ok, .found]'";

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Start of a period that has messages.
    #[arg(
        long,
        value_name = "T",
        default_value = "-3d",
        allow_hyphen_values = true
    )]
    from: String,

    /// End of the period, not included; at most 7d after --from.
    #[arg(
        long,
        value_name = "T",
        default_value = "now",
        allow_hyphen_values = true
    )]
    to: String,

    /// The format of the steps.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: ProbeFormat,

    #[command(flatten)]
    pub(super) connect: ConnectArgs,
}

pub(super) fn run(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    let (from, to) = (
        time("--from", &args.from, run.now)?,
        time("--to", &args.to, run.now)?,
    );
    let window = Window::new(from, to)
        .ok_or_else(|| error::usage(format!("--from {from} is not before --to {to}")))?;
    let service = Service::new(&args.connect.service)?;
    if to.since(from) > args.connect.service.longest() {
        return Err(error::usage(
            "--from and --to: the service allows no more than 7d, margins included",
        ));
    }
    let connection = args.connect.connect(None, run)?;
    let api = args.connect.api(service, key()?, &connection, true);
    let report = ProbeReport::new(&mut run.output, args.format);
    MessageProbe::new(api, window, report).run()?.finish()
}
