//! One run of the export, in four steps: the calls that earlier runs skipped, the new calls page by
//! page, the changed calls, and the recordings. The report says how the run ended.

use std::time::Duration;

use clap::Args;

use super::api::{PageUse, VoicegainApi};
use super::dates::Evidence;
use super::delivery::CallDelivery;
use super::listing::list;
use super::outcome;
use super::progress::{CallProgress, Unfinished};
use super::query::PagePosition;
use super::recordings::Recordings;
use super::refresh::refresh;
use super::stuck::WalkEnd;
use super::walk::walk;
use super::wire::{PageError, WireFormat};
use super::writer::CallWriter;
use crate::cli::progress_line::ProgressLine;
use crate::cli::run::{Outcome, Report};
use crate::error::Status;
use crate::export::state::State;
use crate::time::{parse_duration, parse_positive_duration};

/// The flags about calls that block the export, and about how long a run may take.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Calls that do not finish")]
pub struct WalkOptions {
    /// Exit with status 75 if the call that blocks the export began more than DUR ago. The
    /// calls before that call are exported.
    #[arg(long, value_name = "DUR", value_parser = parse_duration)]
    pub stall_after: Option<Duration>,

    /// Skip a call that blocks the export and began more than DUR ago. The state keeps the
    /// id of the call, and a later run exports the call when it has finished.
    #[arg(long, value_name = "DUR", value_parser = parse_duration, requires = "state")]
    pub skip_blocked_after: Option<Duration>,

    /// Read the last N days again. Export the calls whose content has changed since they were
    /// exported, and calls that appeared late, with an id below the cursor. The first run with this
    /// flag only records which calls exist.
    #[arg(long, value_name = "N", requires = "state", value_parser = clap::value_parser!(u64).range(1..=3650))]
    pub refresh_days: Option<u64>,

    /// Exit with status 75 when the run has taken DUR. The next run continues.
    #[arg(long, value_name = "DUR", value_parser = parse_positive_duration)]
    pub deadline: Option<Duration>,
}

/// One run.
#[derive(Debug)]
pub struct CallExport<'a> {
    api: &'a VoicegainApi,
    options: &'a WalkOptions,
    delivery: CallDelivery<'a>,
    end: WalkEnd,
    /// Whether the calls are listed, without a cursor.
    lists: bool,
}

