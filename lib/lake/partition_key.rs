//! The type and the hour of a record. If a record lacks its type or its hour, the missing value is
//! read from the path of the ZIP member. The vendor does not guarantee that the path is right.

use std::borrow::Cow;

use crate::cdr::{instant, is_nothing};
use crate::json::bad_line::BadLine;
use crate::json::fields::{Fields, Finds, Slot, text};
use crate::time::Timestamp;

/// The type and the hour in a record.
#[derive(Debug, Default)]
pub(crate) struct RecordKey<'l> {
    /// The record's `message_type`.
    pub(crate) kind: Option<Cow<'l, str>>,
    /// The hour of the record's time, in UTC.
    pub(crate) hour: Option<Timestamp>,
}

/// Reads the type and the hour of records.
#[derive(Debug)]
pub(crate) struct KeyReader {
    fields: Fields,
    finds: Finds,
    kind: Slot,
    time: Slot,
    enrolled: Slot,
}

impl KeyReader {
    pub(crate) fn new() -> KeyReader {
        let mut fields = Fields::default();
        KeyReader {
            kind: fields.want("message_type"),
            time: fields.want("time"),
            enrolled: fields.want("voiceprint.creation_ts"),
            fields,
            finds: Finds::default(),
        }
    }

    /// Reads the type and the hour of a record. Returns an error if the record is not valid JSON.
    pub(crate) fn read<'l>(&mut self, record: &'l str) -> Result<RecordKey<'l>, BadLine> {
        let record = self.fields.read(record, &mut self.finds)?;
        let kind = record.get(self.kind).and_then(name);
        let time = record.get(self.time).and_then(instant).or_else(|| {
            // The record of a voice verification also has a voiceprint, but this voiceprint was
            // created earlier. So the time of a voiceprint is used only in an enrolment.
            let is_enrolment = kind.as_deref() == Some("vb_enrolment");
            let enrolled = record.get(self.enrolled).filter(|_| is_enrolment);
            enrolled.and_then(instant)
        });
        let time = time.filter(|time| time.is_in_calendar());
        Ok(RecordKey {
            kind,
            hour: time.map(Timestamp::floor_hour),
        })
    }
}

/// The type as text. `None` if `value` is neither a string nor a number, or if its text means that
/// the type is unknown.
fn name(value: &str) -> Option<Cow<'_, str>> {
    match value.as_bytes().first() {
        Some(b'"' | b'-' | b'0'..=b'9') => Some(text(value)).filter(|text| !is_nothing(text)),
        _ => None,
    }
}

/// The type and the hour in a member's path: `message_type=T/date=YYYY-MM-DD-HH/`.
#[derive(Debug, Default)]
pub(crate) struct PathKey {
    pub(crate) kind: Option<String>,
    pub(crate) hour: Option<Timestamp>,
}

impl PathKey {
    /// Reads the type and the hour from the directories in a member's name.
    pub(crate) fn of(member: &str) -> PathKey {
        let directories = member.rsplit_once('/').map_or("", |(path, _)| path);
        let value = |key: &str| {
            let mut values = directories
                .split('/')
                .filter_map(|part| part.split_once('='));
            values
                .find(|(name, _)| *name == key)
                .map(|(_, value)| value)
        };
        PathKey {
            kind: value("message_type")
                .filter(|kind| !is_nothing(kind))
                .map(str::to_owned),
            hour: value("date").and_then(|date| {
                let (day, hour) = date.rsplit_once('-')?;
                Timestamp::parse_instant(&format!("{day}T{hour}:00:00Z"))
                    .filter(|time| time.is_in_calendar())
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(record: &str) -> (Option<String>, Option<String>) {
        let mut reader = KeyReader::new();
        let told = reader.read(record).unwrap();
        (
            told.kind.map(Cow::into_owned),
            told.hour.map(Timestamp::hour_name),
        )
    }

    #[test]
    fn a_record_says_its_type_and_its_hour_in_utc() {
        let hour = Some("2026-11-01T00Z".to_owned());
        for (record, kind) in [
            (r#"{"message_type":"a","time":1793491200000}"#, Some("a")),
            (
                r#"{"message_type":"\u0061","time":"1793494799999"}"#,
                Some("a"),
            ),
            (
                r#"{"message_type":7,"time":"2026-11-01T02:30:00+02:00"}"#,
                Some("7"),
            ),
            (r#"{"message_type":"","time":1793491200000.5}"#, None),
            (r#"{"message_type":null,"time":1793491200000}"#, None),
            (r#"{"message_type":"undefined","time":1793491200000}"#, None),
            (r#"{"message_type":{"a":1},"time":1793491200000}"#, None),
            (
                r#"{"message_type":"vb_enrolment","voiceprint":{"creation_ts":1793491200000}}"#,
                Some("vb_enrolment"),
            ),
        ] {
            assert_eq!(
                told(record),
                (kind.map(str::to_owned), hour.clone()),
                "{record}"
            );
        }
        for record in [
            r#"{"time":null}"#,
            r#"{"time":-1}"#,
            r#"{"time":99999999999999999}"#,
            r#"{"time":"soon"}"#,
            r#"{"message_type":"vb_verification","voiceprint":{"creation_ts":1793491200000}}"#,
        ] {
            assert_eq!(told(record).1, None, "{record}");
        }
        assert!(KeyReader::new().read("{\"a\":}").is_err());
    }

    #[test]
    fn a_path_says_it_in_its_directories() {
        let hint = PathKey::of("exports/_/message_type=a+b/date=2024-07-18-12/group=g/x=y.json");
        assert_eq!(hint.kind.as_deref(), Some("a+b"));
        assert_eq!(
            hint.hour.map(Timestamp::hour_name).unwrap(),
            "2024-07-18T12Z"
        );
        for name in [
            "message_type=a",
            "date=2024-07-18-12",
            "message_type=/date=2024-07-18/x.json",
            "date=2024-07-18-24/x.json",
            "date=0001-07-18-12/x.json",
            "x/y.json",
            "",
        ] {
            let hint = PathKey::of(name);
            assert!(hint.kind.is_none() && hint.hour.is_none(), "{name}");
        }
    }
}
