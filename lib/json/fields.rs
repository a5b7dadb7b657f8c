//! Finds a few fields of a record in one pass.
//!
//! The pass validates the whole line. It skips other fields without decoding them, and returns
//! the wanted fields as parts of the line. Values are not decoded or copied.

use crate::json::bad_line::BadLine;
use tree::{FieldNode, Find};
use walk::FieldWalk;

mod reason;
mod skipper;
mod text;
mod tree;
mod walk;

pub use text::text;
pub use tree::Step;

/// The number of a wanted field, for [`Record::get`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(usize);

/// The fields that are wanted from every record, as a tree of their paths.
#[derive(Debug, Default)]
pub struct Fields {
    root: FieldNode,
    slots: usize,
}

/// The positions of the wanted fields in a line. A caller uses one `Finds` for all lines, so that
/// its memory is reused.
#[derive(Debug, Default)]
pub struct Finds(Vec<Find>);

/// A line of JSON and its wanted fields.
#[derive(Clone, Copy, Debug)]
pub struct Record<'l, 'f> {
    /// The whole line.
    pub line: &'l str,
    finds: &'f [Find],
}

/// The result for the value at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'l> {
    /// There is no value at the path. This counts as null.
    Absent,
    /// The value, as it is written in the line.
    Value(&'l str),
    /// The path does not fit the record: a step of the path is a field of an array, an element of
    /// an object, or a field or element of a scalar.
    Mismatch,
}

impl Fields {
    /// Adds the field at a path, for example `time`, or `flow.type` for a field of the object
    /// `flow`. Returns the slot of the field.
    pub fn want(&mut self, path: &str) -> Slot {
        let steps: Vec<Step> = path
            .split('.')
            .map(|name| Step::Name(name.to_owned()))
            .collect();
        self.want_steps(&steps)
    }

    /// Adds a field at the top level of the record. The name of the field can contain any
    /// characters. Returns the slot of the field.
    pub fn want_name(&mut self, name: String) -> Slot {
        self.want_steps(&[Step::Name(name)])
    }

    /// Adds the field at a path. Returns the slot of the field.
    pub fn want_steps(&mut self, path: &[Step]) -> Slot {
        let mut node = &mut self.root;
        for step in path {
            node = node.grow(step);
        }
        Slot(*node.slot.get_or_insert_with(|| {
            self.slots += 1;
            self.slots - 1
        }))
    }

    /// The slot of a path, if the path was added.
    pub(crate) fn wanted(&self, path: &[Step]) -> Option<Slot> {
        let mut node = &self.root;
        for step in path {
            node = match step {
                Step::Name(name) => node.child(name.as_bytes())?,
                Step::Index(index) => &node.elements.iter().find(|(at, _)| at == index)?.1,
            };
        }
        node.slot.map(Slot)
    }

    /// Whether no field is wanted.
    pub fn are_none(&self) -> bool {
        self.slots == 0
    }

    /// The record of a line that was validated before. The line is not searched, so all fields of
    /// the record are absent.
    pub fn unread<'l, 'f>(&self, line: &'l str, finds: &'f mut Finds) -> Record<'l, 'f> {
        let finds = finds.reset(self.slots);
        Record {
            line,
            finds: &finds.0,
        }
    }

    /// Validates a line and finds the wanted fields in it. The line must be a JSON object.
    pub fn read<'l, 'f>(
        &self,
        line: &'l str,
        finds: &'f mut Finds,
    ) -> Result<Record<'l, 'f>, BadLine> {
        let Finds(finds) = finds.reset(self.slots);
        match FieldWalk::new(line, finds).record(&self.root) {
            Some(()) => Ok(Record { line, finds }),
            None => Err(reason::of(line)),
        }
    }

    /// Validates a JSON text of any type and finds the wanted fields in it.
    pub fn read_part<'l, 'f>(
        &self,
        line: &'l str,
        finds: &'f mut Finds,
    ) -> Result<Record<'l, 'f>, BadLine> {
        let Finds(finds) = finds.reset(self.slots);
        match FieldWalk::new(line, finds).any(&self.root) {
            Some(()) => Ok(Record { line, finds }),
            None => Err(reason::of(line)),
        }
    }
}

impl Finds {
    fn reset(&mut self, slots: usize) -> &mut Finds {
        self.0.clear();
        self.0.resize(slots, Find::Absent);
        self
    }
}

