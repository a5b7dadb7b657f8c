//! The parameters of `GET /sa/call`, as the vendor documents them.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use super::wire::WireFormat;
use crate::net::http::{Url, join_path};
use crate::time::Timestamp;

/// How several values of one filter are sent to the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ArrayStyle {
    /// `agentId=a&agentId=b`, as in the vendor's article.
    Repeat,
    /// `agentId=a,b`, as the vendor's SDK does.
    Comma,
}

/// The fields by which calls can be sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SortField {
    /// The time when the call began.
    Time,
    /// The score of the call.
    Score,
    /// The id of the call.
    #[value(name = "documentId")]
    DocumentId,
}

impl SortField {
    fn name(self) -> &'static str {
        match self {
            SortField::Time => "time",
            SortField::Score => "score",
            SortField::DocumentId => "documentId",
        }
    }
}

/// The direction of sorting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SortDirection {
    /// Ascending.
    Asc,
    /// Descending.
    Desc,
}

impl SortDirection {
    fn name(self) -> &'static str {
        match self {
            SortDirection::Asc => "asc",
            SortDirection::Desc => "desc",
        }
    }
}

/// The flags that select calls.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Filters")]
pub struct Filters {
    /// Only calls of the agent with this id: the field agent.agentId of a call (agent.id in CSV),
    /// not a name, an e-mail address or a userId. May be repeated.
    #[arg(long, value_name = "ID")]
    pub agent: Vec<String>,

    /// Only calls of the queue with this id: the field queue.queueId of a call (queue.id in CSV),
    /// not the name of the queue. May be repeated.
    #[arg(long, value_name = "ID")]
    pub queue: Vec<String>,

    /// Only calls of the AIVR app (voicebot) with this id. May be repeated.
    #[arg(long, value_name = "ID")]
    pub aivr_app: Vec<String>,

    /// Only calls from TIME on. TIME is RFC 3339 (milliseconds count), a date, -7d, yesterday or
    /// today (in UTC). No run with the same --state exports older calls.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub from_time: Option<String>,

    /// Only calls up to TIME. Without this flag no end time is sent; the vendor's own script sends
    /// the year 2525.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub to_time: Option<String>,

    /// List the calls in the order of FIELD, without a cursor. Unfinished calls are included. If a
    /// call is deleted during the run, another call may be left out. May be repeated.
    #[arg(long, value_name = "FIELD", conflicts_with_all = ["state", "after", "import_config"])]
    pub sort_by: Vec<SortField>,

    /// The direction of each --sort-by. [default: asc]
    #[arg(long, value_name = "DIR", requires = "sort_by")]
    pub sort_dir: Vec<SortDirection>,

    /// How several ids of one filter (for example --agent) are sent.
    #[arg(long, value_name = "STYLE", default_value = "repeat")]
    pub array_style: ArrayStyle,
}

impl Filters {
    /// Filters that all calls pass.
    pub(super) fn none() -> Filters {
        Filters {
            agent: vec![],
            queue: vec![],
            aivr_app: vec![],
            from_time: None,
            to_time: None,
            sort_by: vec![],
            sort_dir: vec![],
            array_style: ArrayStyle::Repeat,
        }
    }

    /// Whether the calls are listed, without a cursor.
    pub fn sorts(&self) -> bool {
        !self.sort_by.is_empty()
    }

    /// Warns about values that cannot be ids: the service would find no calls for them.
    pub fn warn(&self) {
        for (flag, field, values) in [
            ("--agent", "agent.agentId", &self.agent),
            ("--queue", "queue.queueId", &self.queue),
            ("--aivr-app", "aivrAppId", &self.aivr_app),
        ] {
            for value in values.iter().filter(|value| !may_be_id(value)) {
                log::warn!(
                    "{flag} '{value}': this does not look like an id; give the {field} of a \
                    call"
                );
            }
        }
    }

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

/// The address of the API, and the filters with their times parsed.
#[derive(Clone, Debug)]
pub struct CallScope {
    url: Url,
    filters: Filters,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

/// The calls of a page, and their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PagePosition {
    /// Finished calls with ids above this id, by ascending id, up to the first unfinished call.
    After(u64),
    /// All calls by descending id, without the first N.
    Newest(u64),
    /// Calls of a period by ascending id, without the first N.
    Between(Timestamp, Timestamp, u64),
    /// All calls in the order that the user chose, without the first N.
    Sorted(u64),
}

impl CallScope {
    /// The calls of the API at `base` that pass the filters. An error with status 2 if the filters
    /// are not valid.
    pub fn new(base: &Url, filters: &Filters, now: Timestamp) -> anyhow::Result<CallScope> {
        let read = |flag: &str, text: &Option<String>| {
            let text = text.as_deref();
            text.map(|text| crate::cli::args::time(flag, text, now))
                .transpose()
        };
        let from = read("--from-time", &filters.from_time)?;
        let to = read("--to-time", &filters.to_time)?;
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            return Err(crate::error::usage(format!(
                "--from-time {from} is not before --to-time {to}"
            )));
        }
        if !filters.sort_dir.is_empty() && filters.sort_dir.len() != filters.sort_by.len() {
            return Err(crate::error::usage(
                "--sort-dir: give one for each --sort-by, or none",
            ));
        }
        Ok(CallScope {
            url: join_path(base, "/sa/call"),
            filters: filters.clone(),
            from,
            to,
        })
    }

