//! What is asked, as flags, and the questions that they mean.

use std::time::Duration;

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use super::catalogue::{self, Category, Source};
use super::question::{FilterValue, Filters, Question, Step};
use crate::error;
use crate::net::http::{Url, join_path, parse_url};
use crate::time::{Zone, parse_duration, parse_positive_duration};

/// Which categories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CategoryName {
    /// Conversations with an application.
    Dialogs,
    /// Calls and chats.
    Sessions,
    /// Invocations of miniApps.
    Miniapps,
    /// All that the version has.
    All,
}

/// How a key without values is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ByStyle {
    /// With an empty list: "K":[].
    Empty,
    /// Not at all: only drilldown is set.
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

/// What to ask.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Question")]
pub struct QuestionArgs {
    /// What to count. May be repeated.
    #[arg(value_name = "CATEGORY", required = true)]
    pub categories: Vec<CategoryName>,

    /// The OCP group. May be repeated: each group is asked for by itself.
    #[arg(long, value_name = "G", required = true, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub group: Vec<String>,

    /// Ask only for metric M; `ocp-metrics catalogue` lists them. May be repeated.
    /// [default: all of the category]
    #[arg(long, value_name = "M")]
    pub metric: Vec<String>,

    /// Count only what has the value V for K. Repeat it for several values of one key.
    /// `K=` sends an empty list. test_flag takes true or false; without it real-time
    /// numbers hold test calls, and batch numbers always do.
    #[arg(long, value_name = "K=V")]
    pub filter: Vec<String>,

    /// A series for each value of K. May be repeated. test_flag is asked for in two
    /// requests, true and false.
    #[arg(long, value_name = "K")]
    pub by: Vec<String>,

    /// How the K of --by is sent: as an empty list, or left out. The vendor does not
    /// document it; the run warns if the reply has no K.
    #[arg(long, value_name = "STYLE", default_value = "empty")]
    pub by_style: ByStyle,

    /// The length of a bucket. [default: hour in batch, five_min in realtime]
    #[arg(long, value_name = "STEP")]
    pub step: Option<Step>,

    /// The zone whose days, weeks, months and years are counted, as America/New_York.
    /// Not for five_min and hour: an hour that the clocks go through twice could not be
    /// told from the other.
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub timezone: String,

    /// The day that a week begins on.
    #[arg(long, value_name = "DAY", default_value = "mon")]
    pub week_start: WeekStart,

    /// Most time in one request. A window that is too much for the service is halved.
    /// [default: 7d by hour, 120d by day, else everything]
    #[arg(long, value_name = "DUR", value_parser = parse_positive_duration)]
    pub window: Option<Duration>,

    /// A row is settled when its bucket ended so long ago. [default: 2h in batch, 2h10m
    /// in realtime]
    #[arg(long, value_name = "DUR", value_parser = parse_duration)]
    pub settle: Option<Duration>,
}

/// Where to ask.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Service")]
pub struct ServiceArgs {
    /// The version of the Metrics API: v3, v2 or any other text.
    #[arg(long, value_name = "V", default_value = "v3")]
    pub api: String,

    /// The base URL of the analytics host [default: the region's]
    #[arg(long, value_name = "URL", env = "OCP_API_URL", value_parser = parse_url)]
    pub api_url: Option<Url>,

    /// The path before the version.
    #[arg(long, value_name = "PATH", default_value = "/metrics-api")]
    pub path_prefix: String,

    /// If the service answers 400 to a request for several metrics, ask for each metric
    /// by itself.
    #[arg(long)]
    pub each_metric: bool,

    /// How far back the service keeps numbers. [default: 48h less 10m in realtime, 720d
    /// less 1h in batch]
    #[arg(long, value_name = "DUR", value_parser = parse_positive_duration)]
    pub max_age: Option<Duration>,

    /// If a part of the range is older than --max-age, end with status 69 instead of
    /// reading the rest.
    #[arg(long)]
    pub strict: bool,

    /// Tolerate N missing buckets in this run. A bucket is missing if its series has one
    /// before it and one after it. With more the run ends with status 65.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub max_gap: u64,

    /// Write a missing bucket as a row with value 0 and "assumed":true.
    #[arg(long, conflicts_with = "max_gap")]
    pub assume_zero: bool,
}

