//! Cuts a range of time into export requests, and exports into pages. No network.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use callpipe::cli::Common;
use callpipe::error;
use callpipe::ndjson::{Lines, Object, explain};
use callpipe::ocp::ledger::History;
use callpipe::ocp::order::KNOWN_TYPES;
use callpipe::ocp::plan::{self, Sequence, Wanted};
use callpipe::output::Output;
use callpipe::run::{self, Outcome, Run};
use callpipe::time::{Timestamp, parse_duration};
use callpipe::window::Window;
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use serde::Serialize;

const WINDOWS_EXAMPLES: &str = "\
Examples:
  export-plan windows --group acme --type dialog_end --from -60d
  export-plan windows --group acme --type ALL --from -2d --have cdrs/ledger.ndjson
  export-plan windows --group acme --type dialog_end --from 2026-11-01 --to 2026-11-08 --window 1d
  export-plan windows --group acme --type dialog_end --from '{{ data_interval_start }}' \\
      --to '{{ data_interval_end }}' --format json-array";

const PAGES_EXAMPLES: &str = "\
Examples:
  export-fetch --until ready --out-dir cdrs < plan | export-plan pages --page-size 50
  export-plan pages --format json-array < ready.ndjson";

/// Plan exports of Omilia's OCP, without calling it.
#[derive(Parser, Debug)]
#[command(
    name = "export-plan",
    version,
    before_help = "\
Examples:
  export-plan windows --group acme --type dialog_end --from -60d | export-fetch --out-dir cdrs
  export-plan windows --group acme --type ALL --from -2d --have cdrs/ledger.ndjson
  export-fetch --until ready --out-dir cdrs < plan | export-plan pages --page-size 50"
)]
struct Args {
    #[command(subcommand)]
    command: Command,

    #[command(flatten)]
    common: Common,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Print the export requests that cover a range of time.
    #[command(before_help = WINDOWS_EXAMPLES)]
    Windows(WindowsArgs),
    /// Print the pages of the READY exports on stdin.
    #[command(before_help = PAGES_EXAMPLES)]
    Pages(PagesArgs),
}

#[derive(ClapArgs, Debug)]
struct WindowsArgs {
    /// The OCP group to export. Several: give it several times.
    #[arg(long, value_name = "NAME", required = true)]
    group: Vec<String>,

    /// A message type: dialog_start, dialog_step, dialog_end, vb_enrolment,
    /// vb_verification, audit, or ALL. Several go into one export.
    #[arg(long = "type", value_name = "TYPE", required = true)]
    types: Vec<String>,

    /// Start of the range; floored to the hour. RFC 3339, YYYY-MM-DD[ hh:mm[:ss]]
    /// (UTC if there is no zone), epoch seconds or milliseconds, or -60d.
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    from: String,

    /// End of the range, not included; ceiled to the hour. [default: the last
    /// hour that can be exported]
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    to: Option<String>,

    /// The length of a window: whole hours, 1h to 2d.
    #[arg(long, value_name = "DUR", default_value = "2d", value_parser = parse_duration)]
    window: Duration,

    /// Which windows come first.
    #[arg(long, value_enum, default_value = "oldest-first")]
    order: Sequence,

    /// Leave out what the ledger of export-fetch has already. What it has begun
    /// is planned again with the same bounds, to be taken up where it stopped. A
    /// ledger that does not exist yet has nothing.
    #[arg(long, value_name = "LEDGER")]
    have: Option<PathBuf>,

    /// Fail where the range would have to be cut to what can be exported.
    #[arg(long)]
    strict: bool,

    /// How old data must be before it can be exported.
    #[arg(long, value_name = "DUR", default_value = "2h", value_parser = parse_duration)]
    freshness: Duration,

    /// How far back data can be exported.
    #[arg(long, value_name = "DUR", default_value = "60d", value_parser = parse_duration)]
    history: Duration,

    /// Plan as if it were T.
    #[arg(long, value_name = "T")]
    now: Option<String>,

    /// How the plan is printed.
    #[arg(long, value_enum, default_value = "ndjson")]
    format: Format,
}

#[derive(ClapArgs, Debug)]
struct PagesArgs {
    /// Files in each ZIP. Do not change it while an export is being downloaded.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    page_size: u64,

    /// How the plan is printed.
    #[arg(long, value_enum, default_value = "ndjson")]
    format: Format,
}

/// At five a minute these would take four months.
const MOST_PAGES: u64 = 1_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One JSON object a line.
    Ndjson,
    /// One JSON array on one line, for Airflow's expand().
    JsonArray,
}

fn main() -> ExitCode {
    run::main(|args: &Args| &args.common, body)
}

fn body(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    match &args.command {
        Command::Windows(args) => windows(args, run),
        Command::Pages(args) => pages(args, run),
    }
}

