//! Tables as text (RFC 4180): fields can contain separators, quotes and line ends. Only this
//! module uses the csv crates.

use std::borrow::Cow;
use std::io::{self, Read};

use csv::{ErrorKind, ReaderBuilder, StringRecord};
use csv_core::{Terminator, WriteResult, Writer, WriterBuilder};

/// The number of bytes that are read at once.
const BLOCK: usize = 256 * 1024;

/// Appends rows to a buffer.
#[derive(Debug)]
pub struct RowWriter {
    writer: Writer,
    /// The bytes before the header: a byte order mark, or nothing.
    mark: &'static [u8],
}

impl RowWriter {
    /// A writer of rows that end with `\n`. `separator` is between the fields.
    pub fn new(separator: u8) -> RowWriter {
        RowWriter {
            writer: WriterBuilder::new().delimiter(separator).build(),
            mark: b"",
        }
    }

    /// A writer of tables for spreadsheets: with a byte order mark at the start, commas between the
    /// fields, and `\r\n` after each row.
    pub fn excel() -> RowWriter {
        let mut builder = WriterBuilder::new();
        RowWriter {
            writer: builder.terminator(Terminator::CRLF).build(),
            mark: b"\xef\xbb\xbf",
        }
    }

    /// Appends the byte order mark, if the table has one, and the names of the columns to `out`.
    pub fn header<T: AsRef<str>>(&mut self, names: impl IntoIterator<Item = T>, out: &mut Vec<u8>) {
        out.extend_from_slice(self.mark);
        self.write(names, out);
    }

    /// Appends one row to `out`. A field gets quotes only if it needs them.
    pub fn write<T: AsRef<str>>(&mut self, fields: impl IntoIterator<Item = T>, out: &mut Vec<u8>) {
        for (at, field) in fields.into_iter().enumerate() {
            if at > 0 {
                step(out, |room| self.writer.delimiter(room));
            }
            let mut rest = field.as_ref().as_bytes();
            step(out, |room| {
                let (result, read, written) = self.writer.field(rest, room);
                rest = &rest[read..];
                (result, written)
            });
        }
        step(out, |room| self.writer.terminator(room));
    }
}

/// Runs a step of the writer. If the free part of the buffer is too small, enlarges it and
/// continues.
fn step(out: &mut Vec<u8>, mut write: impl FnMut(&mut [u8]) -> (WriteResult, usize)) {
    let mut room = 64;
    loop {
        let end = out.len();
        out.resize(end + room, 0);
        let (result, written) = write(&mut out[end..]);
        out.truncate(end + written);
        match result {
            WriteResult::InputEmpty => return,
            WriteResult::OutputFull => room *= 2,
        }
    }
}

/// The reason why there is no next row.
#[derive(Debug)]
pub enum CsvError {
    /// Reading failed.
    Read(io::Error),
    /// The row does not fit the header, or is not UTF-8. The text contains the number of the line.
    Bad(String),
}

impl From<csv::Error> for CsvError {
    fn from(e: csv::Error) -> CsvError {
        let text = e.to_string();
        match e.into_kind() {
            ErrorKind::Io(e) => CsvError::Read(e),
            ErrorKind::UnequalLengths {
                pos,
                expected_len,
                len,
            } => CsvError::Bad(format!(
                "line {}: {len} fields under a header of {expected_len}",
                pos.map_or(0, |pos| pos.line())
            )),
            ErrorKind::Utf8 { pos, err } => CsvError::Bad(format!(
                "line {}: field {} is not UTF-8",
                pos.map_or(0, |pos| pos.line()),
                err.field() + 1
            )),
            _ => CsvError::Bad(text),
        }
    }
}

/// Reads the rows after a header, one at a time. A byte order mark is dropped.
#[derive(Debug)]
pub struct Rows<R> {
    reader: csv::Reader<Watched<R>>,
    header: Vec<String>,
    raw_header: Vec<u8>,
    row: StringRecord,
}

