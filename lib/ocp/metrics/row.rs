//! Writes one observation (the value of one bucket of one series) as one line.

use std::collections::HashMap;
use std::io::Write as _;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;

use super::catalogue::{Category, MetricsSource};
use super::question::{BucketStep, MetricsFilters, Question};
use crate::time::Timestamp;

/// The content of a row about one bucket of one series.
#[derive(Clone, Debug, Default)]
pub struct Observation<'a> {
    /// The name of the metric.
    pub metric: &'a str,
    /// The tags as the service sent them.
    pub tags: &'a str,
    /// The id of the series.
    pub series: &'a str,
    /// The text of the number, or `null`.
    pub value: &'a str,
    /// Whether a part of the bucket is outside of the requested range.
    pub is_partial: bool,
    /// Whether the value 0 is assumed, because the bucket is missing.
    pub is_assumed: bool,
    /// Whether the service has stopped sending the bucket.
    pub is_gone: bool,
    /// The number of changes, and the value before the last change. This value is `null` if the
    /// bucket was gone.
    pub revision: Option<(u32, &'a str)>,
}

/// The fields between `value` and `settled` in a row.
#[derive(Serialize)]
struct SeriesFields<'a> {
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
}

/// The cache of bucket times is emptied when it holds more buckets than this.
const KEPT_BUCKETS: usize = 4096;

/// Writes the lines of observations. It keeps the text that many rows of a series or a bucket
/// share, because there are millions of lines.
#[derive(Debug, Default)]
pub(crate) struct RowLines {
    /// The series to which `head` and `fields` belong.
    series: String,
    tags: String,
    as_of: Option<Timestamp>,
    /// The text of a line before the start of the bucket.
    head: Vec<u8>,
    /// The text after the value, up to and including the key `settled`.
    fields: Vec<u8>,
    /// For the start of each bucket: the text from this start up to and including the key `value`,
    /// and the end of the bucket.
    buckets: HashMap<Timestamp, (Box<str>, Timestamp)>,
    line: Vec<u8>,
}

impl RowLines {
    /// The line for `seen`, an observation of the bucket that starts at `from`. The row is settled
    /// if the bucket ended at least `settle` before `as_of`. All calls must have the same step and
    /// time zone.
    pub(crate) fn line(
        &mut self,
        question: &Question,
        seen: &Observation<'_>,
        from: Timestamp,
        as_of: Timestamp,
        settle: Duration,
    ) -> anyhow::Result<&[u8]> {
        let is_known =
            self.series == seen.series && self.tags == seen.tags && self.as_of == Some(as_of);
        if !is_known {
            self.begin(question, seen, as_of)?;
        }
        if self.buckets.len() > KEPT_BUCKETS {
            self.buckets.clear();
        }
        let (bucket, to) = self.buckets.entry(from).or_insert_with(|| {
            let zone = question.calendar.zone;
            let to = question.calendar.next(from);
            let text = format!(
                "\"{}\",\"to\":\"{}\",\"value\":",
                zone.rfc3339(from),
                zone.rfc3339(to)
            );
            (text.into(), to)
        });
        let is_settled = to.plus(settle) <= as_of;
        let line = &mut self.line;
        line.clear();
        line.extend_from_slice(&self.head);
        line.extend_from_slice(bucket.as_bytes());
        line.extend_from_slice(seen.value.as_bytes());
        line.extend_from_slice(&self.fields);
        line.extend_from_slice(if is_settled { b"true" } else { b"false" });
        for (flag, text) in [
            (seen.is_partial, ",\"partial\":true"),
            (seen.is_assumed, ",\"assumed\":true"),
            (seen.is_gone, ",\"gone\":true"),
        ] {
            line.extend_from_slice(if flag { text.as_bytes() } else { b"" });
        }
        if let Some((revision, previous)) = seen.revision {
            // The previous value comes from a file, so it can be damaged.
            let previous: &RawValue = serde_json::from_str(previous)?;
            write!(
                line,
                ",\"revision\":{revision},\"previous\":{}",
                previous.get()
            )?;
        }
        line.extend_from_slice(b"}\n");
        Ok(line)
    }

    fn begin(
        &mut self,
        question: &Question,
        seen: &Observation<'_>,
        as_of: Timestamp,
    ) -> anyhow::Result<()> {
        let metric = serde_json::to_string(seen.metric)?;
        let fields = serde_json::to_string(&SeriesFields {
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
        })?;
        let fields = fields.trim_start_matches('{');
        let fields = fields.strip_suffix('}').unwrap_or(fields);
        self.head = format!("{{\"metric\":{metric},\"from\":").into_bytes();
        self.fields = format!(",{fields},\"settled\":").into_bytes();
        seen.series.clone_into(&mut self.series);
        seen.tags.clone_into(&mut self.tags);
        self.as_of = Some(as_of);
        Ok(())
    }
}
