//! Finds missing buckets between other buckets of the same series.

use std::collections::HashMap;

use super::question::Question;
use super::series_id::SeriesId;
use crate::export::window::Window;
use crate::time::Timestamp;

/// The missing buckets of a run so far.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    /// For each series: its last bucket, and the end of the window in which this bucket was read.
    trails: HashMap<SeriesId, (Timestamp, Timestamp)>,
    /// The number of missing buckets.
    pub missing: u64,
    /// The first missing bucket, as text.
    pub first: Option<String>,
}

impl Gaps {
    /// Adds the sorted buckets of one series in a window. Returns the missing buckets before and
    /// between these buckets. With `drilldown`, a series that is absent from a whole reply had no
    /// calls in the window of that reply, so none of its buckets in that window is missing.
    pub(crate) fn observe(
        &mut self,
        question: &Question,
        series: SeriesId,
        metric: &str,
        window: Window,
        buckets: &[Timestamp],
    ) -> Vec<Timestamp> {
        let calendar = question.calendar;
        let (Some(first), Some(last)) = (buckets.first(), buckets.last()) else {
            return Vec::new();
        };
        let mut missing = Vec::new();
        let trail = self.trails.insert(series, (*last, window.to()));
        if let Some((before, end)) = trail {
            missing.extend(calendar.borders(calendar.next(before), end));
            if !question.drilldown {
                missing.extend(calendar.borders(end, window.from()));
            }
            missing.extend(calendar.borders(window.from(), *first));
        }
        for pair in buckets.windows(2) {
            missing.extend(calendar.borders(calendar.next(pair[0]), pair[1]));
        }
        self.missing += missing.len() as u64;
        if let Some(at) = missing.first()
            && self.first.is_none()
        {
            self.first = Some(format!(
                "{metric} of group {} at {at} (series {series})",
                question.group
            ));
        }
        missing
    }
}
