//! The walk over windows: each is read until it is known to be whole, its messages
//! are handed over, and then the state says so.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::api::DialpadApi;
use super::message::Message;
use super::progress::MessageProgress;
use super::query::Slice;
use super::seen::SeenMessages;
use super::sink::MessageSink;
use super::spool::SliceReading;
use crate::cli::run::{Outcome, Report};
use crate::dialpad::bisect::Bisection;
use crate::dialpad::empty_window_probe::EmptyWindowProbe;
use crate::export::state::State;
use crate::export::window::Window;
use crate::time::{Timestamp, parse_duration, parse_positive_duration, show_duration};

/// The vendor keeps history for a year, and what its dashboards show for 30 days;
/// the paths of this API lie below `Dashboard`.
const RUNTIME: Duration = Duration::from_secs(30 * 86_400);

/// An emptiness that is said: a weekend is none.
const LONG: Duration = Duration::from_secs(7 * 86_400);

/// What is done with messages.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Messages")]
pub struct MessageOptions {
    /// With --state, read so much again before where the last run ended, for
    /// messages that came late. Those that were exported do not leave again.
    #[arg(long, value_name = "DUR", default_value = "1d", value_parser = parse_duration)]
    pub lookback: Duration,

    /// Add the fields that stand beside an array of messages to each of them,
    /// where it has none of that name.
    #[arg(long)]
    pub add_session: bool,

    /// End with status 65 before a message whose text has an e-mail address or
    /// seven digits in a row: redaction is off, or failed.
    #[arg(long)]
    pub require_redacted: bool,

    /// End with status 75 when the run has taken DUR. With --state the next run goes on.
    #[arg(long, value_name = "DUR", value_parser = parse_positive_duration)]
    pub deadline: Option<Duration>,
}

/// A window that was read.
#[derive(Debug)]
struct FinishedWindow {
    window: Window,
    /// How many messages left.
    messages: u64,
    /// Whether none came.
    is_empty: bool,
}

/// One run over windows.
#[derive(Debug)]
pub struct MessageExport<'a> {
    api: &'a DialpadApi,
    sink: MessageSink<'a>,
    lookback: Duration,
    state: Option<State>,
    progress: MessageProgress,
    seen: SeenMessages,
    settle: Bisection<'a>,
    doubt: EmptyWindowProbe,
    done: Vec<FinishedWindow>,
    late: u64,
    now: Timestamp,
}

