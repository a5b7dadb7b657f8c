//! Checks the lines of a member before they are written.

use std::io;

use serde_json::Value;

use super::blocks::BLOCK;
use super::sink::{MemberSink, RejectedLine};
use crate::format::zip::{ArchiveError, MemberContents};
use crate::json::lines::{BOM, MAX_LINE, line_length, record, without_end};
use crate::unzip::error::MemberError;

/// A member with at most this many bytes is verified before any of its bytes are written. A larger
/// member is written while it is inflated, because it can be too large for the memory.
const PROVEN_FIRST: usize = 4 << 20;

/// Passes on lines that can be records, and refuses the others.
pub(super) struct LineValidator<'a, S> {
    sink: &'a mut S,
    /// The text before the line number of a wrapped line; `None` if lines are not wrapped.
    prefix: Option<String>,
    number: u64,
    offset: u64,
    /// The number of records that were passed on; blank lines do not count.
    passed: u64,
    /// Whether the sink keeps the lines that it has, even if an error in the member follows. With
    /// --layout the sink does not keep these lines.
    for_good: bool,
}

impl<'a, S: MemberSink> LineValidator<'a, S> {
    /// Passes lines on to `sink`, each wrapped if there is a `prefix`.
    pub(super) fn new(
        sink: &'a mut S,
        prefix: Option<String>,
        for_good: bool,
    ) -> LineValidator<'a, S> {
        LineValidator {
            sink,
            prefix,
            number: 0,
            offset: 0,
            passed: 0,
            for_good,
        }
    }

    /// Passes the lines of a member on. If the member is damaged, the error says how many lines of
    /// the member were printed before.
    pub(super) fn pump(
        &mut self,
        contents: MemberContents<'_>,
        buffer: &mut Vec<u8>,
    ) -> Result<(), MemberError> {
        match self.pump_all(contents, buffer) {
            Err(MemberError::Source(ArchiveError::Bad(text)))
                if self.for_good && self.passed > 0 =>
            {
                let text = format!("{text}; {} of its lines were printed before", self.passed);
                Err(ArchiveError::Bad(text).into())
            }
            done => done,
        }
    }

    /// Passes a member on: a small member as a whole, after all of it is verified, and a large
    /// member in blocks of whole lines.
    fn pump_all(
        &mut self,
        mut contents: MemberContents<'_>,
        buffer: &mut Vec<u8>,
    ) -> Result<(), MemberError> {
        // A very long line may have made the buffer large.
        buffer.truncate(PROVEN_FIRST);
        buffer.shrink_to(PROVEN_FIRST);
        let held = usize::try_from(contents.size()).ok();
        let held = held.filter(|size| *size <= PROVEN_FIRST);
        let mut room = held.unwrap_or(BLOCK);
        let mut filled = 0;
        loop {
            if buffer.len() < room {
                buffer.resize(room, 0);
            }
            let count = contents.read(&mut buffer[filled..room])?;
            if count == 0 {
                return Ok(self.pass(&buffer[..filled])?);
            }
            let searched = filled;
            filled += count;
            if held.is_some() {
                continue;
            }
            if let Some(at) = memchr::memrchr(b'\n', &buffer[searched..filled]) {
                let end = searched + at + 1;
                self.pass(&buffer[..end])?;
                buffer.copy_within(end..filled, 0);
                filled -= end;
            } else if filled == room {
                if room >= MAX_LINE {
                    let text = format!("a line is longer than {MAX_LINE} bytes");
                    return Err(ArchiveError::Bad(text).into());
                }
                room *= 2;
            }
        }
    }

    /// Passes whole lines on. Only the last line of the member may lack its newline. Consecutive
    /// good lines are written in one call.
    fn pass(&mut self, block: &[u8]) -> anyhow::Result<()> {
        let is_text = simdutf8::basic::from_utf8(block).is_ok();
        let mut start = 0;
        let mut unwritten = 0;
        while start < block.len() {
            let end = start + line_length(&block[start..]);
            let line = &block[start..end];
            self.number += 1;
            let record = record(line);
            if let Some(error) = fault(record, is_text) {
                self.write(&block[unwritten..start])?;
                unwritten = end;
                self.sink.bad_line(RejectedLine {
                    number: self.number,
                    offset: self.offset + start as u64,
                    length: line.len() as u64,
                    error,
                    raw: without_end(line),
                })?;
                start = end;
                continue;
            }
            if line.starts_with(BOM) {
                // The byte order mark is left out: inside a stream, most readers treat it as a part
                // of the record.
                self.write(&block[unwritten..start])?;
                unwritten = start + BOM.len();
                self.sink.skip_bom()?;
            }
            if !record.is_empty() {
                self.passed += 1;
                self.sink.counts().lines += 1;
                if let Some(prefix) = &self.prefix {
                    write!(self.sink, "{prefix}{},\"record\":", self.number)?;
                    self.sink.write_all(record)?;
                    self.sink.write_all(b"}\n")?;
                }
            }
            start = end;
        }
        self.offset += block.len() as u64;
        Ok(self.write(&block[unwritten..])?)
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.prefix.is_some() || lines.is_empty() {
            return Ok(());
        }
        self.sink.write_all(lines)?;
        match lines.last() {
            Some(b'\n') => Ok(()),
            _ => self.sink.write_all(b"\n"),
        }
    }
}

/// Why a line cannot be a record; `None` if it can. Besides the encoding, only the start and the
/// end of the line are checked: they show whether lines were cut or mixed. The line is not parsed,
/// because parsing would take longer than inflating.
fn fault(record: &[u8], is_text: bool) -> Option<&'static str> {
    match record {
        _ if !is_text && std::str::from_utf8(record).is_err() => Some("not UTF-8"),
        [] | [b'{', .., b'}'] => None,
        [b'{', ..] => Some("cut off: the JSON object has no end"),
        _ => Some("not a JSON object"),
    }
}

/// The text before the line number of a wrapped record.
pub(super) fn prefix(source: &str, member: &str) -> String {
    let (source, member) = (Value::from(source), Value::from(member));
    format!("{{\"source\":{source},\"member\":{member},\"line\":")
}
