//! The flags that select numbers, and the queries of one group and category.

use std::time::Duration;

use clap::ValueEnum;

use super::question::{BucketStep, Question};
use crate::net::http::{Url, join_path, parse_url};
use crate::time::{parse_duration, parse_positive_duration};

pub mod entries;

/// The path before the version, as the vendor documents it.
pub const METRICS_PATH: &str = "/metrics-api";

/// The categories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CategoryName {
    /// Conversations with an application.
    Dialogs,
    /// Calls and chats.
    Sessions,
    /// Invocations of miniApps.
    Miniapps,
    /// All categories of the API version.
    All,
}

/// How requests send a key of `--by`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ByStyle {
    /// As a filter with an empty list: "K":[].
    Empty,
    /// Not at all: the request has only "drilldown":true.
    Omit,
}

/// The first day of a week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WeekStart {
    /// Monday.
    Mon,
    /// Sunday.
    Sun,
}

/// The flags that select what to count.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Question")]
pub struct QuestionArgs {
    /// What to count. May be repeated.
    #[arg(value_name = "CATEGORY", required = true)]
    pub categories: Vec<CategoryName>,

    /// The OCP group. May be repeated: each group is requested separately.
    #[arg(long, value_name = "G", required = true, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub group: Vec<String>,

    /// Request only metric M; `ocp-metrics catalogue` lists the metrics. May be repeated. [default:
    /// all metrics of the category]
    #[arg(long, value_name = "M")]
    pub metric: Vec<String>,

    /// Count only the dialogs, sessions or invocations whose key K has the value V. May be
    /// repeated, also for several values of one key. `K=` sends an empty list. The key test_flag
    /// takes true or false; without this filter, real-time numbers include test calls. Batch
    /// numbers always include test calls.
    #[arg(long, value_name = "K=V")]
    pub filter: Vec<String>,

    /// Get a separate series for each value of the key K. May be repeated. For test_flag two
    /// requests are sent, one with true and one with false.
    #[arg(long, value_name = "K")]
    pub by: Vec<String>,

    /// How requests send the K of --by, which the vendor does not document. The run warns if the
    /// reply has no K.
    #[arg(long, value_name = "STYLE", default_value = "empty")]
    pub by_style: ByStyle,

    /// The length of a bucket. [default: hour in batch, five_min in realtime]
    #[arg(long, value_name = "STEP")]
    pub step: Option<BucketStep>,

    /// The time zone of days, weeks, months and years, for example America/New_York. Not for
    /// five_min and hour: when clocks go back, two hours would look the same.
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub timezone: String,

    /// The first day of a week.
    #[arg(long, value_name = "DAY", default_value = "mon")]
    pub week_start: WeekStart,

    /// The longest range of one request. A range that is too large for the service is halved.
    /// [default: in batch 7d with --step hour and 120d with --step day, else the whole range]
    #[arg(long, value_name = "DUR", value_parser = parse_positive_duration)]
    pub window: Option<Duration>,

    /// A row is settled (no longer expected to grow) when its bucket ended at least DUR ago.
    /// [default: 2h in batch, 2h10m in realtime]
    #[arg(long, value_name = "DUR", value_parser = parse_duration)]
    pub settle: Option<Duration>,
}

/// The flags of the API.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Service")]
pub struct MetricsServiceArgs {
    /// The version of the Metrics API: v3, v2 or any other text.
    #[arg(long, value_name = "V", default_value = "v3")]
    pub api: String,

    /// The base URL of the analytics host [default: the region's]
    #[arg(long, value_name = "URL", env = "OCP_API_URL", value_parser = parse_url)]
    pub api_url: Option<Url>,

    /// The path of the API before the version.
    #[arg(long, value_name = "PATH", default_value = METRICS_PATH)]
    pub path_prefix: String,

    /// If the service refuses a request for several metrics (HTTP 400 or 422), request each metric
    /// separately.
    #[arg(long)]
    pub each_metric: bool,

    /// How far back the service keeps numbers. [default: 48h minus 10m in realtime, 720d minus 1h
    /// in batch]
    #[arg(long, value_name = "DUR", value_parser = parse_positive_duration)]
    pub max_age: Option<Duration>,

    /// If a part of the range is older than --max-age, exit with status 69 instead of reading the
    /// newer part.
    #[arg(long)]
    pub strict: bool,

    /// Tolerate N missing buckets in this run. A bucket is missing if its series has an earlier and
    /// a later bucket, but not this one. With more than N missing buckets, the run exits with
    /// status 65.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub max_gap: u64,

    /// Write a missing bucket as a row with value 0 and "assumed":true.
    #[arg(long, conflicts_with = "max_gap")]
    pub assume_zero: bool,
}

/// The queries for one group and category. Each entry has its own position in a state.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The category and the group, for example `dialogs/acme`.
    pub name: String,
    /// One query, or two with `--by test_flag`.
    pub questions: Vec<Question>,
}

impl MetricsServiceArgs {
    /// The URL of the API: `base` with `path_prefix` appended.
    pub fn url(&self, base: &Url) -> Url {
        join_path(base, &self.path_prefix)
    }
}
