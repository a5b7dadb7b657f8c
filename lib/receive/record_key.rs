//! The key of a record: a hash of its content. All spellings of the same content have the same key.

use std::borrow::Cow;

use crate::json::bad_line::BadLine;
use crate::json::cursor::TextCursor;
use crate::json::fields::{Fields, Finds, text};
use crate::json::lines::push_string;
use crate::os::digest;
use crate::receive::store::keys::Key;

/// A field that can differ between two deliveries of one record.
const FLAG: &str = "exported";

/// The hashes that identify a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordId {
    /// A hash of the record in one normal form: sorted keys, no white space, as few escapes as
    /// possible, unchanged numbers, and only the last of repeated keys. The record's own field
    /// `exported` is left out.
    pub(crate) key: Key,
    /// A hash of `message_type`, `id` and `time`, if there is an `id`.
    pub(crate) identity: Option<i64>,
}

enum Node<'t> {
    Object(Vec<(Cow<'t, str>, Node<'t>)>),
    Array(Vec<Node<'t>>),
    /// A string with its quotes, a number, `true`, `false` or `null`.
    Scalar(&'t str),
}

/// The hashes of a record. Fails if the record is not a JSON object.
pub(crate) fn record_id(record: &str) -> Result<RecordId, BadLine> {
    Fields::default().read(record, &mut Finds::default())?;
    let mut root = read(&mut TextCursor::new(record));
    if let Node::Object(fields) = &mut root {
        fields.retain(|(name, _)| name != FLAG);
    }
    let mut canonical = Vec::with_capacity(record.len());
    write(&root, &mut canonical);
    Ok(RecordId {
        key: digest::sha256_half(&canonical),
        identity: identity(&root),
    })
}

fn identity(root: &Node<'_>) -> Option<i64> {
    let Node::Object(fields) = root else {
        return None;
    };
    let said = |name: &str| match fields.iter().find(|(key, _)| key == name) {
        Some((_, Node::Scalar(value))) => text(value),
        _ => Cow::Borrowed(""),
    };
    let id = said("id");
    if crate::cdr::is_nothing(&id) {
        return None;
    }
    let parts = format!("{}\0{id}\0{}", said("message_type"), said("time"));
    let hash = digest::sha256_half(parts.as_bytes());
    let half: [u8; 8] = std::array::from_fn(|at| hash[at]);
    Some(i64::from_le_bytes(half))
}

/// Reads a value. The JSON must be known to be valid and not too deep.
fn read<'t>(cursor: &mut TextCursor<'t>) -> Node<'t> {
    match cursor.peek() {
        Some(b'{') => {
            cursor.step();
            let mut fields = Vec::new();
            while cursor.peek() == Some(b'"') {
                let name = text(cursor.string());
                fields.push((name, read(cursor)));
            }
            cursor.step();
            // The sort is stable: if two fields have the same name, the later one stays behind the
            // earlier one. In the reversed order the later one is first, and is kept.
            fields.sort_by(|(a, _), (b, _)| a.cmp(b));
            fields.reverse();
            fields.dedup_by(|later, kept| later.0 == kept.0);
            fields.reverse();
            Node::Object(fields)
        }
        Some(b'[') => {
            cursor.step();
            let mut elements = Vec::new();
            while !matches!(cursor.peek(), Some(b']') | None) {
                elements.push(read(cursor));
            }
            cursor.step();
            Node::Array(elements)
        }
        Some(b'"') => Node::Scalar(cursor.string()),
        _ => Node::Scalar(cursor.scalar()),
    }
}