/// What is asked for one group and one category: one cursor in a state.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Category and group.
    pub name: String,
    /// One, or two where `--by test_flag` divides it.
    pub questions: Vec<Question>,
}

impl ServiceArgs {
    /// Where the API is below the base URL.
    pub fn url(&self, base: &Url) -> Url {
        join_path(base, &self.path_prefix)
    }
}

impl QuestionArgs {
    /// The step, given or by default. Status 2 if the source does not have it, or if it
    /// does not go with the zone.
    pub fn step(&self, source: Source) -> anyhow::Result<Step> {
        let step = self.step.unwrap_or(match source {
            Source::Realtime => Step::FiveMin,
            Source::Batch => Step::Hour,
        });
        step.check(source)?;
        if matches!(step, Step::FiveMin | Step::Hour) && self.timezone != "UTC" {
            return Err(error::usage(format!(
                "--timezone does not go with --step {}: these buckets are asked for in UTC",
                step.word()
            )));
        }
        Ok(step)
    }

    /// The most of time for one request; `None` for everything.
    pub fn window(&self, source: Source, step: Step) -> Option<Duration> {
        let days = |days: u64| Some(Duration::from_secs(days * 86_400));
        self.window.or_else(|| match (source, step) {
            (Source::Batch, Step::Hour) => days(7),
            (Source::Batch, Step::Day) => days(120),
            _ => None,
        })
    }

    /// The questions: by category, then by group. Warns about names that the vendor
    /// does not document.
    pub fn entries(&self, source: Source, api: &str) -> anyhow::Result<Vec<Entry>> {
        let step = self.step(source)?;
        let zone: Zone = self
            .timezone
            .parse()
            .map_err(|e| error::usage(format!("--timezone: {e}")))?;
        let first = match self.week_start {
            WeekStart::Mon => 0,
            WeekStart::Sun => 6,
        };
        let (filters, flags) = self.filters()?;
        let categories = self.categories(source, api)?;
        let mut entries = Vec::new();
        for category in &categories {
            let metrics = self.metrics(source, api, *category, &categories);
            if metrics.is_empty() {
                continue;
            }
            warn_about(source, api, *category, step, &metrics, &self.keys(&filters));
            for group in &self.group {
                let ask = |flag: &Option<bool>| {
                    let mut filters = filters.clone();
                    if let Some(flag) = flag {
                        filters.insert(TEST_FLAG.to_owned(), FilterValue::Flag(*flag));
                    }
                    Question {
                        api: api.to_owned(),
                        source,
                        category: *category,
                        group: group.clone(),
                        metrics: metrics.clone(),
                        filters,
                        drilldown: !self.by.is_empty(),
                        step,
                        timezone: self.timezone.clone(),
                        calendar: step.calendar(zone, first),
                    }
                };
                entries.push(Entry {
                    name: format!("{}/{group}", category.word()),
                    questions: flags.iter().map(ask).collect(),
                });
            }
        }
        if entries.is_empty() {
            return Err(error::usage(
                "no category that is asked for has a metric that is asked for: see ocp-metrics catalogue",
            ));
        }
        Ok(entries)
    }

    /// What a state depends on.
    pub fn settings(
        &self,
        source: Source,
        service: &ServiceArgs,
        url: &Url,
    ) -> anyhow::Result<Map<String, Value>> {
        let (filters, flags) = self.filters()?;
        let settings = json!({
            "source": source,
            "api": service.api,
            "api_url": url.as_str(),
            "metrics": self.metric,
            "filters": filters,
            "test_flag": flags,
            "drilldown": !self.by.is_empty(),
            "by": self.by,
            "step": self.step(source)?,
            "timezone": self.timezone,
        });
        match settings {
            Value::Object(settings) => Ok(settings),
            _ => Ok(Map::new()),
        }
    }

