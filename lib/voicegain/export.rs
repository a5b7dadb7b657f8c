//! The walk: page after page by the cursor, each handed over before the state says
//! so, until an empty page; and what is done at its end.

use std::time::Duration;

use clap::Args;

use super::api::{PageUse, VoicegainApi};
use super::audio::Recordings;
use super::call::Call;
use super::memory::CallMemory;
use super::progress::{CallProgress, Unfinished};
use super::query::PagePosition;
use super::sink::CallSink;
use super::stuck::{Stuck, WalkEnd, unfinished};
use super::wire::{Flow, RawCall};
use crate::cli::run::{Outcome, Report};
use crate::error::{self, Status};
use crate::export::state::State;
use crate::time::{Timestamp, parse_duration, parse_positive_duration};

/// How often the walk is tried again when the call that blocked it finishes just then.
const RACES: u32 = 5;

/// What the walk does where it is blocked.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Calls that do not finish")]
pub struct WalkOptions {
    /// End with status 75 if the call that blocks the export began more than DUR
    /// ago. What comes before it is exported all the same.
    #[arg(long, value_name = "DUR", value_parser = parse_duration)]
    pub stall_after: Option<Duration>,

    /// Go past a call that blocks the export and began more than DUR ago. The
    /// state keeps its id, and a later run exports it when it has finished.
    #[arg(long, value_name = "DUR", value_parser = parse_duration, requires = "state")]
    pub skip_blocked_after: Option<Duration>,

    /// Read the last N days again and export the calls whose content has changed
    /// since they were exported, and those that came late with a low id. The
    /// first time this only notes what is there.
    #[arg(long, value_name = "N", requires = "state", value_parser = clap::value_parser!(u64).range(1..=3650))]
    pub refresh_days: Option<u64>,

    /// End with status 75 when the run has taken DUR. The next run goes on.
    #[arg(long, value_name = "DUR", value_parser = parse_positive_duration)]
    pub deadline: Option<Duration>,
}

/// What is counted.
#[derive(Debug, Default)]
pub(super) struct CallCounts {
    pub(super) pages: u64,
    pub(super) late: u64,
    pub(super) gone: u64,
    pub(super) skipped: u64,
    pub(super) changed: u64,
    pub(super) noted: u64,
    pub(super) span: Option<(Timestamp, Timestamp)>,
}

/// One run.
#[derive(Debug)]
pub struct CallExport<'a> {
    pub(super) api: &'a VoicegainApi,
    pub(super) sink: CallSink<'a>,
    pub(super) options: &'a WalkOptions,
    state: Option<State>,
    pub(super) progress: CallProgress,
    pub(super) memory: Option<CallMemory>,
    pub(super) recordings: Option<Recordings>,
    pub(super) counts: CallCounts,
    stuck: Stuck,
    pub(super) ending: WalkEnd,
}