fn windows(args: &WindowsArgs, run: &mut Run) -> anyhow::Result<Outcome> {
    let time = |flag: &str, text: &str, now| {
        Timestamp::parse(text, now).map_err(|e| error::usage(format!("{flag}: {e}")))
    };
    let now = match &args.now {
        None => run.now,
        Some(text) => time("--now", text, run.now)?,
    };
    plan::check_size(args.window)?;
    let from = time("--from", &args.from, now)?;
    let to = match &args.to {
        None => now.minus(args.freshness).floor_hour(),
        Some(text) => time("--to", text, now)?,
    };
    if args.to.is_none() && from < now && from >= to {
        log::info!("nothing from {from} on can be exported yet");
        print::<()>(&mut run.output, args.format, &[])?;
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
            "--type {kind}: planned as it is, though documented are only {}",
            KNOWN_TYPES.join(", ")
        );
    }
    let wanted = Wanted {
        groups: distinct(&args.group)?,
        types: args.types.iter().cloned().collect(),
        range,
        size: args.window,
        freshness: args.freshness,
        history: args.history,
    };
    let clamped = wanted.clamp(now);
    if args.strict && !clamped.notes.is_empty() {
        let text = clamped.notes.join("; ");
        // Data that is too young will be old enough; what is lost stays lost.
        return Err(match clamped.lost {
            true => error::refused(text),
            false => error::try_later(text),
        });
    }
    for note in &clamped.notes {
        log::warn!("{note}");
    }
    let Some(range) = clamped.window else {
        if clamped.lost {
            return Err(error::refused(
                "nothing of the range can be exported any more",
            ));
        }
        print::<()>(&mut run.output, args.format, &[])?;
        return Ok(Outcome::Nothing);
    };
    let have = match &args.have {
        Some(path) if path.exists() => History::read(path)?,
        _ => History::default(),
    };
    let lines = wanted.plan(range, &have, args.order);
    print(&mut run.output, args.format, &lines)?;
    run.report.set("windows", lines.len());
    run.report.set("from", range.from().rfc3339());
    run.report.set("to", range.to().rfc3339());
    Ok(match lines.is_empty() {
        true => Outcome::Nothing,
        false => Outcome::Done,
    })
}

/// The groups, each once; a second one of the same name would be exported twice.
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

fn pages(args: &PagesArgs, run: &mut Run) -> anyhow::Result<Outcome> {
    run::require_piped_stdin("pipe the lines of export-fetch --until ready into it")?;
    let mut lines = Lines::new(io::stdin().lock());
    let mut array = Vec::new();
    let (mut exports, mut pages) = (0_u64, 0);
    while let Some(line) = lines.next_line().context("reading stdin")? {
        if line.record().is_empty() {
            continue;
        }
        let place = || format!("stdin:{}", line.number);
        let planned = pages_of(line.record(), args.page_size).with_context(place)?;
        exports += 1;
        pages += planned.len();
        match args.format {
            // A READY export lives a day: it does not wait here for the next one.
            Format::Ndjson => {
                print(&mut run.output, args.format, &planned)?;
                run.output.flush()?;
            }
            Format::JsonArray => array.extend(planned),
        }
    }
    if args.format == Format::JsonArray {
        print(&mut run.output, args.format, &array)?;
    }
    run.report.set("exports", exports);
    run.report.set("pages", pages);
    Ok(match pages {
        0 => Outcome::Nothing,
        _ => Outcome::Done,
    })
}

fn pages_of(line: &[u8], page_size: u64) -> anyhow::Result<Vec<Object>> {
    let bad = |e: serde_json::Error| error::bad_input(format!("not an export: {}", explain(&e)));
    let export = Object::parse(line).map_err(bad)?;
    let status: Option<String> = export.get("status").map_err(bad)?;
    let num_of_files: Option<u64> = export.get("num_of_files").map_err(bad)?;
    let files = match (status.as_deref(), num_of_files) {
        (Some("READY"), Some(files)) => files,
        (status, _) => {
            return Err(error::bad_input(format!(
                "the export is not READY with num_of_files (its status: {}): wait for it with export-fetch --until ready",
                status.unwrap_or("none")
            )));
        }
    };
    let pages = files.div_ceil(page_size);
    if pages > MOST_PAGES {
        return Err(error::bad_input(format!(
            "{files} files in {pages} pages: that cannot be"
        )));
    }
    (1..=pages)
        .map(|number| {
            let mut page = export.clone();
            page.set("page_number", &number)?;
            page.set("page_size", &page_size)?;
            page.set("pages", &pages)?;
            Ok(page)
        })
        .collect()
}

fn print<T: Serialize>(output: &mut Output, format: Format, lines: &[T]) -> anyhow::Result<()> {
    match format {
        Format::Ndjson => {
            for line in lines {
                output.write_record(line)?;
            }
        }
        Format::JsonArray => output.write_record(lines)?,
    }
    Ok(())
}
