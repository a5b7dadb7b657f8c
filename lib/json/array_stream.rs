//! Reads the elements of a JSON array while the array arrives. The memory needed depends on the
//! longest element, not on the length of the array, because a reply with ten thousand records can
//! have tens of megabytes.
//!
//! This module only finds the ends of the elements. It does not check whether an element is valid
//! JSON; the caller does this when it decodes the element.

use std::io::{self, Read};

use memchr::memchr2;

use super::lines::BOM;

const BLOCK: usize = 64 * 1024;

/// The longest element in bytes: a thousand times the largest record.
const LONGEST: usize = 64 * 1024 * 1024;

/// If a body is not an array, a message shows at most this number of its bytes.
const SHOWN: usize = 80;

/// The reason why there is no next element.
#[derive(Debug)]
pub enum ArrayError {
    /// Reading failed.
    Read(io::Error),
    /// The body ended before the array ended.
    Truncated,
    /// The body is not an array. The text is the start of the body, for a message.
    NotAnArray(String),
    /// After this many elements, or after the array, there is something that JSON does not allow.
    Malformed(u64),
    /// An element is longer than 64 MiB, which is more than any record.
    TooLong,
}

/// Splits an array into its elements.
#[derive(Debug)]
pub struct ArrayStream<R> {
    scanner: Scanner<R>,
    count: u64,
    begun: bool,
}

impl<R: Read> ArrayStream<R> {
    /// Reads the elements of the array in `input`.
    pub fn new(input: R) -> ArrayStream<R> {
        ArrayStream {
            scanner: Scanner::new(input),
            count: 0,
            begun: false,
        }
    }

    /// The bytes of the next element; `None` after the last one.
    pub fn next_element(&mut self) -> Result<Option<&[u8]>, ArrayError> {
        if !self.begun {
            self.open()?;
        }
        let scanner = &mut self.scanner;
        if !scanner.next_in_array(self.count)? {
            scanner.expect_end(self.count)?;
            return Ok(None);
        }
        let length = scanner.measure(self.count)?;
        self.count += 1;
        Ok(Some(scanner.take(length)))
    }

    fn open(&mut self) -> Result<(), ArrayError> {
        match self.scanner.begin()? {
            Some(b'[') => {
                self.scanner.take(1);
                self.begun = true;
                Ok(())
            }
            _ => Err(ArrayError::NotAnArray(self.scanner.head())),
        }
    }
}

/// The result of [`Scanner::measure_to`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measured {
    /// The value has this many bytes.
    Value(usize),
    /// The value is an object with an array under the key that the caller gave. The number counts
    /// the bytes of the value up to the `[` of this array, inclusive.
    Array(usize),
}

/// Splits JSON at the ends of its values.
#[derive(Debug)]
pub struct Scanner<R> {
    input: R,
    buffer: Vec<u8>,
    /// `buffer[start..end]` is unread.
    start: usize,
    end: usize,
}

impl<R: Read> Scanner<R> {
    /// A scanner that has read nothing yet.
    pub fn new(input: R) -> Scanner<R> {
        Scanner {
            input,
            buffer: vec![0; BLOCK],
            start: 0,
            end: 0,
        }
    }

