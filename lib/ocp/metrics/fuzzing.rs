//! Fuzz target: a reply of the Metrics API.

use std::io::Write;
use std::path::Path;

use super::catalogue::{Category, MetricsSource};
use super::question::{BucketStep, MetricsFilters, Question};
use super::reply::MetricsReply;
use crate::os::unnamed;
use crate::time::Timestamp;
use crate::time::zone::Zone;

/// Checks that a reply that was found valid can be read again without an error.
pub(crate) fn metrics_reply(bytes: &[u8], directory: &Path) {
    let step = BucketStep::Hour;
    let zone = Zone::UTC;
    let question = Question {
        api: "v3".to_owned(),
        source: MetricsSource::Batch,
        category: Category::Dialogs,
        group: "g".to_owned(),
        metrics: vec!["m".to_owned()],
        filters: MetricsFilters::new(),
        drilldown: true,
        step,
        timezone: "UTC".to_owned(),
        calendar: step.calendar(zone, 0),
    };
    let mut file = unnamed::spooled_in(directory, 1 << 20);
    if file.write_all(bytes).is_err() {
        return;
    }
    if let Ok(mut reply) = MetricsReply::check(file, &question, Timestamp::from_millis(0)) {
        let again = reply.each_series(&question, |_| Ok(()));
        assert!(again.is_ok());
    }
}
