//! Reads a range of time for each query and writes rows. Splits the range into windows, halves
//! windows that are too large, finds gaps, and keeps the counts for the report.

use std::collections::HashSet;
use std::time::Duration;

use super::api::MetricsApi;
use super::catalogue::MetricsSource;
use super::gaps::Gaps;
use super::memory::Memory;
use super::openmetrics::OpenMetrics;
use super::question::Question;
use super::row::RowLines;
use crate::cli::progress_line::ProgressLine;
use crate::cli::run::Report;
use crate::error::{self, Status};
use crate::export::commit::Commit;
use crate::export::window::Window;
use crate::time::Timestamp;

mod pull;
mod rows;

/// The options of an export.
#[derive(Clone, Copy, Debug)]
pub struct ExportOptions {
    /// The longest range of time that one request covers; `None` for no limit.
    pub window: Option<Duration>,
    /// A bucket is settled this long after its end.
    pub settle: Duration,
    /// The age of the oldest numbers that the service keeps.
    pub max_age: Duration,
    /// Whether a range that is partly too old is an error.
    pub is_strict: bool,
    /// The number of missing buckets that are tolerated.
    pub max_gap: u64,
    /// Whether missing buckets are written with value 0.
    pub assumes_zero: bool,
}

/// The counts for the report.
#[derive(Debug, Default)]
struct Counts {
    rows: u64,
    windows: u64,
    halved: u64,
    before_start: u64,
    beyond_end: u64,
    changed: u64,
    gone: u64,
    refused: u64,
    lost: Option<(Timestamp, Timestamp)>,
}

/// The result of reading a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pulled {
    /// The whole range was read.
    Whole,
    /// Nothing was read: the first reply showed that our clock is wrong, so the range changes.
    ClockMoved,
}

/// Computes the range to read, with the service's clock if it is known. `None` if there is nothing
/// to read.
pub(crate) type RangePlan<'p> =
    dyn Fn(&mut MetricsExport<'_, '_>) -> anyhow::Result<Option<Window>> + 'p;

/// The values that a run remembers from earlier runs or polls, and the buckets in the replies of
/// this run.
#[derive(Debug, Default)]
pub(crate) struct Recall {
    /// The remembered values.
    pub memory: Memory,
    /// Whether a changed row has the fields `revision` and `previous`.
    tells_revision: bool,
    /// The buckets in the replies: the series and the start of each bucket.
    come: HashSet<(String, Timestamp)>,
    /// The time at which the service made the newest reply.
    as_of: Option<Timestamp>,
}

impl Recall {
    /// Starts with the values in `memory`. A changed row will show the number of changes and the
    /// previous value.
    pub(crate) fn telling(memory: Memory) -> Recall {
        Recall {
            tells_revision: true,
            ..Recall::silent(memory)
        }
    }

    /// Starts with the values in `memory`. A changed row will not show what has changed.
    pub(crate) fn silent(memory: Memory) -> Recall {
        Recall {
            memory,
            ..Recall::default()
        }
    }
}

/// One run of `ocp-metrics`.
#[derive(Debug)]
pub struct MetricsExport<'a, 'o> {
    /// The API.
    pub api: &'a MetricsApi,
    /// The output for rows.
    pub commit: Commit<'o>,
    /// The options.
    pub options: ExportOptions,
    /// The worst status of all groups and categories.
    pub status: Status,
    /// The text for Prometheus, if wanted.
    pub text: Option<OpenMetrics>,
    /// Whether rows are written.
    pub has_rows: bool,
    /// Shows the progress.
    pub(crate) progress: ProgressLine,
    gaps: Gaps,
    lines: RowLines,
    counts: Counts,
    asks_each: bool,
    has_warned: HashSet<String>,
}

impl<'a, 'o> MetricsExport<'a, 'o> {
    /// Creates the run without sending a request.
    pub fn new(api: &'a MetricsApi, commit: Commit<'o>, options: ExportOptions) -> Self {
        MetricsExport {
            api,
            commit,
            options,
            status: Status::Done,
            text: None,
            has_rows: true,
            progress: ProgressLine::new(false),
            gaps: Gaps::default(),
            lines: RowLines::default(),
            counts: Counts::default(),
            asks_each: false,
            has_warned: HashSet::new(),
        }
    }

