//! Compares the hourly counts of the Metrics API (control totals) with the records on disk. The
//! vendor does not document how the two numbers of an hour are defined, so these numbers can
//! differ. The comparison expects the usual ratio of records to counts. An hour with another ratio
//! gives a warning, not an error.

use std::collections::BTreeMap;
use std::time::Duration;

use departure::{Departure, RECORD_TYPE};
use hourly::HourlyTotals;

use super::{Calendar, HourState};
use crate::ocp::export_request::is_all;
use crate::time::Timestamp;

pub mod departure;
pub mod hourly;

/// A difference of at most this many records is treated as random.
const LEAST: f64 = 3.0;

/// The usual ratio for an hour is computed from the seven days before this hour. If fewer than
/// `LEAST_RECENT` hours of these days have calls, the ratio is computed from the whole range.
const RECENT: Duration = Duration::from_secs(7 * 86_400);
const LEAST_RECENT: usize = 12;

/// The number of records of each group in each hour.
pub type HourlyRecords = BTreeMap<(String, Timestamp), u64>;

/// An hour with its number of records and its count from the Metrics API.
struct HourPair {
    hour: Timestamp,
    records: u64,
    counted: f64,
}

/// The result of a comparison.
#[derive(Debug, Default)]
pub struct Comparison {
    /// The number of hours that were compared.
    pub hours: usize,
    /// The hours whose number of records is not the usual number for their count, sorted by group
    /// and time.
    pub departures: Vec<Departure>,
}

impl Comparison {
    /// The departures in the hours that `calendar` shows as exported.
    pub fn of<'a>(&'a self, calendar: &'a Calendar) -> impl Iterator<Item = &'a Departure> {
        let all = self.departures.iter();
        all.filter(|one| is_held(calendar, &one.group, one.hour))
    }
}

/// Whether `calendar` shows the hour of `group` as exported. False if the calendar is for a message
/// type that is not compared with counts.
fn is_held(calendar: &Calendar, group: &str, hour: Timestamp) -> bool {
    calendar.group == group
        && (calendar.kind == RECORD_TYPE || is_all(&calendar.kind))
        && calendar.state(hour) == Some(HourState::Have)
}

/// Compares the totals with the records, for the hours that `calendars` show as exported.
/// `threshold` is the difference that is still accepted, as a fraction of the usual number of
/// records, for example 0.2.
pub fn compare(
    totals: &HourlyTotals,
    records: &HourlyRecords,
    threshold: f64,
    calendars: &[Calendar],
) -> Comparison {
    let is_exported = |group: &str, hour| calendars.iter().any(|one| is_held(one, group, hour));
    let mut comparison = Comparison::default();
    for ((group, metric), hours) in totals.by_hour() {
        let pairs: Vec<HourPair> = hours
            .into_iter()
            .filter(|(hour, _)| is_exported(group, *hour))
            .map(|(hour, counted)| {
                let found = records.get(&(group.clone(), hour));
                let records = found.copied().unwrap_or(0);
                HourPair {
                    hour,
                    records,
                    counted,
                }
            })
            .collect();
        comparison.hours += pairs.len();
        let Some(ratio_of_all) = usual_ratio(&pairs) else {
            continue;
        };
        for (at, pair) in pairs.iter().enumerate() {
            let first = pairs.partition_point(|before| before.hour < pair.hour.minus(RECENT));
            let recent = &pairs[first..at];
            let has_enough = recent.iter().filter(|one| one.counted > 0.0).count() >= LEAST_RECENT;
            let recent = usual_ratio(recent).filter(|_| has_enough);
            let usual = pair.counted * recent.unwrap_or(ratio_of_all);
            if (as_float(pair.records) - usual).abs() > (usual * threshold).max(LEAST) {
                comparison.departures.push(Departure {
                    group: group.clone(),
                    hour: pair.hour,
                    metric: metric.clone(),
                    records: pair.records,
                    counted: pair.counted,
                    usual,
                });
            }
        }
    }
    comparison
}

/// The median ratio of records to counts; `None` if no hour has calls.
fn usual_ratio(pairs: &[HourPair]) -> Option<f64> {
    let counted = pairs.iter().filter(|one| one.counted > 0.0);
    let mut ratios: Vec<f64> = counted
        .map(|one| as_float(one.records) / one.counted)
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

    /// All hours of November, in one state.
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
        let found = compare(&totals, records, 0.2, &[calendar(HourState::Have)]);
        let departures = found.departures.into_iter();
        let all = departures.map(|one| (one.hour.hour_name(), one.records, one.counted));
        (found.hours, all.collect())
    }

    #[test]
    fn an_hour_that_departs_from_the_usual_ratio_is_found() {
        let rows: String = (0..9)
            .map(|hour| row("dialogs", "s", hour, 100, ""))
            .collect();
        // Two records for each counted call are usual here.
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
        // In the whole range, one record for each count is usual; in the last week, two records.
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
        let found = compare(&totals, &records(&[]), 0.2, &[calendar(HourState::Begun)]);
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
    fn the_same_calls_by_hours_and_by_five_minutes_count_once() {
        let five = |hour| {
            (0..6).map(move |part| {
                let (from, to) = (part * 5, part * 5 + 5);
                row("dialogs", "five", hour, 16, "")
                    .replace(
                        &format!("T{:02}:00", hour + 1),
                        &format!("T{hour:02}:{to:02}"),
                    )
                    .replace(&format!("T{hour:02}:00"), &format!("T{hour:02}:{from:02}"))
            })
        };
        let hours: String = (0..4)
            .map(|hour| row("dialogs", "s", hour, 100, ""))
            .collect();
        let found = |rows: &str| departures(rows, &records(&[100, 100, 100, 10]));
        let rows: String = (0..4).flat_map(five).collect();
        assert_eq!(found(&rows).1[0].2, 96.0);
        let (count, found) = found(&(rows + &hours));
        assert_eq!((count, found[0].2), (4, 100.0));
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
