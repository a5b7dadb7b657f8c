//! The export of windows: reads each window until its messages are certainly complete, delivers
//! the messages, then saves the state.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::api::DialpadApi;
use super::message::Message;
use super::progress::MessageProgress;
use super::query::Slice;
use super::seen::SeenMessages;
use super::spool::SliceReading;
use super::writer::MessageWriter;
use crate::cli::progress_line::ProgressLine;
use crate::cli::run::{Outcome, Report};
use crate::dialpad::bisect::Bisection;
use crate::dialpad::empty_window_probe::EmptyWindowProbe;
use crate::export::side_log::SideLogMark;
use crate::export::state::State;
use crate::export::window::Window;
use crate::time::{Timestamp, parse_duration, parse_positive_duration, show_duration};

/// If an empty period is older than this, it is possible that the vendor has deleted its messages.
/// The vendor keeps history for a year, but the data of its dashboards for only 30 days. Perhaps
/// this API counts as a dashboard, because its paths contain `Dashboard`.
const RUNTIME: Duration = Duration::from_secs(30 * 86_400);

/// The shortest period without messages that gets a warning. A weekend is shorter.
const LONG: Duration = Duration::from_secs(7 * 86_400);

/// The flags about messages.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Messages")]
pub struct MessageOptions {
    /// With --state, start DUR before the end of the last run, to find messages that came late.
    /// Messages of earlier runs are not exported again.
    #[arg(long, value_name = "DUR", default_value = "1d", value_parser = parse_duration)]
    pub lookback: Duration,

    /// Copy the fields of the session into each message that lacks them: the fields beside the
    /// session's array of messages.
    #[arg(long)]
    pub add_session: bool,

    /// Exit with status 65 instead of writing a message whose text has an e-mail address or a
    /// number with at least seven digits. Such a text means that redaction is off or has failed.
    #[arg(long)]
    pub require_redacted: bool,

    /// Exit with status 75 when the run has taken DUR. With --state the next run continues.
    #[arg(long, value_name = "DUR", value_parser = parse_positive_duration)]
    pub deadline: Option<Duration>,
}

/// A window that was read.
#[derive(Debug)]
struct FinishedWindow {
    window: Window,
    /// The number of exported messages.
    messages: u64,
    /// Whether the service sent no message.
    is_empty: bool,
}

/// One run over windows.
#[derive(Debug)]
pub struct MessageExport<'a> {
    api: &'a DialpadApi,
    writer: MessageWriter<'a>,
    lookback: Duration,
    state: Option<State>,
    progress: MessageProgress,
    seen: SeenMessages,
    bisection: Bisection<'a>,
    probe: EmptyWindowProbe,
    done: Vec<FinishedWindow>,
    late: u64,
    now: Timestamp,
    line: ProgressLine,
}

