//! The parameters of `GET /sa/call`, as the vendor documents them.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use super::wire::WireFormat;
use crate::net::http::{Url, join_path};
use crate::time::Timestamp;

/// The vendor's script once left out `toTime` and added the year 2525 the day after, so
/// both limits are sent, or none.
const LATEST: &str = "2525-01-01T00:00:00Z";
const EARLIEST: &str = "1970-01-01T00:00:00Z";

/// How several values of one filter are sent to the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ArrayStyle {
    /// `agentId=a&agentId=b`, as in the vendor's article.
    Repeat,
    /// `agentId=a,b`, as the vendor's SDK does.
    Comma,
}

/// Which calls.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Filters")]
pub struct Filters {
    /// Only calls of the agent with this id. May be repeated.
    #[arg(long, value_name = "ID")]
    pub agent: Vec<String>,

    /// Only calls of the queue with this id. May be repeated.
    #[arg(long, value_name = "ID")]
    pub queue: Vec<String>,

    /// Only calls of the AIVR app (voicebot) with this id. May be repeated.
    #[arg(long, value_name = "ID")]
    pub aivr_app: Vec<String>,

    /// Only calls from TIME on. Older calls are never exported with this state.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub from_time: Option<String>,

    /// Only calls up to TIME.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub to_time: Option<String>,

    /// How several ids are sent.
    #[arg(long, value_name = "STYLE", default_value = "repeat")]
    pub array_style: ArrayStyle,
}

impl Filters {
    /// The settings that a state depends on.
    pub fn settings(&self) -> Map<String, Value> {
        let list = |values: &[String]| {
            let mut values = values.to_vec();
            values.sort();
            Value::from(values)
        };
        let mut settings = Map::new();
        let mut set = |name: &str, value: Value| settings.insert(name.to_owned(), value);
        set("agent", list(&self.agent));
        set("queue", list(&self.queue));
        set("aivr_app", list(&self.aivr_app));
        set("from_time", self.from_time.clone().into());
        set("to_time", self.to_time.clone().into());
        settings
    }
}

/// The filters with their times read, at an address.
#[derive(Clone, Debug)]
pub struct CallScope {
    url: Url,
    filters: Filters,
    times: Option<(Timestamp, Timestamp)>,
}

/// Which calls of the scope, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PagePosition {
    /// Finished calls with ids above this, ascending, up to the first unfinished one.
    After(u64),
    /// All calls by descending id, without the first so many.
    Newest(u64),
    /// Calls of a period by ascending id, without the first so many.
    Between(Timestamp, Timestamp, u64),
}

impl CallScope {
    /// The calls below `base` that pass the filters. Status 2 for a time that cannot be
    /// read.
    pub fn new(base: &Url, filters: &Filters, now: Timestamp) -> anyhow::Result<CallScope> {
        let read = |flag: &str, text: &Option<String>, default: &str| {
            let text = text.as_deref().unwrap_or(default);
            crate::cli::args::time(flag, text, now)
        };
        let from = read("--from-time", &filters.from_time, EARLIEST)?;
        let to = read("--to-time", &filters.to_time, LATEST)?;
        if from >= to {
            return Err(crate::error::usage(format!(
                "--from-time {from} is not before --to-time {to}"
            )));
        }
        let filtered = filters.from_time.is_some() || filters.to_time.is_some();
        Ok(CallScope {
            url: join_path(base, "/sa/call"),
            filters: filters.clone(),
            times: filtered.then_some((from, to)),
        })
    }

    /// The address without a query, for messages.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// The period that is in both the filters and `from..to`.
    fn overlap(&self, from: Timestamp, to: Timestamp) -> (Timestamp, Timestamp) {
        match self.times {
            None => (from, to),
            Some((first, last)) => (from.max(first), to.min(last)),
        }
    }

