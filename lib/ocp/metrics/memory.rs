//! The values of recent buckets, to tell which rows are new or changed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// What is remembered of one group and category, by series.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Memory {
    series: BTreeMap<String, RememberedSeries>,
}

/// One series, with what a row about it needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RememberedSeries {
    /// The name of the metric.
    pub metric: String,
    /// The tags as they came.
    pub tags: String,
    /// Which of the questions it answers.
    pub question: usize,
    /// By the beginning of the bucket.
    buckets: BTreeMap<Timestamp, RememberedValue>,
}

/// The text of the number, how often it has changed, and whether it is gone.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct RememberedValue(String, u32, bool);

/// How a value differs from the one that is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Not at all.
    Same,
    /// There was none.
    New,
    /// It has changed so often, and was this before; `None` if it was gone.
    Changed(u32, Option<String>),
}

/// A bucket that does not come any more.
#[derive(Debug)]
pub(crate) struct GoneBucket {
    /// The id of its series.
    pub series: String,
    /// The series.
    pub metric: String,
    /// Its tags as they came.
    pub tags: String,
    /// Which of the questions it answers.
    pub question: usize,
    /// When it begins.
    pub from: Timestamp,
    /// How often it has changed, this time included.
    pub revision: u32,
    /// The value that it had.
    pub previous: String,
}

impl Memory {
    /// Remembers a value and says how it differs from the one before. `describe` gives
    /// metric, tags and question of a series that is new.
    pub fn observe(
        &mut self,
        series: &str,
        from: Timestamp,
        value: &str,
        describe: impl FnOnce() -> (String, String, usize),
    ) -> Change {
        if !self.series.contains_key(series) {
            let (metric, tags, question) = describe();
            let new = RememberedSeries {
                metric,
                tags,
                question,
                buckets: BTreeMap::new(),
            };
            self.series.insert(series.to_owned(), new);
        }
        let Some(known) = self.series.get_mut(series) else {
            return Change::New;
        };
        let Some(RememberedValue(before, revision, is_gone)) = known.buckets.get_mut(&from) else {
            let value = RememberedValue(value.to_owned(), 0, false);
            known.buckets.insert(from, value);
            return Change::New;
        };
        if before == value && !*is_gone {
            return Change::Same;
        }
        *revision += 1;
        let before = std::mem::replace(before, value.to_owned());
        let was_gone = std::mem::take(is_gone);
        Change::Changed(*revision, (!was_gone).then_some(before))
    }

    /// Marks the buckets in `[from, to)` that did not come as gone, and gives those that
    /// were not marked before.
    pub(crate) fn mark_gone(
        &mut self,
        from: Timestamp,
        to: Timestamp,
        has_come: impl Fn(&str, Timestamp) -> bool,
    ) -> Vec<GoneBucket> {
        let mut gone = Vec::new();
        for (id, series) in &mut self.series {
            for (at, RememberedValue(value, revision, is_gone)) in
                series.buckets.range_mut(from..to)
            {
                if *is_gone || has_come(id, *at) {
                    continue;
                }
                *is_gone = true;
                *revision += 1;
                gone.push(GoneBucket {
                    series: id.clone(),
                    metric: series.metric.clone(),
                    tags: series.tags.clone(),
                    question: series.question,
                    from: *at,
                    revision: *revision,
                    previous: value.clone(),
                });
            }
        }
        gone
    }

    /// Forgets buckets that begin before `from`, and series that have no others.
    pub fn forget_before(&mut self, from: Timestamp) {
        self.series.retain(|_, series| {
            series.buckets = series.buckets.split_off(&from);
            !series.buckets.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_millis(hour * 3_600_000)
    }

    #[test]
    fn a_value_is_new_then_the_same_then_changed_then_gone_then_back() {
        let mut memory = Memory::default();
        let observe = |memory: &mut Memory, value: &str| {
            memory.observe("s", at(1), value, || ("m".into(), "{}".into(), 0))
        };
        assert_eq!(observe(&mut memory, "1"), Change::New);
        assert_eq!(observe(&mut memory, "1"), Change::Same);
        let changed = Change::Changed(1, Some("1".to_owned()));
        assert_eq!(observe(&mut memory, "2"), changed);
        let gone = memory.mark_gone(at(0), at(2), |_, _| false);
        assert_eq!((gone.len(), gone[0].revision), (1, 2));
        assert!(memory.mark_gone(at(0), at(2), |_, _| false).is_empty());
        assert_eq!(observe(&mut memory, "2"), Change::Changed(3, None));
        memory.forget_before(at(2));
        assert_eq!(observe(&mut memory, "2"), Change::New);
    }
}
