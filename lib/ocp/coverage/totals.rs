//! Hourly counts of the Metrics API beside the records on disk. The two count by
//! definitions that the vendor does not compare, so their usual ratio is what is
//! expected, and an hour that departs from it is worth a look, not an error.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use departure::{Departure, RECORD_TYPE};

use super::{Calendar, HourState};
use crate::ocp::export_request::is_all;
use crate::ocp::metrics::row_lines::each_row;
use crate::time::Timestamp;

pub mod departure;

/// The metrics that count calls: of the warehouse, and of the last two days.
const METRICS: [&str; 2] = ["dialogs", "dialogs_completed"];
/// Fewer calls than this are chance.
const LEAST: f64 = 3.0;

/// The usual ratio is that of so much time before an hour, if it has enough hours with
/// calls; else that of the whole range.
const RECENT: Duration = Duration::from_secs(7 * 86_400);
const LEAST_RECENT: usize = 12;

/// How many records there are of a group in an hour.
pub type HourlyRecords = BTreeMap<(String, Timestamp), u64>;

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

/// What tells one way to count the same calls from another: group, metric, and by
/// which tags it is broken down.
type Breakdown = (String, String, BTreeSet<String>);
/// By series and begin: when it was read, and the number if it counts.
type LatestCounts = BTreeMap<(String, Timestamp), (Timestamp, Option<f64>)>;

/// Calls by group and metric, by hour.
#[derive(Debug, Default)]
pub struct HourlyTotals {
    by_question: BTreeMap<Breakdown, LatestCounts>,
}

/// What a comparison found.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Hours with two numbers.
    pub hours: usize,
    /// Those that depart, in the order of groups and time.
    pub departures: Vec<Departure>,
}

impl Comparison {
    /// The departures among the hours of a calendar.
    pub fn of<'a>(&'a self, calendar: &'a Calendar) -> impl Iterator<Item = &'a Departure> {
        let all = self.departures.iter();
        all.filter(|one| is_held(calendar, &one.group, one.hour))
    }
}

/// Whether an hour is one of a calendar whose exported records are held against counts.
fn is_held(calendar: &Calendar, group: &str, hour: Timestamp) -> bool {
    calendar.group == group
        && (calendar.kind == RECORD_TYPE || is_all(&calendar.kind))
        && calendar.state(hour) == Some(HourState::Have)
}

