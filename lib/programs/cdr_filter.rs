//! Keeps the call detail records that match, byte for byte.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;

use anyhow::{Context, Result};
use clap::Parser;

use crate::cli::args::{self, Common};
use crate::cli::named_files::NamedFiles;
use crate::cli::run::{self, Outcome, Run};
use crate::error::{self, Status};
use crate::export::rejects::{RejectArgs, Rejects};
use crate::filter::cdr::CdrArgs;
use crate::filter::decide::{Decider, FilterJob};
use crate::filter::expr::guard::{self, LimitArgs};
use crate::filter::expr::left_out;
use crate::filter::parallel;
use crate::filter::projection::ProjectionArgs;
use crate::filter::scan::{Pace, Scan};
use crate::filter::selection::SelectionArgs;
use crate::os::mutex::lock;

/// What `--help` says of the expression.
fn expression_help() -> String {
    let help = "An expression in jq's language. A record is kept, once, if it yields a value that is \
        neither false nor null, as by jq's select(EXPR). If it raises an error the record is \
        bad.\n\nIt sees one record, and the environment as $ENV; debug writes to stderr. Records are \
        decided as by jq 1.8.";
    format!("{help} {}", left_out::list())
}

/// Keep the call detail records that match, byte for byte.
///
/// Reads newline-delimited JSON from the FILEs or stdin and passes on each record
/// that the flags and the expression keep, with the bytes that it came with; a
/// missing last newline is added. Blank lines and byte order marks are no part of
/// any record and are left out. Every line must be one JSON object in UTF-8,
/// nested at most 128 levels, whether it is kept or not.
#[derive(Parser)]
#[command(
    name = "cdr-filter",
    version,
    before_help = "\
Examples:
  # calls that the caller hung up on after 5 seconds or more
  unzip-jsonl < page.zip | cdr-filter '.end_type == \"FAR_HUP\" and .duration >= 5000'

  # the same in files; the first argument is always the expression
  cdr-filter --end-type FAR_HUP '.duration >= 5000' a.ndjson b.ndjson

  # flags alone are fastest; . keeps every record that they keep
  cdr-filter --type dialog_end --ocp-group acme-prod --root . calls.ndjson

  # dialogs that ended on one day, in UTC; a value from the environment
  LINE=+15550100 cdr-filter --at end --from 2026-11-01 --to 2026-11-02 '.origin_uri == $ENV.LINE'

  # a table for people, each dialog once
  cdr-filter --type dialog_end --dedupe id --add-iso time \\
    --select id,time,end_type,flow.type --format csv . calls.ndjson > calls.csv

  # records out of captured pushes
  cdr-filter --unwrap messages --kvp AccountType=gold < pushes.ndjson"
)]
struct Args {
    /// An expression in jq's language.
    #[arg(value_name = "EXPR", long_help = expression_help())]
    expr: Option<String>,

    /// Files to read; - is stdin, and so is none at all.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Each line is an envelope, as streaming exports push them: take the records
    /// out of its array FIELD, `messages`. An envelope may stand on several lines if
    /// the first is only { or [; it counts as one, and its line breaks become blanks.
    #[arg(long, value_name = "FIELD")]
    unwrap: Option<String>,

    /// End with status 1 if no record was kept.
    #[arg(short, long)]
    exit_status: bool,

    /// Write records as soon as they are decided, as is done to a terminal.
    /// Without it they leave when the input pauses, or 256 KiB at a time.
    #[arg(long)]
    unbuffered: bool,

    /// Decide with N threads; the order stays. One thread decides about a gigabyte a
    /// second, so that mostly something else is what takes the time.
    #[arg(long, value_name = "N", default_value = "1", value_parser = args::threads())]
    threads: u8,

    /// Of a line that cannot hold what is wanted, check only that it is UTF-8 between
    /// braces and no longer than 256 MiB: for records that were validated before. What
    /// else is wrong with such a line is not found, and it is not counted as one
    /// without a time. Nothing else changes, and nothing at all with --unwrap.
    #[arg(long)]
    trusted: bool,

    /// Say how the expression is decided, and why not faster, and end.
    #[arg(long)]
    explain: bool,

    #[command(flatten)]
    projection: ProjectionArgs,

    #[command(flatten)]
    selection: SelectionArgs,

    #[command(flatten)]
    cdr: CdrArgs,

    #[command(flatten)]
    rejects: RejectArgs,

    #[command(flatten)]
    limits: LimitArgs,

    #[command(flatten)]
    common: Common,
}

/// Runs the program.
pub fn main() -> ExitCode {
    run::main(|args: &Args| &args.common, name_files, body)
}

fn name_files(args: &Args, files: &mut NamedFiles) {
    files.read("FILE", &args.files);
    if args.files.is_empty() {
        files.read("stdin", [&PathBuf::from("-")]);
    }
    args.rejects.name_files(files);
}

fn body(args: &Args, run: &mut Run) -> Result<Outcome> {
    match args.expr {
        None => filter(args, run),
        Some(_) => {
            let run = Mutex::new(run);
            guard::on_deep_stack(&args.limits, || filter(args, &mut lock(&run)))
        }
    }
}

fn filter(args: &Args, run: &mut Run) -> Result<Outcome> {
    let job = FilterJob {
        flags: args.cdr.clone(),
        // `.` keeps everything, and is not worth a look at each record.
        expr: args.expr.clone().filter(|text| text.trim() != "."),
        env: run::environment(),
        limits: args.limits,
        now: run.now,
        timed: args.common.report.is_some(),
        envelope: args.unwrap.clone(),
        trusted: args.trusted,
        projection: args.projection.clone(),
        selection: args.selection.clone(),
        temp_dir: run::temp_dir(&run::env),
    };
    let decider = Decider::new(&job).map_err(|e| explain_file(args, e))?;
    if args.explain {
        writeln!(run.output, "{}", decider.explain())?;
        return Ok(Outcome::Done);
    }
    decider.warn(&args.cdr);
    let stdin = [PathBuf::from("-")];
    let files = if args.files.is_empty() {
        run::require_piped_stdin("pipe records in, or give an expression and a FILE")?;
        &stdin[..]
    } else {
        &args.files
    };
    run.output.widen().context("writing the records")?;
    let to_terminal = args.common.output.is_none() && run::is_stdout_terminal();
    let live = args.unbuffered || to_terminal;
    let rejects = Rejects::open(&args.rejects)?;
    let pace = Pace::new(args.threads.into(), live);
    let mut scan = Scan::new(&job, pace, decider, &mut run.output, rejects);
    let read = parallel::filter(files, &mut scan).and_then(|()| scan.end());
    scan.report(&mut run.report);
    let counts = read.and_then(|()| scan.finish())?;
    Ok(match counts {
        _ if args.exit_status && counts.kept == 0 => Outcome::Partly(Status::Failed),
        _ if counts.records == 0 => Outcome::Nothing,
        _ => Outcome::Done,
    })
}

/// An expression that is none is often a file.
fn explain_file(args: &Args, error: anyhow::Error) -> anyhow::Error {
    match args.expr.as_deref() {
        Some(text) if text == "-" || Path::new(text).is_file() => error::usage(format!(
            "'{text}' is a file, but the first argument is the expression: write . before it to keep every record"
        )),
        _ => error,
    }
}
