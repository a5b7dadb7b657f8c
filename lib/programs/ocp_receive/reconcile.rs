//! `ocp-receive reconcile`: compares batch exports with the lake.

use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

use crate::cli::run::{self, Outcome, Run};
use crate::export::rejects::{Reject, RejectArgs, Rejects};
use crate::json::bad_line::BadLine;
use crate::json::lines::Lines;
use crate::lake::layout::Codec;
use crate::os::clock::Clock;
use crate::os::signals::Stop;
use crate::receive::committer::instance_name;
use crate::receive::directory::ReceiveDirectory;
use crate::receive::reconcile::{ReconcileOptions, Reconciler};
use crate::receive::store::Store;
use crate::time::parse_positive_duration;

pub(crate) const EXAMPLES: &str = "\
Examples:
  ocp-receive gaps --dir ocp | export-fetch --out-dir zips | unzip-jsonl --with-source |
      ocp-receive reconcile --dir ocp
  unzip-jsonl --wav-dir wavs --with-source zips/*.zip | ocp-receive reconcile --dir ocp";

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The directory of the receiver. The receiver can be running.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,

    /// If the keys of the lake's records were deleted, first rebuild them from the lake, as the
    /// command reindex does.
    #[arg(long)]
    reindex: bool,

    /// Compress the files that are written; their names then end with .zst.
    #[arg(long, value_name = "CODEC")]
    compress: Option<Codec>,

    /// Recognise a record that the lake already has up to DUR after the time in the record, as
    /// serve does.
    #[arg(long, value_name = "DUR", default_value = "62d", value_parser = parse_positive_duration)]
    dedupe_keep: Duration,

    #[command(flatten)]
    pub(super) bad: RejectArgs,
}

pub(crate) fn reconcile(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    run::require_piped_stdin("pipe in the lines of unzip-jsonl --with-source")?;
    let directory = ReceiveDirectory::new(&args.dir);
    let store = Store::open(&directory)?;
    let options = ReconcileOptions {
        instance: instance_name(run.seed()),
        compress: args.compress,
        dedupe_keep: args.dedupe_keep,
        reindexes: args.reindex,
        clock: Clock::system(),
        stop: Stop::default(),
    };
    let mut rejects = Rejects::open(&args.bad)?;
    let mut reconciler = Reconciler::open(&directory, store, options)?;
    let stdin = io::stdin().as_fd().try_clone_to_owned();
    let mut lines = Lines::new(std::fs::File::from(stdin.context("opening stdin")?));
    while let Some(line) = lines.next_line().context("stdin")? {
        let bytes = line.record();
        if bytes.is_empty() {
            continue;
        }
        let taken = match str::from_utf8(bytes) {
            Ok(text) => reconciler.take(text)?,
            Err(_) => Err(BadLine::new("not UTF-8")),
        };
        if let Err(bad) = taken {
            rejects.add(Reject {
                source: "stdin",
                member: None,
                line: Some(line.number),
                offset: Some(line.offset),
                error: &bad.to_string(),
                raw: Some(bytes),
            })?;
        }
    }
    let hours = reconciler.finish()?;
    for hour in &hours {
        run.output.write_record(hour)?;
    }
    let (records, recordings) = reconciler.filled();
    run.report.set("hours", hours.len());
    run.report.set("records_filled", records);
    run.report.set("recordings_filled", recordings);
    run.report.set("rejected", rejects.count());
    let judged = rejects.finish();
    if judged.is_err() {
        run.output.finish()?;
    }
    judged?;
    Ok(match hours.is_empty() && recordings == 0 {
        true => Outcome::Nothing,
        false => Outcome::Done,
    })
}
