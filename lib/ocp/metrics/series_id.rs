//! The id of a series: equal queries give equal ids on every machine.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::Serialize;
use serde_json::Value;

use super::catalogue::{Category, MetricsSource};
use super::question::{BucketStep, FilterValue, MetricsFilters, Question};
use crate::os::digest;

/// The first 64 bits of a digest; shown as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SeriesId(u64);

impl fmt::Display for SeriesId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Computes the ids of the series of one query, from a canonical text with sorted keys. The series
/// differ only in metric and tags. The text before, between and after metric and tags is built
/// once.
#[derive(Debug)]
pub(crate) struct SeriesIds {
    head: String,
    middle: String,
    tail: String,
    text: String,
}

#[derive(Serialize)]
struct Head<'a> {
    api: &'a str,
    category: Category,
    drilldown: bool,
    filters: &'a MetricsFilters,
    group: &'a str,
}

#[derive(Serialize)]
struct Middle {
    source: MetricsSource,
    step: BucketStep,
}

impl SeriesIds {
    /// Prepares the ids for the series of a query. Queries whose filters differ only in the order
    /// of the values give equal ids.
    pub(crate) fn of(question: &Question) -> anyhow::Result<SeriesIds> {
        let mut filters = question.filters.clone();
        for value in filters.values_mut() {
            if let FilterValue::Any(values) = value {
                values.sort();
            }
        }
        let head = canonical_of(&Head {
            api: &question.api,
            category: question.category,
            drilldown: question.drilldown,
            filters: &filters,
            group: &question.group,
        })?;
        let middle = canonical_of(&Middle {
            source: question.source,
            step: question.step,
        })?;
        let timezone = Value::from(question.timezone.as_str());
        Ok(SeriesIds {
            head: format!("{},\"metric\":", head.strip_suffix('}').unwrap_or(&head)),
            middle: format!(",{},\"tags\":", middle.trim_matches(['{', '}'])),
            tail: format!(",\"timezone\":{timezone}}}"),
            text: String::new(),
        })
    }

    /// The id of the series with this metric and these tags.
    pub(crate) fn id(&mut self, metric: &str, tags: &Value) -> SeriesId {
        let text = &mut self.text;
        text.clear();
        text.push_str(&self.head);
        let _ = write!(text, "{}", Value::from(metric));
        text.push_str(&self.middle);
        canonical(tags, text);
        text.push_str(&self.tail);
        let [a, b, c, d, e, f, g, h, ..] = digest::sha256_half(text.as_bytes());
        SeriesId(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }
}

fn canonical_of(part: &impl Serialize) -> anyhow::Result<String> {
    let mut text = String::new();
    canonical(&serde_json::to_value(part)?, &mut text);
    Ok(text)
}

/// Appends the JSON of a value to `text`, with sorted keys at every depth and without white space.
fn canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(object) => {
            let sorted: BTreeMap<&String, &Value> = object.iter().collect();
            text.push('{');
            for (at, (key, value)) in sorted.into_iter().enumerate() {
                let comma = if at == 0 { "" } else { "," };
                let _ = write!(text, "{comma}{}:", Value::from(key.as_str()));
                canonical(value, text);
            }
            text.push('}');
        }
        Value::Array(values) => {
            text.push('[');
            for (at, value) in values.iter().enumerate() {
                text.push_str(if at == 0 { "" } else { "," });
                canonical(value, text);
            }
            text.push(']');
        }
        other => {
            let _ = write!(text, "{other}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::zone::Zone;
    use serde_json::json;

    fn question() -> Question {
        let any = |values: &[&str]| {
            FilterValue::Any(values.iter().map(|value| (*value).to_owned()).collect())
        };
        Question {
            api: "v3".to_owned(),
            source: MetricsSource::Realtime,
            category: Category::Dialogs,
            group: "acme-prod".to_owned(),
            metrics: Vec::new(),
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

    fn id(question: &Question) -> String {
        let tags =
            json!({"channel":"omIVR","flow_name":"acme_main","locale":"en-US","group":"acme-prod"});
        let mut ids = SeriesIds::of(question).unwrap();
        ids.id("dialogs_completed", &tags).to_string()
    }

    #[test]
    fn a_series_has_the_same_id_everywhere() {
        let mut question = question();
        assert_eq!(id(&question), "b359d393755ceaaf");
        let two = |values: [&str; 2]| FilterValue::Any(values.map(str::to_owned).into());
        let mut with = |filter| {
            question.filters.insert("channel".to_owned(), filter);
            id(&question)
        };
        assert_eq!(with(two(["chat", "omIVR"])), with(two(["omIVR", "chat"])));
        assert_ne!(
            with(FilterValue::Flag(true)),
            with(FilterValue::Flag(false))
        );
    }
}
