//! Tests whether an account works: the key, the unit of times, and the meaning of limit, offset and
//! the edges of a window. A wrong setting is corrected for the next steps. The probe exports
//! nothing and stores nothing.

use std::time::Duration;

use serde_json::{Value, json};

use super::api::{DialpadApi, SliceAnswer};
use super::query::{PageQuery, Slice};
use super::settings::{OffsetMode, ServiceArgs, Unit};
use super::spool::{SliceReading, lacking};
use crate::cli::probe::{ProbeReport, ProbeStep};
use crate::error::Status;
use crate::export::window::Window;
use crate::json::shape::shape;
use crate::time::Timestamp;

/// The probe shows the keys and types of at most this many messages of a reply.
const SAMPLE: usize = 20;
/// The most messages on a page that the probe requests to find out what `offset` counts.
const PAGE: u64 = 10;
/// The limit to use if a limit of 0 gives no messages.
const LIMIT: u64 = 1000;

/// Tests the meanings that the vendor does not document, step by step.
#[derive(Debug)]
pub struct MessageProbe<'a> {
    api: DialpadApi,
    window: Window,
    report: ProbeReport<'a>,
}

impl<'a> MessageProbe<'a> {
    /// Prepares a probe of `api` with the messages of a window. The probe adds its steps to
    /// `report`.
    pub fn new(api: DialpadApi, window: Window, report: ProbeReport<'a>) -> MessageProbe<'a> {
        MessageProbe {
            api,
            window,
            report,
        }
    }

    /// Runs the steps. A failed step is not an error.
    pub fn run(mut self) -> anyhow::Result<ProbeReport<'a>> {
        let mut step = ProbeStep::new("login", "a reply that accepts the key");
        let result = self.login(&mut step);
        if !self.end(step, result)? {
            let rest = ["unit", "limit", "offset", "edges"];
            self.report.skip(&rest, "needs the login first")?;
            return Ok(self.report);
        }
        let mut step = ProbeStep::new("unit", "messages whose ts lies in the window");
        let result = self.unit(&mut step);
        if !self.end(step, result)? {
            let rest = ["limit", "offset", "edges"];
            self.report.skip(&rest, "needs messages")?;
            return Ok(self.report);
        }
        let mut step = ProbeStep::new("limit", "as many messages as limit says");
        let result = self.limit(&mut step);
        if let Some(mut messages) = self.end(step, result)? {
            let mut step = ProbeStep::new("offset", "messages that follow the first ones");
            let result = self.offset(&mut messages, &mut step);
            self.end(step, result)?;
            let mut step = ProbeStep::new("edges", "a message at the start of a window");
            let result = self.edges(&mut messages, &mut step);
            self.end(step, result)?;
        } else {
            let rest = ["offset", "edges"];
            self.report.skip(&rest, "needs messages")?;
        }
        Ok(self.report)
    }

    fn end<T: Default>(&mut self, step: ProbeStep, result: anyhow::Result<T>) -> anyhow::Result<T> {
        self.api.retry().stop().check()?;
        self.report.end(step, result)
    }

    fn args(&self) -> &ServiceArgs {
        &self.api.service().args
    }

    /// Whether the key is accepted. The next step tests the times.
    fn login(&mut self, step: &mut ProbeStep) -> anyhow::Result<bool> {
        let page = PageQuery {
            limit: 1,
            ..self.api.first_page()
        };
        if let Err(e) = self.ask(self.window, page, step) {
            match (step.status, Status::of(&e)) {
                (_, Status::Auth) => {
                    let text = "check DIALPAD_API_KEY, the key of Configure Digital Engagement, Admin, Profile, Integrations, or use --auth query";
                    step.advise(&["DIALPAD_API_KEY", "--auth"], None, text);
                }
                (Some(300..=399 | 404 | 405), _) => {
                    let text = "check --base-url and --provider-id";
                    step.advise(&["--base-url", "--provider-id"], None, text);
                }
                (Some(400 | 422), _) | (_, Status::BadInput) => {
                    step.found = format!("the key is accepted, but something else is not: {e:#}");
                    return Ok(true);
                }
                _ => {}
            }
            return Err(e);
        }
        "the key is accepted".clone_into(&mut step.found);
        Ok(true)
    }

