//! One observation as one line.

use serde::Serialize;
use serde_json::value::RawValue;

use super::catalogue::{Category, MetricsSource};
use super::question::{BucketStep, MetricsFilters, Question};
use crate::time::Timestamp;

/// What a row says of one bucket of one series.
#[derive(Clone, Debug, Default)]
pub struct Observation<'a> {
    /// The name of the metric.
    pub metric: &'a str,
    /// The tags as they came.
    pub tags: &'a str,
    /// The id of the series.
    pub series: &'a str,
    /// The text of the number, or `null`.
    pub value: &'a str,
    /// A part of the bucket lies outside of what was asked for.
    pub is_partial: bool,
    /// It did not come, and is taken as zero.
    pub is_assumed: bool,
    /// It was there before, and does not come any more.
    pub is_gone: bool,
    /// How often the value has changed, and what it was before; `null` if it was gone.
    pub revision: Option<(u32, &'a str)>,
}

#[derive(Serialize)]
struct RowLine<'a> {
    metric: &'a str,
    from: String,
    to: String,
    value: &'a RawValue,
    step: BucketStep,
    source: MetricsSource,
    category: Category,
    api: &'a str,
    group: &'a str,
    tags: &'a RawValue,
    filters: &'a MetricsFilters,
    drilldown: bool,
    timezone: &'a str,
    series: &'a str,
    as_of: Timestamp,
    settled: bool,
    #[serde(skip_serializing_if = "is_false")]
    partial: bool,
    #[serde(skip_serializing_if = "is_false")]
    assumed: bool,
    #[serde(skip_serializing_if = "is_false")]
    gone: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<&'a RawValue>,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// The line of an observation; `from` and `to` are the ends of its bucket.
pub fn line(
    question: &Question,
    seen: &Observation<'_>,
    (from, to): (Timestamp, Timestamp),
    as_of: Timestamp,
    is_settled: bool,
) -> anyhow::Result<Vec<u8>> {
    let zone = question.calendar.zone;
    let previous = seen
        .revision
        .map(|(_, before)| serde_json::from_str(before));
    Ok(serde_json::to_vec(&RowLine {
        metric: seen.metric,
        from: zone.rfc3339(from),
        to: zone.rfc3339(to),
        value: serde_json::from_str(seen.value)?,
        step: question.step,
        source: question.source,
        category: question.category,
        api: &question.api,
        group: &question.group,
        tags: serde_json::from_str(seen.tags)?,
        filters: &question.filters,
        drilldown: question.drilldown,
        timezone: &question.timezone,
        series: seen.series,
        as_of,
        settled: is_settled,
        partial: seen.is_partial,
        assumed: seen.is_assumed,
        gone: seen.is_gone,
        revision: seen.revision.map(|(revision, _)| revision),
        previous: previous.transpose()?,
    })?)
}