impl<'l> Record<'l, '_> {
    /// The value, as it is written in the line; `None` if the record lacks the field.
    pub fn get(&self, slot: Slot) -> Option<&'l str> {
        match self.find(slot) {
            Found::Value(value) => Some(value),
            _ => None,
        }
    }

    /// The value, or the reason why there is none.
    pub fn find(&self, slot: Slot) -> Found<'l> {
        match self.finds[slot.0] {
            Find::At(from, to) => Found::Value(&self.line[from..to]),
            Find::Absent => Found::Absent,
            Find::Mismatch => Found::Mismatch,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found<'l>(line: &'l str, paths: &[&str]) -> Vec<Option<&'l str>> {
        let mut fields = Fields::default();
        let slots: Vec<Slot> = paths.iter().map(|path| fields.want(path)).collect();
        let mut finds = Finds::default();
        let record = fields.read(line, &mut finds).unwrap();
        slots.into_iter().map(|slot| record.get(slot)).collect()
    }

    fn bad(line: &str) -> String {
        let mut finds = Finds::default();
        Fields::default()
            .read(line, &mut finds)
            .unwrap_err()
            .to_string()
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
        assert_eq!(bad("1"), "a number, not a JSON object at column 1");
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
            assert!(!bad(line).is_empty(), "{line}");
        }
        for control in ["{\"a\u{1}\":1}", "{\"a\":\"\u{0}\"}", "{\"a\":\"\t\"}"] {
            assert!(bad(control).starts_with("control character"), "{control:?}");
        }
    }

    #[test]
    fn an_element_is_known_by_its_place() {
        let line = r#"{"a":[10,{"b":1},[20,21]],"b":{"0":1},"c":"x","d":null}"#;
        let index = |names: &[&str], index| {
            let names = names.iter().map(|name| Step::Name((*name).to_owned()));
            names.chain([Step::Index(index)]).collect::<Vec<Step>>()
        };
        let mut fields = Fields::default();
        let mut want = |path: &[Step]| fields.want_steps(path);
        let slots = [
            want(&index(&["a"], 0)),
            want(&[index(&["a"], 2), vec![Step::Index(1)]].concat()),
            want(&[index(&["a"], 1), vec![Step::Name("b".to_owned())]].concat()),
            want(&index(&["a"], 3)),
            want(&index(&["b"], 0)),
            want(&index(&["c"], 0)),
            want(&index(&["d"], 0)),
            want(&[Step::Name("a".to_owned()), Step::Name("x".to_owned())]),
        ];
        let expected = [
            Found::Value("10"),
            Found::Value("21"),
            Found::Value("1"),
            Found::Absent,
            Found::Mismatch,
            Found::Mismatch,
            Found::Absent,
            Found::Mismatch,
        ];
        let mut finds = Finds::default();
        let record = fields.read(line, &mut finds).unwrap();
        assert_eq!(slots.map(|slot| record.find(slot)), expected);
        let mut finds = Finds::default();
        let record = fields.read_part(line, &mut finds).unwrap();
        assert_eq!(slots.map(|slot| record.find(slot)), expected);
    }

    #[test]
    fn what_a_line_may_hold_does_not_depend_on_what_is_wanted_of_it() {
        for value in ["1e999", r#""\ud83d""#, r#"{"type":"\ud83d"}"#, "[1e999]"] {
            let line = format!(r#"{{"flow":{value},"a":1}}"#);
            assert_eq!(
                found(&line, &["a", "flow.type.x"]),
                [Some("1"), None],
                "{line}"
            );
        }
        let bad_line = r#"{"flow":{"a":1}"#;
        let mut fields = Fields::default();
        fields.want("flow.type");
        let error = fields.read(bad_line, &mut Finds::default()).unwrap_err();
        assert_eq!(error.to_string(), bad(bad_line));
    }

    /// Generates lines from parts of JSON, mostly in a valid order.
    fn line() -> impl Strategy<Value = String> {
        let text = r#"([a-z é]{0,40}|\\["\\/bfnrtx]|\\u[0-9a-fg]{4}|[\u{1}\t\u{7f}]){0,3}"#;
        let value = prop_oneof![
            4 => text.prop_map(|text| format!("\"{text}\"")),
            4 => "-?[0-9]{1,3}(\\.[0-9]{0,2})?([eE][+-]?[0-9]{0,2})?",
            3 => "true|false|null|nul|\\[\\]|\\{\\}",
        ];
        let value = value.prop_recursive(4, 16, 3, |inner| {
            let space = "[ \t\r\n]{0,1}";
            let fields = proptest::collection::vec((r#""(a|b|\\u0061)""#, inner.clone()), 0..3);
            prop_oneof![
                (proptest::collection::vec(inner, 0..3), space)
                    .prop_map(|(values, space)| format!("[{space}{}]", values.join(","))),
                (fields, space).prop_map(|(fields, space)| {
                    let field = |(name, value)| format!("{name}{space}:{value}{space}");
                    let fields: Vec<String> = fields.into_iter().map(field).collect();
                    format!("{{{}}}", fields.join(","))
                }),
            ]
        });
        let other = r#"[\[\]{}",:\\ 0-9e.\-]"#;
        (
            value,
            proptest::option::of((any::<prop::sample::Index>(), other)),
        )
            .prop_map(|(value, other)| {
                let mut chars: Vec<char> = format!("{{\"a\":{value}}}").chars().collect();
                if let Some((at, other)) = other {
                    let at = at.index(chars.len());
                    chars.splice(at..=at, other.chars());
                }
                chars.into_iter().collect()
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn a_line_is_accepted_exactly_if_the_library_reads_an_object(line in line()) {
            let mut fields = Fields::default();
            fields.want("a.a");
            let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&line).is_ok();
            let mut finds = Finds::default();
            let read = fields.read(&line, &mut finds).is_ok();
            prop_assert_eq!(read, is_json && line.starts_with('{'), "{}", line);
        }

        #[test]
        fn a_few_characters_are_an_object_exactly_if_the_library_reads_one(line in r#"[{}\[\]",:a1 \\]{0,12}"#) {
            let mut fields = Fields::default();
            fields.want("a.a");
            let expected = serde_json::from_str::<serde_json::Value>(&line).is_ok_and(|v| v.is_object());
            let mut finds = Finds::default();
            prop_assert_eq!(fields.read(&line, &mut finds).is_ok(), expected, "{}", line);
        }
    }
}
