//! `export-plan coverage --totals`: compares records with the counts of the Metrics API.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use anyhow::Context;

use crate::cli::run::Run;
use crate::export::window::Window;
use crate::lake::root_counts;
use crate::ocp::coverage::Calendar;
use crate::ocp::coverage::totals::hourly::HourlyTotals;
use crate::ocp::coverage::totals::{self, Comparison, HourlyRecords};

/// The flags for the comparison of records with counts.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Control totals")]
pub(super) struct TotalsArgs {
    /// Compare the records in --lake with the counts in FILE. FILE is the output of `ocp-metrics
    /// batch dialogs --step hour` or of `ocp-metrics realtime dialogs`.
    ///
    /// For each exported hour, the number of root records of dialog_end is compared with the count
    /// `dialogs` or `dialogs_completed`. The vendor does not say that records and counts are equal.
    /// So the expected number of records is the count times the usual ratio: the median ratio of
    /// the 7 days before the hour, or of all hours if these days have fewer than 12 hours with
    /// calls. An hour differs if its records differ from the expected number by more than
    /// --threshold and by more than 3. A warning says how many hours differ; the exit status does
    /// not change. --format text lists these hours, svg and html mark their cells and put the
    /// numbers into the titles, and ndjson adds a record with "check":"control_totals" for each of
    /// them after the plan. export-fetch refuses these records.
    #[arg(long, value_name = "FILE", requires = "lake")]
    totals: Option<PathBuf>,

    /// The directory that `unzip-jsonl --layout duckdb --out-dir DIR` has filled.
    #[arg(long, value_name = "DIR", requires = "totals")]
    lake: Option<PathBuf>,

    /// How far the records of an hour may differ from the expected number, in percent.
    #[arg(
        long,
        value_name = "PERCENT",
        default_value_t = 20,
        requires = "totals"
    )]
    threshold: u16,
}

impl TotalsArgs {
    /// The file of --totals.
    pub(super) fn file(&self) -> Option<&PathBuf> {
        self.totals.as_ref()
    }

    /// The exported hours that differ from the control totals; `None` without --totals.
    pub(super) fn compare(
        &self,
        calendars: &[Calendar],
        range: Window,
        run: &mut Run,
    ) -> anyhow::Result<Option<Comparison>> {
        let (Some(file), Some(lake)) = (&self.totals, &self.lake) else {
            return Ok(None);
        };
        let name = file.display().to_string();
        let opened = File::open(file).with_context(|| format!("opening {name}"))?;
        let counts = HourlyTotals::read(&name, opened)?;
        let roots = root_counts::count(lake, range.from(), range.to())?;
        let groups: Vec<&str> = calendars.iter().map(|one| one.group.as_str()).collect();
        let only = groups
            .first()
            .filter(|first| groups.iter().all(|group| group == *first));
        let mut records: HourlyRecords = BTreeMap::new();
        for ((group, hour), count) in roots.by_hour {
            // If there is only one group, the records without a group belong to it.
            let group = match (group.is_empty(), only) {
                (true, Some(only)) => (*only).to_owned(),
                _ => group,
            };
            *records.entry((group, hour)).or_default() += count;
        }
        let threshold = f64::from(self.threshold) / 100.0;
        let found = totals::compare(&counts, &records, threshold, calendars);
        run.report.set("totals_hours", found.hours);
        run.report.set("totals_departures", found.departures.len());
        if found.hours == 0 {
            log::warn!(
                "{name}: no exported hour has settled counts of dialogs: nothing was compared"
            );
        } else if !found.departures.is_empty() {
            let count = found.departures.len();
            log::warn!(
                "{count} of {} hours differ by more than {} % from the usual ratio of records to \
                 counts: run unzip-jsonl --layout or export them again, and compare",
                found.hours,
                self.threshold
            );
        }
        Ok(Some(found))
    }
}
