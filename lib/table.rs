//! Tables as text (RFC 4180): fields may hold separators, quotes and line ends. The
//! only user of the csv crates.

use csv_core::{WriteResult, Writer, WriterBuilder};

/// Writes rows behind what is there already.
#[derive(Debug)]
pub struct RowWriter {
    writer: Writer,
}

impl RowWriter {
    /// Rows with this byte between fields, ended by `\n`.
    pub fn new(separator: u8) -> RowWriter {
        RowWriter {
            writer: WriterBuilder::new().delimiter(separator).build(),
        }
    }

    /// Writes one row. A field is quoted only where it must be.
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

/// Does a step of the writer, which says where its room is too small.
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
        // A row of one empty field would be no row.
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
}
