//! `export-plan prune`: removes old ZIPs, and records this in the ledger.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::plan_args::{service, zips};
use crate::bucket::file_or_object::FileOrObject;
use crate::cli::named_files::NamedFiles;
use crate::cli::run::{Outcome, Run};
use crate::error;
use crate::net::connection::NetArgs;
use crate::ocp::export_request::ExportRequest;
use crate::ocp::inventory;
use crate::ocp::ledger::{ExportEntry, History, Ledger, PageEntry};
use crate::ocp::zip_store::ZipStore;
use crate::os::clock::Clock;
use crate::time::{Timestamp, parse_duration};

pub(crate) const EXAMPLES: &str = "\
Examples:
  export-plan prune --ledger cdrs/ledger.ndjson --older-than 30d --dry-run
  export-plan prune --ledger cdrs/ledger.ndjson --older-than 30d > removed.ndjson";

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The ledger of export-fetch. It may be an object s3://BUCKET/KEY.
    #[arg(long, value_name = "LEDGER", value_parser = FileOrObject::parser())]
    ledger: FileOrObject,

    /// The directory of ZIPs, as for export-fetch. It may be an address s3://BUCKET/KEY. [default:
    /// the directory of the ledger, if the ledger is a file]
    #[arg(long, value_name = "DIR", value_parser = FileOrObject::parser())]
    out_dir: Option<FileOrObject>,

    /// Remove the ZIPs of an export if DUR has passed since a program read the lines of
    /// export-fetch about it, or since the file with these lines was complete. The ledger still
    /// counts the hours of the export as exported.
    #[arg(long, value_name = "DUR", value_parser = parse_duration)]
    older_than: Duration,

    /// Print what would be removed, and remove nothing.
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    net: NetArgs,
}

impl Args {
    pub(crate) fn name_files(&self, files: &mut NamedFiles) {
        match &self.ledger {
            FileOrObject::File(path) => files.write("--ledger", [path]),
            FileOrObject::Object(url) => files.write_object("--ledger", url.to_string()),
        }
        files.read("--ca-cert", &self.net.http.ca_cert);
    }

    /// Opens the ledger. An error with status 75 if another run has locked the ledger, with status
    /// 2 if the ledger does not exist.
    fn open_ledger(&self, run: &Run) -> anyhow::Result<Ledger> {
        match &self.ledger {
            FileOrObject::File(path) if path.is_file() => {
                Ledger::open_as_it_is(path, Clock::system())
            }
            FileOrObject::Object(url) => {
                let service = Arc::new(service(&self.net, run)?);
                match service.head(url)? {
                    Some(_) => Ledger::lease_as_it_is(service, url, Clock::system()),
                    None => Err(no_ledger(&self.ledger)),
                }
            }
            FileOrObject::File(_) => Err(no_ledger(&self.ledger)),
        }
    }
}

fn no_ledger(place: &FileOrObject) -> anyhow::Error {
    error::usage(format!("{place}: no such ledger"))
}

/// A ZIP that is removed.
#[derive(Clone, Serialize)]
struct RemovedZip {
    #[serde(flatten)]
    request: ExportRequest,
    export_id: String,
    path: PathBuf,
    bytes: u64,
    #[serde(skip)]
    file: String,
}

pub(crate) fn print(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    let place = &args.ledger;
    let store = zips(place, args.out_dir.as_ref(), &args.net, run)?;
    let limit = run.now.minus(args.older_than);
    if args.dry_run {
        let text = place.read(|| service(&args.net, run))?;
        let mut history = History::read(&text, place)?;
        history.resolve_objects(&|url| service(&args.net, run)?.head(url))?;
        return write(&old_zips(&history, limit, &store), run);
    }
    let mut ledger = args.open_ledger(run)?;
    for left in inventory::pruned(ledger.history()) {
        store.remove(&left)?;
    }
    let zips = old_zips(ledger.history(), limit, &store);
    let mut noted = None;
    for zip in &zips {
        // The ledger records the removal first, because a missing ZIP counts as lost if the ledger
        // does not record its removal.
        if noted != Some(&zip.export_id) {
            ledger.pruned(&zip.export_id)?;
            noted = Some(&zip.export_id);
        }
        store.remove(&zip.file)?;
    }
    write(&zips, run)
}

fn old_zips(history: &History, limit: Timestamp, store: &ZipStore) -> Vec<RemovedZip> {
    let zips_of = |(request, export): (&ExportRequest, &ExportEntry)| {
        let zip = |page: &PageEntry| RemovedZip {
            request: request.clone(),
            export_id: export.id.clone(),
            path: store.place(&page.file),
            bytes: page.bytes,
            file: page.file.clone(),
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
