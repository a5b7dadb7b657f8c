//! Prints the JSON lines in ZIPs, byte for byte.

use std::cell::OnceCell;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;

use crate::bucket::file_or_object::FileOrObject;
use crate::bucket::service::BucketService;
use crate::cli::args::{self, Common};
use crate::cli::named_files::NamedFiles;
use crate::cli::progress_line::ProgressLine;
use crate::cli::run::{self, Outcome, Run};
use crate::error::{self, Failure, Status};
use crate::export::rejects::{RejectArgs, Rejects};
use crate::net::connection::{Connection, NetArgs};
use crate::unzip::{MemberArgs, Unzip, ZipInput, ZipPlaces};

const EXAMPLES: &str = "\
Examples:
  unzip-jsonl page-*.zip | jq -c .id
  export-fetch --out-dir zips <plan | unzip-jsonl | cdr-filter '.end_type == \"FAR_HUP\"'
  unzip-jsonl --wav-dir recordings zips/*.zip >recordings.ndjson
  unzip-jsonl --layout duckdb --out-dir lake --compress zstd zips/*.zip >files.ndjson
  curl -s URL | unzip-jsonl --member '*vb_enrolment*'
  unzip-jsonl s3://bucket/2026-11/page-1.zip >records.ndjson";

/// Print the JSON lines in ZIPs, byte for byte.
///
/// Prints all members of each ZIP in the order of the ZIP's central directory, including members
/// with the same name. A newline is added to a last line without one, and a byte order mark at the
/// start of a line is removed. Nothing else changes: carriage returns and blank lines stay.
///
/// A line is bad if it does not begin with `{` and end with `}`, or is not UTF-8. A member is bad
/// as a whole if it is damaged or encrypted, or if its compression is not deflate or none. A file
/// that is not a ZIP is also bad. Everything else is still printed. If a damaged member has at
/// most 4 MiB, none of its lines is printed. If it is larger, the lines before the damage are
/// printed, and a message gives their number.
#[derive(Debug, Parser)]
#[command(name = "unzip-jsonl", version, before_help = EXAMPLES)]
struct Args {
    /// The ZIPs to read; `-` is stdin. If none is given, stdin is read: either a ZIP, or lines of
    /// JSON with the `path` of a ZIP, as export-fetch prints them. A ZIP may be an object
    /// s3://BUCKET/KEY.
    #[arg(value_name = "ZIP", value_parser = FileOrObject::parser())]
    zips: Vec<FileOrObject>,

    /// While a ZIP comes through a pipe, store it in an unnamed file in DIR. Files for --out-dir
    /// s3://… are also in DIR until they are uploaded. [default: TMPDIR, else /tmp]
    #[arg(long, value_name = "DIR")]
    spool_dir: Option<PathBuf>,

    /// Unpack with N threads; the order of lines stays the same. One thread unpacks about 700 MB/s,
    /// so more threads rarely help. Each member is unpacked by one thread, so one huge member is
    /// not faster. Each thread takes 7 MiB of memory.
    #[arg(long, value_name = "N", default_value = "1", value_parser = args::threads())]
    threads: u8,

    #[command(flatten)]
    selection: MemberArgs,

    #[command(flatten)]
    bad: RejectArgs,

    #[command(flatten)]
    net: NetArgs,

    #[command(flatten)]
    common: Common,
}

/// Runs the program.
pub fn main() -> ExitCode {
    run::main(|args: &Args| &args.common, name_files, body)
}

fn name_files(args: &Args, files: &mut NamedFiles) {
    files.read("ZIP", args.zips.iter().filter_map(FileOrObject::file));
    files.read("--ca-cert", &args.net.http.ca_cert);
    if args.zips.is_empty() {
        files.read("stdin", [&PathBuf::from("-")]);
    }
    args.bad.name_files(files);
    files.write("--schema-report", &args.selection.schema.schema_report);
}

fn body(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    let seed = run.seed();
    let mut rejects = Rejects::open(&args.bad)?;
    let threads = args.threads.into();
    let spool_dir = args.spool_dir.clone();
    let spool_dir = spool_dir.unwrap_or_else(|| run::temp_dir(&run::env));
    let service = OnceCell::new();
    let open_service = || match service.get() {
        Some(service) => Ok(Arc::clone(service)),
        None => {
            let connection = Connection::without_signals(&args.net, seed, &run::env)?;
            let opened = BucketService::from_env(&connection, seed, &run::env)?;
            Ok(Arc::clone(service.get_or_init(|| opened.into())))
        }
    };
    let places = ZipPlaces {
        spool_dir: &spool_dir,
        service: &open_service,
    };
    let (output, selection) = (&mut run.output, &args.selection);
    let unzip = Unzip::new(selection, threads, output, &mut rejects, places)?;
    let mut unzip = unzip.showing(ProgressLine::new(args.common.shows_progress_apart()));
    let read = read(args, &mut unzip, &spool_dir);
    // The records that were read before a read error are written before the error is printed.
    let read = unzip.finish().and(read);
    let (counts, survey, layout) = unzip.end(&mut run.report);
    run.report.set("bytes", run.output.bytes());
    run.report.set("rejected", rejects.count());
    read.map_err(|e| match error::reader_left(&e) {
        true if args.selection.layout.layout.is_some() => left(),
        _ => e,
    })?;
    run.output.flush()?;
    if let Some(survey) = survey {
        survey.finish(&mut run.report)?;
    }
    let judged = rejects.finish();
    if judged.is_err() && counts.is_complete() {
        // All good records were written. Bad records must not keep the output file from appearing.
        run.output.finish()?;
    }
    let outcome = counts.outcome(judged)?;
    if let Some(layout) = layout {
        run.output.finish()?;
        layout.listed();
    }
    Ok(outcome)
}

/// The error if the reader of stdout stops early with --layout: not all ZIPs were written to files.
fn left() -> anyhow::Error {
    let text = "the reader closed stdout: run the same command again to write all ZIPs to files";
    Failure::new(Status::Failed, text).into()
}

fn read(args: &Args, unzip: &mut Unzip<'_>, spool_dir: &Path) -> anyhow::Result<()> {
    let stdin = FileOrObject::File("-".into());
    let zips = match args.zips.is_empty() {
        true => std::slice::from_ref(&stdin),
        false => &args.zips,
    };
    for (at, zip) in zips.iter().enumerate() {
        if *zip == stdin {
            // The ZIPs that are named before stdin are finished first, because reading stdin can
            // block.
            unzip.finish()?;
            run::require_piped_stdin("name ZIPs, or pipe one in")?;
            let stdin = io::stdin().as_fd().try_clone_to_owned();
            let stdin = File::from(stdin.context("opening stdin")?);
            let input = ZipInput::new(stdin, !args.zips.is_empty(), spool_dir)?;
            unzip.input(input)?;
        } else {
            unzip.named(zip, &zips[at + 1..])?;
        }
    }
    Ok(())
}