impl HourlyTotals {
    /// Reads rows of `ocp-metrics`, which errors call `name`. Rows of other metrics,
    /// longer buckets, and buckets that may still grow are passed over.
    ///
    /// # Errors
    ///
    /// 65 where a line is no row.
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
        let is_short = row.to <= row.from.floor_hour().plus(Duration::from_secs(3600));
        if is_filtered || !is_short || !METRICS.contains(&row.metric.as_str()) {
            return;
        }
        let tags = row.tags.into_keys().filter(|tag| tag != "group").collect();
        let counts = self
            .by_question
            .entry((row.group, row.metric, tags))
            .or_default();
        let value = row.value.filter(|_| row.settled && !row.partial);
        let latest = counts
            .entry((row.series, row.from))
            .or_insert((row.as_of, value));
        if latest.0 <= row.as_of {
            *latest = (row.as_of, value);
        }
    }

    /// By group and metric the sums of the hours, each from the question that breaks
    /// it down the least. An hour with a bucket that does not count has no sum.
    fn hours(&self) -> BTreeMap<(&str, &str), BTreeMap<Timestamp, f64>> {
        let mut least: BTreeMap<(&str, &str), (usize, &LatestCounts)> = BTreeMap::new();
        for ((group, metric, tags), counts) in &self.by_question {
            let one = least.entry((group, metric)).or_insert((tags.len(), counts));
            if tags.len() < one.0 {
                *one = (tags.len(), counts);
            }
        }
        let sum = |counts: &LatestCounts| {
            let mut hours: BTreeMap<Timestamp, Option<f64>> = BTreeMap::new();
            for ((_, from), (_, value)) in counts {
                let hour = hours.entry(from.floor_hour()).or_insert(Some(0.0));
                *hour = hour.zip(*value).map(|(sum, value)| sum + value);
            }
            hours
                .into_iter()
                .filter_map(|(hour, sum)| Some((hour, sum?)))
                .collect()
        };
        least
            .into_iter()
            .map(|(key, (_, counts))| (key, sum(counts)))
            .collect()
    }

    /// Holds the totals against records, for the hours that a calendar has as exported.
    /// `threshold` is a part of what is usual, as 0.2.
    pub fn compare(
        &self,
        records: &HourlyRecords,
        threshold: f64,
        calendars: &[Calendar],
    ) -> Comparison {
        let is_exported = |group: &str, hour| calendars.iter().any(|one| is_held(one, group, hour));
        let mut comparison = Comparison::default();
        for ((group, metric), hours) in self.hours() {
            let pairs: Vec<(Timestamp, u64, f64)> = hours
                .into_iter()
                .filter(|(hour, _)| is_exported(group, *hour))
                .map(|(hour, counted)| {
                    let found = records.get(&(group.to_owned(), hour));
                    (hour, found.copied().unwrap_or(0), counted)
                })
                .collect();
            comparison.hours += pairs.len();
            let Some(ratio_of_all) = usual_ratio(&pairs) else {
                continue;
            };
            for (at, (hour, records, counted)) in pairs.iter().copied().enumerate() {
                let first = pairs.partition_point(|(before, ..)| *before < hour.minus(RECENT));
                let recent = &pairs[first..at];
                let has_enough = recent
                    .iter()
                    .filter(|(_, _, counted)| *counted > 0.0)
                    .count()
                    >= LEAST_RECENT;
                let recent = usual_ratio(recent).filter(|_| has_enough);
                let usual = counted * recent.unwrap_or(ratio_of_all);
                if (as_float(records) - usual).abs() > (usual * threshold).max(LEAST) {
                    comparison.departures.push(Departure {
                        group: group.to_owned(),
                        hour,
                        metric: metric.to_owned(),
                        records,
                        counted,
                        usual,
                    });
                }
            }
        }
        comparison
    }
}

/// The middle one of the ratios of records to counts.
fn usual_ratio(pairs: &[(Timestamp, u64, f64)]) -> Option<f64> {
    let counted = pairs.iter().filter(|(_, _, counted)| *counted > 0.0);
    let mut ratios: Vec<f64> = counted
        .map(|(_, records, counted)| as_float(*records) / counted)
        .collect();
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied()
}