impl<R: Read> Rows<R> {
    /// Reads the header; it is empty for an empty input.
    pub fn new(input: R) -> Result<Rows<R>, CsvError> {
        let mut reader = ReaderBuilder::new()
            .buffer_capacity(BLOCK)
            .from_reader(Watched {
                input,
                has_ended: false,
                kept: KeptBytes::default(),
            });
        let header = reader.headers()?.iter().map(str::to_owned).collect();
        let end = reader.position().byte();
        Ok(Rows {
            raw_header: reader.get_ref().kept.line(0, end).into_owned(),
            reader,
            header,
            row: StringRecord::new(),
        })
    }

    /// The bytes of the header, unchanged, with its line end and its byte order mark, if any.
    pub fn raw_header(&self) -> &[u8] {
        &self.raw_header
    }

    /// The names of the columns.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// The next row, with as many cells as the header; `None` after the last one.
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>, CsvError> {
        let start = self.reader.position().byte();
        self.reader.get_mut().kept.forget(start);
        Ok(match self.reader.read_record(&mut self.row)? {
            true => Some(Row {
                cells: &self.row,
                place: (start, self.reader.position().byte()),
                bytes: &self.reader.get_ref().kept,
                has_line_end: !self.reader.get_ref().has_ended,
            }),
            false => None,
        })
    }

    /// Whether the end of the input was read. After [`Rows::new`] this means that the header has
    /// no line end.
    pub fn is_at_end(&self) -> bool {
        self.reader.get_ref().has_ended
    }
}

/// A reader that remembers whether the end of its input was read. The csv reader returns a row as
/// soon as it has read the end of the line. So if the end of the input was read, the row has no
/// line end.
#[derive(Debug)]
struct Watched<R> {
    input: R,
    has_ended: bool,
    kept: KeptBytes,
}

/// The last bytes of the input, which [`Row::raw`] needs.
#[derive(Debug, Default)]
struct KeptBytes {
    bytes: Vec<u8>,
    /// The offset of `bytes[0]` in the input.
    start: u64,
}

impl KeptBytes {
    /// Drops the bytes before `end`, but only in large steps, because moving the rest takes time.
    fn forget(&mut self, end: u64) {
        let length = usize::try_from(end.saturating_sub(self.start)).unwrap_or(usize::MAX);
        if length >= BLOCK {
            self.bytes.drain(..length.min(self.bytes.len()));
            self.start = end;
        }
    }

    /// The line between two offsets of the csv reader, with its line end. The csv reader counts the
    /// `\n` of a `\r\n` as a part of the next line.
    fn line(&self, from: u64, to: u64) -> Cow<'_, [u8]> {
        let at = |place: u64| {
            let length = usize::try_from(place.saturating_sub(self.start));
            length.unwrap_or(usize::MAX).min(self.bytes.len())
        };
        let line = &self.bytes[at(from)..at(to)];
        let blank = line
            .iter()
            .take_while(|byte| b"\r\n".contains(byte))
            .count();
        let line = &line[blank..];
        match line.last() {
            Some(b'\n') => Cow::Borrowed(line),
            _ => Cow::Owned([line, b"\n"].concat()),
        }
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(into)?;
        self.has_ended = count == 0 && !into.is_empty();
        self.kept.bytes.extend_from_slice(&into[..count]);
        Ok(count)
    }
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    cells: &'a StringRecord,
    place: (u64, u64),
    bytes: &'a KeptBytes,
    has_line_end: bool,
}

