//! `export-plan coverage`: shows for each hour whether it was exported.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;

use super::plan_args::{Horizon, OnDisk};
use super::totals::TotalsArgs;
use crate::cli::args;
use crate::cli::output::Output;
use crate::cli::run::{Outcome, Run};
use crate::error::{self, Status};
use crate::export::window::Window;
use crate::ocp::coverage::totals::Comparison;
use crate::ocp::coverage::{self, Calendar, HistoryLimits, HourState, Lacking, picture, text};
use crate::ocp::ledger::History;
use crate::time::parse_duration;

pub(crate) const EXAMPLES: &str = "\
Examples:
  export-plan coverage --ledger cdrs/ledger.ndjson
  export-plan coverage --ledger cdrs/ledger.ndjson --format html > coverage.html
  export-plan coverage --ledger cdrs/ledger.ndjson --format ndjson | export-fetch --out-dir cdrs
  export-plan coverage --ledger cdrs/ledger.ndjson --totals metrics.ndjson --lake lake
  export-plan coverage --ledger cdrs/ledger.ndjson --totals metrics.ndjson --lake lake \\
      --format ndjson | jq -c 'select(.check) | [.from, .records, .counted]'
  export-plan coverage --ledger cdrs/ledger.ndjson -e > /dev/null || mail -s 'hours at risk' ops";

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) on_disk: OnDisk,

    /// Check the ZIPs: hours count as exported only if their ZIPs exist with the right
    /// sizes, or were pruned.
    #[arg(long)]
    verify: bool,

    /// Show only this OCP group. [default: all groups in the ledger]
    #[arg(long, value_name = "NAME")]
    group: Vec<String>,

    /// Show only this message type. [default: all types in the ledger]
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,

    /// Start of the range, rounded down to the hour. [default: the first hour in the ledger]
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    from: Option<String>,

    /// End of the range, not included; rounded up to the hour. [default: the last hour that
    /// can be exported]
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    to: Option<String>,

    /// A missing hour that expires within DUR is at risk.
    #[arg(long, value_name = "DUR", default_value = "7d", value_parser = parse_duration)]
    at_risk: Duration,

    #[command(flatten)]
    horizon: Horizon,

    #[command(flatten)]
    pub(super) totals: TotalsArgs,

    /// The format of the output.
    #[arg(long, value_enum, default_value = "text")]
    format: CoverageFormat,

    /// Exit with status 1 if an hour is lost or at risk.
    #[arg(short, long)]
    exit_status: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CoverageFormat {
    /// A calendar with a letter for each hour.
    Text,
    /// A picture in SVG.
    Svg,
    /// An HTML page with the picture.
    Html,
    /// The missing hours as a plan for export-fetch; the hours that expire first come
    /// first.
    Ndjson,
}

pub(crate) fn print(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    let now = args.horizon.now(run.now)?;
    let limits = HistoryLimits {
        now,
        freshness: args.horizon.freshness,
        history: args.horizon.history,
        risk: args.at_risk,
    };
    let text = args.on_disk.read(run)?;
    let mut history = History::read(&text, &args.on_disk.ledger)?;
    history.resolve_objects(&|url| args.on_disk.service(run)?.head(url))?;
    if args.verify {
        let zips = args.on_disk.zips(run)?;
        history.forget_missing(|page| zips.has(page))?;
    }
    let known = wanted(args, &history)?;
    let latest = args.horizon.latest(now);
    let from = match (&args.from, coverage::first_hour(&history)) {
        (Some(text), _) => args::time("--from", text, now)?,
        (None, Some(first)) => first,
        (None, None) => latest,
    };
    let to = match &args.to {
        None => latest,
        Some(text) => args::time("--to", text, now)?.min(latest),
    };
    let Some(range) = Window::new(from, to).map(Window::to_hours) else {
        if args.from.is_some() && args.to.is_some() {
            let text = format!("--from {from} is not before {to}: there is nothing to show");
            return Err(error::usage(text));
        }
        return Ok(Outcome::Nothing);
    };
    let calendars: Vec<Calendar> = known
        .iter()
        .flat_map(|(group, types)| types.iter().map(move |kind| (group, kind)))
        .map(|(group, kind)| Calendar::new(group, kind, range, &history, &limits))
        .collect();
    let found = args.totals.compare(&calendars, range, run)?;
    let output = &mut run.output;
    match args.format {
        CoverageFormat::Text => {
            let departures = found.as_ref().map(text::departures).unwrap_or_default();
            output.allow_shared_pipe();
            write!(output, "{}{departures}", text::render(&calendars))
        }
        CoverageFormat::Svg => write!(output, "{}", picture::svg(&calendars, found.as_ref(), now)),
        CoverageFormat::Html => {
            write!(output, "{}", picture::html(&calendars, found.as_ref(), now))
        }
        CoverageFormat::Ndjson => {
            let lacking = coverage::lacking(&known, &calendars, range, &history, &limits);
            write_lines(output, &lacking, found.as_ref())
        }
    }
    .context("writing the coverage")?;
    let count = |state: HourState| calendars.iter().map(|c| c.count(state)).sum::<usize>();
    for state in HourState::ALL {
        run.report.set(state.fact(), count(state));
    }
    let bad = count(HourState::AtRisk) + count(HourState::Lost);
    Ok(match bad {
        1.. if args.exit_status => Outcome::Partly(Status::Failed),
        _ => Outcome::Done,
    })
}

/// Writes the missing hours as a plan, then the hours that differ from the control totals.
fn write_lines(
    output: &mut Output,
    lacking: &[Lacking],
    found: Option<&Comparison>,
) -> io::Result<()> {
    for line in lacking {
        output.write_record(line)?;
    }
    for departure in found.into_iter().flat_map(|found| &found.departures) {
        output.write_record(&departure.row())?;
    }
    Ok(())
}

/// The groups and types to show. An error with status 2 if --group names a group that the ledger
/// does not have: the name is probably misspelled.
fn wanted(args: &Args, history: &History) -> anyhow::Result<Vec<(String, BTreeSet<String>)>> {
    let mut known = coverage::known(history);
    for group in &args.group {
        if !known.iter().any(|(name, _)| name == group) {
            let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
            return Err(error::usage(format!(
                "--group '{group}': the ledger knows {}",
                match names.is_empty() {
                    true => "none".to_owned(),
                    false => names.join(", "),
                }
            )));
        }
    }
    known.retain(|(name, _)| args.group.is_empty() || args.group.contains(name));
    if !args.types.is_empty() {
        for (_, types) in &mut known {
            *types = args.types.iter().cloned().collect();
        }
    }
    Ok(known)
}
