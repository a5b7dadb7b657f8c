//! Tests the Metrics API with the smallest request to each of its two sources.

use std::time::Duration;

use crate::cli::probe::{ProbeRequest, ProbeStep};
use crate::error::{self, Status};
use crate::export::window::Window;
use crate::ocp::metrics::api::MetricsApi;
use crate::ocp::metrics::catalogue::{self, Category, MetricsSource};
use crate::ocp::metrics::question::{BucketStep, MetricsFilters, Question};
use crate::time::zone::Zone;

/// The steps, each with the source that it tests.
pub(super) const ROLES: [(&str, MetricsSource); 2] = [
    ("metrics_realtime", MetricsSource::Realtime),
    ("metrics_batch", MetricsSource::Batch),
];

const VERSION: &str = "v3";
const HOUR: Duration = Duration::from_secs(3600);
/// The age of the requested hour. Both sources have numbers of this age.
const AGE: Duration = Duration::from_secs(5 * 3600);

/// Requests the number of calls and chats of an hour. The request is a POST that changes nothing.
pub(super) fn ask(
    api: &MetricsApi,
    group: &str,
    source: MetricsSource,
    step: &mut ProbeStep,
) -> anyhow::Result<()> {
    let question = question(group, source)?;
    let from = api.retry().now().minus(AGE).floor_hour();
    let window = Window::new(from, from.plus(HOUR));
    let window = window.ok_or_else(|| error::usage("the clock is out of range"))?;
    step.request = Some(ProbeRequest {
        method: "POST".to_owned(),
        url: api.request_url(&question).to_string(),
        headers: Vec::new(),
        body: Some(question.shown_body(window)?.to_string()),
    });
    match api.ask(&question, window, false) {
        Ok(_) => {
            step.found = format!("counts of {window}");
            Ok(())
        }
        Err(e) => {
            if Status::of(&e) == Status::Refused {
                step.advise(
                    &["--api-url"],
                    None,
                    "check --api-url; ocp-metrics takes another path by --path-prefix and another version by --api",
                );
            }
            Err(e)
        }
    }
}

fn question(group: &str, source: MetricsSource) -> anyhow::Result<Question> {
    let category = Category::Sessions;
    let endpoint = catalogue::endpoint(VERSION, source, category);
    let metrics = endpoint.iter().flat_map(|endpoint| endpoint.metrics);
    let timezone = "UTC".to_owned();
    let zone: Zone = timezone.parse()?;
    Ok(Question {
        api: VERSION.to_owned(),
        source,
        category,
        group: group.to_owned(),
        metrics: metrics
            .take(1)
            .map(|metric| metric.name.to_owned())
            .collect(),
        filters: MetricsFilters::new(),
        drilldown: false,
        step: BucketStep::Hour,
        calendar: BucketStep::Hour.calendar(zone, 0),
        timezone,
    })
}