    /// The part of a range that the service still has, rounded to bucket borders. Logs a warning
    /// that names the missing part. Fails with status 69 if nothing is left, or with `--strict` if
    /// a part is missing.
    pub fn clamp(&mut self, question: &Question, range: Window) -> anyhow::Result<Window> {
        let calendar = question.calendar;
        let oldest = self.api.now().minus(self.options.max_age);
        if range.from() >= oldest {
            return Ok(range);
        }
        let earliest = calendar.ceil(oldest);
        let text = format!(
            "{}: the service keeps {} of {} numbers; older ones cannot be read{}",
            question.what(range),
            crate::time::show_duration(self.options.max_age),
            question.source.word(),
            match question.source {
                MetricsSource::Realtime => ", but batch has them by the hour",
                MetricsSource::Batch => "",
            }
        );
        match Window::new(earliest, range.to()) {
            Some(rest) if !self.options.is_strict => {
                if self.has_warned.insert(text.clone()) {
                    log::warn!("{text}; starting at {earliest}");
                }
                let lost = (range.from(), earliest);
                let all = self.counts.lost.get_or_insert(lost);
                *all = (all.0.min(lost.0), all.1.max(lost.1));
                Ok(rest)
            }
            _ => Err(error::refused(format!("{text}; no request was sent"))),
        }
    }

    /// Shows the progress on a terminal.
    pub(crate) fn show_progress(&mut self, shown: bool) {
        self.progress = ProgressLine::new(shown);
    }

    fn warn_once(&mut self, text: String) {
        if !self.has_warned.contains(&text) {
            log::warn!("{text}");
            self.has_warned.insert(text);
        }
    }

    /// Logs an error that concerns only one group and category, so that the run continues. Returns
    /// any other error.
    pub(crate) fn pass_over(&mut self, e: anyhow::Error) -> anyhow::Result<()> {
        if !error::is_narrow(&e) {
            return Err(e);
        }
        self.status = self.status.worse(Status::of(&e));
        log::error!("{e:#}");
        Ok(())
    }

    /// The number of missing buckets so far.
    pub fn missing(&self) -> u64 {
        self.gaps.missing
    }

    /// How many requests for a single metric the service has refused so far.
    pub fn refused(&self) -> u64 {
        self.counts.refused
    }

    /// The number of rows so far.
    pub fn rows(&self) -> u64 {
        self.counts.rows
    }

    /// Whether more buckets are missing than the options allow.
    pub(crate) fn has_too_many_gaps(&self) -> bool {
        !self.options.assumes_zero && self.gaps.missing > self.options.max_gap
    }

    /// Forgets the gaps so far, because the next range overlaps the last range. Returns the number
    /// of missing buckets so far.
    pub(crate) fn forget_gaps(&mut self) -> u64 {
        std::mem::take(&mut self.gaps).missing
    }

    /// If too many buckets are missing, logs an error and sets the status.
    pub(crate) fn judge(&mut self) {
        if self.has_too_many_gaps() {
            log::error!(
                "{} buckets are missing; the first one is {}: run again later, or use --max-gap N \
                 or --assume-zero",
                self.gaps.missing,
                self.gaps.first.as_deref().unwrap_or("unknown")
            );
            self.status = self.status.worse(Status::BadInput);
        }
    }

    /// Replaces the file with the text for Prometheus, or prints the text if no rows are written.
    pub fn publish(&mut self, is_good: bool) -> anyhow::Result<()> {
        let now = self.api.now();
        let Some(text) = &mut self.text else {
            return Ok(());
        };
        match self.has_rows {
            true => text.publish(is_good, self.counts.rows, now),
            false => {
                let bytes = text.print(is_good, self.counts.rows, now)?;
                self.commit.write_all(&bytes)
            }
        }
    }

    /// Adds the counts of the run to `report`.
    pub fn report(&self, report: &mut Report) {
        report.set("requests", self.api.requests());
        report.set("rows", self.counts.rows);
        report.set("windows", self.counts.windows);
        report.set("halved", self.counts.halved);
        report.set("missing", self.gaps.missing);
        report.set("before_start", self.counts.before_start);
        report.set("beyond_end", self.counts.beyond_end);
        report.set("changed", self.counts.changed);
        report.set("gone", self.counts.gone);
        let lost = self.counts.lost;
        report.set("lost_from", lost.map(|(from, _)| from.rfc3339()));
        report.set("lost_to", lost.map(|(_, to)| to.rfc3339()));
    }
}
