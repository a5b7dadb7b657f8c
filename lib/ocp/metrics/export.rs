//! From questions and ranges to rows: windows, halving, gaps, and what is counted.

use std::collections::HashSet;
use std::time::Duration;

use super::api::{Answer, MetricsApi};
use super::args::Entry;
use super::gaps::Gaps;
use super::memory::{Change, Memory};
use super::question::Question;
use super::reply::{MetricsReply, ReplyError, Series};
use super::row::{self, Observation};
use crate::cli::run::Report;
use crate::error::{self, Status};
use crate::export::commit::Commit;
use crate::export::window::Window;
use crate::time::Timestamp;

/// How it is exported.
#[derive(Clone, Copy, Debug)]
pub struct ExportOptions {
    /// Most time in one request.
    pub window: Option<Duration>,
    /// When a bucket is settled, counted from its end.
    pub settle: Duration,
    /// How far back the service keeps numbers.
    pub max_age: Duration,
    /// Whether a range that is too old is an error.
    pub is_strict: bool,
    /// Missing buckets that are tolerated.
    pub max_gap: u64,
    /// Whether missing buckets are written as zero.
    pub assumes_zero: bool,
}

/// What has been done so far, for the report.
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

/// How a range was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulled {
    /// All of it.
    Whole,
    /// Nothing: the first reply showed that our clock is wrong, and another range is meant.
    ClockMoved,
}

/// The range that is meant by the service's clock, as far as it is known.
pub type RangePlan<'p> = dyn Fn(&mut MetricsExport<'_, '_>) -> anyhow::Result<Option<Window>> + 'p;

/// What differs between runs with and without a memory.
#[derive(Debug, Default)]
pub struct Recall {
    /// The values so far.
    pub memory: Memory,
    /// Whether rows tell their revision.
    tells_revision: bool,
    /// Series and buckets that have come, where it matters which did not.
    come: HashSet<(String, Timestamp)>,
}

impl Recall {
    /// Rows tell how a value has changed, and what does not come any more is said.
    pub fn telling(memory: Memory) -> Recall {
        Recall {
            memory,
            tells_revision: true,
            come: HashSet::new(),
        }
    }

    /// Rows are only left out where nothing has changed.
    pub fn silent(memory: Memory) -> Recall {
        Recall {
            memory,
            ..Recall::default()
        }
    }
}

/// One run.
#[derive(Debug)]
pub struct MetricsExport<'a, 'o> {
    /// Who is asked.
    pub api: &'a MetricsApi,
    /// Where rows go.
    pub commit: Commit<'o>,
    /// How it is exported.
    pub options: ExportOptions,
    /// The worst that happened to a single group and category.
    pub status: Status,
    gaps: Gaps,
    counts: Counts,
    asks_each: bool,
    has_warned: HashSet<String>,
}

impl<'a, 'o> MetricsExport<'a, 'o> {
    /// Nothing is asked yet.
    pub fn new(api: &'a MetricsApi, commit: Commit<'o>, options: ExportOptions) -> Self {
        MetricsExport {
            api,
            commit,
            options,
            status: Status::Done,
            gaps: Gaps::default(),
            counts: Counts::default(),
            asks_each: false,
            has_warned: HashSet::new(),
        }
    }

    /// The part of a range that the service still has, on borders. What is cut off is
    /// said. Status 69 if nothing is left, or with `--strict` if anything is cut off.
    pub fn clamp(&mut self, question: &Question, range: Window) -> anyhow::Result<Window> {
        let calendar = question.calendar;
        let oldest = self.api.now().minus(self.options.max_age);
        if range.from() >= oldest {
            return Ok(range);
        }
        let earliest = calendar.ceil(oldest);
        let text = format!(
            "{}: the service keeps {} {} numbers; older ones cannot be read",
            question.what(range),
            crate::time::show_duration(self.options.max_age),
            question.source.word()
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
            _ => Err(error::refused(format!("{text}; nothing was asked"))),
        }
    }

