//! A reply of the Metrics API: an array of series.
//!
//! A reply is first copied to a file without a name. Its rows are returned only after the whole
//! reply was read and validated. Memory holds one series at a time.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::io::{self, Seek};
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::question::Question;
use super::series_id::{SeriesId, SeriesIds};
use crate::error;
use crate::json::array_stream::{ArrayError, ArrayStream};
use crate::json::lines::explain;
use crate::net::http::{NetError, Reply};
use crate::os::unnamed::{self, SpooledTempFile};
use crate::time::Timestamp;
use crate::time::zone::Zone;

/// A reply up to this size stays in memory.
const IN_MEMORY: usize = 1 << 20;

/// The largest reply, in bytes.
const LONGEST: u64 = 64 << 30;

/// Why no rows can be made from a reply.
#[derive(Debug)]
pub enum MetricsReplyError {
    /// The reply ended early.
    Cut(String),
    /// Receiving the reply failed, but not because the reply ended early.
    Net(NetError),
    /// The reply is an error message of the service, although its status is that of a success.
    Said(String),
    /// The reply is not an array of series.
    Other,
    /// The reply is an array of series, but its rows are contradictory, or this machine failed.
    Bad(anyhow::Error),
}

impl From<io::Error> for MetricsReplyError {
    fn from(e: io::Error) -> MetricsReplyError {
        MetricsReplyError::Bad(e.into())
    }
}

/// A complete, valid reply.
#[derive(Debug)]
pub struct MetricsReply {
    file: SpooledTempFile,
    /// The ids of all series, in the order of the reply. [`MetricsReply::check`] computes these
    /// ids.
    ids: Vec<SeriesId>,
    /// The time at which the service made the reply.
    pub as_of: Timestamp,
}

/// One series of a reply.
#[derive(Debug)]
pub(crate) struct Series<'a> {
    /// The name of the metric.
    pub metric: Cow<'a, str>,
    /// The tags as the service sent them.
    pub tags: &'a str,
    /// The tags, decoded.
    pub tag_values: Value,
    /// The id of the series.
    pub id: SeriesId,
    /// The start of each bucket and the text of its number, or `null`; sorted by time.
    pub points: Vec<(Timestamp, &'a str)>,
}

#[derive(Deserialize)]
struct Element<'a> {
    #[serde(borrow)]
    metric: Cow<'a, str>,
    #[serde(borrow, default)]
    tags: Option<&'a RawValue>,
    #[serde(borrow)]
    dps: Points<'a>,
}

/// An object with all its keys, including repeated keys.
struct Points<'a>(Vec<(ReplyKey<'a>, &'a RawValue)>);

#[derive(Deserialize)]
#[serde(transparent)]
struct ReplyKey<'a>(#[serde(borrow)] Cow<'a, str>);

/// The keys of the previous series, with the times that they name. Most series of a reply have the
/// same keys, so most keys need not be parsed again.
#[derive(Debug, Default)]
struct KnownKeys(Vec<(Box<str>, Timestamp)>);

impl KnownKeys {
    /// The time that a key names; `None` if the key is not a time. `at` is the position of the key
    /// in the series.
    fn time(&mut self, at: usize, key: &str, zone: Zone) -> Option<Timestamp> {
        match self.0.get_mut(at) {
            Some((known, time)) if **known == *key => Some(*time),
            Some(known) => {
                let time = zone.parse(key)?;
                *known = (key.into(), time);
                Some(time)
            }
            None => {
                let time = zone.parse(key)?;
                self.0.push((key.into(), time));
                Some(time)
            }
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Points<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Points<'a>, D::Error> {
        deserializer.deserialize_map(CollectPoints)
    }
}

struct CollectPoints;

impl<'de> Visitor<'de> for CollectPoints {
    type Value = Points<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of times and numbers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Points<'de>, A::Error> {
        let mut points = Vec::new();
        while let Some(point) = map.next_entry()? {
            points.push(point);
        }
        Ok(Points(points))
    }
}

