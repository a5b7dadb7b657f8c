//! `ocp-receive gaps`: prints the hours that a batch export must fill or confirm.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use crate::cli::args;
use crate::cli::run::{Outcome, Run};
use crate::receive::directory::ReceiveDirectory;
use crate::receive::gaps::{GapFacts, GapSpec};
use crate::receive::store::Store;
use crate::time::{Timestamp, parse_duration};

pub(crate) const EXAMPLES: &str = "\
Examples:
  ocp-receive gaps --dir /srv/ocp --audit daily
  ocp-receive gaps --dir /srv/ocp | export-fetch --out-dir zips | unzip-jsonl --with-source |
      ocp-receive reconcile --dir /srv/ocp";

/// The hours to compare with a batch export although nothing is known to be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Audit {
    /// Yesterday, in UTC.
    Daily,
}

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The directory of the receiver.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,

    /// Also print all hours of yesterday.
    #[arg(long, value_name = "WHEN")]
    audit: Option<Audit>,

    /// The length of the longest call. A record has the start time of its call but is pushed when
    /// the call ends. So an outage can affect records of calls that began up to DUR before the
    /// outage.
    #[arg(long, value_name = "DUR", default_value = "4h", value_parser = parse_duration)]
    max_call: Duration,

    /// Use T as the current time
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    now: Option<String>,
}

pub(crate) fn print(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    let now = match &args.now {
        Some(text) => args::time("--now", text, run.now)?,
        None => run.now,
    };
    let store = Store::open(&ReceiveDirectory::new(&args.dir))?;
    let facts = GapFacts {
        coverage: store.coverage(Timestamp::from_millis(0))?,
        uses: store.uses()?,
        audited: store.audited()?,
    };
    let windows = facts.windows(GapSpec {
        now,
        max_call: args.max_call,
        audits_daily: args.audit.is_some(),
    });
    for line in &windows {
        run.output.write_record(line)?;
    }
    for (path, hours, first) in facts.overdue(now) {
        log::warn!(
            "{path}: {hours} hours since {first} were never compared with a batch export. Batch \
             exports go back 60 days: run export-plan windows | jq -c '.reason = \"audit\"' | \
             export-fetch | unzip-jsonl --with-source | ocp-receive reconcile"
        );
    }
    run.report.set("windows", windows.len());
    Ok(match windows.is_empty() {
        true => Outcome::Nothing,
        false => Outcome::Done,
    })
}
