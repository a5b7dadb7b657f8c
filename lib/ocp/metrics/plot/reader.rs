//! Reads rows in any order, selects the rows to draw, and names their series.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::series_count::SeriesCount;
use super::{Plot, PlotBucket, PlotSeries};
use crate::ocp::metrics::row_lines::each_row;
use crate::time::Timestamp;

/// The rows to draw.
#[derive(Debug, Default)]
pub struct PlotSelection {
    /// The names of metrics; an empty list selects all.
    pub metrics: Vec<String>,
    /// The OCP groups; an empty list selects all.
    pub groups: Vec<String>,
    /// Tags and their required values.
    pub tags: Vec<(String, String)>,
    /// Buckets that start before this time are left out.
    pub from: Option<Timestamp>,
    /// Buckets that start at this time or later are left out.
    pub to: Option<Timestamp>,
    /// More series than this are an error.
    pub max_series: usize,
}

/// The fields of a row that the drawing needs.
#[derive(Deserialize)]
struct PlotRow {
    metric: String,
    series: String,
    group: String,
    step: String,
    #[serde(default)]
    tags: BTreeMap<String, Value>,
    from: Timestamp,
    to: Timestamp,
    as_of: Timestamp,
    value: Option<f64>,
    #[serde(default)]
    settled: bool,
    #[serde(default)]
    partial: bool,
    #[serde(default)]
    gone: bool,
}

#[derive(Debug)]
struct Collected {
    metric: String,
    group: String,
    step: String,
    tags: BTreeMap<String, String>,
    /// For the start of each bucket: the `as_of` of its latest row, and the bucket; `None` if the
    /// bucket is gone or has no number.
    buckets: BTreeMap<Timestamp, (Timestamp, Option<PlotBucket>)>,
}

/// Reads rows in any order. If several rows describe one bucket, the row with the latest `as_of`
/// counts.
#[derive(Debug)]
pub struct PlotReader {
    selection: PlotSelection,
    series: BTreeMap<String, Collected>,
    /// The number of selected series, including the series above the limit.
    count: SeriesCount,
    /// The number of rows that were read, including rows that are not drawn.
    pub rows: u64,
}

impl PlotReader {
    /// Creates the reader; it reads nothing yet.
    pub fn new(selection: PlotSelection) -> PlotReader {
        PlotReader {
            count: SeriesCount::new(selection.max_series),
            selection,
            series: BTreeMap::new(),
            rows: 0,
        }
    }

    /// Reads all rows of an input; `name` is the input's name in errors. Fails with status 65 if a
    /// line is not a row.
    pub fn read(&mut self, name: &str, input: impl std::io::Read) -> anyhow::Result<()> {
        each_row(name, input, |row| {
            self.rows += 1;
            self.take(row);
        })
    }

    fn take(&mut self, row: PlotRow) {
        let wanted = &self.selection;
        let tags: BTreeMap<String, String> = row
            .tags
            .into_iter()
            .map(|(name, value)| (name, plain(&value)))
            .collect();
        let is_one =
            |names: &[String], name: &str| names.is_empty() || names.iter().any(|n| n == name);
        if !is_one(&wanted.metrics, &row.metric)
            || !is_one(&wanted.groups, &row.group)
            || wanted.from.is_some_and(|from| row.from < from)
            || wanted.to.is_some_and(|to| row.from >= to)
            || !wanted
                .tags
                .iter()
                .all(|(name, value)| tags.get(name) == Some(value))
        {
            return;
        }
        self.count.observe(&row.metric, &row.series);
        if self.series.len() >= wanted.max_series && !self.series.contains_key(&row.series) {
            return;
        }
        let bucket = row.value.filter(|_| !row.gone).map(|value| PlotBucket {
            to: row.to,
            value,
            is_settled: row.settled && !row.partial,
        });
        let series = self.series.entry(row.series).or_insert_with(|| Collected {
            metric: row.metric,
            group: row.group,
            step: row.step,
            tags,
            buckets: BTreeMap::new(),
        });
        let known = series.buckets.get(&row.from);
        if known.is_none_or(|(as_of, _)| *as_of <= row.as_of) {
            series.buckets.insert(row.from, (row.as_of, bucket));
        }
    }

    /// The series, sorted by name. Fails with status 2 if there are more series than the selection
    /// allows.
    pub fn finish(self) -> anyhow::Result<Plot> {
        self.count.check()?;
        let labels = labels(self.series.values());
        let mut series: Vec<PlotSeries> = self
            .series
            .into_values()
            .zip(labels)
            .map(|(one, label)| PlotSeries {
                metric: visible(&one.metric),
                step: visible(&one.step),
                label,
                buckets: one
                    .buckets
                    .into_iter()
                    .filter_map(|(from, (_, bucket))| Some((from, bucket?)))
                    .collect(),
            })
            .filter(|one| !one.buckets.is_empty())
            .collect();
        series.sort_by(|a, b| (&a.metric, &a.step, &a.label).cmp(&(&b.metric, &b.step, &b.label)));
        Ok(Plot { series })
    }
}