impl MetricsReply {
    /// Reads and checks the whole reply to `question`.
    pub fn read(
        reply: &mut Reply,
        question: &Question,
        as_of: Timestamp,
        temp_dir: &Path,
    ) -> Result<MetricsReply, MetricsReplyError> {
        let mut file = unnamed::spooled_in(temp_dir, IN_MEMORY);
        match reply.copy_to(&mut file, LONGEST)? {
            Ok(_) => MetricsReply::check(file, question, as_of),
            Err(e) if e.passing => Err(MetricsReplyError::Cut(e.to_string())),
            Err(e) => Err(MetricsReplyError::Net(e)),
        }
    }

    pub(super) fn check(
        file: SpooledTempFile,
        question: &Question,
        as_of: Timestamp,
    ) -> Result<MetricsReply, MetricsReplyError> {
        let mut reply = MetricsReply {
            file,
            ids: Vec::new(),
            as_of,
        };
        let mut ids = Vec::new();
        // For each series read so far from this reply: its first and its last bucket.
        let mut seen: HashMap<SeriesId, (Timestamp, Timestamp)> = HashMap::new();
        reply.each_series(question, |series| {
            ids.push(series.id);
            let same = series.points.windows(2).find(|pair| pair[0].0 == pair[1].0);
            if let Some(pair) = same {
                return Err(twice(&series, pair[0].0));
            }
            let (Some(first), Some(last)) = (series.points.first(), series.points.last()) else {
                return Ok(());
            };
            let range = (first.0, last.0);
            if let Some(before) = seen.get(&series.id)
                && before.0 <= range.1
                && range.0 <= before.1
            {
                return Err(twice(&series, range.0));
            }
            let all = seen.entry(series.id).or_insert(range);
            *all = (all.0.min(range.0), all.1.max(range.1));
            Ok(())
        })?;
        reply.ids = ids;
        Ok(reply)
    }

