//! The few fields of a record that a decision needs, found in one pass.
//!
//! The pass validates the whole line. What is not wanted is skipped without being
//! decoded; what is wanted is handed out as the text that it has in the line, so
//! that nothing is decoded or allocated before somebody compares it.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Bad;

/// How deep a record may nest. What decodes it after us, jq 1.6 among them, has a
/// limit too or overflows its stack.
pub const MAX_DEPTH: usize = 128;

/// A wanted field: where [`Record::get`] finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(usize);

/// The fields wanted of every record.
#[derive(Debug, Default)]
pub struct Fields {
    root: Node,
    /// By slot: where the value stands in the line that was read last.
    found: Vec<Option<Range<usize>>>,
}

#[derive(Debug, Default)]
struct Node {
    name: String,
    slot: Option<usize>,
    children: Vec<Node>,
}

/// A line that is one JSON object, and the wanted fields in it.
#[derive(Clone, Copy, Debug)]
pub struct Record<'l, 'f> {
    line: &'l str,
    found: &'f [Option<Range<usize>>],
}

impl Fields {
    /// Asks for a field: `time`, or `flow.type` for one inside an object.
    pub fn want(&mut self, path: &str) -> Slot {
        let mut node = &mut self.root;
        for name in path.split('.') {
            let at = match node.children.iter().position(|child| child.name == name) {
                Some(at) => at,
                None => {
                    node.children.push(Node {
                        name: name.to_owned(),
                        ..Node::default()
                    });
                    node.children.len() - 1
                }
            };
            node = &mut node.children[at];
        }
        let found = &mut self.found;
        Slot(*node.slot.get_or_insert_with(|| {
            found.push(None);
            found.len() - 1
        }))
    }

    /// Validates a line and finds the fields in it.
    pub fn read<'l>(&mut self, line: &'l str) -> Result<Record<'l, '_>, Bad> {
        check_depth(line)?;
        self.found.fill(None);
        let mut json = serde_json::Deserializer::from_str(line);
        json.deserialize_map(Walk {
            node: &self.root,
            line,
            found: &mut self.found,
        })?;
        json.end()?;
        Ok(Record {
            line,
            found: &self.found,
        })
    }
}

impl<'l> Record<'l, '_> {
    /// The value as it is written; `None` if the record does not have the field.
    pub fn get(&self, slot: Slot) -> Option<&'l str> {
        self.found[slot.0].clone().map(|range| &self.line[range])
    }
}

/// What a value says, whatever its type: a string without quotes and escapes,
/// anything else as it is written.
pub fn text(value: &str) -> Cow<'_, str> {
    match value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) {
        Some(plain) if !plain.contains('\\') => Cow::Borrowed(plain),
        // Half of a surrogate pair is valid JSON, but no text.
        Some(_) => serde_json::from_str(value).map_or(Cow::Borrowed(value), Cow::Owned),
        None => Cow::Borrowed(value),
    }
}

/// Refuses a JSON text that nests deeper than [`MAX_DEPTH`].
pub fn check_depth(json: &str) -> Result<(), Bad> {
    // To count brackets without looking for strings is enough for nearly every line.
    let openers = json.bytes().filter(|b| matches!(b, b'[' | b'{')).count();
    if openers > MAX_DEPTH && depth(json) > MAX_DEPTH {
        return Err(Bad::new(format!("nested deeper than {MAX_DEPTH} levels")));
    }
    Ok(())
}

/// How deep a JSON text nests at most.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = json.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => {
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'\\' => drop(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    deepest
}

impl Node {
    fn child(&self, name: &str) -> Option<&Node> {
        let name = text(name);
        self.children.iter().find(|child| child.name == name)
    }

    /// Forgets what an earlier field of the same name left: the last one counts.
    fn forget(&self, found: &mut [Option<Range<usize>>]) {
        if let Some(slot) = self.slot {
            found[slot] = None;
        }
        for child in &self.children {
            child.forget(found);
        }
    }
}

/// Walks down the line and the wanted names at once.
struct Walk<'w, 'l> {
    node: &'w Node,
    line: &'l str,
    found: &'w mut [Option<Range<usize>>],
}

impl<'l> Walk<'_, 'l> {
    fn child<A: MapAccess<'l>>(&mut self, node: &Node, map: &mut A) -> Result<(), A::Error> {
        node.forget(self.found);
        let walk = Walk {
            node,
            line: self.line,
            found: self.found,
        };
        let Some(slot) = node.slot else {
            return map.next_value_seed(walk);
        };
        let value = map.next_value::<&'l RawValue>()?.get();
        let start = value.as_ptr() as usize - self.line.as_ptr() as usize;
        walk.found[slot] = Some(start..start + value.len());
        if node.children.is_empty() {
            return Ok(());
        }
        walk.deserialize(&mut serde_json::Deserializer::from_str(value))
            .map_err(serde::de::Error::custom)
    }
}

