//! Newline-delimited JSON: reading lines with their place, and records whose
//! values keep the bytes that they came with.
//!
//! A line is found without being decoded, so that a filter can pass on the
//! bytes that it read. An [`Object`] is a record that a stage adds fields to:
//! the values that it does not touch stay as they were written, so that a
//! 20-digit id or `1.10` survives.

use std::fmt;
use std::io::{self, Read, Write};

use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// How much is read at once: past this, a pipe and a disk give no more.
const BLOCK: usize = 256 * 1024;

/// The longest line that is read unless the caller says otherwise. A line must
/// fit into memory; a file that is no text at all must not.
pub const MAX_LINE: usize = 256 * 1024 * 1024;

/// A line of the input and where it stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The bytes, without `\n` or `\r\n`.
    pub bytes: &'a [u8],
    /// The bytes with the line end that they came with, if any.
    pub with_end: &'a [u8],
    /// Counted from 1.
    pub number: u64,
    /// Where it begins, in bytes from the start of the input.
    pub offset: u64,
}

/// Some writers put it before every file, and files are concatenated.
const BOM: &[u8] = b"\xef\xbb\xbf";

impl<'a> Line<'a> {
    /// The record in it: without byte order mark and blanks around it.
    pub fn record(&self) -> &'a [u8] {
        let bytes = self.bytes.strip_prefix(BOM).unwrap_or(self.bytes);
        bytes.trim_ascii()
    }
}

/// What is wrong with a record of one line: the library's "at line 1" says nothing.
pub fn explain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let (cause, column) = match text.strip_suffix(&place) {
        Some(cause) => (cause, error.column()),
        None => (text.as_str(), 0),
    };
    let cause = without_value(cause).unwrap_or_else(|| cause.to_owned());
    match column {
        0 => cause,
        column => format!("{cause} at column {column}"),
    }
}

/// What the library says of another type than was wanted, without the value, which
/// may be anybody's.
fn without_value(cause: &str) -> Option<String> {
    let differs = |what| cause.strip_prefix(what);
    let rest = differs("invalid type: ").or_else(|| differs("invalid value: "))?;
    let (found, wanted) = rest.rsplit_once(", expected ")?;
    let found = match found.split(['"', '`']).next()?.trim_end() {
        "sequence" => "an array",
        "map" => "an object",
        "string" => "a string",
        "boolean" => "a boolean",
        "integer" | "floating point" | "number" => "a number",
        other => other,
    };
    Some(format!("{found}, not {wanted}"))
}

/// Cuts a byte stream into lines, in blocks, without decoding.
#[derive(Debug)]
pub struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    /// The unread part of `buffer`.
    start: usize,
    end: usize,
    /// Up to here `buffer[start..]` is known to hold no newline.
    searched: usize,
    at_eof: bool,
    number: u64,
    offset: u64,
    max_line: usize,
}

impl<R: Read> Lines<R> {
    /// Lines of at most [`MAX_LINE`] bytes.
    pub fn new(input: R) -> Lines<R> {
        Lines::with_limits(input, BLOCK, MAX_LINE)
    }

    /// Reads `block` bytes at a time and refuses lines over `max_line`.
    pub fn with_limits(input: R, block: usize, max_line: usize) -> Lines<R> {
        Lines {
            input,
            buffer: vec![0; block.max(1)],
            start: 0,
            end: 0,
            searched: 0,
            at_eof: false,
            number: 0,
            offset: 0,
            max_line,
        }
    }

    /// Whether the next line is here already: if not, [`Lines::next_line`] will
    /// read, and a filter on a live stream flushes first.
    pub fn is_buffered(&mut self) -> bool {
        self.find_end().is_some()
    }

