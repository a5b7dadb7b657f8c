//! `export-plan check`: checks a ledger and the ZIPs that it names.

use std::io::Write;
use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

use super::plan_args::{Horizon, OnDisk};
use crate::cli::run::{Outcome, Run};
use crate::error;
use crate::export::window::Window;
use crate::ocp::coverage::{self, Calendar, HistoryLimits, text};
use crate::ocp::export_request::ExportRequest;
use crate::ocp::inventory::{self, StoredZip};
use crate::ocp::ledger::{ExportEntry, History, LINE_ADVICE};
use crate::ocp::zip_store::ZipStore;

pub(crate) const EXAMPLES: &str = "\
Examples:
  export-plan check --ledger cdrs/ledger.ndjson
  export-plan check --ledger cdrs/ledger.ndjson --format ndjson | jq 'select(.problem)'";

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) on_disk: OnDisk,

    #[command(flatten)]
    horizon: Horizon,

    /// The format of the findings.
    #[arg(long, value_enum, default_value = "text")]
    format: CheckFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CheckFormat {
    /// The problems and the totals.
    Text,
    /// A line of JSON for each ZIP, damaged line and incomplete export, then the totals.
    Ndjson,
}

/// The result of one check.
#[derive(Serialize)]
#[serde(tag = "check", rename_all = "snake_case")]
enum Finding<'a> {
    Line {
        line: u64,
        problem: &'a str,
        advice: &'static str,
    },
    Zip {
        #[serde(flatten)]
        request: &'a ExportRequest,
        export_id: &'a str,
        page_number: u64,
        path: String,
        bytes: u64,
        sha256: &'a str,
        members: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        problem: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        advice: Option<&'static str>,
    },
    Export {
        #[serde(flatten)]
        request: &'a ExportRequest,
        export_id: &'a str,
        missing_pages: Vec<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        problem: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        advice: Option<&'static str>,
    },
    Summary(CheckSummary),
}

#[derive(Clone, Debug, Default, Serialize)]
struct CheckSummary {
    lines: u64,
    damaged_lines: usize,
    zips: usize,
    bad_zips: usize,
    zip_bytes: u64,
    members: u64,
    exports: usize,
    incomplete_exports: usize,
}

const ZIP_ADVICE: &str =
    "fetch it again: export-plan windows --have LEDGER --verify ... | export-fetch";
const EXPORT_ADVICE: &str =
    "fetch them: export-plan windows --have LEDGER --verify ... | export-fetch";
const UNDER_WAY: &str = "run export-fetch with the same plan: it continues";

impl Finding<'_> {
    fn text(&self) -> Option<String> {
        Some(match self {
            Finding::Line {
                line,
                problem,
                advice,
            } => format!("line {line}: {problem}. To do: {advice}"),
            Finding::Zip {
                request,
                path,
                problem,
                advice,
                ..
            } => {
                let (problem, advice) = (problem.as_ref()?, (*advice)?);
                format!("{path}: {problem} ({request}). To do: {advice}")
            }
            Finding::Export {
                request,
                export_id,
                missing_pages,
                problem,
                advice,
            } => {
                let problem = problem.unwrap_or("under way");
                let pages: Vec<String> = missing_pages.iter().map(u64::to_string).collect();
                let (pages, advice) = (pages.join(", "), (*advice)?);
                format!(
                    "{request}: export {export_id} lacks pages {pages}: {problem}. To do: {advice}"
                )
            }
            Finding::Summary(all) => format!(
                "{} lines, {} damaged; {} ZIPs of {} bytes with {} members, {} wrong; {} exports, {} without all pages",
                all.lines,
                all.damaged_lines,
                all.zips,
                all.zip_bytes,
                all.members,
                all.bad_zips,
                all.exports,
                all.incomplete_exports
            ),
        })
    }
}