    /// The address of one page of at most `size` calls.
    pub(super) fn page(&self, place: PagePosition, size: u64, wire: WireFormat) -> Url {
        let mut url = self.url.clone();
        url.set_query(None);
        let mut query = url.query_pairs_mut();
        let format = match wire {
            WireFormat::Json => "json",
            WireFormat::Csv => "csv",
        };
        query.append_pair("format", format);
        let (times, skipped) = match place {
            PagePosition::After(cursor) => {
                query.append_pair("consecutive", "true");
                query.append_pair("afterCallId", &cursor.to_string());
                (self.times, 0)
            }
            PagePosition::Newest(skipped) => {
                query.append_pair("consecutive", "false");
                query.append_pair("sort_by", "documentId");
                query.append_pair("sort_dir", "desc");
                (self.times, skipped)
            }
            PagePosition::Between(from, to, skipped) => {
                query.append_pair("consecutive", "false");
                query.append_pair("sort_by", "documentId");
                query.append_pair("sort_dir", "asc");
                (Some(self.overlap(from, to)), skipped)
            }
        };
        // Page numbers count pages of the size that is asked for.
        query.append_pair("page", &(skipped / size + 1).to_string());
        query.append_pair("per_page", &size.to_string());
        if let Some((from, to)) = times {
            query.append_pair("fromTime", &from.rfc3339_seconds());
            query.append_pair("toTime", &to.rfc3339_seconds());
        }
        let filters = &self.filters;
        for (name, values) in [
            ("agentId", &filters.agent),
            ("queueId", &filters.queue),
            ("aivrAppId", &filters.aivr_app),
        ] {
            match filters.array_style {
                ArrayStyle::Comma if !values.is_empty() => {
                    query.append_pair(name, &values.join(","));
                }
                _ => {
                    for value in values {
                        query.append_pair(name, value);
                    }
                }
            }
        }
        drop(query);
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::http::parse_url;

    const NOW: Timestamp = Timestamp::from_millis(1_795_176_000_000);

    fn filters() -> Filters {
        Filters {
            agent: vec![],
            queue: vec![],
            aivr_app: vec![],
            from_time: None,
            to_time: None,
            array_style: ArrayStyle::Repeat,
        }
    }

    fn query(filters: &Filters, place: PagePosition) -> String {
        let base = parse_url("https://edge.example:31443/ascalon-web-api/").unwrap();
        let scope = CallScope::new(&base, filters, NOW).unwrap();
        scope.page(place, 10, WireFormat::Json).to_string()
    }

    #[test]
    fn the_walk_never_turns_a_page_and_never_sorts() {
        assert_eq!(
            query(&filters(), PagePosition::After(14602)),
            "https://edge.example:31443/ascalon-web-api/sa/call?format=json&consecutive=true&afterCallId=14602&page=1&per_page=10"
        );
    }

    #[test]
    fn times_go_in_pairs_and_in_seconds_and_everything_is_encoded() {
        let mut filters = filters();
        filters.from_time = Some("2026-11-01T02:00:00.5+02:00".to_owned());
        filters.agent = vec!["a b&c".to_owned(), "d+".to_owned()];
        let text = query(&filters, PagePosition::After(0));
        let tail = "&fromTime=2026-11-01T00%3A00%3A00Z&toTime=2525-01-01T00%3A00%3A00Z&agentId=a+b%26c&agentId=d%2B";
        assert!(text.ends_with(tail), "{text}");
        filters.array_style = ArrayStyle::Comma;
        let text = query(&filters, PagePosition::After(0));
        assert!(text.ends_with("&agentId=a+b%26c%2Cd%2B"), "{text}");
        filters.to_time = Some("2026-10-01".to_owned());
        let base = parse_url("https://x.example").unwrap();
        assert!(CallScope::new(&base, &filters, NOW).is_err());
    }

    #[test]
    fn a_page_number_counts_pages_of_the_size_asked_for() {
        let text = query(&filters(), PagePosition::Newest(30));
        assert!(text.ends_with("sort_dir=desc&page=4&per_page=10"), "{text}");
        let week = NOW.minus(std::time::Duration::from_secs(7 * 86_400));
        let text = query(&filters(), PagePosition::Between(week, NOW, 0));
        assert!(
            text.contains("page=1&per_page=10&fromTime=2026-11-13T"),
            "{text}"
        );
    }
}
