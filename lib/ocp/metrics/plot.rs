//! Draws rows of `ocp-metrics`: [`reader`] collects the rows, [`text`] draws them in a terminal,
//! and [`picture`] draws them as SVG and HTML.
//!
//! Every series has its own scale, from its least to its greatest value. The drawing shows both
//! values. On a common scale, a series of small values beside a series of large values would be a
//! flat line.

use std::collections::BTreeMap;

use crate::time::Timestamp;

pub mod picture;
pub mod reader;
mod series_count;
pub mod text;

/// A bucket of a series, from its latest row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PlotBucket {
    pub(crate) to: Timestamp,
    pub(crate) value: f64,
    /// Whether the bucket no longer grows and was requested as a whole.
    pub(crate) is_settled: bool,
}

/// A series: the values of one metric with one set of tags over time.
#[derive(Clone, Debug)]
pub(crate) struct PlotSeries {
    pub(crate) metric: String,
    pub(crate) step: String,
    /// The group and the tags that distinguish this series from the other series.
    pub(crate) label: String,
    pub(crate) buckets: BTreeMap<Timestamp, PlotBucket>,
}

/// The series with buckets, sorted by name.
#[derive(Debug, Default)]
pub struct Plot {
    pub(crate) series: Vec<PlotSeries>,
}

impl Plot {
    /// The number of series with a bucket.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether no series has a bucket.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// The first start and the last end of all buckets.
    fn span(&self) -> Option<(Timestamp, Timestamp)> {
        let buckets = || self.series.iter().flat_map(|series| &series.buckets);
        Some((
            buckets().map(|(from, _)| *from).min()?,
            buckets().map(|(_, bucket)| bucket.to).max()?,
        ))
    }
}

impl PlotSeries {
    /// The name of the metric and the label.
    fn name(&self) -> String {
        format!("{} {}", self.metric, self.label)
            .trim_end()
            .to_owned()
    }

    /// The least and the greatest value.
    fn range(&self) -> (f64, f64) {
        let values = || self.buckets.values().map(|bucket| bucket.value);
        (
            values().fold(f64::INFINITY, f64::min),
            values().fold(f64::NEG_INFINITY, f64::max),
        )
    }

    /// The least, the greatest and the latest value, as text.
    fn facts(&self) -> String {
        let (min, max) = self.range();
        let last = self.last().map_or(0.0, |bucket| bucket.value);
        format!(
            "min {}, max {}, last {}",
            short(min),
            short(max),
            short(last)
        )
    }

    fn last(&self) -> Option<&PlotBucket> {
        self.buckets.values().next_back()
    }
}

/// A number as text: without decimals if it is whole, else with two decimals.
fn short(value: f64) -> String {
    match value.fract() == 0.0 && value.abs() < 1e15 {
        true => format!("{value:.0}"),
        false => format!("{value:.2}"),
    }
}
