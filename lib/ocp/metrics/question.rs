//! One query to the Metrics API, without the range of time.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::catalogue::{Category, MetricsSource};
use crate::error;
use crate::export::window::Window;
use crate::time::calendar::{BucketCalendar, Grain};
use crate::time::zone::Zone;

/// The length of a bucket, as the API spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum BucketStep {
    /// Five minutes, real-time only.
    #[value(name = "five_min")]
    FiveMin,
    /// An hour.
    Hour,
    /// A day of --timezone, batch only.
    Day,
    /// Seven days, batch only.
    Week,
    /// A month, batch only.
    Month,
    /// A year, batch only.
    Year,
}

impl BucketStep {
    /// The name of the step in the API.
    pub fn word(self) -> &'static str {
        match self {
            BucketStep::FiveMin => "five_min",
            BucketStep::Hour => "hour",
            BucketStep::Day => "day",
            BucketStep::Week => "week",
            BucketStep::Month => "month",
            BucketStep::Year => "year",
        }
    }

    /// Fails with status 2 if the source does not have this step.
    pub fn check(self, source: MetricsSource) -> anyhow::Result<()> {
        let is_known = match source {
            MetricsSource::Realtime => matches!(self, BucketStep::FiveMin | BucketStep::Hour),
            MetricsSource::Batch => self != BucketStep::FiveMin,
        };
        match is_known {
            true => Ok(()),
            false => Err(error::usage(format!(
                "--step {}: realtime has five_min and hour, batch has hour, day, week, month and year",
                self.word()
            ))),
        }
    }

    /// The borders of the buckets. A week starts on day `first`; 0 is Monday.
    pub fn calendar(self, zone: Zone, first: u32) -> BucketCalendar {
        let grain = match self {
            BucketStep::FiveMin => Grain::FIVE_MINUTES,
            BucketStep::Hour => Grain::HOUR,
            BucketStep::Day => Grain::Day,
            BucketStep::Week => Grain::Week(first),
            BucketStep::Month => Grain::Month,
            BucketStep::Year => Grain::Year,
        };
        BucketCalendar { grain, zone }
    }
}

/// The value of a filter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum FilterValue {
    /// Any of these values. An empty list requests a series for each value.
    Any(Vec<String>),
    /// The single value of `test_flag`.
    Flag(bool),
}

/// Filters by name.
pub type MetricsFilters = BTreeMap<String, FilterValue>;

/// One query, without the range of time.
#[derive(Clone, Debug)]
pub struct Question {
    /// The version of the API, verbatim.
    pub api: String,
    /// The source of the numbers.
    pub source: MetricsSource,
    /// The category.
    pub category: Category,
    /// The name of the OCP group, exactly as OCP spells it.
    pub group: String,
    /// Names of metrics, verbatim.
    pub metrics: Vec<String>,
    /// The filters, as they are sent.
    pub filters: MetricsFilters,
    /// Whether the reply has a separate series for each combination of tag values.
    pub drilldown: bool,
    /// The length of a bucket.
    pub step: BucketStep,
    /// The time zone of the request and of the times in the reply, verbatim.
    pub timezone: String,
    /// The borders of the buckets.
    pub calendar: BucketCalendar,
}

#[derive(Serialize)]
struct QuestionBody<'a> {
    metrics: &'a [String],
    filters: &'a MetricsFilters,
    start: String,
    end: String,
    group: &'a str,
    downsampling: BucketStep,
    drilldown: bool,
    timezone: &'a str,
}

impl Question {
    /// The body of the request for a window. The window begins and ends on borders of buckets.
    pub fn body(&self, window: Window) -> anyhow::Result<Vec<u8>> {
        Ok(serde_json::to_vec(&self.request(window))?)
    }

    /// The body as a JSON value, to show it to a person.
    pub(crate) fn shown_body(&self, window: Window) -> anyhow::Result<Value> {
        Ok(serde_json::to_value(self.request(window))?)
    }

    fn request(&self, window: Window) -> QuestionBody<'_> {
        let zone = self.calendar.zone;
        QuestionBody {
            metrics: &self.metrics,
            filters: &self.filters,
            start: zone.slashes(window.from()),
            end: zone.slashes(window.to()),
            group: &self.group,
            downsampling: self.step,
            drilldown: self.drilldown,
            timezone: &self.timezone,
        }
    }

    /// The path of the request, without the prefix of the API.
    pub fn path(&self) -> String {
        format!(
            "/{}/{}/metrics/{}",
            self.api,
            self.source.word(),
            self.category.word()
        )
    }

    /// Names the request in messages: source, category, group and window.
    pub fn what(&self, window: Window) -> String {
        format!(
            "{} {} of group {}, {window}",
            self.source.word(),
            self.category.word(),
            self.group
        )
    }

    /// The same query for one metric only.
    #[must_use]
    pub(crate) fn of_one(&self, metric: &str) -> Question {
        Question {
            metrics: vec![metric.to_owned()],
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn question() -> Question {
        let any = |values: &[&str]| {
            FilterValue::Any(values.iter().map(|value| (*value).to_owned()).collect())
        };
        Question {
            api: "v3".to_owned(),
            source: MetricsSource::Realtime,
            category: Category::Dialogs,
            group: "acme-prod".to_owned(),
            metrics: vec![
                "dialogs_completed".to_owned(),
                "dialogs_transferred".to_owned(),
            ],
            filters: MetricsFilters::from([
                ("locale".to_owned(), any(&[])),
                ("channel".to_owned(), any(&["omIVR"])),
                ("flow_name".to_owned(), any(&[])),
            ]),
            drilldown: true,
            step: BucketStep::Hour,
            timezone: "UTC".to_owned(),
            calendar: BucketStep::Hour.calendar(Zone::UTC, 0),
        }
    }

    #[test]
    fn a_request_is_as_the_vendor_documents_it() {
        let mut question = question();
        question.filters =
            MetricsFilters::from([("test_flag".to_owned(), FilterValue::Flag(false))]);
        let time = |text: &str| Timestamp::parse_instant(text).unwrap();
        let (from, to) = (time("2026-11-01T00:00:00Z"), time("2026-11-02T00:00:00Z"));
        let body = question.body(Window::new(from, to).unwrap()).unwrap();
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"metrics":["dialogs_completed","dialogs_transferred"],"filters":{"test_flag":false},"start":"2026/11/01 00:00:00","end":"2026/11/02 00:00:00","group":"acme-prod","downsampling":"hour","drilldown":true,"timezone":"UTC"}"#
        );
        assert_eq!(question.path(), "/v3/realtime/metrics/dialogs");
    }
}
