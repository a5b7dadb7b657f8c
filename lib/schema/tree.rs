//! The paths in the records of one type, each with facts about its values.

use std::collections::HashMap;

use super::location::{First, RecordLocation};
use crate::json::cursor::TextCursor;
use crate::json::fields::text;

/// The largest number of paths for each type of record. Without a limit, an object with ids as keys
/// would add a path for each id.
pub(super) const PATHS: usize = 2000;

/// The longest key in a path, in bytes. A longer key is not the name of a field.
const LONGEST: usize = 256;

/// The types of values.
pub(super) const TYPES: [&str; 7] = [
    "string", "integer", "number", "boolean", "null", "object", "array",
];
const STRING: usize = 0;
const INTEGER: usize = 1;
const NUMBER: usize = 2;
const BOOLEAN: usize = 3;
pub(super) const NULL: usize = 4;
const OBJECT: usize = 5;
const ARRAY: usize = 6;

/// A double represents every integer up to this one.
const EXACT: u64 = 1 << 53;

/// The index of the node for the whole record.
const ROOT: usize = 0;

#[derive(Debug)]
pub(super) struct Tree {
    pub(super) nodes: Vec<PathNode>,
    /// The number of values that are not counted at any path, because a limit was reached.
    pub(super) left_out: u64,
}

/// A path, and the facts about the values at this path.
#[derive(Debug)]
pub(super) struct PathNode {
    pub(super) path: String,
    /// The index of the node whose path is this path up to its last `[]`, inclusive. `None` if this
    /// path has no `[]`.
    pub(super) elements: Option<usize>,
    pub(super) names: HashMap<String, usize>,
    element: Option<usize>,
    pub(super) stats: Stats,
}

/// The facts about the values at a path.
#[derive(Debug, Default)]
pub(super) struct Stats {
    pub(super) records: u64,
    last: u64,
    pub(super) values: u64,
    /// The number of values of each type, in the order of [`TYPES`].
    pub(super) types: [u64; TYPES.len()],
    pub(super) beyond_2_53: u64,
    pub(super) beyond_int64: u64,
    pub(super) max_length: usize,
    pub(super) first: Option<First>,
}

impl Default for Tree {
    fn default() -> Tree {
        Tree {
            nodes: vec![PathNode::new(String::new(), None)],
            left_out: 0,
        }
    }
}

impl PathNode {
    fn new(path: String, elements: Option<usize>) -> PathNode {
        PathNode {
            path,
            elements,
            names: HashMap::new(),
            element: None,
            stats: Stats::default(),
        }
    }
}

impl Tree {
    /// Adds a record. `number` is its number among the records of its type, counted from 1.
    pub(super) fn add(&mut self, record: &str, number: u64, place: &RecordLocation) {
        let first = || First::new(place, number);
        self.value(Some(ROOT), &mut TextCursor::new(record), number, &first);
    }

    /// Adds a value and the values inside it. Without a `node`, these values are only counted in
    /// `left_out`.
    fn value(
        &mut self,
        node: Option<usize>,
        walk: &mut TextCursor<'_>,
        number: u64,
        first: &dyn Fn() -> First,
    ) {
        let next = walk.peek();
        let start = walk.at();
        let kind = match next {
            Some(b'{') => {
                walk.step();
                while walk.peek() == Some(b'"') {
                    let name = walk.string();
                    let child = node.and_then(|node| self.child(node, name));
                    self.value(child, walk, number, first);
                }
                walk.step();
                OBJECT
            }
            Some(b'[') => {
                walk.step();
                let element = node.and_then(|node| self.element(node));
                while !matches!(walk.peek(), Some(b']') | None) {
                    self.value(element, walk, number, first);
                }
                walk.step();
                ARRAY
            }
            Some(b'"') => {
                walk.string();
                STRING
            }
            Some(b't' | b'f') => {
                walk.scalar();
                BOOLEAN
            }
            Some(b'n') => {
                walk.scalar();
                NULL
            }
            _ => match walk.scalar().contains(['.', 'e', 'E']) {
                true => NUMBER,
                false => INTEGER,
            },
        };
        let value = walk.since(start);
        match node {
            None => self.left_out += 1,
            Some(node) => self.nodes[node].stats.count(kind, value, number, first),
        }
    }

    /// The child of `node` for the key `name`, which is in quotes. `None` if a limit is reached.
    fn child(&mut self, node: usize, name: &str) -> Option<usize> {
        let name = text(name);
        if let Some(child) = self.nodes[node].names.get(name.as_ref()) {
            return Some(*child);
        }
        if name.len() > LONGEST {
            return None;
        }
        let parent = &self.nodes[node];
        let dot = if parent.path.is_empty() { "" } else { "." };
        let path = format!("{}{dot}{}", parent.path, step(&name));
        let elements = parent.elements;
        let child = self.grow(PathNode::new(path, elements))?;
        self.nodes[node].names.insert(name.into_owned(), child);
        Some(child)
    }

    /// The child of `node` for the elements of an array. `None` if a limit is reached.
    fn element(&mut self, node: usize) -> Option<usize> {
        if let Some(element) = self.nodes[node].element {
            return Some(element);
        }
        let path = format!("{}[]", self.nodes[node].path);
        let itself = self.nodes.len();
        let element = self.grow(PathNode::new(path, Some(itself)))?;
        self.nodes[node].element = Some(element);
        Some(element)
    }

