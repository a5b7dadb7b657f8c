//! Batch runs with a state. Each run continues at the time where the range of the last run ended.
//! The run also reads the numbers of some time before this end again, because the warehouse changes
//! older numbers.

use std::time::Duration;

use super::args::Entry;
use super::export::{MetricsExport, Pulled, Recall};
use super::progress::{EntryProgress, OpenState, ReadUpTo, outcome};
use super::question::BucketStep;
use super::range::MetricsRangeArgs;
use crate::cli::run::{Outcome, Report};
use crate::error::{self, Status};
use crate::export::window::Window;
use crate::time::{Timestamp, parse_duration};

/// The flags of a run with a state.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "State")]
pub struct CursorArgs {
    /// End the range DUR before now: newer data in the data warehouse may be incomplete.
    #[arg(long, value_name = "DUR", default_value = "2h", value_parser = parse_duration, help_heading = "Range")]
    pub watermark: Duration,

    /// Begin DUR before the end of the last run, so that this time is read again. [default: 24h
    /// with --step hour, 3d with --step day, else the last bucket]
    #[arg(long, value_name = "DUR", requires = "state", value_parser = parse_duration)]
    pub lookback: Option<Duration>,

    /// Write only rows that are new or changed within --lookback. A changed row has "revision" and
    /// "previous"; a row that the service no longer sends appears once more with "gone":true.
    #[arg(long, requires = "state")]
    pub changes_only: bool,
}

impl CursorArgs {
    /// The start of the time to read again, rounded down to the start of a bucket.
    fn back(&self, entry: &Entry, next: Timestamp) -> Timestamp {
        let question = &entry.questions[0];
        let calendar = question.calendar;
        let hours = |hours: u64| Some(Duration::from_secs(hours * 3600));
        let default = match question.step {
            BucketStep::FiveMin | BucketStep::Hour => hours(24),
            BucketStep::Day => hours(72),
            BucketStep::Week | BucketStep::Month | BucketStep::Year => None,
        };
        match self.lookback.or(default) {
            Some(length) => calendar.floor(next.minus(length)),
            None => calendar.previous(next),
        }
    }
}

impl MetricsExport<'_, '_> {
    /// Continues each entry where its last run ended.
    pub fn run_cursor(
        mut self,
        entries: &[Entry],
        range: &MetricsRangeArgs,
        cursor: &CursorArgs,
        mut state: OpenState,
        report: &mut Report,
    ) -> anyhow::Result<Outcome> {
        let mut has_work = false;
        for entry in entries {
            let result = self.advance(entry, range, cursor, &mut state);
            self.report(report);
            match result {
                Ok(is_asked) => has_work |= is_asked,
                Err(e) => self.pass_over(e)?,
            }
        }
        self.judge();
        self.publish(self.status == Status::Done)?;
        self.report(report);
        let (status, now) = (self.status, self.api.retry().now());
        state.finish(&mut self.commit, status, now)?;
        Ok(outcome(status, has_work))
    }

    fn advance(
        &mut self,
        entry: &Entry,
        range: &MetricsRangeArgs,
        cursor: &CursorArgs,
        state: &mut OpenState,
    ) -> anyhow::Result<bool> {
        let (refused, missing) = (self.refused(), self.missing());
        let known = state.progress.get(&entry.name).cloned();
        let plan = |export: &mut MetricsExport<'_, '_>| {
            let asked = next_range(entry, range, cursor, known.as_ref(), export.api.now())?;
            let asked = asked.map(|asked| export.clamp(&entry.questions[0], asked));
            asked.transpose()
        };
        loop {
            let Some(asked) = plan(self)? else {
                return Ok(false);
            };
            let memory = known.as_ref().map(|known| known.remembered.clone());
            let mut recall = cursor
                .changes_only
                .then(|| Recall::telling(memory.unwrap_or_default()));
            if self.pull(entry, asked, &plan, recall.as_mut())? == Pulled::ClockMoved {
                continue;
            }
            if let Some(recall) = &mut recall {
                self.write_gone(entry, asked, recall)?;
            }
            let is_sound = self.missing() == missing || !self.has_too_many_gaps();
            if self.refused() != refused || !is_sound {
                log::warn!("{}: the state does not change", entry.name);
                return Ok(true);
            }
            let mut remembered = recall.map(|recall| recall.memory).unwrap_or_default();
            remembered.forget_before(cursor.back(entry, asked.to()));
            let progress = EntryProgress {
                reach: ReadUpTo::Next(asked.to()),
                as_of: self.api.now(),
                remembered,
            };
            state.progress.insert(entry.name.clone(), progress);
            state.note(&mut self.commit, self.api.retry().now())?;
            return Ok(true);
        }
    }
}

/// The range of time to read for an entry in this run; `None` if there is nothing new to read.
fn next_range(
    entry: &Entry,
    range: &MetricsRangeArgs,
    cursor: &CursorArgs,
    known: Option<&EntryProgress>,
    now: Timestamp,
) -> anyhow::Result<Option<Window>> {
    let calendar = entry.questions[0].calendar;
    let latest = calendar.floor(now.minus(cursor.watermark));
    let end = range.end(now, calendar.zone)?.map(|end| calendar.ceil(end));
    let to = end.map_or(latest, |end| end.min(latest));
    let from = match (known, range.start(now, calendar.zone)?) {
        (Some(known), _) if to <= known.reach.time() => return Ok(None),
        (Some(known), _) => cursor.back(entry, known.reach.time()),
        (None, Some(from)) => calendar.floor(from),
        (None, None) => {
            return Err(error::usage(format!(
                "{}: the state has no position: give --from, for example --from -30d",
                entry.name
            )));
        }
    };
    Ok(Window::new(from, to))
}
