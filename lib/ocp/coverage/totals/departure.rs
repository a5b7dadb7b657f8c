//! An hour whose records do not fit its count.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::Number;

use crate::time::Timestamp;

/// The type of the records that are held against counts.
pub(super) const RECORD_TYPE: &str = "dialog_end";

/// An hour whose two numbers do not fit.
#[derive(Clone, Debug, PartialEq)]
pub struct Departure {
    /// The OCP group.
    pub group: String,
    /// The hour.
    pub hour: Timestamp,
    /// The metric.
    pub metric: String,
    /// Records of root dialogs on disk.
    pub records: u64,
    /// What the Metrics API counted.
    pub counted: f64,
    /// How many records that number usually means.
    pub usual: f64,
}

/// A departure as a line of JSON. It has no `types`, so that export-fetch does not take
/// it for a line of a plan.
#[derive(Debug, Serialize)]
pub struct DepartureRow<'a> {
    check: &'static str,
    group: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    from: Timestamp,
    to: Timestamp,
    metric: &'a str,
    records: u64,
    counted: Option<Number>,
    usual: Option<Number>,
}

impl Departure {
    /// Its numbers, as one record; `usual` to a tenth.
    pub fn row(&self) -> DepartureRow<'_> {
        DepartureRow {
            check: "control_totals",
            group: &self.group,
            kind: RECORD_TYPE,
            from: self.hour,
            to: self.hour.plus(Duration::from_secs(3600)),
            metric: &self.metric,
            records: self.records,
            counted: number(self.counted),
            usual: number((self.usual * 10.0).round() / 10.0),
        }
    }
}

/// Its numbers in words.
impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Departure {
            records,
            metric,
            counted,
            usual,
            ..
        } = self;
        write!(
            f,
            "{records} records; {metric} = {counted}, usually {usual:.0} records"
        )
    }
}

/// A whole number without a fraction of zero, as it was counted.
fn number(value: f64) -> Option<Number> {
    value.to_string().parse().ok()
}