impl<'a> MessageExport<'a> {
    /// Prepares a run. The run starts at the position in the state, or at `from` if there is no
    /// position yet.
    pub fn new(
        api: &'a DialpadApi,
        writer: MessageWriter<'a>,
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
            seen: SideLogMark::default(),
        };
        let (state, known) = match state {
            None => (None, None),
            Some((state, known)) => (Some(state), known),
        };
        let seen = match &state {
            None => SeenMessages::default(),
            Some(state) => SeenMessages::open(&state.path(), known.as_ref())?,
        };
        let progress = known.unwrap_or(fresh);
        if progress.proven {
            api.set_proven();
        }
        Ok(MessageExport {
            api,
            writer,
            lookback: if state.is_some() {
                options.lookback
            } else {
                Duration::ZERO
            },
            state,
            probe: EmptyWindowProbe::default(),
            progress,
            seen,
            bisection: Bisection::new(api),
            done: Vec::new(),
            late: 0,
            now,
            line: ProgressLine::default(),
        })
    }

    /// Shows the progress of the run on `line`.
    #[must_use]
    pub fn showing(self, line: ProgressLine) -> MessageExport<'a> {
        MessageExport { line, ..self }
    }

    /// Exports the windows. Fills in the report, also after an error.
    pub fn run(mut self, windows: &[Window], report: &mut Report) -> anyhow::Result<Outcome> {
        let result = self.all(windows);
        self.report(report);
        result
    }

    fn all(&mut self, windows: &[Window]) -> anyhow::Result<Outcome> {
        for (done, window) in windows.iter().enumerate() {
            self.line.say(|| {
                let (all, count) = (windows.len(), self.writer.count);
                format!("window {} of {all}, {window}; {count} messages", done + 1)
            });
            self.window(*window)?;
        }
        self.probe.finish(self.api, NO_SLICE)?;
        let MessageExport {
            api,
            writer,
            state,
            progress,
            seen,
            ..
        } = self;
        state.as_ref().map_or(Ok(()), State::confirm)?;
        writer.finish(|| save(api, state.as_ref(), progress, seen))?;
        self.say_empty();
        Ok(match self.writer.count {
            0 => Outcome::Nothing,
            _ => Outcome::Done,
        })
    }

    fn window(&mut self, window: Window) -> anyhow::Result<()> {
        let overlap = self.api.service().args.overlap;
        // The start of the window is moved back, but not to before `seen_from`: it is not known
        // which messages from before that time were exported, so they would be exported again.
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
        let mut reading = match self.bisection.read(slice) {
            Ok(reading) => reading,
            Err(e) => return Err(self.probe.explain(self.api, slice, e)),
        };
        let keep_from = self
            .progress
            .to
            .max(window.to())
            .minus(self.lookback + overlap);
        let count = self.emit(&mut reading, slice.window, known_to, keep_from)?;
        if reading.rows == 0 {
            let slice = Slice {
                window: Some(window),
                ..slice
            };
            self.probe.empty(self.api, slice)?;
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
        let MessageExport {
            api,
            writer,
            state,
            progress,
            seen,
            ..
        } = self;
        writer.commit(|| save(api, state.as_ref(), progress, seen))
    }

    /// Writes the messages of the window that have not been exported, and returns their number.
    fn emit(
        &mut self,
        reading: &mut SliceReading,
        window: Option<Window>,
        known_to: Timestamp,
        keep_from: Timestamp,
    ) -> anyhow::Result<u64> {
        self.seen.begin_window();
        let (seen, writer) = (&mut self.seen, &mut self.writer);
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
            writer.write(row)
        })?;
        self.late += late;
        Ok(count)
    }

    /// Periods without a message that ended more than 30 days ago.
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
        if self.writer.count == 0 && !self.api.is_proven() && !self.done.is_empty() {
            log::warn!(
                "no messages found (tried ms and s). If you expect some, check --provider-id and the key; an unknown provider looks the same"
            );
            return;
        }
        for empty in self.old_and_empty() {
            let length = empty.to().since(empty.from());
            if length >= LONG {
                log::warn!(
                    "no message in {empty}, {}: this is older than the 30 days that the service \
                     keeps for its dashboards, so messages may be missing",
                    show_duration(length)
                );
            }
        }
    }

    fn report(&self, report: &mut Report) {
        self.writer.report(report);
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
        report.set("halved", self.bisection.halved);
        report.set("cut_off_at", self.bisection.cap);
        report.set("late", self.late);
        report.set("epoch_unit", self.api.service().args.epoch_unit.word());
    }
}

/// Saves the state if the service has ever sent a message. Without any message, the settings can be
/// wrong.
fn save(
    api: &DialpadApi,
    state: Option<&State>,
    progress: &mut MessageProgress,
    seen: &mut SeenMessages,
) -> anyhow::Result<()> {
    let Some(state) = state.filter(|_| api.is_proven()) else {
        return Ok(());
    };
    progress.proven = true;
    progress.seen = seen.sync()?;
    state.save(progress, api.retry().now())?;
    match state.is_direct() {
        true => seen.tidy(),
        false => Ok(()),
    }
}

const NO_SLICE: Slice<'static> = Slice {
    window: None,
    session: None,
};
