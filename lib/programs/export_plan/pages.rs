//! `export-plan pages`: prints a line for each page of READY exports.

use std::io::{self, Write};

use anyhow::Context;

use super::plan_args::{PlanFormat, print_plan};
use crate::cli::run::{self, Outcome, Run};
use crate::error;
use crate::json::joined::Joined;
use crate::json::lines::{Lines, explain};
use crate::json::object::Object;
use crate::os::blocking::Blocking;

pub(crate) const EXAMPLES: &str = "\
Examples:
  export-fetch --until ready --out-dir cdrs < plan | export-plan pages --page-size 50
  export-plan pages --format json-array < ready.ndjson";

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The number of files in each ZIP. Do not change it while an export is being
    /// downloaded.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    page_size: u64,

    /// The format of the plan.
    #[arg(long, value_enum, default_value = "ndjson")]
    format: PlanFormat,
}

/// The most pages that an export may have. At five pages a minute, the download of this many pages
/// takes over four months.
const MOST_PAGES: u64 = 1_000_000;

pub(crate) fn print(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    run::require_piped_stdin("pipe the lines of export-fetch --until ready into it")?;
    let mut lines = Lines::new(Joined::new(Blocking(io::stdin().lock())));
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
            // A READY export expires after a day, so its pages are printed at once.
            PlanFormat::Ndjson => {
                print_plan(&mut run.output, args.format, &planned)?;
                run.output.flush()?;
            }
            PlanFormat::JsonArray => array.extend(planned),
        }
    }
    if args.format == PlanFormat::JsonArray {
        print_plan(&mut run.output, args.format, &array)?;
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
        // The service's own metadata has no status, because only a READY export has metadata.
        (Some("READY") | None, Some(files)) => files,
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
            "{files} files make {pages} pages, which is impossible: check num_of_files"
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
