//! `export-plan windows`: prints the export requests for a range of time.

use std::collections::BTreeSet;
use std::time::Duration;

use super::plan_args::{Horizon, PlanFormat, print_plan, service, zips};
use crate::bucket::file_or_object::FileOrObject;
use crate::cli::args;
use crate::cli::named_files::NamedFiles;
use crate::cli::run::{Outcome, Run};
use crate::error;
use crate::export::window::Window;
use crate::net::connection::NetArgs;
use crate::ocp::export_request::KNOWN_TYPES;
use crate::ocp::ledger::History;
use crate::ocp::plan::{self, PlanSpec, Sequence};
use crate::time::parse_duration;

pub(crate) const EXAMPLES: &str = "\
Examples:
  export-plan windows --group acme --type dialog_end --from -60d
  export-plan windows --group acme --type ALL --from -2d --have cdrs/ledger.ndjson
  export-plan windows --group acme --type dialog_end --from 2026-11-01 --to 2026-11-08 --window 1d
  export-plan windows --group acme --type dialog_end --from '{{ data_interval_start }}' \\
      --to '{{ data_interval_end }}' --format json-array";

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The OCP group to export. May be repeated.
    #[arg(long, value_name = "NAME", required = true)]
    group: Vec<String>,

    /// A message type: dialog_start, dialog_step, dialog_end, vb_enrolment, vb_verification, audit,
    /// or ALL. May be repeated: all types go into one export. For recordings, no name is
    /// documented: try wcr, then Audio. ALL stands for the three dialog types. The vendor does not
    /// document whether ALL includes more types, so name each other type that you need.
    #[arg(long = "type", value_name = "TYPE", required = true)]
    types: Vec<String>,

    /// Start of the range, rounded down to the hour. RFC 3339, YYYY-MM-DD[ hh:mm[:ss]] (UTC if
    /// there is no zone), epoch seconds or milliseconds, -60d, yesterday or today (in UTC).
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    from: String,

    /// End of the range, not included; rounded up to the hour. [default: the last hour that can be
    /// exported]
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    to: Option<String>,

    /// The length of a window: whole hours, 1h to 2d.
    #[arg(long, value_name = "DUR", default_value = "2d", value_parser = parse_duration)]
    window: Duration,

    /// Which windows come first.
    #[arg(long, value_enum, default_value = "oldest-first")]
    order: Sequence,

    /// Leave out the hours that are fetched according to LEDGER, a ledger of export-fetch. An
    /// unfinished export is planned again with the same start and end, so that export-fetch
    /// continues it. If LEDGER does not exist yet, it counts as empty. LEDGER may be an object
    /// s3://BUCKET/KEY.
    #[arg(long, value_name = "LEDGER", value_parser = FileOrObject::parser())]
    have: Option<FileOrObject>,

    /// With --have: check that the ZIPs exist. Hours whose ZIPs are missing, and were not pruned,
    /// are planned again.
    #[arg(long, requires = "have")]
    verify: bool,

    /// With --verify: the directory of ZIPs. It may be an address s3://BUCKET/KEY. [default: the
    /// directory of the ledger, if the ledger is a file]
    #[arg(long, value_name = "DIR", value_parser = FileOrObject::parser(), requires = "verify")]
    out_dir: Option<FileOrObject>,

    /// Fail if a part of the range cannot be exported.
    #[arg(long)]
    strict: bool,

    #[command(flatten)]
    horizon: Horizon,

    /// The format of the plan.
    #[arg(long, value_enum, default_value = "ndjson")]
    format: PlanFormat,

    #[command(flatten)]
    net: NetArgs,
}

impl Args {
    pub(crate) fn name_files(&self, files: &mut NamedFiles) {
        let have = self.have.as_ref();
        files.read("--have", have.and_then(FileOrObject::file));
        files.read("--ca-cert", &self.net.http.ca_cert);
    }

