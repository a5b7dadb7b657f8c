//! Prints the call detail records that match the flags and the expression, by default unchanged.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;

use anyhow::{Context, Result};
use clap::Parser;

use crate::cli::args::{self, Common};
use crate::cli::named_files::NamedFiles;
use crate::cli::progress_line::ProgressLine;
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

/// The help text of EXPR.
fn expression_help() -> String {
    let help = "An expression in jq's language. A record is kept, and printed once, if the \
        expression yields at least one value that is neither false nor null. If the expression \
        fails, the record is bad.\n\nThe input of the expression is one record. $ENV is the environment. \
        `debug` writes to stderr. The results are those of jq 1.8.";
    format!("{help} {}", left_out::list())
}

/// Keep the call detail records that match, byte for byte.
///
/// Reads newline-delimited JSON from the FILEs or stdin, and prints each record that
/// matches the flags and the expression. A record keeps its bytes; a missing newline at the
/// end is added. Blank lines and byte order marks are left out. Every line must be one JSON
/// object in UTF-8, nested at most 128 levels, even if it does not match.
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

  # flags alone are fastest; the expression . keeps all that the flags keep
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

    /// Files to read. `-` is stdin, which is also read if no FILE is given.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Read each line as an envelope of a streaming export, whose records are in the array FIELD,
    /// usually `messages`. An envelope may take several lines if its first line is only { or [.
    /// Such an envelope counts as one line, and its line breaks become spaces.
    #[arg(long, value_name = "FIELD")]
    unwrap: Option<String>,

    /// Exit with status 1 if no record matched.
    #[arg(short, long)]
    exit_status: bool,

    /// Print each record without delay, as on a terminal. Without this flag, records are collected
    /// and printed in blocks of 256 KiB, or when the input pauses.
    #[arg(long)]
    unbuffered: bool,

    /// Filter with N threads; the order of records stays the same. One thread filters about 1 GB/s,
    /// so more threads rarely help.
    #[arg(long, value_name = "N", default_value = "1", value_parser = args::threads())]
    threads: u8,

    /// Do not fully validate lines that cannot match. Use this flag only for input that was
    /// validated before. The program only checks that such a line is UTF-8 between braces and at
    /// most 256 MiB long. It finds no other error in the line, and --from and --to do not count the
    /// line as a record without a time. No effect with --unwrap.
    #[arg(long)]
    trusted: bool,

    /// Explain how fast the expression is evaluated and why, and exit.
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
    let has_times = args.projection.excel || args.cdr.from.is_some() || args.cdr.to.is_some();
    if args.projection.tz.is_some() && !has_times {
        return Err(error::usage("--tz: add --excel, --from or --to"));
    }
    let job = FilterJob {
        flags: args.cdr.clone(),
        // `.` keeps every record, so it is not evaluated.
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
    let progress = ProgressLine::new(args.common.shows_progress_apart());
    let scan = Scan::new(&job, pace, decider, &mut run.output, rejects);
    let mut scan = scan.showing(progress);
    let read = parallel::filter(files, &mut scan).and_then(|()| scan.end());
    scan.report(&mut run.report);
    let counts = read.and_then(|()| scan.finish())?;
    Ok(match counts {
        _ if args.exit_status && counts.kept == 0 => Outcome::Partly(Status::Failed),
        _ if counts.records == 0 => Outcome::Nothing,
        _ => Outcome::Done,
    })
}

/// Replaces the error of an invalid expression if the expression is the name of a file.
fn explain_file(args: &Args, error: anyhow::Error) -> anyhow::Error {
    match args.expr.as_deref() {
        Some(text) if text == "-" || Path::new(text).is_file() => error::usage(format!(
            "'{text}' is a file, but the first argument is the expression: write . before it to keep every record"
        )),
        _ => error,
    }
}