impl<'a> CallExport<'a> {
    /// From where `progress` says.
    pub fn new(
        api: &'a VoicegainApi,
        sink: CallSink<'a>,
        options: &'a WalkOptions,
        state: Option<State>,
        progress: CallProgress,
        recordings: Option<Recordings>,
    ) -> anyhow::Result<CallExport<'a>> {
        let memory = match &state {
            None => None,
            Some(state) => {
                let begin = options.refresh_days.is_some();
                CallMemory::open(state.path(), &progress, begin)?
            }
        };
        Ok(CallExport {
            api,
            sink,
            options,
            state,
            progress,
            memory,
            recordings,
            counts: CallCounts::default(),
            stuck: Stuck::default(),
            ending: WalkEnd::Unclear("the run did not come to its end"),
        })
    }

    /// Exports what there is, and sets the facts of the report whatever happens.
    pub fn run(mut self, report: &mut Report) -> anyhow::Result<Outcome> {
        let result = self.all();
        self.report(report);
        result
    }

    fn all(&mut self) -> anyhow::Result<Outcome> {
        self.settle_dates()?;
        self.ask_for_pending()?;
        self.walk()?;
        if let Some(days) = self.options.refresh_days {
            self.refresh(days)?;
        }
        self.sink.finish()?;
        self.hand_over()?;
        let stalled = self.say_ending();
        self.fetch_recordings()?;
        let refused = self.recordings.as_ref().is_some_and(Recordings::has_failed);
        Ok(match self.sink.count {
            _ if refused => Outcome::Partly(Status::Refused),
            _ if stalled => Outcome::Partly(Status::TryLater),
            0 => Outcome::Nothing,
            _ => Outcome::Done,
        })
    }

    /// Finds the order of the dates in the service's CSV, if nobody said it.
    fn settle_dates(&self) -> anyhow::Result<()> {
        if self.api.wire() == super::wire::WireFormat::Json || !self.api.dates().is_open() {
            return Ok(());
        }
        let mut seen = false;
        let mut evidence = super::dates::Evidence::default();
        self.api.sample(self.progress.cursor, &mut |start, end| {
            seen = true;
            evidence.add(start);
            evidence.add(end);
        })?;
        match seen {
            true => self.api.dates().settle(&evidence),
            false => Ok(()),
        }
    }

    /// Asks for the calls that the walk went past, each by the id before it: the
    /// service begins with the call itself if that is finished.
    fn ask_for_pending(&mut self) -> anyhow::Result<()> {
        for waiting in self.progress.pending.clone() {
            let now = self.api.retry().now();
            if !waiting.is_due(now) {
                continue;
            }
            let id = waiting.call_id;
            let mut found = None;
            let api = self.api;
            api.page(
                PagePosition::After(id.saturating_sub(1)),
                PageUse::One,
                &mut |call, body| {
                    found = Some(call.clone());
                    if call.id == id && !call.is_under_way() {
                        self.write(call, body)?;
                        self.note(call, body)?;
                    }
                    Ok(Flow::Enough)
                },
            )?;
            let is_other = |other: &Unfinished| other.call_id != id;
            match found {
                Some(call) if call.id == id && !call.is_under_way() => {
                    log::info!("call {id} has finished ({}) and is exported", call.phase);
                    self.counts.late += 1;
                    self.progress.pending.retain(is_other);
                    self.commit()?;
                }
                Some(call) if call.id > id => {
                    log::warn!("call {id}, which was not finished, does not exist any more");
                    self.counts.gone += 1;
                    self.progress.pending.retain(is_other);
                }
                other => {
                    let known = self
                        .progress
                        .pending
                        .iter_mut()
                        .find(|known| known.call_id == id);
                    if let Some(known) = known {
                        known.seen = now;
                        known.phase = other.map_or(known.phase.clone(), |call| call.phase);
                    }
                }
            }
        }
        Ok(())
    }

    fn walk(&mut self) -> anyhow::Result<()> {
        let mut races = 0;
        loop {
            let begun = self.progress.cursor;
            let now = self.api.retry().now();
            let mut in_the_way = None;
            let api = self.api;
            let mut cursor = begun;
            let page = api.page(
                PagePosition::After(begun),
                PageUse::Walk,
                &mut |call, body| {
                    if call.id <= cursor {
                        return Err(out_of_order(call.id, cursor));
                    }
                    // The service should have stopped before it.
                    if call.is_under_way() {
                        in_the_way = Some(unfinished(call, now));
                        return Ok(Flow::Enough);
                    }
                    self.write(call, body)?;
                    self.note(call, body)?;
                    cursor = call.id;
                    Ok(Flow::On)
                },
            )?;
            if cursor > begun {
                self.counts.pages += 1;
                self.progress.cursor = cursor;
                self.commit()?;
            }
            if cursor > begun && in_the_way.is_none() || !page.whole {
                continue;
            }
            let known = self.progress.blocked.as_ref();
            let why = match in_the_way {
                Some(call) => WalkEnd::Blocked(since(call, known)),
                None => self.stuck.why(self.api, cursor, known)?,
            };
            match why {
                WalkEnd::Moving if races < RACES => races += 1,
                WalkEnd::Moving => {
                    self.ending =
                        WalkEnd::Unclear("there are finished calls that it does not give");
                    return Ok(());
                }
                WalkEnd::Blocked(call) if self.is_to_skip(&call) => self.go_past(call)?,
                ending => {
                    self.progress.blocked = match &ending {
                        WalkEnd::Blocked(call) => Some(call.clone()),
                        _ => None,
                    };
                    self.ending = ending;
                    return Ok(());
                }
            }
        }
    }

    fn is_to_skip(&self, call: &Unfinished) -> bool {
        let now = self.api.retry().now();
        let limit = self.options.skip_blocked_after;
        limit.is_some_and(|limit| call.age(now) > limit)
    }

    fn go_past(&mut self, call: Unfinished) -> anyhow::Result<()> {
        log::warn!(
            "going past {}; it is exported when it has finished",
            self.describe(&call)
        );
        self.counts.skipped += 1;
        self.progress.cursor = call.call_id;
        self.progress.blocked = None;
        self.progress.pending.push(call);
        self.commit()
    }

    /// Writes a call.
    pub(super) fn write(&mut self, call: &Call, body: RawCall<'_>) -> anyhow::Result<()> {
        match (&self.progress.context, &call.context) {
            (Some(ours), Some(theirs)) if ours != theirs => {
                return Err(error::usage(format!(
                    "call {} belongs to project {theirs}, and this state to project {ours}: is the token one of another project?",
                    call.id
                )));
            }
            (None, Some(_)) => self.progress.context.clone_from(&call.context),
            _ => {}
        }
        self.sink.write(body, self.api.dates())?;
        if let Some(start) = call.start {
            let (first, last) = self.counts.span.unwrap_or((start, start));
            self.counts.span = Some((first.min(start), last.max(start)));
        }
        Ok(())
    }

    /// Notes what is to be known or done about a call that is exported now.
    fn note(&mut self, call: &Call, body: RawCall<'_>) -> anyhow::Result<()> {
        let (cursor, now) = (self.progress.cursor, self.api.retry().now());
        if let (Some(memory), RawCall::Json(json)) = (&mut self.memory, body) {
            memory.note(call, json, cursor, now)?;
        }
        self.queue_recording(call)
    }

    pub(super) fn queue_recording(&mut self, call: &Call) -> anyhow::Result<()> {
        match &mut self.recordings {
            Some(recordings) => recordings.add(call),
            None => Ok(()),
        }
    }

    /// Hands over what was written, then says so in the state. A file that gets
    /// its name at the end of the run holds the state back until then.
    pub(super) fn commit(&mut self) -> anyhow::Result<()> {
        match self.sink.is_held() {
            true => Ok(()),
            false => self.hand_over(),
        }
    }

    fn hand_over(&mut self) -> anyhow::Result<()> {
        self.sink.hand_over(self.api.retry().stop())?;
        self.save()
    }

    fn save(&mut self) -> anyhow::Result<()> {
        let Some(state) = &self.state else {
            return Ok(());
        };
        if let Some(memory) = &mut self.memory {
            self.progress.exported = Some(memory.sync()?);
        }
        if let Some(recordings) = &mut self.recordings {
            self.progress.audio = recordings.sync()?;
        }
        state.save(&self.progress, self.api.retry().now())?;
        match (&mut self.memory, state.is_direct()) {
            (Some(memory), true) => memory.tidy(),
            _ => Ok(()),
        }
    }

    /// Fetches what is queued; after every one of them the state knows.
    fn fetch_recordings(&mut self) -> anyhow::Result<()> {
        let Some(mut recordings) = self.recordings.take() else {
            return Ok(());
        };
        let mut result = Ok(());
        while result.is_ok() {
            match recordings.fetch_next(self.api) {
                Ok(false) => break,
                Ok(true) => {
                    self.progress.audio = recordings.mark();
                    if let Some(state) = &self.state {
                        result = state.save(&self.progress, self.api.retry().now());
                    }
                }
                Err(e) => result = Err(e),
            }
        }
        self.recordings = Some(recordings);
        result
    }
}

/// The call, with when it was first seen.
fn since(call: Unfinished, known: Option<&Unfinished>) -> Unfinished {
    match known {
        Some(known) if known.call_id == call.call_id => Unfinished {
            since: known.since,
            ..call
        },
        _ => call,
    }
}

fn out_of_order(id: u64, last: u64) -> anyhow::Error {
    error::bad_input(format!(
        "the service sent call {id} after call {last}, though ids must rise: the export stops there, and the state stays before this page"
    ))
}