fn write(node: &Node<'_>, out: &mut Vec<u8>) {
    match node {
        Node::Object(fields) => {
            out.push(b'{');
            for (at, (name, value)) in fields.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                push_string(out, name);
                out.push(b':');
                write(value, out);
            }
            out.push(b'}');
        }
        Node::Array(elements) => {
            out.push(b'[');
            for (at, element) in elements.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write(element, out);
            }
            out.push(b']');
        }
        Node::Scalar(value) if value.starts_with('"') && value.contains('\\') => {
            push_string(out, &text(value));
        }
        Node::Scalar(value) => out.extend_from_slice(value.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    fn key(record: &str) -> Key {
        record_id(record).unwrap().key
    }

    #[test]
    fn the_same_record_has_one_key_however_it_is_written() {
        let plain = r#"{"id":"x","n":1.10,"o":{"a":[1,{"b":null}],"z":"é/\n"}}"#;
        for same in [
            r#"{ "o": {"z":"\u00e9\/\u000a","a":[ 1, {"b" : null}]}, "n":1.10, "id":"\u0078" }"#,
            r#"{"exported":true,"id":"x","n":1.10,"o":{"a":[1,{"b":null}],"z":"é/\n"}}"#,
            r#"{"id":"w","id":"x","n":1.10,"exported":0,"o":{"a":[1,{"b":null}],"z":"é/\n"}}"#,
        ] {
            assert_eq!(key(same), key(plain), "{same}");
        }
        for other in [
            r#"{"id":"x","n":1.1,"o":{"a":[1,{"b":null}],"z":"é/\n"}}"#,
            r#"{"id":"x","n":1.10,"o":{"a":[1,{"b":null}],"z":"é/\n","exported":1}}"#,
            r#"{"id":"x","n":"1.10","o":{"a":[1,{"b":null}],"z":"é/\n"}}"#,
            r#"{"id":"x","n":1.10,"o":{"a":[{"b":null},1],"z":"é/\n"}}"#,
        ] {
            assert_ne!(key(other), key(plain), "{other}");
        }
        assert!(record_id("[1]").is_err() && record_id("{\"a\":}").is_err());
    }

    #[test]
    fn r06_the_id_alone_is_no_key() {
        let step = |n: u8| format!(r#"{{"message_type":"dialog_step","id":"same","time":{n}}}"#);
        assert_ne!(key(&step(1)), key(&step(2)));
        let identity = |record: &str| record_id(record).unwrap().identity;
        assert_ne!(identity(&step(1)), identity(&step(2)));
        assert_eq!(
            identity(&step(1)),
            identity(&step(1).replace("}", ",\"x\":1}"))
        );
        assert_eq!(
            identity(r#"{"message_type":"dialog_step","id":"","time":1}"#),
            None
        );
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "(\\PC|[\"\\\\\n\u{1}/]){0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("\\PC{0,4}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// Writes a value with its keys in reverse order, white space, and every character escaped.
    fn rewrite(value: &Value) -> String {
        let escape = |text: &str| {
            let units = text.encode_utf16().map(|unit| format!("\\u{unit:04X}"));
            format!("\"{}\"", units.collect::<String>())
        };
        match value {
            Value::Object(map) => {
                let fields = map.iter().rev();
                let fields = fields.map(|(k, v)| format!("{} :\n{}", escape(k), rewrite(v)));
                format!("{{ {} }}", fields.collect::<Vec<_>>().join(" , "))
            }
            Value::Array(all) => {
                let all: Vec<String> = all.iter().map(rewrite).collect();
                format!("[\t{} ]", all.join("\r\n,"))
            }
            Value::String(text) => escape(text),
            other => other.to_string(),
        }
    }

    proptest! {
        #[test]
        fn r26_another_spelling_is_no_other_record(
            map in prop::collection::btree_map("\\PC{0,5}", values(), 0..5),
            flag in any::<bool>(),
        ) {
            let record: Map<String, Value> = map.into_iter().collect();
            let mut flagged = record.clone();
            flagged.insert("exported".to_owned(), json!(flag));
            let plain = Value::Object(record).to_string();
            prop_assert_eq!(key(&rewrite(&Value::Object(flagged))), key(&plain));
            prop_assert_ne!(key(&plain), key(&plain.replacen('{', "{\"\u{7f}new\":1,", 1).replace(",}", "}")));
        }
    }
}