    fn grow(&mut self, node: PathNode) -> Option<usize> {
        // `PATHS` does not count the node for the whole record.
        if self.nodes.len() > PATHS {
            return None;
        }
        self.nodes.push(node);
        Some(self.nodes.len() - 1)
    }
}

/// A key as it is written in a path: in quotes if it contains special characters.
fn step(name: &str) -> String {
    let is_plain = |char: char| !char.is_control() && !matches!(char, '.' | '[' | ']' | '"');
    if !name.is_empty() && name.chars().all(is_plain) {
        return name.to_owned();
    }
    serde_json::Value::from(name).to_string()
}

impl Stats {
    fn count(&mut self, kind: usize, value: &str, number: u64, first: &dyn Fn() -> First) {
        self.first.get_or_insert_with(first);
        if self.last != number {
            self.last = number;
            self.records += 1;
        }
        self.values += 1;
        self.types[kind] += 1;
        let quotes = if kind == STRING { 2 } else { 0 };
        self.max_length = self.max_length.max(value.len().saturating_sub(quotes));
        // An integer of fewer than 16 characters fits into a double and into 64 bits.
        if kind == INTEGER && value.len() >= 16 {
            let whole = value.parse::<i64>();
            self.beyond_int64 += u64::from(whole.is_err());
            let is_exact = whole.is_ok_and(|whole| whole.unsigned_abs() <= EXACT);
            self.beyond_2_53 += u64::from(!is_exact);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(records: &[&str]) -> Tree {
        let mut tree = Tree::default();
        for (number, record) in (1..).zip(records) {
            let place = RecordLocation {
                source: "z".into(),
                member: "m".into(),
                line: number,
            };
            tree.add(record, number, &place);
        }
        tree
    }

    fn seen(tree: &Tree, path: &str) -> (u64, u64, [u64; 7]) {
        let node = tree.nodes.iter().find(|node| node.path == path).unwrap();
        (node.stats.records, node.stats.values, node.stats.types)
    }

    #[test]
    fn paths_lead_into_objects_and_arrays() {
        let tree = tree(&[
            r#"{"a":1,"b":[{"c":"x"},{"c":null},{}],"d":{"e":[[true,1.5]]}}"#,
            r#" { "a" : "\"}" , "b" : [ ] , "\u0061b.c" : {} , "" : 1e3 } "#,
        ]);
        let paths: Vec<&str> = tree.nodes.iter().map(|node| node.path.as_str()).collect();
        let expected = [
            "", "a", "b", "b[]", "b[].c", "d", "d.e", "d.e[]", "d.e[][]", "\"ab.c\"", "\"\"",
        ];
        assert_eq!(paths, expected);
        assert_eq!(seen(&tree, ""), (2, 2, [0, 0, 0, 0, 0, 2, 0]));
        assert_eq!(seen(&tree, "a"), (2, 2, [1, 1, 0, 0, 0, 0, 0]));
        assert_eq!(seen(&tree, "b[]"), (1, 3, [0, 0, 0, 0, 0, 3, 0]));
        assert_eq!(seen(&tree, "b[].c"), (1, 2, [1, 0, 0, 0, 1, 0, 0]));
        assert_eq!(seen(&tree, "d.e[][]"), (1, 2, [0, 0, 1, 1, 0, 0, 0]));
        assert_eq!(seen(&tree, "\"\""), (1, 1, [0, 0, 1, 0, 0, 0, 0]));
        assert_eq!(tree.nodes[1].stats.max_length, 3);
    }

    #[test]
    fn integers_that_others_cannot_hold_are_counted() {
        for (integer, double, int64) in [
            ("9007199254740992", 0, 0),
            ("-9007199254740993", 1, 0),
            ("9223372036854775807", 1, 0),
            ("9223372036854775808", 1, 1),
            ("-9223372036854775808", 1, 0),
            ("12345678901234567890123", 1, 1),
            ("12345678901234567890123.0", 0, 0),
        ] {
            let tree = tree(&[&format!("{{\"a\":{integer}}}")]);
            let stats = &tree.nodes[1].stats;
            assert_eq!(
                (stats.beyond_2_53, stats.beyond_int64),
                (double, int64),
                "{integer}"
            );
        }
    }

    #[test]
    fn there_are_only_so_many_paths_and_the_rest_is_counted() {
        let dictionary = |from: usize| {
            let ids = from..from + PATHS;
            let pairs: Vec<_> = ids.map(|id| format!("\"{id}\":{{\"x\":[1]}}")).collect();
            format!("{{{}}}", pairs.join(","))
        };
        let long = format!("{{\"{}\":1}}", "k".repeat(LONGEST + 1));
        let tree = tree(&[&dictionary(0), &dictionary(PATHS), &long, r#"{"0":1}"#]);
        assert_eq!(tree.nodes.len(), PATHS + 1);
        assert_eq!(tree.left_out as usize, 2 * PATHS * 3 - PATHS + 1);
        assert_eq!(seen(&tree, "0").0, 2);
    }
}