    /// Skips a byte order mark and white space. Returns the next byte without consuming it; `None`
    /// at the end of the input.
    pub fn begin(&mut self) -> Result<Option<u8>, ArrayError> {
        while self.end < BOM.len() && self.fill()? {}
        if self.buffer[..self.end].starts_with(BOM) {
            self.start = BOM.len();
        }
        match self.peek() {
            Ok(byte) => Ok(Some(byte)),
            Err(ArrayError::Truncated) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// The first unread bytes, at most 80, as text for a message.
    pub fn head(&mut self) -> String {
        while self.end - self.start < SHOWN && self.fill().unwrap_or(false) {}
        let head = &self.buffer[self.start..self.end.min(self.start + SHOWN)];
        String::from_utf8_lossy(head).into_owned()
    }

    /// The next `length` bytes as text. They stay unread.
    pub fn head_of(&self, length: usize) -> String {
        let head = &self.buffer[self.start..self.start + length];
        String::from_utf8_lossy(head).into_owned()
    }

    /// Goes to the next element of an array. `count` elements have been read. Returns false after
    /// the last element.
    pub fn next_in_array(&mut self, count: u64) -> Result<bool, ArrayError> {
        match self.peek()? {
            b']' => {
                self.start += 1;
                return Ok(false);
            }
            b',' if count > 0 => {
                self.start += 1;
                self.peek()?;
            }
            _ if count == 0 => {}
            _ => return Err(ArrayError::Malformed(count)),
        }
        Ok(true)
    }

    /// Returns an error unless only white space is left in the input. `count` is the number of
    /// elements that were read, for the error.
    pub fn expect_end(&mut self, count: u64) -> Result<(), ArrayError> {
        match self.peek() {
            Err(ArrayError::Truncated) => Ok(()),
            Err(other) => Err(other),
            Ok(_) => Err(ArrayError::Malformed(count)),
        }
    }

    /// Consumes and returns the next `length` bytes. `length` is a result of [`Scanner::measure`]
    /// or [`Scanner::measure_to`].
    pub fn take(&mut self, length: usize) -> &[u8] {
        let bytes = &self.buffer[self.start..self.start + length];
        self.start += length;
        bytes
    }

    /// Skips white space, and returns the next byte without consuming it.
    pub fn peek(&mut self) -> Result<u8, ArrayError> {
        loop {
            let unread = &self.buffer[self.start..self.end];
            match unread.iter().position(|byte| !byte.is_ascii_whitespace()) {
                Some(blanks) => {
                    self.start += blanks;
                    return Ok(self.buffer[self.start]);
                }
                None => self.start = self.end,
            }
            if !self.fill()? {
                return Err(ArrayError::Truncated);
            }
        }
    }

    /// The length of the value that starts at the next byte. `count` is the number of elements
    /// before the value, for the error.
    pub fn measure(&mut self, count: u64) -> Result<usize, ArrayError> {
        match self.measure_to(None, count)? {
            Measured::Value(length) | Measured::Array(length) => Ok(length),
        }
    }

    /// Returns the length of the value that starts at the next byte. If the value is an object with
    /// an array under `key` (given with quotes), returns the length up to the `[` of this array,
    /// inclusive. `count` is the number of elements before the value, for the error.
    pub fn measure_to(&mut self, key: Option<&[u8]>, count: u64) -> Result<Measured, ArrayError> {
        let mut at = 0;
        let mut depth = 0_usize;
        let mut string = None;
        // `is_key`: the last token was `key`. `is_due`: the last token was the colon after `key`.
        let (mut is_key, mut is_due) = (false, false);
        loop {
            while self.start + at < self.end {
                let rest = &self.buffer[self.start + at..self.end];
                if let Some(begun) = string {
                    match memchr2(b'"', b'\\', rest) {
                        None => at += rest.len(),
                        Some(i) if rest[i] == b'"' => {
                            string = None;
                            at += i + 1;
                            if depth == 0 {
                                return Ok(Measured::Value(at));
                            }
                            let text = &self.buffer[self.start + begun..self.start + at];
                            is_key = depth == 1 && Some(text) == key;
                        }
                        // The escaped character may not have been read yet.
                        Some(i) if i + 1 == rest.len() => {
                            at += i;
                            break;
                        }
                        Some(i) => at += i + 2,
                    }
                    continue;
                }
                match rest[0] {
                    b' ' | b'\t' | b'\n' | b'\r' => {
                        at += 1;
                        continue;
                    }
                    b':' if is_key => {
                        (is_key, is_due) = (false, true);
                        at += 1;
                        continue;
                    }
                    b'[' if is_due => return Ok(Measured::Array(at + 1)),
                    b'"' => string = Some(at),
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' if depth > 1 => depth -= 1,
                    b'}' | b']' if depth == 1 => return Ok(Measured::Value(at + 1)),
                    b',' | b']' | b'}' if depth == 0 => {
                        // A number or a word ends before a comma or a closing bracket.
                        return match at {
                            0 => Err(ArrayError::Malformed(count)),
                            at => Ok(Measured::Value(at)),
                        };
                    }
                    _ => {}
                }
                (is_key, is_due) = (false, false);
                at += 1;
            }
            if !self.fill()? {
                return Err(ArrayError::Truncated);
            }
        }
    }

    /// Reads more bytes. Returns false at the end of the input.
    fn fill(&mut self) -> Result<bool, ArrayError> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            if self.end >= LONGEST {
                return Err(ArrayError::TooLong);
            }
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Ok(false),
                Ok(count) => {
                    self.end += count;
                    return Ok(true);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(ArrayError::Read(e)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A reader that returns the bytes in parts, like a network connection.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(into.len());
            into[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn all(text: &str, piece: usize) -> Result<Vec<String>, String> {
        let mut elements = ArrayStream::new(Pieces(text.as_bytes(), piece));
        let mut found = Vec::new();
        loop {
            match elements.next_element() {
                Ok(Some(element)) => found.push(String::from_utf8(element.to_vec()).unwrap()),
                Ok(None) => return Ok(found),
                Err(e) => return Err(format!("{} then {e:?}", found.len())),
            }
        }
    }

    #[test]
    fn elements_keep_their_bytes() {
        let text = "\u{feff} [ {\"a\" : \"}]\\\"\\\\\"} ,{\"b\":[1,{}]},\n7, \"x\" ]\n";
        for piece in [1, 2, 3, 100] {
            let found = all(text, piece).unwrap();
            assert_eq!(
                found,
                ["{\"a\" : \"}]\\\"\\\\\"}", "{\"b\":[1,{}]}", "7", "\"x\""]
            );
        }
        assert_eq!(all("[]", 1).unwrap(), [""; 0]);
    }

    #[test]
    fn what_is_no_whole_array_is_told_apart() {
        for (text, trouble) in [
            ("", "0 then NotAnArray(\"\")"),
            ("<html>", "0 then NotAnArray(\"<html>\")"),
            ("{\"error\":1}", "0 then NotAnArray(\"{\\\"error\\\":1}\")"),
            ("[", "0 then Truncated"),
            ("[{}", "1 then Truncated"),
            ("[{},", "1 then Truncated"),
            ("[{},{\"a\":\"\\", "1 then Truncated"),
            ("[{} {}]", "1 then Malformed(1)"),
            ("[{}] x", "1 then Malformed(1)"),
            ("[,{}]", "0 then Malformed(0)"),
        ] {
            assert_eq!(all(text, 2).unwrap_err(), trouble, "{text}");
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_json_library(
            texts in prop::collection::vec("\\PC{0,20}|[\"\\\\{}\\[\\],: \n]{0,20}", 0..8),
            piece in 1_usize..40,
        ) {
            let values: Vec<_> = texts
                .iter()
                .map(|text| serde_json::json!({ text.clone(): [text, { "n": [] }] }).to_string())
                .collect();
            let text = format!("[{}]", values.join(" ,\n"));
            prop_assert_eq!(all(&text, piece).unwrap(), values);
        }

        #[test]
        fn no_prefix_is_a_whole_array(cut in 0_usize..40) {
            let text = r#"[{"a":"\"]"},{"b":[1,2]},{"c":null}]"#;
            let cut = cut.min(text.len() - 1);
            prop_assert!(all(&text[..cut], 3).is_err());
        }
    }
}
