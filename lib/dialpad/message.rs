//! The fields of a message that the export reads, as raw JSON, because a session id that is sent as
//! the number `12.10` must not become 12.1. All other fields are passed on unread.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error;
use crate::json::lines::explain;
use crate::json::surrogates;
use crate::os::digest;

/// The number of fields that identify a message. Messages have no id.
const KEY: usize = 7;

/// One message.
#[derive(Clone, Debug)]
pub(super) struct Message<'a> {
    /// When the message was created, in milliseconds since the epoch.
    pub(super) ts: Option<i64>,
    json: &'a str,
    /// `customersessionid`, `sessionid`, `ts`, `sendertype`, `senderemail`, `text` and
    /// `workflownodeid`, as raw JSON. Other fields do not identify a message, because the service
    /// can fill them in later.
    key: [Option<&'a RawValue>; KEY],
}

const SESSION: usize = 0;
const TS: usize = 2;
const TEXT: usize = 5;

/// The identity of a message; equal messages have the same identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct MessageIdentity(pub(super) u128);

impl MessageIdentity {
    fn of(bytes: &[u8]) -> MessageIdentity {
        MessageIdentity(u128::from_be_bytes(digest::sha256_half(bytes)))
    }
}

impl<'a> Message<'a> {
    /// Reads an element of a reply. An error with status 65 if the element is not a message.
    pub(super) fn parse(json: &'a str) -> anyhow::Result<Message<'a>> {
        if !json.starts_with('{') {
            // The error does not show the element, because it can be a customer's text.
            return Err(error::bad_input("it is not a message: it is not an object"));
        }
        let fields: MessageFields<'a> = serde_json::from_str(json)
            .map_err(|e| error::bad_input(format!("it is not a message: {}", explain(&e))))?;
        let key = fields.key;
        if [SESSION, 1, TS, TEXT].iter().all(|at| key[*at].is_none()) {
            return Err(error::bad_input(
                "it is not a message: it has neither text, ts, sessionid nor customersessionid",
            ));
        }
        let ts = match key[TS] {
            None => None,
            Some(raw) => Some(millis(raw.get()).ok_or_else(|| {
                error::bad_input(format!(
                    "its ts is not a time in milliseconds: {}",
                    shown(raw)
                ))
            })?),
        };
        Ok(Message { ts, json, key })
    }

    /// The identity of the message.
    pub(super) fn identity(&self) -> MessageIdentity {
        if self.key[TEXT]
            .or(self.key[SESSION])
            .or(self.key[1])
            .is_none()
        {
            return MessageIdentity::of(self.json.as_bytes());
        }
        let mut text = Vec::with_capacity(256);
        for part in self.key {
            // No token of JSON contains a line end, so line ends can separate the values.
            text.extend(part.map_or("", RawValue::get).as_bytes());
            text.push(b'\n');
        }
        MessageIdentity::of(&text)
    }

    /// Whether the message can belong to a customer session. Zeros at the end of a fraction do not
    /// count, because an id that is sent as a number can lose them.
    pub(super) fn may_be_of(&self, session: &str) -> bool {
        let Some(raw) = self.key[SESSION] else {
            return true;
        };
        let id = raw.get().trim_matches('"');
        let bare = |id: &'_ str| id.trim_end_matches('0').trim_end_matches('.').to_owned();
        id == session || bare(id) == bare(session)
    }

    /// The decoded value of the field `text`; if this value is not a string, its raw JSON.
    pub(super) fn text(&self) -> String {
        let raw = surrogates::mended(self.key[TEXT].map_or("", RawValue::get));
        serde_json::from_str(&raw).unwrap_or_else(|_| raw.into_owned())
    }
}

/// Shows a number, but only the type of any other value, which can be a customer's text.
fn shown(raw: &RawValue) -> String {
    let kind = match raw.get().as_bytes().first() {
        Some(b'"') => "a text",
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        _ => return raw.get().chars().take(40).collect(),
    };
    kind.to_owned()
}

/// Parses milliseconds: a number, with or without quotes.
fn millis(raw: &str) -> Option<i64> {
    let digits = raw.trim_matches('"');
    if let Ok(number) = digits.parse::<i64>() {
        return Some(number);
    }
    let number: f64 = digits.parse().ok()?;
    // An `f64` holds every millisecond up to the year 280000 exactly.
    let is_whole = number.fract() == 0.0 && number.abs() < 9e15;
    is_whole.then_some(number as i64)
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum MessageField {
    CustomerSessionId,
    SessionId,
    Ts,
    SenderType,
    SenderEmail,
    Text,
    WorkflowNodeId,
    #[serde(other)]
    Other,
}

struct MessageFields<'a> {
    key: [Option<&'a RawValue>; KEY],
}

impl<'de> Deserialize<'de> for MessageFields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<MessageFields<'de>, D::Error> {
        struct Known;
        impl<'de> Visitor<'de> for Known {
            type Value = MessageFields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            /// If two fields have the same name, the last one counts, as in jq. A null counts as
            /// absent.
            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<MessageFields<'de>, A::Error> {
                let mut key = [None; KEY];
                while let Some(name) = map.next_key::<MessageField>()? {
                    let at = match name {
                        MessageField::CustomerSessionId => SESSION,
                        MessageField::SessionId => 1,
                        MessageField::Ts => TS,
                        MessageField::SenderType => 3,
                        MessageField::SenderEmail => 4,
                        MessageField::Text => TEXT,
                        MessageField::WorkflowNodeId => 6,
                        MessageField::Other => {
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    let raw: &'de RawValue = map.next_value()?;
                    key[at] = (raw.get() != "null").then_some(raw);
                }
                Ok(MessageFields { key })
            }
        }
        deserializer.deserialize_map(Known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(json: &str) -> MessageIdentity {
        Message::parse(json).unwrap().identity()
    }

    #[test]
    fn a_time_is_read_as_it_may_be_typed() {
        let ts = |value: &str| Message::parse(&format!("{{\"ts\":{value}}}")).map(|m| m.ts);
        for value in [
            "1717000000000",
            "\"1717000000000\"",
            "1717000000000.0",
            "1.717E12",
        ] {
            assert_eq!(ts(value).unwrap(), Some(1_717_000_000_000), "{value}");
        }
        assert_eq!(
            Message::parse(r#"{"text":"x","ts":null}"#).unwrap().ts,
            None
        );
        for value in ["\"May 29\"", "1.5", "true", "1e300"] {
            assert!(ts(value).is_err(), "{value}");
        }
    }

    #[test]
    fn an_identity_is_made_of_what_does_not_change() {
        let one = r#"{"ts":1,"text":"a","sessionid":12.1,"topic":"x","score":0.5}"#;
        assert_eq!(
            identity(one),
            identity(r#"{ "sessionid": 12.1, "text": "a", "ts": 1, "topic": "y" }"#)
        );
        for other in [
            r#"{"ts":1,"text":"a","sessionid":12.10}"#,
            r#"{"ts":1,"text":"b","sessionid":12.1}"#,
            r#"{"ts":2,"text":"a","sessionid":12.1}"#,
            r#"{"ts":1,"text":"a","customersessionid":12.1}"#,
            r#"{"ts":1,"text":"a","sessionid":12.1,"sendertype":"bot"}"#,
        ] {
            assert_ne!(identity(one), identity(other), "{other}");
        }
        assert_ne!(identity(r#"{"ts":1,"x":1}"#), identity(r#"{"ts":1,"x":2}"#));
    }

    #[test]
    fn what_is_no_message_is_told_apart() {
        for text in ["7", "{}", "{\"error\":\"x\"}", "{\"text\":}", "[]"] {
            assert!(Message::parse(text).is_err(), "{text}");
        }
        let twice = Message::parse(r#"{"ts":1,"ts":2,"text":"\u00e9"}"#).unwrap();
        assert_eq!((twice.ts, twice.text().as_str()), (Some(2), "é"));
    }
}
