//! Reads the hourly counts of calls from rows of `ocp-metrics`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::ocp::metrics::row_lines::each_row;
use crate::time::{HOUR_MS, Timestamp};

/// The metrics that count calls: `dialogs` in batch numbers (the warehouse), `dialogs_completed` in
/// real-time numbers (the last two days).
const METRICS: [&str; 2] = ["dialogs", "dialogs_completed"];

#[derive(Deserialize)]
struct TotalsRow {
    metric: String,
    series: String,
    group: String,
    #[serde(default)]
    tags: BTreeMap<String, Value>,
    #[serde(default)]
    filters: BTreeMap<String, Value>,
    from: Timestamp,
    to: Timestamp,
    as_of: Timestamp,
    value: Option<f64>,
    #[serde(default)]
    settled: bool,
    #[serde(default)]
    partial: bool,
}

/// Group and metric.
type GroupMetric = (String, String);

/// How the calls are counted: the tags of the series, and the length of a bucket. Each breakdown
/// counts the same calls in another way.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Breakdown {
    tags: BTreeSet<String>,
    bucket: Duration,
}

impl Breakdown {
    /// A sort key: the smaller the key, the fewer numbers must be added for an hour.
    fn rank(&self) -> (usize, Reverse<Duration>) {
        (self.tags.len(), Reverse(self.bucket))
    }
}

/// For each series and start of a bucket: the time when the number was read, then the number
/// itself, or `None` if it is not final.
type LatestCounts = BTreeMap<(String, Timestamp), (Timestamp, Option<f64>)>;

/// The counts of calls for each group, metric and hour.
#[derive(Debug, Default)]
pub struct HourlyTotals {
    counts: BTreeMap<GroupMetric, BTreeMap<Breakdown, LatestCounts>>,
}

impl HourlyTotals {
    /// Reads rows of `ocp-metrics`; `name` is the input's name in errors. Ignores rows of metrics
    /// that do not count calls, of filtered series, and of buckets that are not within one hour.
    /// Does not use the number of a bucket that can still grow.
    ///
    /// # Errors
    ///
    /// Status 65 if a line is not a row of `ocp-metrics`.
    pub fn read(name: &str, input: impl io::Read) -> anyhow::Result<HourlyTotals> {
        let mut totals = HourlyTotals::default();
        each_row(name, input, |row| totals.take(row))?;
        Ok(totals)
    }

    fn take(&mut self, row: TotalsRow) {
        let is_filtered = row
            .filters
            .values()
            .any(|value| value.as_array().is_none_or(|all| !all.is_empty()));
        let hour = Duration::from_millis(HOUR_MS.unsigned_abs());
        let is_short = row.to <= row.from.floor_hour().plus(hour);
        if is_filtered || !is_short || !METRICS.contains(&row.metric.as_str()) {
            return;
        }
        let breakdown = Breakdown {
            tags: row.tags.into_keys().filter(|tag| tag != "group").collect(),
            bucket: row.to.since(row.from),
        };
        let ways = self.counts.entry((row.group, row.metric)).or_default();
        let value = row.value.filter(|_| row.settled && !row.partial);
        let latest = ways
            .entry(breakdown)
            .or_default()
            .entry((row.series, row.from))
            .or_insert((row.as_of, value));
        if latest.0 <= row.as_of {
            *latest = (row.as_of, value);
        }
    }

    /// The number of calls in each hour, by group and metric. If several breakdowns have only final
    /// numbers for an hour, only the first of them in the order of [`Breakdown::rank`] is used. Its
    /// numbers are added up.
    pub(super) fn by_hour(&self) -> impl Iterator<Item = (&GroupMetric, BTreeMap<Timestamp, f64>)> {
        self.counts.iter().map(|(key, ways)| {
            let mut ways: Vec<_> = ways.iter().collect();
            ways.sort_by_key(|(breakdown, _)| breakdown.rank());
            let mut hours = BTreeMap::new();
            for (_, counts) in ways {
                for (hour, sum) in sums(counts) {
                    hours.entry(hour).or_insert(sum);
                }
            }
            (key, hours)
        })
    }
}

fn sums(counts: &LatestCounts) -> impl Iterator<Item = (Timestamp, f64)> {
    let mut hours: BTreeMap<Timestamp, Option<f64>> = BTreeMap::new();
    for ((_, from), (_, value)) in counts {
        let hour = hours.entry(from.floor_hour()).or_insert(Some(0.0));
        *hour = hour.zip(*value).map(|(sum, value)| sum + value);
    }
    hours
        .into_iter()
        .filter_map(|(hour, sum)| Some((hour, sum?)))
}
