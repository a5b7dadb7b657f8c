//! Joins the lines of a JSON value that is printed over several lines, as API consoles print it.
//!
//! Such a value starts with a line that contains only `{` or `[`, which is never a line of
//! newline-delimited JSON. Each of its line breaks becomes a space, so that byte offsets do not
//! change. All other lines pass unchanged, at the speed of a search for line breaks.

use std::io::{self, Read};

use super::lines::BOM;

/// The place of the next byte in the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum JsonPlace {
    /// At the start of a line, perhaps after blanks or a byte order mark.
    #[default]
    Start,
    /// After a bracket that is alone on its line so far.
    Opened,
    /// In a line with a complete value, or with text that is not JSON.
    Line,
    /// In a value of several lines, at this depth.
    Value(usize),
    /// In a string in a value of several lines, at this depth.
    Text(usize),
    /// After a backslash in a string in a value of several lines, at this depth.
    Escape(usize),
}

/// Joins the lines of each value in an input that arrives in blocks. Between two blocks, the joiner
/// remembers the place in the input.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Joiner(JsonPlace);

impl Joiner {
    /// Replaces the line breaks inside values by spaces. `bytes` are the next bytes of the input,
    /// after those of the previous call.
    pub(crate) fn join(&mut self, bytes: &mut [u8]) {
        let mut at = 0;
        while at < bytes.len() {
            if self.0 == JsonPlace::Line {
                match memchr::memchr(b'\n', &bytes[at..]) {
                    None => return,
                    Some(end) => at += end,
                }
            }
            self.0 = self.step(&mut bytes[at]);
            at += 1;
        }
    }

    fn step(self, byte: &mut u8) -> JsonPlace {
        match (self.0, *byte) {
            (JsonPlace::Start | JsonPlace::Line, b'\n') => JsonPlace::Start,
            (JsonPlace::Start, b'{' | b'[') => JsonPlace::Opened,
            (JsonPlace::Start, b' ' | b'\t' | b'\r') => JsonPlace::Start,
            (JsonPlace::Start, mark) if BOM.contains(&mark) => JsonPlace::Start,
            (JsonPlace::Opened, b' ' | b'\t' | b'\r') => JsonPlace::Opened,
            (JsonPlace::Opened, b'\n') => {
                *byte = b' ';
                JsonPlace::Value(1)
            }
            (JsonPlace::Start | JsonPlace::Opened | JsonPlace::Line, _) => JsonPlace::Line,
            (JsonPlace::Value(depth), b'{' | b'[') => JsonPlace::Value(depth + 1),
            (JsonPlace::Value(1), b'}' | b']') => JsonPlace::Line,
            (JsonPlace::Value(depth), b'}' | b']') => JsonPlace::Value(depth - 1),
            (JsonPlace::Value(depth), b'"') => JsonPlace::Text(depth),
            (JsonPlace::Value(depth), b'\n') => {
                *byte = b' ';
                JsonPlace::Value(depth)
            }
            (JsonPlace::Value(depth), _) => JsonPlace::Value(depth),
            (JsonPlace::Text(depth), b'"') => JsonPlace::Value(depth),
            (JsonPlace::Text(depth), b'\\') => JsonPlace::Escape(depth),
            // A JSON string cannot contain a line break. So the value is cut off, and the next line
            // can be good.
            (JsonPlace::Text(_) | JsonPlace::Escape(_), b'\n') => JsonPlace::Start,
            (JsonPlace::Text(depth) | JsonPlace::Escape(depth), _) => JsonPlace::Text(depth),
        }
    }
}

/// A reader of the bytes of `input`, with each value on one line.
#[derive(Debug)]
pub(crate) struct Joined<R> {
    input: R,
    joiner: Joiner,
}

impl<R> Joined<R> {
    /// Reads `input`, and joins the lines of each value.
    pub(crate) fn new(input: R) -> Joined<R> {
        let joiner = Joiner::default();
        Joined { input, joiner }
    }
}

impl<R: Read> Read for Joined<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.input.read(buffer)?;
        self.joiner.join(&mut buffer[..length]);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn joined(text: &str, block: usize) -> String {
        let mut bytes = text.as_bytes().to_vec();
        let mut joiner = Joiner::default();
        bytes.chunks_mut(block).for_each(|part| joiner.join(part));
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_value_of_several_lines_becomes_one_and_others_stay() {
        for (text, expected) in [
            ("{\n\"a\": [\n{\n},\n2]\n}\n", "{ \"a\": [ { }, 2] }\n"),
            (
                "\u{feff}{ \r\n \"a\":\r\n1}\r\n{\"b\":2}\n",
                "\u{feff}{ \r  \"a\":\r 1}\r\n{\"b\":2}\n",
            ),
            ("{\n\"a\":\"}\\\"\\\\\"\n}", "{ \"a\":\"}\\\"\\\\\" }"),
            ("{\"a\":\n1}\n", "{\"a\":\n1}\n"),
            ("{}\n[]\n\n{\"a\":\"\n", "{}\n[]\n\n{\"a\":\"\n"),
            ("{\n\"a\":\"cut\n{\"b\":1}\n", "{ \"a\":\"cut\n{\"b\":1}\n"),
            ("]\n{\n}\n", "]\n{ }\n"),
        ] {
            for block in 1..=text.len() {
                assert_eq!(joined(text, block), expected, "{block}");
            }
        }
    }

    proptest! {
        #[test]
        fn pretty_and_compact_are_read_as_the_same(
            values in prop::collection::vec((any::<bool>(), "[a\"{}\\\\\n ]{0,6}", 0_u8..3), 1..6),
        ) {
            let values: Vec<(bool, Value)> = values
                .into_iter()
                .map(|(pretty, text, kind)| (pretty, match kind {
                    0 => json!({}),
                    1 => json!({ text.clone(): [text, {"x": []}] }),
                    _ => json!([{ "a": text }]),
                }))
                .collect();
            let text: String = values
                .iter()
                .map(|(pretty, value)| match pretty {
                    true => format!("{value:#}\n"),
                    false => format!("{value}\n"),
                })
                .collect();
            let joined = joined(&text, 3);
            let lines: Vec<Value> = joined
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect();
            let values: Vec<Value> = values.into_iter().map(|(_, value)| value).collect();
            prop_assert_eq!(lines, values);
        }
    }
}
