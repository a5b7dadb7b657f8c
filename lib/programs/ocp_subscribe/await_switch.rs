//! `await`: checks whether the vendor uses the new credentials.

use std::time::Duration;

use super::service::LedgerArgs;
use crate::cli::named_files::NamedFiles;
use crate::cli::run::{self, Outcome, Run};
use crate::error::{self, Status};
use crate::net::connection::{Connection, NetArgs};
use crate::net::http::{Url, parse_url};
use crate::ocp::subscriptions::switch::{LEAST_QUIET, Switch};
use crate::time::{parse_duration, parse_positive_duration, show_duration};

pub(super) const EXAMPLES: &str = "\
Examples:
  ocp-subscribe await --receiver http://127.0.0.1:9465 --new-client b --old-client a
  ocp-subscribe await --receiver http://127.0.0.1:9465 --new-client b --old-client a --wait 2h";

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The URL of the receiver's admin listener (ocp-receive serve --admin).
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    receiver: Url,

    /// The client id that the vendor uses after the update.
    #[arg(long, value_name = "ID")]
    new_client: String,

    /// The client id that the vendor used before the update.
    #[arg(long, value_name = "ID")]
    old_client: Option<String>,

    /// The old client must not have been seen for DUR, which is at least 5m.
    #[arg(long, value_name = "DUR", default_value = "15m", value_parser = parse_positive_duration)]
    quiet_for: Duration,

    /// Check again for up to DUR. Without this flag there is one check.
    #[arg(long, value_name = "DUR", value_parser = parse_duration)]
    wait: Option<Duration>,

    /// Check every DUR.
    #[arg(long, value_name = "DUR", default_value = "15s", value_parser = parse_positive_duration)]
    poll: Duration,

    /// How long you keep the old credentials and paths after the update. The vendor can still use
    /// the old ones when it repeats failed pushes of the last 24 hours. The printed line says when
    /// DUR ends; the program does not wait until then.
    #[arg(long, value_name = "DUR", default_value = "25h", value_parser = parse_duration)]
    keep_old: Duration,

    #[command(flatten)]
    ledger: LedgerArgs,

    #[command(flatten)]
    net: NetArgs,
}

impl Args {
    pub(super) fn name_files(&self, files: &mut NamedFiles) {
        files.read("--ledger", [self.ledger.path()]);
        files.read("--ca-cert", &self.net.http.ca_cert);
    }
}

pub(super) fn look(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    if args.quiet_for < LEAST_QUIET {
        let least = show_duration(LEAST_QUIET);
        return Err(error::usage(format!(
            "--quiet-for: an update takes effect after about {least}: give {least} or more"
        )));
    }
    let connection = Connection::open(&args.net, None, run.seed(), &run::env)?;
    let client = connection.client(&[], Box::new(None));
    let retry = connection.retry();
    let switch = Switch {
        new_client: &args.new_client,
        old_client: args.old_client.as_deref(),
        quiet: args.quiet_for,
        ledger: args.ledger.path(),
        keep_old: args.keep_old,
    };
    let began = retry.instant();
    loop {
        let line = switch.look(&client, &args.receiver)?;
        let Some(why) = line.lacks() else {
            run.output.write_record(&line)?;
            return Ok(Outcome::Done);
        };
        let left = args
            .wait
            .and_then(|wait| wait.checked_sub(retry.instant().saturating_duration_since(began)))
            .filter(|left| !left.is_zero());
        let Some(left) = left else {
            log::warn!("not yet: {why}");
            run.output.write_record(&line)?;
            return Ok(Outcome::Partly(Status::TryLater));
        };
        log::info!("not yet: {why}");
        retry.sleep(args.poll.min(left))?;
    }
}
