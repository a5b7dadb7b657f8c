//! Remembers the values of recent buckets, to find rows that are new or changed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The remembered values of one group and category, by series.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Memory {
    series: BTreeMap<String, RememberedSeries>,
}

/// A series with its remembered values, and the other data that its rows need.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RememberedSeries {
    /// The name of the metric.
    pub metric: String,
    /// The tags as the service sent them.
    pub tags: String,
    /// The index of the query that gave the series, in the entry's list of queries.
    pub question: usize,
    /// The values, by the start of their buckets.
    buckets: BTreeMap<Timestamp, RememberedValue>,
}

/// A remembered value: the text of the number, how often it has changed, and whether the bucket is
/// gone.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct RememberedValue(String, u32, bool);

/// How a value differs from the remembered value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The value is the same.
    Same,
    /// No value was remembered.
    New,
    /// The number of changes, and the value before the last change; `None` if the service had
    /// stopped sending the bucket before this change.
    Changed(u32, Option<String>),
}

/// A bucket that the service no longer sends.
#[derive(Debug)]
pub(crate) struct GoneBucket {
    /// The id of the series.
    pub series: String,
    /// The name of the metric.
    pub metric: String,
    /// The tags as the service sent them.
    pub tags: String,
    /// The index of the query that gave the series, in the entry's list of queries.
    pub question: usize,
    /// The start of the bucket.
    pub from: Timestamp,
    /// The number of changes, including this one.
    pub revision: u32,
    /// The value that the service sent last, before the bucket was gone.
    pub previous: String,
}

impl Memory {
    /// Stores a value and returns how it differs from the value that was remembered before.
    /// `describe` returns the metric, the tags and the query of a new series.
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

    /// Marks as gone each bucket in `[from, to)` for which `has_come` is false. Returns the buckets
    /// that were not marked as gone before.
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

    /// Forgets buckets that start before `from`, and series without buckets.
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