    fn categories(&self, source: Source, api: &str) -> anyhow::Result<Vec<Category>> {
        let is_asked = |category: &Category| {
            self.categories.iter().any(|name| {
                let named = match name {
                    CategoryName::Dialogs => Category::Dialogs,
                    CategoryName::Sessions => Category::Sessions,
                    CategoryName::Miniapps => Category::Miniapps,
                    CategoryName::All => return true,
                };
                named == *category
            })
        };
        let asked = Category::ALL.into_iter().filter(is_asked);
        let (known, unknown): (Vec<_>, Vec<_>) =
            asked.partition(|category| catalogue::endpoint(api, source, *category).is_some());
        let is_named = self.categories.contains(&CategoryName::Miniapps);
        if !unknown.is_empty() && is_named {
            return Err(error::usage(
                "v2 has no realtime miniapps: ask for realtime dialogs, which hold miniapps_invocations and others there, or use --api v3",
            ));
        }
        Ok(known)
    }

    /// Of those that are asked for the ones of this category, and those that no category
    /// has.
    fn metrics(
        &self,
        source: Source,
        api: &str,
        category: Category,
        categories: &[Category],
    ) -> Vec<String> {
        let names = |category: Category| {
            let endpoint = catalogue::endpoint(api, source, category);
            let metrics = endpoint.map_or(&[][..], |endpoint| endpoint.metrics);
            metrics.iter().map(|metric| metric.name)
        };
        if self.metric.is_empty() {
            return names(category).map(str::to_owned).collect();
        }
        let is_of = |metric: &str, category| names(category).any(|name| name == metric);
        let belongs = |metric: &&String| {
            is_of(metric, category) || !categories.iter().any(|other| is_of(metric, *other))
        };
        self.metric.iter().filter(belongs).cloned().collect()
    }

    /// The filters of every request, and the values of `test_flag` that are asked for
    /// one after the other.
    fn filters(&self) -> anyhow::Result<(Filters, Vec<Option<bool>>)> {
        let mut filters = Filters::new();
        for filter in &self.filter {
            let Some((key, value)) = filter.split_once('=') else {
                return Err(error::usage(format!("--filter {filter}: use K=V")));
            };
            if key == TEST_FLAG {
                let flag = value.parse().map_err(|_| {
                    error::usage(format!("--filter {filter}: test_flag is true or false"))
                })?;
                filters.insert(key.to_owned(), FilterValue::Flag(flag));
                continue;
            }
            let values = filters
                .entry(key.to_owned())
                .or_insert_with(|| FilterValue::Any(Vec::new()));
            if let FilterValue::Any(values) = values
                && !value.is_empty()
            {
                values.push(value.to_owned());
            }
        }
        let mut flags = vec![None];
        for key in &self.by {
            match (key == TEST_FLAG, self.by_style) {
                (true, _) if filters.contains_key(key) => {}
                (true, _) => flags = vec![Some(true), Some(false)],
                (false, ByStyle::Empty) => {
                    let values = filters.entry(key.clone());
                    values.or_insert_with(|| FilterValue::Any(Vec::new()));
                }
                (false, ByStyle::Omit) => {}
            }
        }
        Ok((filters, flags))
    }

    fn keys<'a>(&'a self, filters: &'a Filters) -> Vec<&'a str> {
        let mut keys: Vec<&str> = filters.keys().map(String::as_str).collect();
        keys.extend(self.by.iter().map(String::as_str));
        keys.sort_unstable();
        keys.dedup();
        keys
    }
}

const TEST_FLAG: &str = "test_flag";

fn warn_about(
    source: Source,
    api: &str,
    category: Category,
    step: Step,
    metrics: &[String],
    keys: &[&str],
) {
    let Some(endpoint) = catalogue::endpoint(api, source, category) else {
        return;
    };
    let place = format!("{} {}", source.word(), category.word());
    for key in keys.iter().filter(|key| !endpoint.filters.contains(key)) {
        log::warn!(
            "{place}: the vendor documents no filter '{key}' here and may ignore it; there are {}",
            endpoint.filters.join(", ")
        );
    }
    for metric in metrics {
        match endpoint.metrics.iter().find(|known| known.name == *metric) {
            None => log::warn!(
                "{place}: the vendor documents no metric '{metric}' here; see ocp-metrics catalogue"
            ),
            Some(known) if known.additive == catalogue::Additive::No && step != Step::FiveMin => {
                log::warn!(
                    "{place}: {metric} by {} counts a session once for each five minutes that it lives in; use --step five_min",
                    step.word()
                );
            }
            Some(_) => {}
        }
    }
}