/// A name for each series: the group, if there are several groups, and the tags that differ between
/// the series.
fn labels<'a>(series: impl Iterator<Item = &'a Collected> + Clone) -> Vec<String> {
    let groups: BTreeSet<&str> = series.clone().map(|one| one.group.as_str()).collect();
    let mut values: BTreeMap<&str, BTreeSet<Option<&str>>> = BTreeMap::new();
    for name in series.clone().flat_map(|one| one.tags.keys()) {
        values.entry(name).or_default();
    }
    for one in series.clone() {
        for (name, seen) in &mut values {
            seen.insert(one.tags.get(*name).map(String::as_str));
        }
    }
    series
        .map(|one| {
            let group = Some(&one.group).filter(|_| groups.len() > 1);
            let differs = |name: &str| values.get(name).is_some_and(|seen| seen.len() > 1);
            let tags = one.tags.iter().filter(|(name, _)| differs(name));
            let tags = tags.map(|(name, value)| format!("{name}={value}"));
            visible(
                &group
                    .cloned()
                    .into_iter()
                    .chain(tags)
                    .collect::<Vec<_>>()
                    .join(" "),
            )
        })
        .collect()
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Escapes control characters, because a terminal would interpret them.
fn visible(text: &str) -> String {
    text.chars()
        .map(|char| match char.is_control() {
            true => char.escape_default().to_string(),
            false => char.to_string(),
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn row(series: &str, hour: u32, value: &str, rest: &str) -> String {
        format!(
            r#"{{"metric":"dialogs","series":"{series}","group":"acme","step":"hour","tags":{{"channel":"{series}","locale":"en"}},"from":"2026-11-01T{hour:02}:00:00Z","to":"2026-11-01T{:02}:00:00Z","as_of":"2026-11-01T20:00:00Z","value":{value},"settled":true{rest}}}"#,
            hour + 1
        ) + "\n"
    }

    pub(in super::super) fn plot(rows: &str) -> Plot {
        let mut reader = PlotReader::new(PlotSelection {
            max_series: 9,
            ..PlotSelection::default()
        });
        reader.read("rows", rows.as_bytes()).unwrap();
        reader.finish().unwrap()
    }

    #[test]
    fn the_latest_row_of_a_bucket_counts_whatever_the_order() {
        let late = row("web", 3, "9", "").replace("20:00", "21:00");
        let early = row("web", 3, "4", "");
        for rows in [format!("{late}{early}"), format!("{early}{late}")] {
            let plot = plot(&rows);
            let values: Vec<f64> = plot.series[0].buckets.values().map(|b| b.value).collect();
            assert_eq!(values, [9.0]);
        }
        let gone = row("web", 3, "null", r#","gone":true"#).replace("20:00", "22:00");
        assert!(plot(&format!("{late}{gone}{early}")).is_empty());
    }

    #[test]
    fn a_label_has_the_tags_that_differ() {
        let plot = plot(&format!(
            "{}{}",
            row("web", 1, "1", ""),
            row("ivr", 1, "2", "")
        ));
        let labels: Vec<&str> = plot.series.iter().map(|one| one.label.as_str()).collect();
        assert_eq!(labels, ["channel=ivr", "channel=web"]);
        assert_eq!(
            super::tests::plot(&row("web", 1, "1", "")).series[0].label,
            ""
        );
    }

    #[test]
    fn too_many_series_are_counted_by_metric() {
        let selection = PlotSelection {
            max_series: 1,
            ..PlotSelection::default()
        };
        let mut reader = PlotReader::new(selection);
        let rows = format!("{}{}", row("web", 1, "1", ""), row("ivr", 1, "2", ""));
        reader.read("rows", rows.as_bytes()).unwrap();
        let e = reader.finish().unwrap_err().to_string();
        assert!(
            e.contains("2 series are more than --max-series 1") && e.contains("(dialogs 2)"),
            "{e}"
        );
    }

    #[test]
    fn a_line_that_is_no_row_is_named() {
        let mut reader = PlotReader::new(PlotSelection::default());
        let e = reader
            .read("day.ndjson", &b"\n{\"metric\":1}\n"[..])
            .unwrap_err();
        assert!(
            e.to_string()
                .starts_with("day.ndjson:2: not a row of ocp-metrics: "),
            "{e}"
        );
    }
}