    /// The address without a query, for errors and logs.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// The period that is in both the filters and `from..to`, in whole seconds.
    fn overlap(&self, from: Timestamp, to: Timestamp) -> (Option<Timestamp>, Option<Timestamp>) {
        let (from, to) = (from.floor_second(), to.floor_second());
        (
            Some(self.from.map_or(from, |first| from.max(first))),
            Some(self.to.map_or(to, |last| to.min(last))),
        )
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
        let filters = &self.filters;
        let list = |name: &'static str, values: &[&str]| {
            let joined = match filters.array_style {
                ArrayStyle::Comma if !values.is_empty() => vec![values.join(",")],
                _ => values.iter().map(|value| (*value).to_owned()).collect(),
            };
            joined.into_iter().map(move |value| (name, value))
        };
        let ((from, to), skipped) = match place {
            PagePosition::After(cursor) => {
                query.append_pair("consecutive", "true");
                query.append_pair("afterCallId", &cursor.to_string());
                ((self.from, self.to), 0)
            }
            PagePosition::Newest(skipped) => {
                query.append_pair("consecutive", "false");
                query.append_pair("sort_by", "documentId");
                query.append_pair("sort_dir", "desc");
                ((self.from, self.to), skipped)
            }
            PagePosition::Sorted(skipped) => {
                query.append_pair("consecutive", "false");
                let (by, directions) = (&filters.sort_by, &filters.sort_dir);
                let ascends = std::iter::repeat_n(SortDirection::Asc, by.len());
                let directions = directions.iter().copied().chain(ascends).take(by.len());
                let by: Vec<&str> = by.iter().map(|field| field.name()).collect();
                let directions: Vec<&str> = directions.map(SortDirection::name).collect();
                query.extend_pairs(list("sort_by", &by));
                query.extend_pairs(list("sort_dir", &directions));
                ((self.from, self.to), skipped)
            }
            PagePosition::Between(from, to, skipped) => {
                query.append_pair("consecutive", "false");
                query.append_pair("sort_by", "documentId");
                query.append_pair("sort_dir", "asc");
                (self.overlap(from, to), skipped)
            }
        };
        // Page numbers count pages of the requested size.
        query.append_pair("page", &(skipped / size + 1).to_string());
        query.append_pair("per_page", &size.to_string());
        // A time has a fraction only if the user gave one: services before 1.129 read no fractions.
        for (name, time) in [("fromTime", from), ("toTime", to)] {
            if let Some(time) = time {
                query.append_pair(name, &time.rfc3339());
            }
        }
        for (name, values) in [
            ("agentId", &filters.agent),
            ("queueId", &filters.queue),
            ("aivrAppId", &filters.aivr_app),
        ] {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            query.extend_pairs(list(name, &values));
        }
        drop(query);
        url
    }
}

/// Whether a text can be an id: a UUID, as the vendor's interface says, or a number, as
/// in its examples.
fn may_be_id(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    text.bytes().all(is_plain) && text.bytes().any(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::http::parse_url;

    const NOW: Timestamp = Timestamp::from_millis(1_795_176_000_000);

    fn query(filters: &Filters, place: PagePosition) -> String {
        let base = parse_url("https://edge.example:31443/ascalon-web-api/").unwrap();
        let scope = CallScope::new(&base, filters, NOW).unwrap();
        scope.page(place, 10, WireFormat::Json).to_string()
    }

    #[test]
    fn the_walk_never_turns_a_page_and_never_sorts() {
        assert_eq!(
            query(&Filters::none(), PagePosition::After(14602)),
            "https://edge.example:31443/ascalon-web-api/sa/call?format=json&consecutive=true&afterCallId=14602&page=1&per_page=10"
        );
    }

    #[test]
    fn a_time_that_is_given_is_sent_with_its_fraction_and_everything_is_encoded() {
        let mut filters = Filters::none();
        filters.from_time = Some("2026-11-01T02:00:00.5+02:00".to_owned());
        filters.agent = vec!["a b&c".to_owned(), "d+".to_owned()];
        let text = query(&filters, PagePosition::After(0));
        let tail =
            "&per_page=10&fromTime=2026-11-01T00%3A00%3A00.500Z&agentId=a+b%26c&agentId=d%2B";
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
        let text = query(&Filters::none(), PagePosition::Newest(30));
        assert!(text.ends_with("sort_dir=desc&page=4&per_page=10"), "{text}");
        let week = NOW.minus(std::time::Duration::from_secs(7 * 86_400));
        let text = query(&Filters::none(), PagePosition::Between(week, NOW, 0));
        assert!(
            text.contains("page=1&per_page=10&fromTime=2026-11-13T"),
            "{text}"
        );
    }
    #[test]
    fn a_list_is_sorted_as_it_is_wanted_and_has_no_cursor() {
        let mut filters = Filters::none();
        filters.sort_by = vec![SortField::Time, SortField::DocumentId];
        let text = query(&filters, PagePosition::Sorted(20));
        let tail = "?format=json&consecutive=false&sort_by=time&sort_by=documentId&sort_dir=asc&sort_dir=asc&page=3&per_page=10";
        assert!(text.ends_with(tail), "{text}");
        filters.sort_dir = vec![SortDirection::Desc];
        let base = parse_url("https://x.example").unwrap();
        assert!(CallScope::new(&base, &filters, NOW).is_err());
        filters.sort_dir.push(SortDirection::Asc);
        filters.array_style = ArrayStyle::Comma;
        let text = query(&filters, PagePosition::Sorted(0));
        assert!(
            text.contains("sort_by=time%2CdocumentId&sort_dir=desc%2Casc"),
            "{text}"
        );
    }

    #[test]
    fn a_name_is_no_id() {
        for id in ["436", "a000000000000001", "0b9c-11", "u_1"] {
            assert!(may_be_id(id), "{id}");
        }
        for name in ["Jane Doe", "Jane", "jane@example.test", "", "Q-Member"] {
            assert!(!may_be_id(name), "{name}");
        }
    }
}
