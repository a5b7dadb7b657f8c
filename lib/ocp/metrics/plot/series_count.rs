//! Counts series, for the message that there are too many series to draw.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::error;

/// To limit memory, counting stops at this number of series, or at `max_series` if that is larger.
const MOST: usize = 100_000;
/// The error message states the number of series for each of at most this many metrics, and one
/// number for all other metrics together, so that the message stays short.
const MOST_METRICS: usize = 20;

/// Counts different series up to a limit. For each series, it stores only an 8-byte hash of the id.
#[derive(Debug)]
pub(super) struct SeriesCount {
    max_series: usize,
    limit: usize,
    seen: HashSet<u64>,
    by_metric: BTreeMap<String, u64>,
    /// The number of series of the metrics that are not in `by_metric`.
    others: u64,
    has_more: bool,
}

impl SeriesCount {
    pub(super) fn new(max_series: usize) -> SeriesCount {
        SeriesCount {
            max_series,
            limit: max_series.max(MOST),
            seen: HashSet::new(),
            by_metric: BTreeMap::new(),
            others: 0,
            has_more: false,
        }
    }

    /// Counts a series.
    pub(super) fn observe(&mut self, metric: &str, id: &str) {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        let hash = hasher.finish();
        if self.seen.contains(&hash) {
            return;
        }
        if self.seen.len() >= self.limit {
            self.has_more = true;
            return;
        }
        self.seen.insert(hash);
        let is_named = self.by_metric.len() < MOST_METRICS;
        match self.by_metric.get_mut(metric) {
            Some(count) => *count += 1,
            None if is_named => drop(self.by_metric.insert(metric.to_owned(), 1)),
            None => self.others += 1,
        }
    }

    /// Fails with status 2 if there are more series than may be drawn.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let all = self.seen.len() + usize::from(self.has_more);
        if all <= self.max_series {
            return Ok(());
        }
        let counts = self.by_metric.iter();
        let mut counts: Vec<String> = counts
            .map(|(metric, count)| format!("{} {count}", metric.escape_debug()))
            .collect();
        if self.others > 0 {
            counts.push(format!("others {}", self.others));
        }
        Err(error::usage(format!(
            "{}{all} series are more than --max-series {}: choose with --metric, --filter or --group ({})",
            if self.has_more { "at least " } else { "" },
            self.max_series,
            counts.join(", ")
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_series_than_are_counted_are_at_least_so_many() {
        let mut count = SeriesCount {
            limit: 3,
            ..SeriesCount::new(2)
        };
        for id in ["a", "b", "a"] {
            count.observe("dialogs", id);
        }
        assert!(count.check().is_ok());
        for id in 0..9 {
            count.observe("sessions", &id.to_string());
        }
        assert_eq!(count.seen.len(), 3);
        let e = count.check().unwrap_err().to_string();
        assert!(
            e.starts_with("at least 4 series are more than --max-series 2:")
                && e.ends_with("(dialogs 2, sessions 1)"),
            "{e}"
        );
    }

    #[test]
    fn many_metrics_are_counted_together() {
        let mut count = SeriesCount::new(1);
        for id in 0..25 {
            count.observe(&format!("m{id:02}"), &id.to_string());
        }
        assert_eq!(count.by_metric.len(), MOST_METRICS);
        let e = count.check().unwrap_err().to_string();
        assert!(
            e.starts_with("25 series") && e.ends_with("m19 1, others 5)"),
            "{e}"
        );
    }
}