    /// Reads a range, which `plan` gave, of all questions of an entry and writes its
    /// rows, or with a recall those that are new or changed.
    pub fn pull(
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
            let answer = match self.asks_each {
                true => Ok(Answer::AskEach(String::new())),
                false => self.api.ask(question, window, half.is_some()),
            };
            // A refusal, too, may be for the wrong time that was asked for.
            if self.api.clock_moved() && self.is_outdated(range, plan)? {
                return Ok(Pulled::ClockMoved);
            }
            match (answer?, half) {
                (Answer::Whole(reply), _) => {
                    self.write(question, at, window, reply, recall.as_deref_mut())?;
                }
                (Answer::TooMuch(why), Some((first, _))) => {
                    log::warn!("{}: {why}; asking for half of it", question.what(window));
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
                            "{}: HTTP 400, {said}; asking for each metric by itself",
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

    /// Whether another range is meant, now that the service has told the time.
    fn is_outdated(&mut self, range: Window, plan: &RangePlan<'_>) -> anyhow::Result<bool> {
        let lost = self.counts.lost.take();
        let is_same = plan(self)? == Some(range);
        if is_same {
            self.counts.lost = lost;
        }
        Ok(!is_same)
    }

    /// One request for each metric. Those that the service refuses are said, and the
    /// others written; then the entry fails.
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

    /// The windows of a range, the last one first.
    pub(super) fn windows(&self, question: &Question, range: Window) -> Vec<Window> {
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

    fn write(
        &mut self,
        question: &Question,
        at: usize,
        window: Window,
        mut reply: MetricsReply,
        mut recall: Option<&mut Recall>,
    ) -> anyhow::Result<()> {
        self.counts.windows += 1;
        let as_of = reply.as_of;
        let mut series = 0_u64;
        let mut untagged: HashSet<&String> = question.filters.keys().collect();
        let written = reply.each_series(question, |one| {
            series += 1;
            untagged.retain(|key| one.tag_values.get(key.as_str()).is_none());
            self.write_series(question, at, window, &one, as_of, recall.as_deref_mut())
        });
        match written {
            Ok(()) => {}
            Err(ReplyError::Bad(e)) => return Err(e),
            // It was sound when it came.
            Err(_) => return Err(anyhow::anyhow!("the reply cannot be read a second time")),
        }
        untagged.remove(&"test_flag".to_owned());
        if question.drilldown && series > 0 && !untagged.is_empty() {
            let keys: Vec<&str> = untagged.into_iter().map(String::as_str).collect();
            self.warn_once(format!(
                "{}: no series has the tag {}: try --by-style omit, or empty if that is what you gave",
                question.path(),
                keys.join(", ")
            ));
        }
        Ok(())
    }

    fn write_series(
        &mut self,
        question: &Question,
        at: usize,
        window: Window,
        series: &Series<'_>,
        as_of: Timestamp,
        mut recall: Option<&mut Recall>,
    ) -> anyhow::Result<()> {
        let calendar = question.calendar;
        let mut kept = Vec::with_capacity(series.points.len());
        for (from, value) in &series.points {
            let is_on_border = calendar.floor(*from) == *from;
            let end = calendar.next(*from);
            if *from >= window.to() {
                self.counts.beyond_end += 1;
            } else if end <= window.from() || is_on_border && *from < window.from() {
                self.counts.before_start += 1;
            } else {
                let is_cut = *from < window.from() || end > window.to();
                kept.push((*from, *value, !is_on_border && is_cut));
                if !is_on_border {
                    self.warn_once(format!(
                        "{}: the bucket {from} does not begin on a border of ours: buckets that the range cuts are marked \"partial\"; check --week-start and --timezone",
                        question.path()
                    ));
                }
            }
        }
        let buckets: Vec<Timestamp> = kept.iter().map(|(from, ..)| *from).collect();
        let missing = self
            .gaps
            .observe(question, &series.id, &series.metric, window, &buckets);
        let mut seen = Observation {
            metric: &series.metric,
            tags: series.tags,
            series: &series.id,
            ..Observation::default()
        };
        if self.options.assumes_zero {
            for from in missing {
                let zero = Observation {
                    value: "0",
                    is_assumed: true,
                    ..seen.clone()
                };
                self.write_if_new(question, at, &zero, from, as_of, recall.as_deref_mut())?;
            }
        }
        for (from, value, is_partial) in kept {
            seen.value = value;
            seen.is_partial = is_partial;
            self.write_if_new(question, at, &seen, from, as_of, recall.as_deref_mut())?;
        }
        Ok(())
    }

    fn write_if_new(
        &mut self,
        question: &Question,
        at: usize,
        seen: &Observation<'_>,
        from: Timestamp,
        as_of: Timestamp,
        recall: Option<&mut Recall>,
    ) -> anyhow::Result<()> {
        let Some(recall) = recall else {
            return self.write_row(question, seen, from, as_of);
        };
        let describe = || (seen.metric.to_owned(), seen.tags.to_owned(), at);
        let change = recall
            .memory
            .observe(seen.series, from, seen.value, describe);
        if recall.tells_revision {
            recall.come.insert((seen.series.to_owned(), from));
        }
        match &change {
            Change::Same => Ok(()),
            Change::New => self.write_row(question, seen, from, as_of),
            Change::Changed(revision, before) => {
                self.counts.changed += 1;
                let before = before.as_deref().unwrap_or("null");
                let revision = recall.tells_revision.then_some((*revision, before));
                let seen = Observation {
                    revision,
                    ..seen.clone()
                };
                self.write_row(question, &seen, from, as_of)
            }
        }
    }

    /// Rows for what is remembered of a range and did not come.
    pub fn write_gone(
        &mut self,
        entry: &Entry,
        range: Window,
        recall: &mut Recall,
    ) -> anyhow::Result<()> {
        let as_of = self.api.now();
        let come = std::mem::take(&mut recall.come);
        let has_come = |series: &str, at| come.contains(&(series.to_owned(), at));
        for gone in recall.memory.mark_gone(range.from(), range.to(), has_come) {
            let Some(question) = entry.questions.get(gone.question) else {
                continue;
            };
            self.counts.gone += 1;
            let seen = Observation {
                metric: &gone.metric,
                tags: &gone.tags,
                series: &gone.series,
                value: "null",
                is_gone: true,
                revision: Some((gone.revision, &gone.previous)),
                ..Observation::default()
            };
            self.write_row(question, &seen, gone.from, as_of)?;
        }
        Ok(())
    }

    fn write_row(
        &mut self,
        question: &Question,
        seen: &Observation<'_>,
        from: Timestamp,
        as_of: Timestamp,
    ) -> anyhow::Result<()> {
        let to = question.calendar.next(from);
        let is_settled = to.plus(self.options.settle) <= as_of;
        let line = row::line(question, seen, (from, to), as_of, is_settled)?;
        self.counts.rows += 1;
        self.commit.write_line(&line)
    }

    fn warn_once(&mut self, text: String) {
        if !self.has_warned.contains(&text) {
            log::warn!("{text}");
            self.has_warned.insert(text);
        }
    }

    /// Goes on after a failure that concerns one group and category only.
    pub fn pass_over(&mut self, e: anyhow::Error) -> anyhow::Result<()> {
        if !error::is_narrow(&e) {
            return Err(e);
        }
        self.status = self.status.worse(Status::of(&e));
        log::error!("{e:#}");
        Ok(())
    }

    /// Missing buckets so far.
    pub fn missing(&self) -> u64 {
        self.gaps.missing
    }

    /// Requests for a single metric that were refused so far.
    pub fn refused(&self) -> u64 {
        self.counts.refused
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.counts.rows
    }

    /// Whether more buckets are missing than the options tolerate.
    pub fn has_too_many_gaps(&self) -> bool {
        !self.options.assumes_zero && self.gaps.missing > self.options.max_gap
    }

    /// Forgets the gaps so far: the next range overlaps with the last one.
    pub fn forget_gaps(&mut self) -> u64 {
        std::mem::take(&mut self.gaps).missing
    }

    /// Says what is missing, and settles the status.
    pub fn judge(&mut self) {
        if self.has_too_many_gaps() {
            log::error!(
                "{} buckets are missing between others, the first one is {}: run again later, or use --max-gap N or --assume-zero",
                self.gaps.missing,
                self.gaps.first.as_deref().unwrap_or("unknown")
            );
            self.status = self.status.worse(Status::BadInput);
        }
    }

    /// Facts for the report.
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

/// The halves of a window; `None` if it is one bucket.
fn halves(question: &Question, window: Window) -> Option<(Window, Window)> {
    let calendar = question.calendar;
    let half = window.from().plus(window.to().since(window.from()) / 2);
    let middle = calendar.floor(half).max(calendar.next(window.from()));
    Some((
        Window::new(window.from(), middle)?,
        Window::new(middle, window.to())?,
    ))
}
