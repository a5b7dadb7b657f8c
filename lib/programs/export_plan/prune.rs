//! `export-plan prune`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;

use super::plan_args::root;
use crate::bucket::file_or_object::FileOrObject;
use crate::cli::run::{Outcome, Run};
use crate::error;
use crate::ocp::export_request::ExportRequest;
use crate::ocp::inventory;
use crate::ocp::ledger::{ExportEntry, History, Ledger, PageEntry};
use crate::os::clock::Clock;
use crate::os::files;
use crate::time::{Timestamp, parse_duration};

pub(crate) const EXAMPLES: &str = "\
Examples:
  export-plan prune --ledger cdrs/ledger.ndjson --older-than 30d --dry-run
  export-plan prune --ledger cdrs/ledger.ndjson --older-than 30d > removed.ndjson";

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The ledger of export-fetch.
    #[arg(long, value_name = "LEDGER")]
    pub(super) ledger: PathBuf,

    /// The directory of ZIPs, as for export-fetch. [default: where the ledger is]
    #[arg(long, value_name = "DIR")]
    out_dir: Option<PathBuf>,

    /// Remove the ZIPs of exports whose lines were read at least DUR ago. The ledger still counts
    /// their hours as exported.
    #[arg(long, value_name = "DUR", value_parser = parse_duration)]
    older_than: Duration,

    /// Print what would be removed, and remove nothing.
    #[arg(long)]
    dry_run: bool,
}

/// A ZIP that is removed.
#[derive(Clone, Serialize)]
struct RemovedZip {
    #[serde(flatten)]
    request: ExportRequest,
    export_id: String,
    path: PathBuf,
    bytes: u64,
}

pub(crate) fn print(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    let path = &args.ledger;
    let place = FileOrObject::File(path.clone());
    let root = root(&place, args.out_dir.as_deref())?;
    let limit = run.now.minus(args.older_than);
    if args.dry_run {
        let history = History::read(
            &std::fs::read(path).with_context(|| place.to_string())?,
            &place,
        )?;
        return write(&old_zips(&history, limit, root), run);
    }
    if !path.is_file() {
        return Err(error::usage(format!("{}: no such ledger", path.display())));
    }
    let mut ledger = Ledger::open_as_it_is(path, Clock::system())?;
    for left in inventory::pruned(ledger.history(), root) {
        files::remove(&left)?;
    }
    let zips = old_zips(ledger.history(), limit, root);
    let mut noted = None;
    for zip in &zips {
        // Noted first: what is missing without a note counts as lost.
        if noted != Some(&zip.export_id) {
            ledger.pruned(&zip.export_id)?;
            noted = Some(&zip.export_id);
        }
        files::remove(&zip.path)?;
    }
    write(&zips, run)
}

fn old_zips(history: &History, limit: Timestamp, root: &Path) -> Vec<RemovedZip> {
    let zips_of = |(request, export): (&ExportRequest, &ExportEntry)| {
        let zip = |page: &PageEntry| RemovedZip {
            request: request.clone(),
            export_id: export.id.clone(),
            path: page.path(root),
            bytes: page.bytes,
        };
        export.pages.values().map(zip).collect::<Vec<_>>()
    };
    let old = inventory::read_before(history, limit);
    old.into_iter().flat_map(zips_of).collect()
}

fn write(zips: &[RemovedZip], run: &mut Run) -> anyhow::Result<Outcome> {
    for zip in zips {
        run.output.write_record(zip)?;
    }
    run.report.set("zips", zips.len());
    run.report
        .set("bytes", zips.iter().map(|zip| zip.bytes).sum::<u64>());
    Ok(match zips.is_empty() {
        true => Outcome::Nothing,
        false => Outcome::Done,
    })
}