    /// Whether times in the unit of `--epoch-unit`, or in the other unit, give messages.
    fn unit(&mut self, step: &mut ProbeStep) -> anyhow::Result<bool> {
        let ours = self.api.first_page();
        let one = PageQuery { limit: 1, ..ours };
        let tried = match self.ask_for_less(ours, step) {
            Ok(reading) if reading.rows == 0 && ours.limit == 0 => {
                self.ask(self.window, one, step).map(|reading| reading.rows)
            }
            other => other.map(|reading| reading.rows),
        };
        if matches!(tried, Ok(1..)) {
            step.found = format!("start and end are in {}", ours.unit.word());
            return Ok(true);
        }
        let other = PageQuery {
            unit: ours.unit.other(),
            ..one
        };
        let mut aside = ProbeStep::new("unit", "");
        match self.ask(self.window, other, &mut aside) {
            Ok(reading) if reading.rows > 0 => {
                let (was, is) = (ours.unit.word(), other.unit.word());
                step.fail(
                    Status::Refused,
                    format!(
                        "there are no messages with times in {was}, but some with times in {is}"
                    ),
                );
                let text = format!("use --epoch-unit {is}");
                step.advise(&["--epoch-unit"], Some(is.into()), text);
                self.api.respell(ServiceArgs {
                    epoch_unit: other.unit,
                    ..self.args().clone()
                });
                Ok(true)
            }
            Ok(_) => self.no_messages(tried.map(|_| ()), step),
            // The service refused times in the second unit, or sent messages of another period:
            // neither unit gives messages.
            Err(e) if matches!(Status::of(&e), Status::Refused | Status::BadInput) => {
                self.no_messages(tried.map(|_| ()), step)
            }
            Err(e) => Err(e),
        }
    }

    fn no_messages(&self, tried: anyhow::Result<()>, step: &mut ProbeStep) -> anyhow::Result<bool> {
        tried?;
        step.skipped = true;
        step.found = format!(
            "no messages in {} with either unit: choose --from and --to of a time that has \
             messages, and check --provider-id",
            self.window
        );
        Ok(false)
    }

    /// Tests the meaning of limit by the number of messages in replies.
    fn limit(&mut self, step: &mut ProbeStep) -> anyhow::Result<Option<SliceReading>> {
        let ours = self.api.first_page();
        let messages = self.ask(self.window, ours, step)?;
        let mut aside = ProbeStep::new("limit", "");
        let count = messages.rows;
        if ours.limit == 0 && count == 0 {
            step.fail(Status::Refused, "a limit of 0 gives no messages");
            let text = format!("use --limit {LIMIT}");
            step.advise(&["--limit"], Some(LIMIT.into()), text);
            self.api.respell(ServiceArgs {
                limit: LIMIT,
                ..self.args().clone()
            });
            let page = self.api.first_page();
            return self.ask(self.window, page, &mut aside).map(Some);
        }
        let one = PageQuery { limit: 1, ..ours };
        let higher = PageQuery {
            limit: count + 1,
            ..ours
        };
        step.found = if count > 1 && self.ask(self.window, one, &mut aside)?.rows > 1 {
            format!("{count} messages; the service does not read limit")
        } else if ours.limit > 0 {
            format!("{count} messages with a limit of {}", ours.limit)
        } else if self.ask(self.window, higher, &mut aside)?.rows > count {
            format!(
                "a limit of 0 gives {count} messages at a time, a higher limit gives more: --limit \
                 {LIMIT} needs fewer requests"
            )
        } else {
            format!("a limit of 0 gives {count} messages, and a higher limit gives no more")
        };
        Ok(Some(messages))
    }

    /// Tests what `offset` counts, by comparing the first page with the page at offset 1.
    fn offset(&mut self, messages: &mut SliceReading, step: &mut ProbeStep) -> anyhow::Result<()> {
        let size = messages.rows.saturating_sub(1).min(PAGE);
        if size < 2 {
            step.skipped = true;
            "needs three messages".clone_into(&mut step.found);
            return Ok(());
        }
        let page = |offset| PageQuery {
            limit: size,
            offset,
            ..self.api.first_page()
        };
        let mut aside = ProbeStep::new("offset", "");
        let first = self
            .ask(self.window, page(0), &mut aside)?
            .identities(None)?;
        let next = self.ask(self.window, page(1), step)?.identities(None)?;
        let again = next.len() - lacking(&next, &first);
        let mode = match (first.len() as u64, again as u64) {
            (count, _) if count != size => {
                "the service does not read limit, so offset is not known"
                    .clone_into(&mut step.found);
                return Ok(());
            }
            (_, 0) => OffsetMode::Pages,
            (_, again) if again + 1 == size => OffsetMode::Rows,
            (_, again) if again == size => {
                "offset 1 gives the same messages as offset 0: the service does not read offset, so windows are split instead".clone_into(&mut step.found);
                return Ok(());
            }
            _ => {
                "the order of messages changes from one request to the next, so windows are split instead".clone_into(&mut step.found);
                return Ok(());
            }
        };
        let word = mode.word();
        if mode == self.args().offset_mode {
            step.found = format!("offset counts {word}");
        } else {
            step.fail(
                Status::Refused,
                format!("offset counts {word}, not {}", mode.other()),
            );
            let text = format!("use --offset-mode {word}");
            step.advise(&["--offset-mode"], Some(word.into()), text);
        }
        Ok(())
    }

