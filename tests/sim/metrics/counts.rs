//! Random counts, the same in every run: for each combination of tags a few events in each bucket,
//! each of them known some time after it happened.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::Knobs;
use super::calendar::Bucket;
use crate::sim::prng::Prng;

/// One combination of all tags.
#[derive(Clone, PartialEq)]
pub struct Leaf {
    channel: &'static str,
    flow: String,
    is_test: bool,
}

impl Leaf {
    pub fn all(flows: usize) -> Vec<Leaf> {
        let mut all = Vec::new();
        for channel in ["chat", "omIVR"] {
            for flow in 0..flows {
                for is_test in [false, true] {
                    let flow = format!("acme_{flow}");
                    all.push(Leaf {
                        channel,
                        flow,
                        is_test,
                    });
                }
            }
        }
        all
    }

    fn value(&self, key: &str) -> Option<&str> {
        match key {
            "channel" => Some(self.channel),
            "flow_name" | "miniapp_name" => Some(&self.flow),
            "locale" | "language" => Some("en-US"),
            "region" => Some("us"),
            _ => None,
        }
    }

    pub fn passes(&self, filters: &Value) -> bool {
        let mut filters = filters.as_object().into_iter().flatten();
        filters.all(|(key, wanted)| match wanted {
            Value::Bool(wanted) => *wanted == self.is_test,
            Value::Array(wanted) if !wanted.is_empty() => self
                .value(key)
                .is_none_or(|value| wanted.iter().any(|one| one == value)),
            _ => true,
        })
    }

    /// Adds the tags that the request names.
    pub fn tag(&self, filters: &Value, tags: &mut Value) {
        for key in filters
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, _)| key)
        {
            if let Some(value) = self.value(key) {
                tags[key] = value.into();
            }
        }
    }

    pub fn count(
        &self,
        knobs: &Knobs,
        source: &str,
        group: &str,
        metric: &str,
        bucket: &Bucket,
        known: DateTime<Utc>,
    ) -> u64 {
        let grain = match source {
            "realtime" => TimeDelta::minutes(5),
            _ => TimeDelta::hours(1),
        };
        let mut count = 0;
        let mut from = bucket.from;
        while from < bucket.to {
            let name = format!("{}{}{}", self.channel, self.flow, self.is_test);
            let at = from.timestamp().to_string();
            let mut die = Prng::seeded(&[&knobs.seed, source, group, metric, &name, &at]);
            for _ in 0..die.below(3) {
                let offset = die.below(grain.num_seconds() as u64);
                let late = die.below(knobs.lateness.num_seconds().max(1) as u64);
                let known_at = from + TimeDelta::seconds((offset + late) as i64);
                count += u64::from(known_at <= known);
            }
            from += grain;
        }
        count
    }
}