impl<'a> MessageExport<'a> {
    /// From where `progress` says, if the state had any; else from `from`.
    pub fn new(
        api: &'a DialpadApi,
        sink: MessageSink<'a>,
        options: &MessageOptions,
        state: Option<(State, Option<MessageProgress>)>,
        from: Timestamp,
        now: Timestamp,
    ) -> anyhow::Result<MessageExport<'a>> {
        let fresh = MessageProgress {
            from,
            to: from,
            proven: false,
            seen_from: from,
            seen: crate::export::side_log::SideLogMark::default(),
        };
        let (state, known) = match state {
            None => (None, None),
            Some((state, known)) => (Some(state), known),
        };
        let seen = match &state {
            None => SeenMessages::default(),
            Some(state) => SeenMessages::open(state.path(), known.as_ref())?,
        };
        let progress = known.unwrap_or(fresh);
        Ok(MessageExport {
            api,
            sink,
            lookback: if state.is_some() {
                options.lookback
            } else {
                Duration::ZERO
            },
            state,
            doubt: EmptyWindowProbe::new(progress.proven),
            progress,
            seen,
            settle: Bisection::new(api),
            done: Vec::new(),
            late: 0,
            now,
        })
    }

    /// Exports the windows, and sets the facts of the report whatever happens.
    pub fn run(mut self, windows: &[Window], report: &mut Report) -> anyhow::Result<Outcome> {
        let result = self.all(windows);
        self.report(report);
        result
    }

    fn all(&mut self, windows: &[Window]) -> anyhow::Result<Outcome> {
        for window in windows {
            self.window(*window)?;
        }
        self.doubt.finish(self.api, NO_SLICE)?;
        self.hand_over()?;
        self.say_empty();
        Ok(match self.sink.count {
            0 => Outcome::Nothing,
            _ => Outcome::Done,
        })
    }

    fn window(&mut self, window: Window) -> anyhow::Result<()> {
        let overlap = self.api.service().args.overlap;
        // What of the messages before it has been exported is known only so far back.
        let is_next = window.from() <= self.progress.to;
        let known_from = match is_next && !self.done.is_empty() || self.progress.proven {
            true => self.progress.seen_from.max(window.from().minus(overlap)),
            false => window.from(),
        };
        let from = if is_next { known_from } else { window.from() };
        let known_to = self.progress.to;
        let slice = Slice {
            window: Window::new(from.min(window.from()), window.to()),
            session: None,
        };
        let mut reading = match self.settle.read(slice) {
            Ok(reading) => reading,
            Err(e) => return Err(self.doubt.explain(self.api, slice, e)),
        };
        let keep_from = self
            .progress
            .to
            .max(window.to())
            .minus(self.lookback + overlap);
        let count = self.emit(&mut reading, slice.window, known_to, keep_from)?;
        match reading.rows {
            0 => self.doubt.empty(
                self.api,
                Slice {
                    window: Some(window),
                    ..slice
                },
            )?,
            _ => self.doubt.proven = true,
        }
        log::info!("window {window}: {count} messages");
        self.done.push(FinishedWindow {
            window,
            messages: count,
            is_empty: reading.rows == 0,
        });
        self.progress.to = self.progress.to.max(window.to());
        self.progress.seen_from = keep_from.max(self.progress.from);
        self.seen.forget_before(self.progress.seen_from);
        match self.sink.is_held() {
            true => Ok(()),
            false => self.hand_over(),
        }
    }

    /// Writes what has not been exported; how many there were of the window.
    fn emit(
        &mut self,
        reading: &mut SliceReading,
        window: Option<Window>,
        known_to: Timestamp,
        keep_from: Timestamp,
    ) -> anyhow::Result<u64> {
        self.seen.begin_window();
        let (seen, sink) = (&mut self.seen, &mut self.sink);
        let (mut count, mut late) = (0, 0);
        reading.each(|row| {
            let Some(ts) = row.ts.filter(|_| row.is_in(window)) else {
                return Ok(());
            };
            let (may_be_known, is_kept) = (ts < known_to.millis(), ts >= keep_from.millis());
            if may_be_known || is_kept {
                let id = Message::parse(row.json)?.identity();
                if may_be_known && !seen.is_new(ts, id) {
                    return Ok(());
                }
                late += u64::from(may_be_known);
                if is_kept {
                    seen.add(ts, id)?;
                }
            }
            count += 1;
            sink.write(row)
        })?;
        self.late += late;
        Ok(count)
    }

    /// Hands over what was written, then says so in the state. Nothing is said as
    /// long as nothing has come, because the settings may be wrong.
    fn hand_over(&mut self) -> anyhow::Result<()> {
        self.sink.hand_over(self.api.retry().stop())?;
        let Some(state) = &self.state else {
            return Ok(());
        };
        if !self.doubt.proven {
            return Ok(());
        }
        self.progress.proven = true;
        self.progress.seen = self.seen.sync()?;
        state.save(&self.progress, self.api.retry().now())?;
        match state.is_direct() {
            true => self.seen.tidy(),
            false => Ok(()),
        }
    }

    /// Stretches without a message that end more than 30 days ago.
    fn old_and_empty(&self) -> Vec<Window> {
        let limit = self.now.minus(RUNTIME);
        let mut found: Vec<Window> = Vec::new();
        let old = self.done.iter().filter(|done| done.window.to() <= limit);
        for window in old.filter(|done| done.is_empty).map(|done| done.window) {
            match found.last_mut() {
                Some(last) if last.to() == window.from() => *last = last.span(window),
                _ => found.push(window),
            }
        }
        found
    }

    fn say_empty(&self) {
        if self.sink.count == 0 && !self.doubt.proven && !self.done.is_empty() {
            log::warn!(
                "no message has come, in either unit and with a limit: if there should be some, check --provider-id and the key; the service answers the same where there is no such provider"
            );
            return;
        }
        for empty in self.old_and_empty() {
            let length = empty.to().since(empty.from());
            if length >= LONG {
                log::warn!(
                    "no message in {empty}, {}: older than 30 days, which is what the service keeps for its dashboards; that there were none is not certain",
                    show_duration(length)
                );
            }
        }
    }

    fn report(&self, report: &mut Report) {
        self.sink.report(report);
        let windows: Vec<Value> = self
            .done
            .iter()
            .map(|done| {
                let (from, to) = (done.window.from(), done.window.to());
                json!({"from": from, "to": to, "messages": done.messages})
            })
            .collect();
        let empty: Vec<Value> = self
            .old_and_empty()
            .iter()
            .map(|window| json!({"from": window.from(), "to": window.to()}))
            .collect();
        let windows_of = self.done.iter().map(|done| done.window);
        let all = windows_of.reduce(Window::span);
        report.set("from", all.map(|all| all.from().rfc3339()));
        report.set("to", all.map(|all| all.to().rfc3339()));
        report.set("windows", windows);
        report.set("empty_older_than_30d", empty);
        report.set("requests", self.api.requests());
        report.set("halved", self.settle.halved);
        report.set("cut_off_at", self.settle.cap);
        report.set("late", self.late);
        report.set("epoch_unit", self.api.service().args.epoch_unit.word());
    }
}

const NO_SLICE: Slice<'static> = Slice {
    window: None,
    session: None,
};
