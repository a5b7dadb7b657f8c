//! Splits a push into records, each on one line. Only line breaks between tokens, and the blanks
//! around these line breaks, are removed.
//!
//! The vendor sends `{"schemaName":…,"messages":[…]}`. A single record, an array of records, and
//! lines of any of these are accepted, too.

use std::borrow::Cow;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::json::lines::{Line, Lines, record};

/// The fields of an envelope besides its messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EnvelopeHead {
    pub(crate) schema_name: Option<String>,
    pub(crate) session_id: Option<String>,
    pub(crate) sequence: Option<String>,
}

/// A part of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'b> {
    /// A record on one line. Its validity is checked later.
    Record(Cow<'b, str>),
    /// A part that is not a record, with the reason.
    Reject(&'b [u8], &'static str),
}

/// The parts of a push.
#[derive(Debug, Default)]
pub(crate) struct Pieces<'b> {
    pub(crate) head: EnvelopeHead,
    pub(crate) pieces: Vec<Piece<'b>>,
    /// Whether the body has no JSON object and no array. The whole body then goes to the
    /// quarantine.
    pub(crate) is_unreadable: bool,
}

/// Splits a body.
pub(crate) fn split(body: &[u8]) -> Pieces<'_> {
    let mut pieces = Pieces::default();
    let trimmed = record(body);
    if !trimmed.is_empty() && pieces.value(trimmed) {
        return pieces;
    }
    let mut readable = false;
    let mut lines = Lines::new(body);
    let mut at = 0;
    while let Ok(Some(Line { with_end, .. })) = lines.next_line() {
        let line = record(&body[at..at + with_end.len()]);
        at += with_end.len();
        if line.is_empty() {
            continue;
        }
        match pieces.value(line) {
            true => readable = true,
            false => pieces
                .pieces
                .push(Piece::Reject(line, "no JSON object or array")),
        }
    }
    if !readable {
        pieces.pieces = vec![Piece::Reject(
            body,
            "no JSON object, array or lines of them",
        )];
        pieces.is_unreadable = true;
    }
    pieces
}

impl<'b> Pieces<'b> {
    /// Splits one JSON value into pieces. Returns false if the text is not a JSON object or array.
    fn value(&mut self, bytes: &'b [u8]) -> bool {
        let Ok(text) = str::from_utf8(bytes) else {
            return false;
        };
        match bytes.first() {
            Some(b'{') => {
                let mut json = serde_json::Deserializer::from_str(text);
                let Ok(top) = json.deserialize_map(TopVisitor) else {
                    return false;
                };
                if json.end().is_err() {
                    return false;
                }
                match top.messages.filter(|_| !top.is_record) {
                    None => self.pieces.push(Piece::Record(one_line(text))),
                    Some(messages) => {
                        self.head = top.head;
                        self.elements(messages);
                    }
                }
                true
            }
            Some(b'[') => match serde_json::from_str::<Vec<&'b RawValue>>(text) {
                Err(_) => false,
                Ok(elements) => {
                    self.elements(elements);
                    true
                }
            },
            _ => false,
        }
    }

    fn elements(&mut self, elements: Vec<&'b RawValue>) {
        for element in elements {
            let text = element.get();
            self.pieces.push(match text.starts_with('{') {
                true => Piece::Record(one_line(text)),
                false => Piece::Reject(text.as_bytes(), "not a JSON object"),
            });
        }
    }
}

/// The fields by which an envelope is recognised.
#[derive(Default)]
struct Top<'b> {
    head: EnvelopeHead,
    messages: Option<Vec<&'b RawValue>>,
    is_record: bool,
}

struct TopVisitor;

impl<'b> Visitor<'b> for TopVisitor {
    type Value = Top<'b>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'b>>(self, mut map: A) -> Result<Top<'b>, A::Error> {
        let mut top = Top::default();
        while let Some(name) = map.next_key::<NameSeed<'_>>()? {
            let says = |value: &'b RawValue| match serde_json::from_str::<String>(value.get()) {
                Ok(text) => text,
                Err(_) => value.get().to_owned(),
            };
            match name.0.as_ref() {
                "messages" => {
                    let value: &'b RawValue = map.next_value()?;
                    let mut json = serde_json::Deserializer::from_str(value.get());
                    // If the key `messages` occurs several times, the records of all these arrays
                    // count. If two arrays contain the same record, the duplicate is recognised
                    // later.
                    if let Ok(more) = json.deserialize_seq(ElementsVisitor) {
                        top.messages.get_or_insert_default().extend(more);
                    }
                }
                "schemaName" => top.head.schema_name = Some(says(map.next_value()?)),
                "sessionId" => top.head.session_id = Some(says(map.next_value()?)),
                "sessionStartingSequenceNumber" => {
                    top.head.sequence = Some(says(map.next_value()?));
                }
                "message_type" => {
                    top.is_record = true;
                    map.next_value::<IgnoredAny>()?;
                }
                _ => {
                    // This value is not used, so its strings are not decoded: half of a surrogate
                    // pair in it is not an error.
                    map.next_value::<&'b RawValue>()?;
                }
            }
        }
        Ok(top)
    }
}