#[allow(clippy::cast_precision_loss)]
fn as_float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(metric: &str, series: &str, hour: u32, value: u32, rest: &str) -> String {
        format!(
            r#"{{"metric":"{metric}","series":"{series}","group":"acme","tags":{{"group":"acme"{rest}}},"filters":{{"channel":[]}},"from":"2026-11-01T{hour:02}:00:00Z","to":"2026-11-01T{:02}:00:00Z","as_of":"2026-11-03T00:00:00Z","value":{value},"settled":true}}"#,
            hour + 1
        ) + "\n"
    }

    fn records(counts: &[u64]) -> HourlyRecords {
        let hour =
            |at: usize| Timestamp::parse_instant(&format!("2026-11-01T{at:02}:00:00Z")).unwrap();
        let counts = counts.iter().enumerate();
        counts
            .map(|(at, count)| (("acme".to_owned(), hour(at)), *count))
            .collect()
    }

    /// November.
    fn calendar(state: HourState) -> Calendar {
        Calendar {
            group: "acme".to_owned(),
            kind: "dialog_end".to_owned(),
            from: Timestamp::parse_instant("2026-11-01T00:00:00Z").unwrap(),
            hours: vec![state; 30 * 24],
        }
    }

    fn departures(rows: &str, records: &HourlyRecords) -> (usize, Vec<(String, u64, f64)>) {
        let totals = HourlyTotals::read("rows", rows.as_bytes()).unwrap();
        let found = totals.compare(records, 0.2, &[calendar(HourState::Have)]);
        let departures = found.departures.into_iter();
        let all = departures.map(|one| (one.hour.hour_name(), one.records, one.counted));
        (found.hours, all.collect())
    }

    #[test]
    fn an_hour_that_departs_from_the_usual_ratio_is_found() {
        let rows: String = (0..9)
            .map(|hour| row("dialogs", "s", hour, 100, ""))
            .collect();
        // Two records for each counted call is what is usual here.
        let counts = [200, 201, 200, 90, 200, 199, 235, 260, 200];
        let (hours, found) = departures(&rows, &records(&counts));
        assert_eq!(hours, 9);
        assert_eq!(
            found,
            [
                ("2026-11-01T03Z".to_owned(), 90, 100.0),
                ("2026-11-01T07Z".to_owned(), 260, 100.0)
            ]
        );
        // An hour without any record at all.
        let (_, found) = departures(&rows, &records(&counts[..8]));
        assert_eq!(
            found.last().unwrap(),
            &("2026-11-01T08Z".to_owned(), 0, 100.0)
        );
    }

    #[test]
    fn the_usual_ratio_is_that_of_the_days_before() {
        let begin = Timestamp::parse_instant("2026-11-01T00:00:00Z").unwrap();
        let hour = |at: u32| begin.plus(Duration::from_secs(3600) * at);
        let (mut rows, mut records) = (String::new(), HourlyRecords::new());
        for at in 0..30 * 24 {
            let text = row("dialogs", "s", 0, 100, "");
            let text = text.replace("2026-11-01T00:00:00Z", &hour(at).rfc3339());
            rows += &text.replace("2026-11-01T01:00:00Z", &hour(at + 1).rfc3339());
            let count = if at < 20 * 24 { 100 } else { 200 };
            records.insert(("acme".to_owned(), hour(at)), count);
        }
        // Of the whole range one record a count is usual, of the last week two.
        records.insert(("acme".to_owned(), hour(29 * 24)), 100);
        let (_, found) = departures(&rows, &records);
        assert!(found.contains(&("2026-11-30T00Z".to_owned(), 100, 100.0)));
        assert!(!found.iter().any(|(hour, ..)| hour == "2026-11-29T23Z"));
    }

    #[test]
    fn few_calls_and_hours_that_were_not_exported_are_no_departure() {
        let rows: String = (0..3)
            .map(|hour| row("dialogs", "s", hour, 3, ""))
            .collect();
        assert_eq!(departures(&rows, &records(&[3, 3, 0])).1, []);
        let totals = HourlyTotals::read("rows", row("dialogs", "s", 0, 50, "").as_bytes()).unwrap();
        let found = totals.compare(&records(&[]), 0.2, &[calendar(HourState::Begun)]);
        assert_eq!((found.hours, found.departures), (0, vec![]));
    }

    #[test]
    fn a_breakdown_is_added_up_only_where_there_is_no_plain_count() {
        let split = |hour| {
            row("dialogs", "a", hour, 60, r#","channel":"chat""#)
                + &row("dialogs", "b", hour, 40, r#","channel":"web""#)
        };
        let rows: String = (0..4).map(split).collect();
        assert_eq!(departures(&rows, &records(&[100, 100, 100, 10])).1.len(), 1);
        let plain: String = (0..4)
            .map(|hour| row("dialogs", "s", hour, 100, ""))
            .collect();
        let (hours, found) = departures(&(rows + &plain), &records(&[100, 100, 100, 10]));
        assert_eq!(
            (hours, found),
            (4, vec![("2026-11-01T03Z".to_owned(), 10, 100.0)])
        );
    }

    #[test]
    fn a_bucket_that_may_still_grow_or_is_filtered_or_long_does_not_count() {
        for (old, new) in [
            ("\"settled\":true", "\"settled\":false"),
            ("\"channel\":[]", "\"channel\":[\"web\"]"),
            ("T01:00:00Z\",\"as_of", "T03:00:00Z\",\"as_of"),
            ("\"dialogs\"", "\"sessions\""),
        ] {
            let rows = row("dialogs", "s", 0, 100, "").replace(old, new);
            assert_eq!(departures(&rows, &records(&[1])), (0, vec![]), "{new}");
        }
    }
}