impl<'a> CallExport<'a> {
    /// Prepares a run that starts at the position in `progress`.
    pub fn new(
        api: &'a VoicegainApi,
        writer: CallWriter<'a>,
        options: &'a WalkOptions,
        state: Option<State>,
        progress: CallProgress,
        recordings: Option<Recordings>,
    ) -> anyhow::Result<CallExport<'a>> {
        let remembers = options.refresh_days.is_some();
        let clock = api.retry().clock().clone();
        Ok(CallExport {
            api,
            options,
            delivery: CallDelivery::new(
                writer,
                state,
                progress,
                recordings,
                remembers,
                api.dates(),
                clock,
            )?,
            end: WalkEnd::Unclear("the run did not finish"),
            lists: false,
        })
    }

    /// Lists the calls in the order of the filters, without a cursor.
    #[must_use]
    pub fn listing(self, lists: bool) -> CallExport<'a> {
        CallExport { lists, ..self }
    }

    /// Shows the progress of the run on `line`.
    #[must_use]
    pub fn showing(mut self, line: ProgressLine) -> CallExport<'a> {
        line.say(|| "requesting calls".to_owned());
        self.delivery.line = line;
        self
    }

    /// Exports the calls. Fills in the report, also after an error.
    pub fn run(mut self, report: &mut Report) -> anyhow::Result<Outcome> {
        let result = self.all();
        let (delivery, now) = (&self.delivery, self.api.retry().now());
        report.set("calls", delivery.writer.count);
        report.set("requests", self.api.client().requests());
        delivery.counts.report(report);
        outcome::report(report, &self.end, &delivery.progress, now);
        if let Some(recordings) = &delivery.recordings {
            recordings.report(report);
        }
        result
    }

    fn all(&mut self) -> anyhow::Result<Outcome> {
        self.find_date_order()?;
        if self.lists {
            list(self.api, &mut self.delivery)?;
            self.delivery.finish()?;
            self.end = WalkEnd::CaughtUp;
            return Ok(match self.delivery.writer.count {
                0 => Outcome::Nothing,
                _ => Outcome::Done,
            });
        }
        self.ask_for_pending()?;
        let skip_after = self.options.skip_blocked_after;
        self.end = walk(self.api, &mut self.delivery, skip_after)?;
        if let Some(days) = self.options.refresh_days {
            refresh(self.api, &mut self.delivery, days)?;
        }
        self.delivery.finish()?;
        let stalled = outcome::say_end(
            &self.end,
            &self.delivery.progress,
            self.options.stall_after,
            self.api.retry().now(),
        );
        let mut status = match stalled {
            true => Status::TryLater,
            false => Status::Done,
        };
        self.fetch_recordings()?;
        if let Some(recordings) = &self.delivery.recordings {
            status = status.worse(recordings.status());
        }
        Ok(match (status, self.delivery.writer.count) {
            (Status::Done, 0) => Outcome::Nothing,
            (Status::Done, _) => Outcome::Done,
            (status, _) => Outcome::Partly(status),
        })
    }

    /// Finds the order of day, month and year in the service's CSV, if no flag sets it.
    fn find_date_order(&self) -> anyhow::Result<()> {
        let (api, dates) = (self.api, self.api.dates());
        if api.wire() == WireFormat::Json || !dates.is_open() {
            return Ok(());
        }
        let mut has_calls = false;
        let mut evidence = Evidence::default();
        api.sample(self.delivery.progress.cursor, &mut |start, end| {
            has_calls = true;
            evidence.add(start);
            evidence.add(end);
        })?;
        match has_calls {
            true => dates.decide(&evidence),
            false => Ok(()),
        }
    }

    /// Requests those calls that earlier walks skipped and that are due to be requested again.
    fn ask_for_pending(&mut self) -> anyhow::Result<()> {
        for waiting in self.delivery.progress.pending.clone() {
            if waiting.is_due(self.api.retry().now()) {
                self.ask_for(&waiting)?;
            }
        }
        Ok(())
    }

    /// Requests one call: the cursor is the id of this call minus 1. The page then begins with this
    /// call if the call is finished.
    fn ask_for(&mut self, waiting: &Unfinished) -> anyhow::Result<()> {
        let (api, delivery) = (self.api, &mut self.delivery);
        let id = waiting.call_id;
        let place = PagePosition::After(id.saturating_sub(1));
        let mut tries = api.tries();
        let found = loop {
            let mut page = api.open(&mut tries, place, PageUse::One)?;
            match page.reader.next_call(api.dates()) {
                Ok(Some((call, body))) => {
                    if call.id == id && !call.is_under_way() {
                        delivery.check(&call, body)?;
                        delivery.export(&call, body)?;
                    }
                    break Some(call);
                }
                Ok(None) => break None,
                Err(PageError::Passing(failed)) => api.again(&mut tries, failed, page.size)?,
                Err(PageError::Final(e)) => return Err(e),
            }
        };
        let is_other = |other: &Unfinished| other.call_id != id;
        match found {
            Some(call) if call.id == id && !call.is_under_way() => {
                log::info!("call {id} has finished ({}) and is exported", call.phase);
                delivery.counts.late += 1;
                delivery.progress.pending.retain(is_other);
                delivery.commit()?;
            }
            Some(call) if call.id > id => {
                log::warn!(
                    "call {id} was not finished in an earlier run and does not exist any \
                    more"
                );
                delivery.counts.gone += 1;
                delivery.progress.pending.retain(is_other);
            }
            other => {
                let mut pending = delivery.progress.pending.iter_mut();
                if let Some(known) = pending.find(|known| known.call_id == id) {
                    known.seen = api.retry().now();
                    known.phase = other.map_or(known.phase.clone(), |call| call.phase);
                }
            }
        }
        Ok(())
    }

    /// Fetches queued recordings. The state is saved after each of them.
    fn fetch_recordings(&mut self) -> anyhow::Result<()> {
        let Some(mut recordings) = self.delivery.recordings.take() else {
            return Ok(());
        };
        let delivery = &mut self.delivery;
        let (mut done, all) = (0, recordings.length()?);
        let say = |line: &ProgressLine, done: usize| {
            line.say(|| format!("recordings: {done} of {all} done"));
        };
        say(&delivery.line, done);
        let result = recordings.fetch(self.api, &mut |queue| {
            done = all.min(done + 1);
            say(&delivery.line, done);
            delivery.save_queue(queue)
        });
        delivery.recordings = Some(recordings);
        result
    }
}