pub(crate) fn print(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    let zips = args.on_disk.zips(run)?;
    let text = args.on_disk.read(run)?;
    let (mut history, lines, damaged) = History::scan(&text, &args.on_disk.ledger)?;
    history.resolve_objects(&|url| args.on_disk.service(run)?.head(url))?;
    let mut all = CheckSummary {
        lines,
        damaged_lines: damaged.len(),
        ..CheckSummary::default()
    };
    for line in &damaged {
        let finding = Finding::Line {
            line: line.number,
            problem: &line.why,
            advice: LINE_ADVICE,
        };
        write(args, run, &finding)?;
    }
    for zip in inventory::stored(&history) {
        let problem = zip.problem(&zips)?;
        all.zips += 1;
        all.zip_bytes += zip.page.bytes;
        all.members += zip.page.members;
        all.bad_zips += usize::from(problem.is_some());
        write(args, run, &zip_finding(&zip, &zips, problem))?;
    }
    for (request, export) in inventory::exports(&history) {
        all.exports += 1;
        if let Some(finding) = incomplete(request, export) {
            all.incomplete_exports += 1;
            write(args, run, &finding)?;
        }
    }
    let lost_after_reading = inventory::exports(&history)
        .filter(|(_, export)| export.fetched_at.is_some())
        .any(|(_, export)| !inventory::missing_pages(export).is_empty());
    write(args, run, &Finding::Summary(all.clone()))?;
    report(run, &all);
    history.forget_missing(|page| zips.has(page))?;
    write_coverage(args, run, &history)?;
    if all.damaged_lines + all.bad_zips > 0 || lost_after_reading {
        let ledger = &args.on_disk.ledger;
        return Err(error::bad_input(format!(
            "{ledger}: {} damaged lines, {} wrong ZIPs, {} exports without all pages",
            all.damaged_lines, all.bad_zips, all.incomplete_exports
        )));
    }
    Ok(Outcome::Done)
}

fn zip_finding<'a>(zip: &StoredZip<'a>, zips: &ZipStore, problem: Option<String>) -> Finding<'a> {
    Finding::Zip {
        request: zip.request,
        export_id: &zip.export.id,
        page_number: zip.page.page_number,
        path: zips.place(&zip.page.file).display().to_string(),
        bytes: zip.page.bytes,
        sha256: &zip.page.sha256,
        members: zip.page.members,
        advice: problem.is_some().then_some(ZIP_ADVICE),
        problem,
    }
}

fn incomplete<'a>(request: &'a ExportRequest, export: &'a ExportEntry) -> Option<Finding<'a>> {
    let missing_pages = inventory::missing_pages(export);
    let was_read = export.fetched_at.is_some();
    (!missing_pages.is_empty()).then(|| Finding::Export {
        request,
        export_id: &export.id,
        missing_pages,
        problem: was_read.then_some("its lines were read, but these pages are not in the ledger"),
        advice: Some(if was_read { EXPORT_ADVICE } else { UNDER_WAY }),
    })
}

fn write(args: &Args, run: &mut Run, finding: &Finding<'_>) -> anyhow::Result<()> {
    match args.format {
        CheckFormat::Ndjson => run.output.write_record(finding)?,
        CheckFormat::Text => {
            if let Some(text) = finding.text() {
                run.output.write_line(text.as_bytes())?;
            }
        }
    }
    Ok(())
}

fn report(run: &mut Run, all: &CheckSummary) {
    run.report.set("lines", all.lines);
    run.report.set("damaged_lines", all.damaged_lines);
    run.report.set("zips", all.zips);
    run.report.set("bad_zips", all.bad_zips);
    run.report.set("zip_bytes", all.zip_bytes);
    run.report.set("members", all.members);
    run.report.set("incomplete_exports", all.incomplete_exports);
}

/// Writes how many hours are exported, missing or lost, for each group and type.
fn write_coverage(args: &Args, run: &mut Run, history: &History) -> anyhow::Result<()> {
    let now = args.horizon.now(run.now)?;
    let limits = HistoryLimits {
        now,
        freshness: args.horizon.freshness,
        history: args.horizon.history,
        risk: Duration::ZERO,
    };
    let latest = args.horizon.latest(now);
    let first = coverage::first_hour(history).unwrap_or(latest);
    let Some(range) = Window::new(first, latest) else {
        return Ok(());
    };
    for (group, types) in coverage::known(history) {
        for kind in types {
            let calendar = Calendar::new(&group, &kind, range, history, &limits);
            match args.format {
                CheckFormat::Ndjson => run.output.write_record(&calendar.summary())?,
                CheckFormat::Text => {
                    writeln!(run.output, "{group} {kind}: {}", text::counts(&calendar))?;
                }
            }
        }
    }
    Ok(())
}