    /// Calls `each` with one series after the other, in the order in which the service sent the
    /// series.
    pub(crate) fn each_series(
        &mut self,
        question: &Question,
        mut each: impl FnMut(Series<'_>) -> anyhow::Result<()>,
    ) -> Result<(), MetricsReplyError> {
        self.file.rewind()?;
        let mut stream = ArrayStream::new(&mut self.file);
        let mut reader = SeriesReader {
            ids: SeriesIds::of(question).map_err(MetricsReplyError::Bad)?,
            keys: KnownKeys::default(),
            zone: question.calendar.zone,
        };
        let mut known = self.ids.iter().copied();
        loop {
            let element = match stream.next_element() {
                Ok(Some(element)) => element,
                Ok(None) => return Ok(()),
                Err(ArrayError::Read(e)) => return Err(e.into()),
                Err(ArrayError::Truncated) => {
                    return Err(MetricsReplyError::Cut("the reply was cut off".to_owned()));
                }
                Err(ArrayError::NotAnArray(_)) => return Err(self.message()?),
                Err(ArrayError::Malformed(_) | ArrayError::TooLong) => {
                    return Err(MetricsReplyError::Other);
                }
            };
            let series = reader.read(element, known.next());
            let series = series.map_err(MetricsReplyError::Bad)?;
            each(series).map_err(MetricsReplyError::Bad)?;
        }
    }

    /// The error message in a reply that is not an array.
    fn message(&mut self) -> Result<MetricsReplyError, MetricsReplyError> {
        self.file.rewind()?;
        let mut text = String::new();
        let head = io::Read::take(&mut self.file, IN_MEMORY as u64);
        let is_text = io::Read::read_to_string(&mut io::BufReader::new(head), &mut text).is_ok();
        let words = is_text.then(|| error_text(&text)).flatten();
        Ok(words.map_or(MetricsReplyError::Other, MetricsReplyError::Said))
    }
}

/// The error message in a body, in one of the formats of OCP.
pub(crate) fn error_text(body: &str) -> Option<String> {
    let body: Value = serde_json::from_str(body).ok()?;
    let places = [
        "/message",
        "/error/message",
        "/error_description",
        "/error",
        "/detail",
        "/title",
    ];
    let mut texts = places
        .iter()
        .filter_map(|place| body.pointer(place)?.as_str());
    texts.find(|text| !text.is_empty()).map(str::to_owned)
}

/// Reads the series of one reply.
struct SeriesReader {
    ids: SeriesIds,
    keys: KnownKeys,
    zone: Zone,
}

impl SeriesReader {
    /// Reads one series; `id` is the id of the series, if the id is already known.
    fn read<'a>(&mut self, element: &'a [u8], id: Option<SeriesId>) -> anyhow::Result<Series<'a>> {
        let broken = |e: &serde_json::Error| {
            error::bad_input(format!("a series cannot be read: {}", explain(e)))
        };
        let element: Element<'_> = serde_json::from_slice(element).map_err(|e| broken(&e))?;
        let tags = element.tags.map_or("{}", RawValue::get);
        let tag_values: Value = serde_json::from_str(tags).map_err(|e| broken(&e))?;
        let mut points = Vec::with_capacity(element.dps.0.len());
        for (at, (ReplyKey(key), value)) in element.dps.0.into_iter().enumerate() {
            let at = self.keys.time(at, &key, self.zone).ok_or_else(|| {
                error::bad_input(format!(
                    "metric {}: the key '{key}' is not a time like 2026-11-01 12:00:00.0",
                    element.metric
                ))
            })?;
            let value = number(value.get()).ok_or_else(|| {
                error::bad_input(format!(
                    "metric {}, {key}: the value {} is not a number",
                    element.metric,
                    value.get()
                ))
            })?;
            points.push((at, value));
        }
        points.sort_by_key(|point| point.0);
        Ok(Series {
            id: id.unwrap_or_else(|| self.ids.id(&element.metric, &tag_values)),
            metric: element.metric,
            tags,
            tag_values,
            points,
        })
    }
}

/// The text of a number or of `null`, or `None` if the value is neither. The service sends some
/// numbers as strings.
fn number(json: &str) -> Option<&str> {
    match json.as_bytes().first()? {
        b'-' | b'0'..=b'9' | b'n' => Some(json),
        b'"' => {
            let text = json.strip_prefix('"')?.strip_suffix('"')?;
            let is_begun = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
            let is_number = is_begun && serde_json::from_str::<serde_json::Number>(text).is_ok();
            is_number.then_some(text)
        }
        _ => None,
    }
}

fn twice(series: &Series<'_>, at: Timestamp) -> anyhow::Error {
    error::bad_input(format!(
        "metric {}, tags {}: the bucket {at} occurs twice, and only one of the two can be right; \
         no row of this reply is written",
        series.metric, series.tags
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_its_text() {
        for (json, text) in [
            ("1", "1"),
            ("1.0", "1.0"),
            ("1152921504606846977", "1152921504606846977"),
            ("\"12\"", "12"),
            ("-3", "-3"),
            ("null", "null"),
        ] {
            assert_eq!(number(json), Some(text));
        }
        for json in ["\"\"", "\"null\"", "true", "{}", "\"1 2\"", "\"x\""] {
            assert_eq!(number(json), None, "{json}");
        }
    }

    #[test]
    fn an_error_message_is_found_in_each_shape() {
        for body in [
            r#"{"message":"no"}"#,
            r#"{"error":{"message":"no"}}"#,
            r#"{"error":"no"}"#,
            r#"{"error":"","detail":"no"}"#,
        ] {
            assert_eq!(error_text(body).as_deref(), Some("no"), "{body}");
        }
        assert_eq!(error_text(r#"{"message":""}"#), None);
        assert_eq!(error_text("[]"), None);
    }
}
