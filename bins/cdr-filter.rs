//! Keeps the call detail records that match, byte for byte.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use callpipe::cli::Common;
use callpipe::error::{self, Status};
use callpipe::filter::Predicate;
use callpipe::filter::cdr::{Cdr, CdrArgs};
use callpipe::filter::envelope::Envelope;
use callpipe::filter::expr::Expr;
use callpipe::filter::scan::Scan;
use callpipe::output;
use callpipe::rejects::{RejectArgs, Rejects};
use callpipe::run::{self, Outcome, Run};
use clap::Parser;

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

  # records out of captured pushes
  cdr-filter --unwrap messages --kvp AccountType=gold < pushes.ndjson"
)]
struct Args {
    /// An expression in jq's language. A record is kept, once, if it yields a
    /// value that is neither false nor null, as by jq's select(EXPR). If it
    /// raises an error the record is bad.
    ///
    /// It sees one record, and the environment as $ENV; debug writes to stderr;
    /// input, halt and import are not available. It is run by jaq, which differs
    /// from jq in that integers of any size compare exactly; that regular
    /// expressions know no \p{L}, look-around or back-references; that a slice of
    /// null is an error, so that (.a // "")[:3] is safer than .a[:3]; and that ?//,
    /// $__loc__, @base32 and fromstream are missing.
    #[arg(value_name = "EXPR")]
    expr: Option<String>,

    /// Files to read; - is stdin, and so is none at all.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Each line is an envelope, as streaming exports push them: take the records
    /// out of its array FIELD, `messages`.
    #[arg(long, value_name = "FIELD")]
    unwrap: Option<String>,

    /// End with status 1 if no record was kept.
    #[arg(short, long)]
    exit_status: bool,

    /// Write each record at once. Without it records leave when the input
    /// pauses, or 64 KiB at a time.
    #[arg(long)]
    unbuffered: bool,

    #[command(flatten)]
    cdr: CdrArgs,

    #[command(flatten)]
    rejects: RejectArgs,

    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    run::main(|args: &Args| &args.common, body)
}

fn body(args: &Args, run: &mut Run) -> Result<Outcome> {
    output::refuse_same(args.common.output.as_deref(), &args.files)?;
    let predicate = Predicate {
        cdr: Cdr::new(&args.cdr, run.now, args.common.report.is_some())?,
        expr: expression(args)?,
    };
    let stdin = [PathBuf::from("-")];
    let files = if args.files.is_empty() {
        &stdin[..]
    } else {
        &args.files
    };
    if args.files.is_empty() {
        run::require_piped_stdin("pipe records in, or give an expression and a FILE")?;
    }
    if args.unbuffered {
        run.output.set_live();
    }
    let envelope = args.unwrap.as_deref().map(Envelope::new);
    let rejects = Rejects::open(&args.rejects)?;
    let mut scan = Scan::new(predicate, envelope, &mut run.output, rejects);
    let read = files.iter().try_for_each(|file| match file {
        file if file == Path::new("-") => scan.input("stdin", io::stdin().lock()),
        file => scan.file(file),
    });
    scan.report(&mut run.report);
    let counts = read.and_then(|()| scan.finish())?;
    Ok(match counts {
        _ if args.exit_status && counts.kept == 0 => Outcome::Partly(Status::Failed),
        _ if counts.records == 0 => Outcome::Nothing,
        _ => Outcome::Done,
    })
}

/// `.` keeps everything, and is not worth a value for each record.
fn expression(args: &Args) -> Result<Option<Expr>> {
    let Some(text) = args.expr.as_deref().filter(|text| text.trim() != ".") else {
        return Ok(None);
    };
    let env = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Expr::compile(text, env).map(Some).map_err(|e| {
        if text == "-" || Path::new(text).is_file() {
            return error::usage(format!(
                "'{text}' is a file, but the first argument is the expression: write . before it to keep every record"
            ));
        }
        e
    })
}
