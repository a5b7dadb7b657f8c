//! Reads the lines of stdin, which name ZIPs. Some lines are read ahead, but only if they have
//! already arrived.

use std::collections::VecDeque;
use std::io::Read;

use anyhow::Context;

use super::zip_line::ZipLine;
use crate::bucket::file_or_object::FileOrObject;
use crate::error::{Failure, Status};
use crate::export::rejects::{Reject, Rejects};
use crate::json::lines::Lines;

/// The most lines of stdin that are read ahead.
const AHEAD: usize = 16;

/// A line of stdin.
pub(super) enum StdinLine {
    Blank,
    /// The line names a ZIP. The place is an error if the field `path` is neither a path nor an
    /// address.
    Zip(anyhow::Result<FileOrObject>, ZipLine),
    /// The line is about an export without a ZIP.
    WithoutZip(ZipLine),
    Bad(BadStdinLine),
}

/// A line that is refused.
pub(super) struct BadStdinLine {
    number: u64,
    offset: u64,
    bytes: Vec<u8>,
    error: String,
}

impl BadStdinLine {
    pub(super) fn reject(&self, rejects: &mut Rejects) -> anyhow::Result<()> {
        rejects.add(Reject {
            source: "stdin",
            member: None,
            line: Some(self.number),
            offset: Some(self.offset),
            error: &self.error,
            raw: Some(&self.bytes),
        })
    }
}

/// Reads the lines of stdin.
pub(super) struct StdinLines<R> {
    lines: Lines<R>,
    ahead: VecDeque<StdinLine>,
}

impl<R: Read> StdinLines<R> {
    pub(super) fn new(bytes: R) -> StdinLines<R> {
        StdinLines {
            lines: Lines::new(bytes),
            ahead: VecDeque::new(),
        }
    }

    /// The next line; `None` at the end.
    pub(super) fn next_line(&mut self) -> anyhow::Result<Option<StdinLine>> {
        let line = match self.ahead.pop_front() {
            Some(line) => Some(line),
            None => self.read()?,
        };
        while self.ahead.len() < AHEAD && self.lines.is_buffered() {
            let next = self.read()?;
            self.ahead.extend(next);
        }
        Ok(line)
    }

    /// The ZIPs in the lines that were read ahead, in order.
    pub(super) fn next_zips(&self) -> impl Iterator<Item = &FileOrObject> {
        self.ahead.iter().filter_map(|line| match line {
            StdinLine::Zip(place, _) => place.as_ref().ok(),
            _ => None,
        })
    }

    /// Whether the next line is available without waiting.
    pub(super) fn is_buffered(&mut self) -> bool {
        !self.ahead.is_empty() || self.lines.is_buffered()
    }

    fn read(&mut self) -> anyhow::Result<Option<StdinLine>> {
        let Some(line) = self.lines.next_line().context("reading stdin")? else {
            return Ok(None);
        };
        let text = line.record();
        if text.is_empty() {
            return Ok(Some(StdinLine::Blank));
        }
        Ok(Some(match ZipLine::parse(text) {
            Ok(named) => match &named.path {
                Some(path) => {
                    let place = FileOrObject::parse(path.into()).map_err(|said| {
                        let line = line.number;
                        let text = format!("stdin:{line}: path {path}: {said}");
                        Failure::new(Status::Usage, text).into()
                    });
                    StdinLine::Zip(place, named)
                }
                None => StdinLine::WithoutZip(named),
            },
            Err(error) => StdinLine::Bad(BadStdinLine {
                number: line.number,
                offset: line.offset,
                bytes: line.bytes.to_vec(),
                error,
            }),
        }))
    }
}