    /// Tests whether the messages at the very start and end of a window belong to the window.
    fn edges(&mut self, messages: &mut SliceReading, step: &mut ProbeStep) -> anyhow::Result<()> {
        let unit = self.api.first_page().unit;
        let is_whole = |ts: &i64| ts.rem_euclid(unit.millis()) == 0;
        let Some(ts) = messages.times()?.into_iter().find(is_whole) else {
            step.skipped = true;
            "no message was created on a whole second".clone_into(&mut step.found);
            return Ok(());
        };
        let overlap = self.args().overlap;
        let bare = ServiceArgs {
            overlap: Duration::ZERO,
            limit: LIMIT,
            ..self.args().clone()
        };
        let before = self.args().clone();
        self.api.respell(bare);
        let found = self.at_edges(ts, unit, step);
        self.api.respell(before);
        let (starts, ends) = found?;
        let word = |is| if is { "inclusive" } else { "exclusive" };
        step.found = format!("start is {}, end is {}", word(starts), word(ends));
        if !starts && overlap.is_zero() {
            let found = format!(
                "{}: messages at the start of a window are left out",
                step.found
            );
            step.fail(Status::Refused, found);
            step.advise(&["--overlap"], Some("1s".into()), "use --overlap 1s");
        }
        Ok(())
    }

    /// Whether the service sends the message of time `ts` for a window that begins at `ts`, and for
    /// a window that ends at `ts`.
    fn at_edges(&self, ts: i64, unit: Unit, step: &mut ProbeStep) -> anyhow::Result<(bool, bool)> {
        let page = self.api.first_page();
        let has = |from: i64, to: i64, step: &mut ProbeStep| {
            let edges = Window::new(Timestamp::from_millis(from), Timestamp::from_millis(to));
            let Some(window) = edges else {
                return Ok(false);
            };
            let times = self.ask(window, page, step)?.times()?;
            anyhow::Ok(times.contains(&ts))
        };
        let mut aside = ProbeStep::new("edges", "");
        let starts = has(ts, ts + unit.millis(), step)?;
        let ends = has(ts - unit.millis(), ts, &mut aside)?;
        Ok((starts, ends))
    }

    /// The messages of the window. While the reply is too large, the window is shortened to its
    /// later half.
    fn ask_for_less(
        &mut self,
        page: PageQuery,
        step: &mut ProbeStep,
    ) -> anyhow::Result<SliceReading> {
        loop {
            let can_split = self.window.to().since(self.window.from()) > Duration::from_secs(120);
            if let Some(reading) = self.answer(self.window, page, can_split, step)? {
                return Ok(reading);
            }
            let half = self.window.to().since(self.window.from()) / 2;
            let from = self.window.to().minus(half);
            self.window = Window::new(from, self.window.to()).unwrap_or(self.window);
        }
    }

    fn ask(
        &self,
        window: Window,
        page: PageQuery,
        step: &mut ProbeStep,
    ) -> anyhow::Result<SliceReading> {
        let answer = self.answer(window, page, false, step)?;
        Ok(answer.unwrap_or_else(|| self.api.new_reading()))
    }

    /// Sends a request, and records request and reply in the step. `None` if the reply is too
    /// large.
    fn answer(
        &self,
        window: Window,
        page: PageQuery,
        can_split: bool,
        step: &mut ProbeStep,
    ) -> anyhow::Result<Option<SliceReading>> {
        let slice = Slice {
            window: Some(window),
            session: None,
        };
        step.request = Some(self.api.shown_request(&slice, page));
        let answer = self.api.ask(&slice, page, can_split);
        step.status = self.api.last_status();
        let SliceAnswer::Rows(mut reading) = answer? else {
            return Ok(None);
        };
        step.reply = Some(shape_of(&mut reading)?);
        Ok(Some(reading))
    }
}

/// The keys and types of the JSON in a reply, without its values.
fn shape_of(reading: &mut SliceReading) -> anyhow::Result<Value> {
    let mut sample = Vec::new();
    reading.each(|message| {
        if sample.len() < SAMPLE {
            sample.push(serde_json::from_str(message.json).unwrap_or_default());
        }
        Ok(())
    })?;
    let messages = shape(&Value::Array(sample));
    Ok(match reading.wrappers.is_empty() {
        true => messages,
        false => json!([{ "messages": messages }]),
    })
}