struct ElementsVisitor;

impl<'b> Visitor<'b> for ElementsVisitor {
    type Value = Vec<&'b RawValue>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'b>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(element) = seq.next_element()? {
            all.push(element);
        }
        Ok(all)
    }
}

/// The name of a field.
#[derive(serde::Deserialize)]
struct NameSeed<'b>(#[serde(borrow)] Cow<'b, str>);

/// Joins a valid JSON text into one line: white space between two tokens is removed if the white
/// space contains a line break.
fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(['\n', '\r']) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len());
    let is_blank = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r');
    let mut rest = text;
    while let Some(at) = rest.find(['\n', '\r']) {
        line.push_str(rest[..at].trim_end_matches(is_blank));
        rest = rest[at..].trim_start_matches(is_blank);
    }
    line.push_str(rest);
    Cow::Owned(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(body: &str) -> Vec<String> {
        let pieces = split(body.as_bytes());
        let shown = pieces.pieces.iter().map(|piece| match piece {
            Piece::Record(text) => text.clone().into_owned(),
            Piece::Reject(raw, _) => format!("!{}", String::from_utf8_lossy(raw)),
        });
        shown.collect()
    }

    #[test]
    fn r03_an_envelope_has_any_number_of_records() {
        let body = r#" {"schemaName":"s","sessionId":"u","sessionStartingSequenceNumber":"0",
            "messages":[ {"a": 1.10} ,{"messages":[2]}]}"#;
        assert_eq!(records(body), [r#"{"a": 1.10}"#, r#"{"messages":[2]}"#]);
        let head = split(body.as_bytes()).head;
        assert_eq!(head.schema_name.as_deref(), Some("s"));
        assert_eq!(head.sequence.as_deref(), Some("0"));
        assert_eq!(records(r#"{"messages":[]}"#), [""; 0]);
        assert_eq!(
            records(r#"{"messages":[{"a":1}],"messages":[{"a":2}]}"#).len(),
            2
        );
    }

    #[test]
    fn r03_records_without_an_envelope_are_taken_too() {
        for body in [
            "{\"a\":1}",
            "[{\"a\":1}]",
            "\u{feff}{\"a\":1}\r\n",
            "\n\n{\"messages\":[{\"a\":1}]}\n",
        ] {
            assert_eq!(records(body), ["{\"a\":1}"], "{body}");
        }
        assert_eq!(records("{\"a\":1}\n[{\"a\":2}]\n{\"a\":3}").len(), 3);
        // A record that has a field `messages`.
        let record = r#"{"message_type":"chat","messages":[{"text":"x"}]}"#;
        assert_eq!(records(record), [record]);
    }

    #[test]
    fn r02_what_is_no_record_is_set_aside_and_the_rest_is_taken() {
        assert_eq!(records(r#"{"messages":[{"a":1},7,"x",null]}"#).len(), 4);
        assert_eq!(records("{\"a\":1}\n{\"cut\":"), ["{\"a\":1}", "!{\"cut\":"]);
        for body in ["", "null", "<html>", "{\"a\":1", "\u{0}", "[{}", "7"] {
            let pieces = split(body.as_bytes());
            assert!(pieces.is_unreadable, "{body}");
            assert_eq!(records(body), [format!("!{body}")]);
        }
        assert!(split(b"{\"a\":\"\xff\"}").is_unreadable);
    }

    #[test]
    fn r26_only_line_breaks_between_tokens_go() {
        assert_eq!(
            records("{\"messages\":[{\n  \"a\" : \"x\\n  y\",\r\n\t\"b\": 1.0 }\n]}"),
            ["{\"a\" : \"x\\n  y\",\"b\": 1.0 }"]
        );
    }
}
