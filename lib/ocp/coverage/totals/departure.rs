//! An hour whose number of records is not the usual number for its count.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::Number;

use crate::time::Timestamp;

/// The type of the records that are compared with counts.
pub(super) const RECORD_TYPE: &str = "dialog_end";

/// An hour whose number of records is not the usual number for its count.
#[derive(Clone, Debug, PartialEq)]
pub struct Departure {
    /// The OCP group.
    pub group: String,
    /// The start of the hour.
    pub hour: Timestamp,
    /// The metric that the count is from.
    pub metric: String,
    /// The number of records of root dialogs on disk.
    pub records: u64,
    /// The count of the Metrics API.
    pub counted: f64,
    /// The number of records that is usual for this count.
    pub usual: f64,
}

/// The hour as a line of JSON. The line has no `types`, so export-fetch does not read it as a plan
/// line.
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
    /// The numbers as one JSON object; `usual` has one decimal.
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

/// The numbers as text.
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

/// The value as a JSON number; a whole value gets no decimals.
fn number(value: f64) -> Option<Number> {
    value.to_string().parse().ok()
}