    /// The next line; `None` at the end. A last line without a newline counts.
    pub fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        let length = loop {
            if let Some(length) = self.find_end() {
                break length;
            }
            if self.at_eof {
                if self.start == self.end {
                    return Ok(None);
                }
                break self.end - self.start;
            }
            self.fill()?;
        };
        let with_end = &self.buffer[self.start..self.start + length];
        let bytes = with_end.strip_suffix(b"\n").unwrap_or(with_end);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        self.number += 1;
        let line = Line {
            bytes,
            with_end,
            number: self.number,
            offset: self.offset,
        };
        self.offset += length as u64;
        self.start += length;
        self.searched = self.start;
        Ok(Some(line))
    }

    fn find_end(&mut self) -> Option<usize> {
        match memchr::memchr(b'\n', &self.buffer[self.searched..self.end]) {
            Some(at) => {
                self.searched += at;
                Some(self.searched + 1 - self.start)
            }
            None => {
                self.searched = self.end;
                None
            }
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.searched -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            if self.end > self.max_line {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!(
                        "line {} is longer than {} bytes",
                        self.number + 1,
                        self.max_line
                    ),
                ));
            }
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.at_eof = true,
                Ok(count) => self.end += count,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            }
            return Ok(());
        }
    }
}

/// A JSON object whose fields keep their order and the bytes of their values.
/// Of two fields with one name the last one counts, as in jq.
#[derive(Clone, Debug, Default)]
pub struct Object {
    fields: Vec<(String, Box<RawValue>)>,
}

impl Object {
    /// Reads one line.
    pub fn parse(line: &[u8]) -> Result<Object, serde_json::Error> {
        serde_json::from_slice(line)
    }

    /// The names of the fields, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(name, _)| name.as_str())
    }

    /// Sets all fields of `other`.
    pub fn extend(&mut self, other: Object) {
        for (name, value) in other.fields {
            self.set_raw(name, value);
        }
    }

    /// The value of a field as it was written.
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.get())
    }

    /// The value of a field; `None` if it is absent or null.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, serde_json::Error> {
        match self.raw(name) {
            None => Ok(None),
            Some(text) => serde_json::from_str(text),
        }
    }

    /// Sets a field: in its place if there is one, else at the end.
    pub fn set<T: Serialize + ?Sized>(
        &mut self,
        name: &str,
        value: &T,
    ) -> Result<(), serde_json::Error> {
        self.set_raw(name.to_owned(), serde_json::value::to_raw_value(value)?);
        Ok(())
    }

    /// Takes a field away.
    pub fn remove(&mut self, name: &str) {
        self.fields.retain(|(key, _)| key != name);
    }

    fn set_raw(&mut self, name: String, value: Box<RawValue>) {
        match self.fields.iter_mut().find(|(key, _)| *key == name) {
            Some(field) => field.1 = value,
            None => self.fields.push((name, value)),
        }
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.fields.len()))?;
        for (name, value) in &self.fields {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object, D::Error> {
        struct ObjectVisitor;
        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut object = Object::default();
                while let Some((name, value)) = map.next_entry()? {
                    object.set_raw(name, value);
                }
                Ok(object)
            }
        }
        deserializer.deserialize_map(ObjectVisitor)
    }
}

/// Appends a text as a JSON string. Stretches without anything to escape are
/// found and copied as a whole, which most of a contact centre's texts are.
pub fn push_string(line: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    line.push(b'"');
    for stretch in text.as_bytes().chunks(32) {
        let special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
        // No early exit, so that it is done for many bytes at once.
        if !stretch.iter().fold(false, |any, byte| any | special(*byte)) {
            line.extend_from_slice(stretch);
            continue;
        }
        for byte in stretch {
            match *byte {
                b'"' => line.extend(b"\\\""),
                b'\\' => line.extend(b"\\\\"),
                b'\n' => line.extend(b"\\n"),
                b'\r' => line.extend(b"\\r"),
                b'\t' => line.extend(b"\\t"),
                0x08 => line.extend(b"\\b"),
                0x0c => line.extend(b"\\f"),
                byte if byte < 0x20 => {
                    let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
                    line.extend(b"\\u00");
                    line.extend([HEX[high], HEX[low]]);
                }
                byte => line.push(byte),
            }
        }
    }
    line.push(b'"');
}