    /// The exports in the ledger of --have; none if there is no ledger.
    fn history(&self, groups: &[String], run: &Run) -> anyhow::Result<History> {
        let Some(place) = &self.have else {
            return Ok(History::default());
        };
        let zips = match self.verify {
            true => Some(zips(place, self.out_dir.as_ref(), &self.net, run)?),
            false => None,
        };
        let Some(text) = place.read_if_there(|| service(&self.net, run))? else {
            return Ok(History::default());
        };
        let mut have = History::read(&text, place)?;
        have.resolve_objects(&|url| service(&self.net, run)?.head(url))?;
        warn_of_new_groups(groups, &have);
        if let Some(zips) = zips {
            have.forget_missing(|page| zips.has(page))?;
        }
        Ok(have)
    }
}

pub(crate) fn print(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    let now = args.horizon.now(run.now)?;
    plan::check_size(args.window)?;
    let from = args::time("--from", &args.from, now)?;
    let to = match &args.to {
        None => args.horizon.latest(now),
        Some(text) => args::time("--to", text, now)?,
    };
    if args.to.is_none() && from < now && from >= to {
        log::info!("no data since {from} can be exported yet");
        print_plan::<()>(&mut run.output, args.format, &[])?;
        return Ok(Outcome::Nothing);
    }
    let range = Window::new(from, to).ok_or_else(|| {
        error::usage(format!(
            "--from {from} is not before --to {to}: the range is empty"
        ))
    })?;
    for kind in args
        .types
        .iter()
        .filter(|kind| !KNOWN_TYPES.contains(&kind.as_str()))
    {
        log::warn!(
            "--type {kind} is not documented, but it is planned. Documented types: {}",
            KNOWN_TYPES.join(", ")
        );
    }
    let wanted = PlanSpec {
        groups: distinct(&args.group)?,
        types: args.types.iter().cloned().collect(),
        range,
        size: args.window,
        freshness: args.horizon.freshness,
        history: args.horizon.history,
    };
    let clamped = wanted.clamp(now);
    if args.strict && !clamped.notes.is_empty() {
        let whys: Vec<String> = clamped.notes.into_iter().map(|(why, _)| why).collect();
        let text = whys.join("; ");
        // Data that is too young can be exported later; lost data cannot.
        return Err(match clamped.lost {
            true => error::refused(text),
            false => error::try_later(text),
        });
    }
    for (why, instead) in &clamped.notes {
        log::warn!("{why}; {instead}");
    }
    let Some(range) = clamped.window else {
        if clamped.lost {
            return Err(error::refused("the whole range is too old to be exported"));
        }
        print_plan::<()>(&mut run.output, args.format, &[])?;
        return Ok(Outcome::Nothing);
    };
    let have = args.history(&wanted.groups, run)?;
    let lines = wanted.plan(range, &have, args.order);
    print_plan(&mut run.output, args.format, &lines)?;
    run.report.set("windows", lines.len());
    run.report.set("from", range.from().rfc3339());
    run.report.set("to", range.to().rfc3339());
    Ok(match lines.is_empty() {
        true => Outcome::Nothing,
        false => Outcome::Done,
    })
}

/// If the ledger has exports, warns of each group that the ledger does not have: perhaps the name
/// of the group is misspelled.
fn warn_of_new_groups(groups: &[String], have: &History) {
    let known: BTreeSet<&str> = have
        .known()
        .map(|(request, _)| request.group.as_str())
        .collect();
    for group in groups {
        if !known.is_empty() && !known.contains(group.as_str()) {
            let known: Vec<&str> = known.iter().copied().collect();
            log::warn!(
                "--group {group}: the ledger has no line of this group, only of {}",
                known.join(", ")
            );
        }
    }
}

/// The groups without repetitions: a repeated group would be exported twice.
fn distinct(groups: &[String]) -> anyhow::Result<Vec<String>> {
    if groups.iter().any(String::is_empty) {
        return Err(error::usage("--group: the name is empty"));
    }
    let mut distinct: Vec<String> = Vec::new();
    for group in groups {
        if !distinct.contains(group) {
            distinct.push(group.clone());
        }
    }
    Ok(distinct)
}
