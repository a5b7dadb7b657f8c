//! Reads a range in several requests, window by window. Halves a window that is too large. Sends
//! one request for each metric if the service refuses several metrics at once.

use super::super::api::Answer;
use super::super::args::Entry;
use super::super::question::Question;
use super::{MetricsExport, Pulled, RangePlan, Recall};
use crate::error::{self, Status};
use crate::export::window::Window;

impl MetricsExport<'_, '_> {
    /// Reads `range` for all queries of an entry and writes the rows. With `recall`, it writes only
    /// rows that are new or changed.
    pub(crate) fn pull(
        &mut self,
        entry: &Entry,
        range: Window,
        plan: &RangePlan<'_>,
        mut recall: Option<&mut Recall>,
    ) -> anyhow::Result<Pulled> {
        for at in 0..entry.questions.len() {
            let pulled = self.pull_question(entry, at, range, plan, recall.as_deref_mut())?;
            if pulled == Pulled::ClockMoved {
                return Ok(pulled);
            }
        }
        Ok(Pulled::Whole)
    }

    fn pull_question(
        &mut self,
        entry: &Entry,
        at: usize,
        range: Window,
        plan: &RangePlan<'_>,
        mut recall: Option<&mut Recall>,
    ) -> anyhow::Result<Pulled> {
        let question = &entry.questions[at];
        let mut todo = self.windows(question, range);
        while let Some(window) = todo.pop() {
            let half = halves(question, window);
            self.progress.say(|| {
                let (what, left) = (question.what(window), todo.len() + 1);
                format!("requests left: {left}, rows: {}; {what}", self.counts.rows)
            });
            let answer = match self.asks_each {
                true => Ok(Answer::AskEach(String::new())),
                false => self.api.ask(question, window, half.is_some()),
            };
            // The clock is checked before the answer: the service has possibly refused a range that
            // was computed with a wrong clock.
            if self.api.clock_moved() && self.is_outdated(range, plan)? {
                return Ok(Pulled::ClockMoved);
            }
            match (answer?, half) {
                (Answer::Whole(reply), _) => {
                    self.write(question, at, window, reply, recall.as_deref_mut())?;
                }
                (Answer::TooMuch(why), Some((first, _))) => {
                    log::warn!("{}: {why}; requesting half of it", question.what(window));
                    self.counts.halved += 1;
                    self.options.window = Some(first.to().since(first.from()));
                    let end = todo.first().map_or(window.to(), |last| last.to());
                    let rest = Window::new(window.from(), end);
                    todo = rest.map_or_else(Vec::new, |rest| self.windows(question, rest));
                }
                (Answer::TooMuch(why), None) => {
                    return Err(error::try_later(format!(
                        "{}: {why}",
                        question.what(window)
                    )));
                }
                (Answer::AskEach(said), _) => {
                    if !self.asks_each {
                        log::warn!(
                            "{}: the service refuses it ({said}); requesting each metric separately",
                            question.what(window)
                        );
                        self.asks_each = true;
                    }
                    self.pull_each(question, at, window, recall.as_deref_mut())?;
                }
            }
        }
        Ok(Pulled::Whole)
    }

    /// Whether the range changes, now that the service's clock is known.
    fn is_outdated(&mut self, range: Window, plan: &RangePlan<'_>) -> anyhow::Result<bool> {
        let lost = self.counts.lost.take();
        let is_same = plan(self)? == Some(range);
        if is_same {
            self.counts.lost = lost;
        }
        Ok(!is_same)
    }

    /// Sends one request for each metric. Logs the refused metrics and writes the rows of the other
    /// metrics. After a refusal the status is 69 or worse, and the callers do not save a new
    /// position.
    fn pull_each(
        &mut self,
        question: &Question,
        at: usize,
        window: Window,
        mut recall: Option<&mut Recall>,
    ) -> anyhow::Result<()> {
        for metric in &question.metrics {
            let one = question.of_one(metric);
            let mut todo = vec![window];
            while let Some(window) = todo.pop() {
                let half = halves(&one, window);
                match self.api.ask(&one, window, half.is_some()) {
                    Ok(Answer::Whole(reply)) => {
                        self.write(&one, at, window, reply, recall.as_deref_mut())?;
                    }
                    Ok(Answer::TooMuch(_) | Answer::AskEach(_)) => {
                        todo.extend(half.into_iter().flat_map(|(first, second)| [second, first]));
                    }
                    Err(e) if Status::of(&e) == Status::Refused => {
                        if self
                            .has_warned
                            .insert(format!("{} {metric}", question.path()))
                        {
                            log::error!("{e:#}");
                        }
                        self.counts.refused += 1;
                        self.status = self.status.worse(Status::Refused);
                    }
                    Err(e) => return Err(e),
                }
            }
        }
        Ok(())
    }

    /// The windows of a range, the latest window first, so that `pop` returns the earliest window.
    pub(crate) fn windows(&self, question: &Question, range: Window) -> Vec<Window> {
        let calendar = question.calendar;
        let mut windows = Vec::new();
        let mut from = range.from();
        while from < range.to() {
            let most = self
                .options
                .window
                .map_or(range.to(), |length| from.plus(length));
            let to = calendar
                .floor(most)
                .max(calendar.next(from))
                .min(range.to());
            windows.extend(Window::new(from, to));
            from = to;
        }
        windows.reverse();
        windows
    }
}

/// The halves of a window; `None` if the window is a single bucket.
fn halves(question: &Question, window: Window) -> Option<(Window, Window)> {
    let calendar = question.calendar;
    let half = window.from().plus(window.to().since(window.from()) / 2);
    let middle = calendar.floor(half).max(calendar.next(window.from()));
    Some((
        Window::new(window.from(), middle)?,
        Window::new(middle, window.to())?,
    ))
}
