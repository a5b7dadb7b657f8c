//! Newline-delimited JSON: reads lines with their numbers and offsets, and writes records.
//!
//! Lines are found without decoding, so that a filter can output the original bytes. Programs use
//! these functions to split their input into lines of records, and to remove byte order marks.

use std::io::{self, Read, Write};

use serde::Serialize;

/// The number of bytes of one read. Larger reads of pipes and disks are not faster.
const BLOCK: usize = 256 * 1024;

/// The longest line in bytes, unless the caller sets another limit. A line must fit into memory,
/// and a file that is not text must be refused early.
pub const MAX_LINE: usize = 256 * 1024 * 1024;

/// A line of the input, with its number and its offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The bytes, without `\n` or `\r\n`.
    pub bytes: &'a [u8],
    /// The bytes with the original line end, if there is one.
    pub with_end: &'a [u8],
    /// The number of the line, counted from 1.
    pub number: u64,
    /// The offset of the line's start in the input, in bytes.
    pub offset: u64,
}

/// A byte order mark. It belongs to the encoding, not to a record. Some programs write it at the
/// start of every file, and users concatenate files, so a byte order mark can be at the start of
/// any line.
pub(crate) const BOM: &[u8] = b"\xef\xbb\xbf";

/// The length of the first line of `bytes`, with its line end.
pub(crate) fn line_length(bytes: &[u8]) -> usize {
    memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1)
}

/// The line without its `\n` or `\r\n`.
pub(crate) fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The line without the byte order mark at its start, if there is one.
pub(crate) fn without_bom(line: &[u8]) -> &[u8] {
    line.strip_prefix(BOM).unwrap_or(line)
}

/// The record in a line, without byte order mark, line end and blanks around it.
pub(crate) fn record(line: &[u8]) -> &[u8] {
    without_bom(line).trim_ascii()
}

impl<'a> Line<'a> {
    /// The record in the line, without byte order mark and blanks around it.
    pub fn record(&self) -> &'a [u8] {
        record(self.bytes)
    }
}

/// Turns the error in a record of one line into text. Leaves out `at line 1` of serde_json, which
/// would be misleading.
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

/// serde_json's message about a wrong type, without the value, because the value can be private.
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

/// Reads a byte stream in blocks and splits it into lines, without decoding.
#[derive(Debug)]
pub struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    /// `buffer[start..end]` has not been returned to the caller yet.
    start: usize,
    end: usize,
    /// `buffer[start..searched]` has no newline.
    searched: usize,
    at_eof: bool,
    number: u64,
    offset: u64,
    max_line: usize,
}

impl<R: Read> Lines<R> {
    /// Reads lines with the limit [`MAX_LINE`].
    pub fn new(input: R) -> Lines<R> {
        Lines::with_limits(input, BLOCK, MAX_LINE)
    }

    /// Reads `block` bytes at a time. For a line of more than `max_line` bytes, not counting its
    /// newline, [`Lines::next_line`] returns an error and does not read the rest of the line.
    pub(crate) fn with_limits(input: R, block: usize, max_line: usize) -> Lines<R> {
        Lines {
            input,
            buffer: vec![0; block.clamp(1, max_line + 1)],
            start: 0,
            end: 0,
            searched: 0,
            at_eof: false,
            number: 0,
            offset: 0,
            max_line,
        }
    }

    /// Whether the next line is in memory. If not, [`Lines::next_line`] reads and can block, so a
    /// filter on a live stream flushes its output first.
    pub fn is_buffered(&mut self) -> bool {
        self.find_end().is_some()
    }

    /// The next line, even if it is a last line without a newline; `None` at the end.
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
        self.number += 1;
        let line = Line {
            bytes: without_end(with_end),
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
            let most = self.max_line + 1;
            if self.end >= most {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!(
                        "line {} is longer than {} bytes",
                        self.number + 1,
                        self.max_line
                    ),
                ));
            }
            self.buffer.resize(most.min(self.buffer.len() * 2), 0);
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

/// Appends a text as a JSON string. Blocks without characters to escape are copied in one step;
/// most texts of a contact centre have only such blocks.
pub fn push_string(line: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    line.push(b'"');
    for stretch in text.as_bytes().chunks(32) {
        let special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
        // This test has no early exit, so that the processor tests many bytes at once.
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
    use crate::json::object::Object;
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

    proptest! {
        #[test]
        fn a_string_is_escaped_as_the_library_does(text in "(\\PC|[\u{0}-\u{1f}\"\\\\\u{7f}\u{2028}]){0,100}") {
            let mut line = Vec::new();
            push_string(&mut line, &text);
            prop_assert_eq!(line, serde_json::to_vec(&text).unwrap());
        }
    }

    #[test]
    fn a_line_over_the_limit_is_refused_with_its_number() {
        let mut lines = Lines::with_limits(&b"ok\nthis is long"[..], 2, 4);
        assert!(lines.next_line().unwrap().is_some());
        let error = lines.next_line().unwrap_err();
        assert_eq!(error.to_string(), "line 2 is longer than 4 bytes");
    }

    #[test]
    fn the_limit_of_a_line_is_exact() {
        for (block, limit) in [(1, 5), (2, 5), (3, 5), (5, 5), (8, 5), (4, 8)] {
            for (length, newline) in [
                (limit, ""),
                (limit, "\n"),
                (limit + 1, ""),
                (limit + 1, "\n"),
            ] {
                let input = "x".repeat(length) + newline;
                let mut lines = Lines::with_limits(input.as_bytes(), block, limit);
                let is_read = lines.next_line().is_ok();
                assert_eq!(
                    is_read,
                    length <= limit,
                    "{block} {limit} {length} {newline:?}"
                );
            }
        }
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
