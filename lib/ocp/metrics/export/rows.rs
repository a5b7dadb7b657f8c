//! Makes rows from a reply: the requested buckets, missing buckets between them, and changes.

use std::collections::HashSet;

use super::super::args::Entry;
use super::super::memory::Change;
use super::super::question::Question;
use super::super::reply::{MetricsReply, MetricsReplyError, Series};
use super::super::row::Observation;
use super::{MetricsExport, Recall};
use crate::export::window::Window;
use crate::time::Timestamp;

impl MetricsExport<'_, '_> {
    pub(super) fn write(
        &mut self,
        question: &Question,
        at: usize,
        window: Window,
        mut reply: MetricsReply,
        mut recall: Option<&mut Recall>,
    ) -> anyhow::Result<()> {
        self.counts.windows += 1;
        let as_of = reply.as_of;
        if let Some(recall) = recall.as_deref_mut() {
            recall.as_of = recall.as_of.max(Some(as_of));
        }
        let mut series = 0_u64;
        let mut untagged: HashSet<&String> = question.filters.keys().collect();
        let written = reply.each_series(question, |one| {
            series += 1;
            untagged.retain(|key| one.tag_values.get(key.as_str()).is_none());
            self.write_series(question, at, window, &one, as_of, recall.as_deref_mut())
        });
        match written {
            Ok(()) => {}
            Err(MetricsReplyError::Bad(e)) => return Err(e),
            // The reply was valid when it was read for the first time.
            Err(_) => return Err(anyhow::anyhow!("the reply cannot be read a second time")),
        }
        untagged.remove(&"test_flag".to_owned());
        if question.drilldown && series > 0 && !untagged.is_empty() {
            let keys: Vec<&str> = untagged.into_iter().map(String::as_str).collect();
            self.warn_once(format!(
                "{}: no series has the tag {}: try the other --by-style, omit or empty",
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
                        "{}: the bucket {from} does not begin where --step expects it: buckets \
                         that the range cuts are marked \"partial\"; check --week-start and \
                         --timezone",
                        question.path()
                    ));
                }
            }
        }
        let buckets: Vec<Timestamp> = kept.iter().map(|(from, ..)| *from).collect();
        let missing = self
            .gaps
            .observe(question, series.id, &series.metric, window, &buckets);
        let id = series.id.to_string();
        let mut seen = Observation {
            metric: &series.metric,
            tags: series.tags,
            series: &id,
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
        if let Some(text) = &mut self.text {
            text.observe(question, seen, from, as_of)?;
        }
        let Some(recall) = recall else {
            return self.write_row(question, seen, from, as_of);
        };
        let describe = || (seen.metric.to_owned(), seen.tags.to_owned(), at);
        let change = recall
            .memory
            .observe(seen.series, from, seen.value, describe);
        recall.come.insert((seen.series.to_owned(), from));
        match &change {
            Change::Same => Ok(()),
            Change::New => self.write_row(question, seen, from, as_of),
            Change::Changed(revision, before) => {
                self.counts.changed += 1;
                if let Some(text) = &mut self.text {
                    text.changed_after(as_of.since(question.calendar.next(from)));
                }
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

    /// Writes a row for each remembered bucket in `range` that the service has stopped sending.
    pub(crate) fn write_gone(
        &mut self,
        entry: &Entry,
        range: Window,
        recall: &mut Recall,
    ) -> anyhow::Result<()> {
        let as_of = recall.as_of.unwrap_or_else(|| self.api.now());
        let tells_revision = recall.tells_revision;
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
                revision: tells_revision.then_some((gone.revision, &gone.previous)),
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
        if !self.has_rows {
            return Ok(());
        }
        let settle = self.options.settle;
        let line = self.lines.line(question, seen, from, as_of, settle)?;
        self.counts.rows += 1;
        self.commit.write_line(line)
    }
}
