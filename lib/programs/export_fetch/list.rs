//! Lists the exports of a group, and the entries of the ledger for them.

use clap::ValueEnum;

use super::connect::connect;
use crate::bucket::file_or_object::FileOrObject;
use crate::bucket::service::BucketService;
use crate::cli::named_files::NamedFiles;
use crate::cli::run::{self, Outcome, Run};
use crate::error::{self, Status};
use crate::ocp::api_args::ExportsApiArgs;
use crate::ocp::export_list::{self, ListedExport};
use crate::ocp::exports::Exports;
use crate::ocp::fetch::LEDGER_NAME;
use crate::ocp::ledger::History;
use crate::ocp::profile::Profile;
use crate::os::redaction;

pub(super) const EXAMPLES: &str = "\
Examples:
  export-fetch list --region us1 --group acme --out-dir cdrs
  export-fetch list --region us1 --group acme --format ndjson | jq -c 'select(.holds_slot)'";

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The OCP group. May be repeated.
    #[arg(long, value_name = "GROUP", required = true)]
    group: Vec<String>,

    /// The directory of the ZIPs, whose ledger is read. It may be an address
    /// s3://BUCKET/KEY.
    #[arg(long, value_name = "DIR", value_parser = FileOrObject::parser())]
    out_dir: Option<FileOrObject>,

    /// The ledger to read. It may be an object s3://BUCKET/KEY. [default:
    /// DIR/ledger.ndjson]
    #[arg(long, value_name = "FILE", value_parser = FileOrObject::parser())]
    ledger: Option<FileOrObject>,

    /// The format of the list. [default: table on a terminal, else ndjson]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<ListFormat>,

    #[command(flatten)]
    api: ExportsApiArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ListFormat {
    /// Columns for people.
    Table,
    /// A JSON object for each export.
    Ndjson,
}

impl Args {
    pub(super) fn name_files(&self, files: &mut NamedFiles) {
        self.api.name_files(files);
        let ledger = self.ledger();
        files.read("--ledger", ledger.as_ref().and_then(FileOrObject::file));
    }

    fn ledger(&self) -> Option<FileOrObject> {
        let of_dir = || self.out_dir.as_ref().map(|root| root.below(LEDGER_NAME));
        self.ledger.clone().or_else(of_dir)
    }
}

pub(super) fn run(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    let base = args.api.base()?;
    let profile = Profile::load(args.api.profile())?;
    let (connection, auth) = connect(&args.api, None, run)?;
    let history = match args.ledger() {
        Some(place) => {
            let service = || BucketService::from_env(&connection, run.seed(), &run::env);
            let text = place.read(service)?;
            let mut history = History::read(&text, &place)?;
            history.resolve_objects(&|url| service()?.head(url))?;
            Some(history)
        }
        None => None,
    };
    let api = Exports::new(connection.client(&[], Box::new(auth)), profile, base);
    let mut worst = Status::Done;
    let mut exports = Vec::new();
    for group in &args.group {
        match export_list::list(&api, group, history.as_ref()) {
            Ok(listed) => exports.extend(listed),
            // The error is about this group alone: the other groups are still listed.
            Err(e) if error::is_narrow(&e) => {
                log::error!("{group}: {e:#}");
                worst = worst.worse(Status::of(&e));
            }
            Err(e) => return Err(e),
        }
    }
    let is_table = match args.format {
        Some(format) => format == ListFormat::Table,
        None => !run.output.is_held() && run::is_stdout_terminal(),
    };
    match is_table {
        true => write_table(&exports, run)?,
        false => exports
            .iter()
            .try_for_each(|export| run.output.write_record(export))?,
    }
    run.report.set("exports", exports.len());
    Ok(match (worst, exports.is_empty()) {
        (Status::Done, true) => Outcome::Nothing,
        (Status::Done, false) => Outcome::Done,
        (worst, _) => Outcome::Partly(worst),
    })
}

fn write_table(exports: &[ListedExport], run: &mut Run) -> anyhow::Result<()> {
    let rows = export_list::table(exports);
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths);
        let line: String = cells
            .map(|(cell, width)| format!("{cell:<width$}  "))
            .collect();
        let line = redaction::clean(line.trim_end());
        run.output.write_line(line.as_bytes())?;
    }
    Ok(())
}