impl<'a> Row<'a> {
    /// The text of a cell; empty if the row has no such cell.
    pub fn cell(&self, index: usize) -> &'a str {
        self.cells.get(index).unwrap_or_default()
    }

    /// Whether the row ends with a line end. If not, the input ends with this row, which can be
    /// incomplete.
    pub fn has_line_end(&self) -> bool {
        self.has_line_end
    }

    /// The bytes of the row, unchanged, with its line end; `\n` is added if there was none.
    pub fn raw(&self) -> Cow<'a, [u8]> {
        self.bytes.line(self.place.0, self.place.1)
    }

    /// All cells, in the order of the columns.
    pub fn cells(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.cells.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(separator: u8, fields: &[&str]) -> String {
        let mut out = b"|".to_vec();
        let mut writer = RowWriter::new(separator);
        writer.write(fields, &mut out);
        writer.write(["next"], &mut out);
        let text = String::from_utf8(out).unwrap();
        text.strip_prefix('|')
            .unwrap()
            .strip_suffix("next\n")
            .unwrap()
            .to_owned()
    }

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        assert_eq!(row(b',', &["a", "", "1.50", "é"]), "a,,1.50,é\n");
        assert_eq!(
            row(b',', &["a,b", "say \"so\"", "two\nlines", "\r"]),
            "\"a,b\",\"say \"\"so\"\"\",\"two\nlines\",\"\r\"\n"
        );
        assert_eq!(row(b'\t', &["a,b", "a\tb"]), "a,b\t\"a\tb\"\n");
        // Without quotes, a row of one empty field would be an empty line, which is no row.
        assert_eq!(row(b',', &[""]), "\"\"\n");
    }

    #[test]
    fn a_field_may_be_longer_than_any_room() {
        let long = "x\"".repeat(100_000);
        assert_eq!(
            row(b',', &[&long, "y"]),
            format!("\"{}\",y\n", "x\"\"".repeat(100_000))
        );
    }

    #[test]
    fn a_field_may_hold_anything() {
        let fields = [
            "two\nlines",
            "two\r\nlines",
            "a \"quote\", a comma",
            "\u{85}\u{2028}\u{2029}\u{b}\u{c}\u{1c}",
            "",
            "x",
        ];
        let mut bytes = b"\xef\xbb\xbf".to_vec();
        let mut writer = RowWriter::new(b',');
        writer.write(["a", "b", "c", "d", "e", "f"], &mut bytes);
        writer.write(fields, &mut bytes);
        let mut rows = Rows::new(&bytes[..]).unwrap();
        assert_eq!(rows.header()[0], "a", "without the mark");
        let row = rows.next_row().unwrap().unwrap();
        assert_eq!(row.cells().collect::<Vec<_>>(), fields);
        assert!(rows.next_row().unwrap().is_none());
    }

    #[test]
    fn a_field_may_be_longer_than_the_python_library_takes() {
        let long = "x".repeat(300_000);
        let text = format!("a,b\n1,\"{long}\"\n");
        let mut rows = Rows::new(text.as_bytes()).unwrap();
        assert_eq!(rows.next_row().unwrap().unwrap().cell(1), long);
    }

    #[test]
    fn a_row_is_to_be_had_as_it_came() {
        let mark = "\u{feff}";
        let cell = format!("\"a \"\"b\"\"\r\n{}\"", "x".repeat(100_000));
        for end in ["\n", "\r\n"] {
            let lines: Vec<String> = (0..20)
                .map(|number| format!("{number},{cell},\"plain\"{end}"))
                .collect();
            let text = format!("{mark}a,\"b\",c{end}{}", lines.concat());
            let mut rows = Rows::new(text.as_bytes()).unwrap();
            assert_eq!(
                rows.raw_header(),
                format!("{mark}a,\"b\",c{end}").as_bytes()
            );
            for line in &lines {
                let row = rows.next_row().unwrap().unwrap();
                assert!(*row.raw() == *line.as_bytes(), "{end:?}");
            }
            assert!(rows.next_row().unwrap().is_none());
        }
        let mut rows = Rows::new(&b"a,b\n1,2"[..]).unwrap();
        assert_eq!(*rows.next_row().unwrap().unwrap().raw(), *b"1,2\n");
    }

    #[test]
    fn a_row_that_does_not_fit_its_header_is_named_by_its_line() {
        let mut rows = Rows::new(&b"a,b\n1,\"x\ny\"\n2\n"[..]).unwrap();
        assert!(rows.next_row().unwrap().is_some());
        match rows.next_row() {
            Err(CsvError::Bad(text)) => {
                assert_eq!(text, "line 4: 1 fields under a header of 2");
            }
            other => panic!("{other:?}"),
        }
        let mut rows = Rows::new(&b"a\n\xff\n"[..]).unwrap();
        assert!(matches!(rows.next_row(), Err(CsvError::Bad(_))));
        assert!(Rows::new(&b""[..]).unwrap().header().is_empty());
    }
}
