//! Turns the flags into queries, and warns about names that the vendor does not document.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::catalogue::{self, Category, MetricsSource};
use super::super::question::{BucketStep, FilterValue, MetricsFilters, Question};
use super::{ByStyle, CategoryName, Entry, MetricsServiceArgs, QuestionArgs, WeekStart};
use crate::error;
use crate::net::http::Url;
use crate::time::zone::Zone;

const WEEK_START: &str = "week_start";

/// Settings that the states of older versions do not contain.
pub const LATER_SETTINGS: &[&str] = &[WEEK_START];

impl QuestionArgs {
    /// The step from the flags or the default. Fails with status 2 if the source does not offer the
    /// step, or if the step does not fit the time zone.
    pub fn step(&self, source: MetricsSource) -> anyhow::Result<BucketStep> {
        let step = self.step.unwrap_or(match source {
            MetricsSource::Realtime => BucketStep::FiveMin,
            MetricsSource::Batch => BucketStep::Hour,
        });
        step.check(source)?;
        if matches!(step, BucketStep::FiveMin | BucketStep::Hour) && self.timezone != "UTC" {
            return Err(error::usage(format!(
                "--timezone does not apply to --step {}: these buckets are in UTC",
                step.word()
            )));
        }
        Ok(step)
    }

    /// The longest range of time that one request covers; `None` for no limit.
    pub fn window(&self, source: MetricsSource, step: BucketStep) -> Option<Duration> {
        let days = |days: u64| Some(Duration::from_secs(days * 86_400));
        self.window.or_else(|| match (source, step) {
            (MetricsSource::Batch, BucketStep::Hour) => days(7),
            (MetricsSource::Batch, BucketStep::Day) => days(120),
            _ => None,
        })
    }

    /// The queries: for each category, one entry for each group. Warns about names that the vendor
    /// does not document.
    pub fn entries(&self, source: MetricsSource, api: &str) -> anyhow::Result<Vec<Entry>> {
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
                "none of these categories has any of these metrics: see ocp-metrics catalogue",
            ));
        }
        Ok(entries)
    }

    /// The settings of the run. A state is valid only for a run with the same settings.
    pub fn settings(
        &self,
        source: MetricsSource,
        service: &MetricsServiceArgs,
        url: &Url,
    ) -> anyhow::Result<Map<String, Value>> {
        let (filters, flags) = self.filters()?;
        let step = self.step(source)?;
        let mut settings = json!({
            "source": source,
            "api": service.api,
            "api_url": url.as_str(),
            "metrics": self.metric,
            "filters": filters,
            "test_flag": flags,
            "drilldown": !self.by.is_empty(),
            "by": self.by,
            "step": step,
            "timezone": self.timezone,
        });
        if step == BucketStep::Week {
            settings[WEEK_START] = match self.week_start {
                WeekStart::Mon => json!("mon"),
                WeekStart::Sun => json!("sun"),
            };
        }
        match settings {
            Value::Object(settings) => Ok(settings),
            _ => Ok(Map::new()),
        }
    }

    fn categories(&self, source: MetricsSource, api: &str) -> anyhow::Result<Vec<Category>> {
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
                "v2 has no realtime miniapps: use realtime dialogs, which have \
                 miniapps_invocations and others, or --api v3",
            ));
        }
        Ok(known)
    }

    /// The requested metrics that `category` has, and the requested metrics that none of the
    /// `categories` has. If the user requests no metric by name, all metrics of `category`.
    fn metrics(
        &self,
        source: MetricsSource,
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

    /// The filters that all requests contain, and a list with one element for each separate
    /// request: its value of `test_flag`, or `None`.
    fn filters(&self) -> anyhow::Result<(MetricsFilters, Vec<Option<bool>>)> {
        let mut filters = MetricsFilters::new();
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

    fn keys<'a>(&'a self, filters: &'a MetricsFilters) -> Vec<&'a str> {
        let mut keys: Vec<&str> = filters.keys().map(String::as_str).collect();
        keys.extend(self.by.iter().map(String::as_str));
        keys.sort_unstable();
        keys.dedup();
        keys
    }
}

const TEST_FLAG: &str = "test_flag";

fn warn_about(
    source: MetricsSource,
    api: &str,
    category: Category,
    step: BucketStep,
    metrics: &[String],
    keys: &[&str],
) {
    let Some(endpoint) = catalogue::endpoint(api, source, category) else {
        return;
    };
    let place = format!("{} {}", source.word(), category.word());
    for key in keys.iter().filter(|key| !endpoint.filters.contains(key)) {
        log::warn!(
            "{place}: the vendor documents no filter '{key}' here and may ignore it; documented: \
             {}",
            endpoint.filters.join(", ")
        );
    }
    for metric in metrics {
        match endpoint.metrics.iter().find(|known| known.name == *metric) {
            None => log::warn!(
                "{place}: the vendor documents no metric '{metric}' here; see ocp-metrics catalogue"
            ),
            Some(known)
                if known.additive == catalogue::Additive::No && step != BucketStep::FiveMin =>
            {
                log::warn!(
                    "{place}: {metric} by {} counts a session once for each five minutes in which \
                     it is active; use --step five_min",
                    step.word()
                );
            }
            Some(_) => {}
        }
    }
}