/// Writes one record and its newline.
pub fn write<T: Serialize + ?Sized>(output: &mut impl Write, record: &T) -> io::Result<()> {
    jsonl::write(output, &record).map_err(|e| match e {
        jsonl::WriteError::Io(e) => e,
        jsonl::WriteError::Serialize(e) => io::Error::from(e),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_of_another_type_is_named_without_its_value() {
        let explained = |text| explain(&serde_json::from_str::<Object>(text).unwrap_err());
        let private = r#""0, expected 1\" and `2""#;
        assert_eq!(
            explained(private),
            "a string, not a JSON object at column 24"
        );
        assert_eq!(explained("[]"), "an array, not a JSON object");
        assert_eq!(explained("{"), "EOF while parsing an object at column 1");
        let negative = serde_json::from_str::<u8>("-5").unwrap_err();
        assert_eq!(explain(&negative), "a number, not u8 at column 2");
    }

    #[test]
    fn values_keep_their_bytes_and_their_place() {
        let line = br#"{"id": 12345678901234567890123, "a":1.10,"a":2.0, "u":"\u00e9"}"#;
        let mut object = Object::parse(line).unwrap();
        object.set("status", "READY").unwrap();
        object.set("u", &1).unwrap();
        let mut out = Vec::new();
        write(&mut out, &object).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"id\":12345678901234567890123,\"a\":2.0,\"u\":1,\"status\":\"READY\"}\n"
        );
    }

    proptest! {
        #[test]
        fn a_string_is_escaped_as_the_library_does(text in "(\\PC|[\u{0}-\u{1f}\"\\\\\u{7f}\u{2028}]){0,100}") {
            let mut line = Vec::new();
            push_string(&mut line, &text);
            prop_assert_eq!(line, serde_json::to_vec(&text).unwrap());
        }
    }

    #[test]
    fn null_is_absent_and_a_wrong_type_is_an_error() {
        let object = Object::parse(br#"{"a":null,"b":"x"}"#).unwrap();
        assert_eq!(object.get::<u64>("a").unwrap(), None);
        assert_eq!(object.get::<u64>("c").unwrap(), None);
        assert!(object.get::<u64>("b").is_err());
    }

    #[test]
    fn a_line_over_the_limit_is_refused_with_its_number() {
        let mut lines = Lines::with_limits(&b"ok\nthis is long"[..], 2, 4);
        assert!(lines.next_line().unwrap().is_some());
        let error = lines.next_line().unwrap_err();
        assert_eq!(error.to_string(), "line 2 is longer than 4 bytes");
    }

    #[test]
    fn line_ends_are_kept_apart_from_the_line() {
        let mut lines = Lines::new(&b"a\r\n\nb"[..]);
        let mut seen = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            seen.push((
                line.bytes.to_vec(),
                line.with_end.len(),
                line.number,
                line.offset,
            ));
        }
        let expected = vec![
            (b"a".to_vec(), 3, 1, 0),
            (b"".to_vec(), 1, 2, 3),
            (b"b".to_vec(), 1, 3, 4),
        ];
        assert_eq!(seen, expected);
    }

    proptest! {
        #[test]
        fn every_byte_comes_out_once_whatever_the_block(
            input in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..200),
            block in 1_usize..20,
        ) {
            let mut lines = Lines::with_limits(&input[..], block, 1000);
            let mut joined = Vec::new();
            while let Some(line) = lines.next_line().unwrap() {
                prop_assert_eq!(line.offset as usize, joined.len());
                prop_assert!(!line.bytes.contains(&b'\n'));
                joined.extend_from_slice(line.with_end);
            }
            prop_assert_eq!(joined, input);
        }
    }
}