impl<'l> DeserializeSeed<'l> for Walk<'_, 'l> {
    type Value = ();

    fn deserialize<D: Deserializer<'l>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'l> Visitor<'l> for Walk<'_, 'l> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'l>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<&'l RawValue>()? {
            match self.node.child(name.get()) {
                Some(child) => self.child(child, &mut map)?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'l>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found<'l>(line: &'l str, paths: &[&str]) -> Vec<Option<&'l str>> {
        let mut fields = Fields::default();
        let slots: Vec<Slot> = paths.iter().map(|path| fields.want(path)).collect();
        let record = fields.read(line).unwrap();
        slots.into_iter().map(|slot| record.get(slot)).collect()
    }

    fn bad(line: &str) -> String {
        Fields::default().read(line).unwrap_err().to_string()
    }

    #[test]
    fn a_field_is_known_by_its_whole_path() {
        let line =
            r#"{"x":{"type":1,"flow":{"type":2}},"flow":{"a":["type"],"type": "T" }, "type":3}"#;
        assert_eq!(
            found(line, &["flow.type", "type", "flow.none", "x.flow.type"]),
            [Some("\"T\""), Some("3"), None, Some("2")]
        );
    }

    #[test]
    fn the_last_of_two_namesakes_counts_with_all_that_is_in_it() {
        let line = r#"{"a":1,"flow":{"type":"T"},"a":2,"flow":{"name":"N"}}"#;
        assert_eq!(
            found(line, &["a", "flow.type", "flow.name"]),
            [Some("2"), None, Some("\"N\"")]
        );
        assert_eq!(
            found(r#"{"flow":{"type":1},"flow":null}"#, &["flow.type"]),
            [None]
        );
    }

    #[test]
    fn a_field_and_one_inside_it_can_both_be_wanted() {
        let line = r#"{"flow":{"type":"T"}}"#;
        for paths in [["flow", "flow.type"], ["flow.type", "flow"]] {
            let mut seen = found(line, &paths);
            seen.sort_by_key(|value| value.map(str::len));
            assert_eq!(seen, [Some("\"T\""), Some(r#"{"type":"T"}"#)]);
        }
    }

    #[test]
    fn an_object_may_be_anything_else() {
        for value in ["1", "-1", "1.5", "null", "true", "\"s\"", "[{\"type\":1}]"] {
            assert_eq!(
                found(&format!("{{\"flow\":{value}}}"), &["flow.type"]),
                [None],
                "{value}"
            );
        }
    }

    #[test]
    fn names_and_values_are_compared_without_their_escapes() {
        let line = r#"{"end\u005ftype":"FAR\u005fHUP"}"#;
        let value = found(line, &["end_type"])[0].unwrap();
        assert_eq!(text(value), "FAR_HUP");
        assert_eq!(text("1.50"), "1.50");
        assert_eq!(text(r#""\ud83d""#), r#""\ud83d""#);
    }

    #[test]
    fn what_is_no_single_object_is_refused() {
        assert_eq!(
            bad("1"),
            "invalid type: integer `1`, expected a JSON object at column 1"
        );
        assert_eq!(bad("{} {}"), "trailing characters at column 4");
        assert_eq!(bad(r#"{"a":"#), "EOF while parsing a value at column 5");
        for line in [
            "",
            "{",
            "{'a':1}",
            r#"{"a":NaN}"#,
            r#"{"a":01}"#,
            r#"{"a":1,}"#,
            "{}#",
            "\u{feff}{}",
        ] {
            assert!(Fields::default().read(line).is_err(), "{line}");
        }
        for control in ["{\"a\u{1}\":1}", "{\"a\":\"\u{0}\"}", "{\"a\":\"\t\"}"] {
            assert!(bad(control).starts_with("control character"), "{control:?}");
        }
    }

    #[test]
    fn nesting_has_a_limit_and_brackets_in_strings_do_not_count() {
        let nested =
            |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(Fields::default().read(&nested(MAX_DEPTH - 1)).is_ok());
        assert_eq!(bad(&nested(MAX_DEPTH)), "nested deeper than 128 levels");
        assert!(bad(&"[".repeat(1_000_000)).starts_with("nested deeper"));
        let text = format!(r#"{{"a":"\"{}"}}"#, "[".repeat(1000));
        assert!(Fields::default().read(&text).is_ok());
    }

    proptest! {
        #[test]
        fn a_line_is_accepted_exactly_if_serde_json_reads_an_object(line in r#"[{}\[\]",:a1 \\]{0,12}"#) {
            let mut fields = Fields::default();
            fields.want("a.a");
            let expected = serde_json::from_str::<serde_json::Value>(&line).is_ok_and(|v| v.is_object());
            prop_assert_eq!(fields.read(&line).is_ok(), expected, "{}", line);
        }
    }
}
