//! Runs without a state: a run reads the numbers of one range of time, which flags set.

use std::time::Duration;

use serde_json::json;

use super::args::Entry;
use super::catalogue::MetricsSource;
use super::export::{MetricsExport, Pulled};
use super::progress::outcome;
use crate::cli::args;
use crate::cli::run::{Outcome, Report};
use crate::error::{self, Status};
use crate::export::window::Window;
use crate::time::Timestamp;
use crate::time::zone::Zone;

/// The flags for the range.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Range")]
pub struct MetricsRangeArgs {
    /// Start of the range, rounded down to the step: RFC 3339, a date or a date and time in UTC,
    /// -30d, yesterday or today. The days are those of --timezone.
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub from: Option<String>,

    /// End of the range, rounded up to the step. [default: in batch --watermark ago, rounded down;
    /// in realtime now]
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub to: Option<String>,
}

impl MetricsRangeArgs {
    /// The time of `--from`; `None` without this flag. `yesterday` and `today` are days in `zone`.
    pub fn start(&self, now: Timestamp, zone: Zone) -> anyhow::Result<Option<Timestamp>> {
        let given = self.from.as_deref();
        given
            .map(|text| args::time_in("--from", text, now, zone))
            .transpose()
    }

    /// The time of `--to`; `None` without this flag. `yesterday` and `today` are days in `zone`.
    pub fn end(&self, now: Timestamp, zone: Zone) -> anyhow::Result<Option<Timestamp>> {
        let given = self.to.as_deref();
        given
            .map(|text| args::time_in("--to", text, now, zone))
            .transpose()
    }

    /// The range of a run without a state, rounded to bucket borders; `None` if this range is
    /// empty. `edge` is `--watermark` in batch, and `--span` in realtime.
    pub fn range(
        &self,
        entry: &Entry,
        edge: Duration,
        now: Timestamp,
    ) -> anyhow::Result<Option<Window>> {
        let Some(question) = entry.questions.first() else {
            return Ok(None);
        };
        let calendar = question.calendar;
        let from = match (self.start(now, calendar.zone)?, question.source) {
            (Some(from), _) => from,
            (None, MetricsSource::Realtime) => now.minus(edge),
            (None, MetricsSource::Batch) => {
                return Err(error::usage(
                    "no start: give --from, for example --from -30d, or --state FILE to continue \
                     the last run",
                ));
            }
        };
        let to = match (self.end(now, calendar.zone)?, question.source) {
            (Some(to), _) => calendar.ceil(to),
            (None, MetricsSource::Realtime) => calendar.ceil(now),
            (None, MetricsSource::Batch) => calendar.floor(now.minus(edge)),
        };
        Ok(Window::new(calendar.floor(from), to))
    }
}

impl MetricsExport<'_, '_> {
    /// Reads the range of each entry once and writes all rows.
    pub fn run_range(
        mut self,
        entries: &[Entry],
        range: &MetricsRangeArgs,
        edge: Duration,
        report: &mut Report,
    ) -> anyhow::Result<Outcome> {
        let mut has_range = false;
        for entry in entries {
            let result = self.read_range(entry, range, edge);
            self.report(report);
            match result {
                Ok(is_asked) => has_range |= is_asked,
                Err(e) => self.pass_over(e)?,
            }
        }
        self.judge();
        self.publish(self.status == Status::Done)?;
        self.report(report);
        self.commit.finish(|| Ok(()))?;
        Ok(outcome(self.status, has_range && self.rows() > 0))
    }

    fn read_range(
        &mut self,
        entry: &Entry,
        range: &MetricsRangeArgs,
        edge: Duration,
    ) -> anyhow::Result<bool> {
        let plan = |export: &mut MetricsExport<'_, '_>| {
            let asked = range.range(entry, edge, export.api.now())?;
            let asked = asked.map(|asked| export.clamp(&entry.questions[0], asked));
            asked.transpose()
        };
        loop {
            let Some(asked) = plan(self)? else {
                return Ok(false);
            };
            if self.pull(entry, asked, &plan, None)? == Pulled::Whole {
                return Ok(true);
            }
        }
    }

    /// Writes the planned requests for a range as lines of JSON, without secrets. Sends none of
    /// them.
    pub fn show_requests(
        &mut self,
        entries: &[Entry],
        range: &MetricsRangeArgs,
        edge: Duration,
    ) -> anyhow::Result<Outcome> {
        let mut outcome = Outcome::Nothing;
        for entry in entries {
            let Some(asked) = range.range(entry, edge, self.api.now())? else {
                continue;
            };
            let asked = self.clamp(&entry.questions[0], asked)?;
            for question in &entry.questions {
                for window in self.windows(question, asked).into_iter().rev() {
                    self.commit.write_record(&json!({
                        "method": "POST",
                        "url": self.api.request_url(question).as_str(),
                        "body": question.shown_body(window)?,
                    }))?;
                    outcome = Outcome::Done;
                }
            }
        }
        Ok(outcome)
    }
}
