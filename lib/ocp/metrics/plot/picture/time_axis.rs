//! The time axis of a panel.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use crate::time::{HOUR_MS, Timestamp};

/// The possible distances between two marks on the time axis, in milliseconds.
const MARKS: [i64; 15] = [
    HOUR_MS / 12,
    HOUR_MS / 4,
    HOUR_MS / 2,
    HOUR_MS,
    3 * HOUR_MS,
    6 * HOUR_MS,
    12 * HOUR_MS,
    24 * HOUR_MS,
    48 * HOUR_MS,
    4 * 24 * HOUR_MS,
    7 * 24 * HOUR_MS,
    14 * 24 * HOUR_MS,
    28 * 24 * HOUR_MS,
    91 * 24 * HOUR_MS,
    364 * 24 * HOUR_MS,
];

/// A time axis in milliseconds since 1970, with marks at round times in UTC.
pub(super) struct TimeAxis(pub(super) Range<i64>);

impl Ranged for TimeAxis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = i64;

    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
    fn map(&self, value: &i64, (left, right): (i32, i32)) -> i32 {
        let all = (self.0.end - self.0.start).max(1) as f64;
        let part = (value - self.0.start) as f64 / all;
        left + (part * f64::from(right - left)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<i64> {
        let most = i64::try_from(hint.max_num_points().clamp(1, 6)).unwrap_or(1);
        let all = self.0.end - self.0.start;
        let fits = MARKS.into_iter().find(|mark| all / mark < most);
        let mark = fits.unwrap_or(all / most + 1);
        let first = self.0.start.div_euclid(mark) * mark;
        (0..=most + 1)
            .map(|step| first + step * mark)
            .filter(|at| self.0.contains(at) || *at == self.0.end)
            .collect()
    }

    fn range(&self) -> Range<i64> {
        self.0.clone()
    }
}

impl ValueFormatter<i64> for TimeAxis {
    fn format(value: &i64) -> String {
        let (date, hour) = Timestamp::from_millis(*value).date_and_hour();
        let minute = value.rem_euclid(HOUR_MS) / (HOUR_MS / 60);
        match (hour, minute) {
            (0, 0) => date.get(5..).unwrap_or(&date).to_owned(),
            _ => format!("{hour:02}:{minute:02}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_whole_hours_or_days() {
        let day = 24 * HOUR_MS;
        let axis = TimeAxis(day + 1..3 * day);
        let marks: Vec<String> = axis.key_points(6).iter().map(TimeAxis::format).collect();
        assert_eq!(marks, ["12:00", "01-03", "12:00", "01-04"]);
        let hour = TimeAxis(0..HOUR_MS);
        assert_eq!(hour.key_points(5).len(), 5);
    }
}
