//! Carries the output of a job, in parts, from the thread that unpacks to the thread that writes.

use std::io::{self, Write};
use std::mem;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Weak};

use super::blocks::{Blocks, LONG, OutputBlock};
use super::counts::UnzipCounts;
use super::sink::{MemberSink, RejectedLine, TaskOutcome};
use super::writer::Writer;
use crate::format::zip::ArchiveError;
use crate::unzip::error::MemberError;

/// A part with this many [`ReplayMark`]s is passed on, even if the part has few bytes.
const MARKS: usize = 1024;

/// Some of the calls that a job makes on its sink. The writer repeats these calls.
#[derive(Debug)]
pub(super) struct ReplayPart {
    block: Option<OutputBlock>,
    marks: Vec<ReplayMark>,
    /// Whether this is the last part of the job. If the parts end without a last part, the thread
    /// that unpacks has failed.
    pub(super) is_last: bool,
}

/// Says what the bytes between the previous mark and `end` are, and which call on the sink followed
/// them.
#[derive(Debug)]
struct ReplayMark {
    end: usize,
    counts: UnzipCounts,
    event: ReplayEvent,
}

#[derive(Debug)]
enum ReplayEvent {
    /// The bytes are lines.
    Lines,
    /// The bytes are lines. After them, a member begins.
    Begin(String),
    /// The bytes are lines. After them, the member ends.
    End(Result<TaskOutcome, MemberError>),
    /// The bytes are lines. After them, a byte order mark is skipped.
    SkipBom,
    /// The bytes are a part of a refused line, but not its last part.
    Raw,
    /// The bytes are the last part of a refused line.
    RejectedLine {
        number: u64,
        offset: u64,
        length: u64,
        error: &'static str,
    },
}

impl ReplayPart {
    /// Repeats the job's calls on `writer`, in the same order. `raw` collects the parts of a
    /// refused line.
    pub(super) fn replay(
        self,
        writer: &mut Writer<'_>,
        raw: &mut Vec<u8>,
    ) -> Result<(), MemberError> {
        let bytes = self.block.as_ref().map_or(&[][..], OutputBlock::bytes);
        let mut start = 0;
        for mark in self.marks {
            let bytes = &bytes[start..mark.end];
            start = mark.end;
            writer.counts.add(&mark.counts);
            match mark.event {
                ReplayEvent::Lines => writer.write_all(bytes)?,
                ReplayEvent::Begin(name) => {
                    writer.write_all(bytes)?;
                    writer.begin(name);
                }
                ReplayEvent::End(done) => {
                    writer.write_all(bytes)?;
                    writer.end(done)?;
                }
                ReplayEvent::SkipBom => {
                    writer.write_all(bytes)?;
                    writer.skip_bom()?;
                }
                ReplayEvent::Raw => raw.extend_from_slice(bytes),
                ReplayEvent::RejectedLine {
                    number,
                    offset,
                    length,
                    error,
                } => {
                    raw.extend_from_slice(bytes);
                    writer.bad_line(RejectedLine {
                        number,
                        offset,
                        length,
                        error,
                        raw,
                    })?;
                    raw.clear();
                    raw.shrink_to(LONG);
                }
            }
        }
        Ok(())
    }
}

/// The sink of a thread that unpacks. It sends the output of a job to the thread that writes.
pub(super) struct ReplayBuffer<'a> {
    turn: u64,
    blocks: &'a Arc<Blocks>,
    writer: Sender<ReplayPart>,
    wanted: Weak<()>,
    block: Option<OutputBlock>,
    marks: Vec<ReplayMark>,
    counts: UnzipCounts,
}

impl<'a> ReplayBuffer<'a> {
    /// A buffer for the output of the job `turn`. The buffer sends this output to `writer`, in
    /// parts. After the value behind `wanted` was dropped, nobody needs the output any more.
    pub(super) fn new(
        turn: u64,
        blocks: &'a Arc<Blocks>,
        writer: Sender<ReplayPart>,
        wanted: Weak<()>,
    ) -> ReplayBuffer<'a> {
        ReplayBuffer {
            turn,
            blocks,
            writer,
            wanted,
            block: None,
            marks: Vec::new(),
            counts: UnzipCounts::default(),
        }
    }

    /// Sends the last part of the job's output.
    pub(super) fn finish(mut self) {
        // If the last part cannot be sent, the writer does not need the output any more.
        let _ = self.send(true);
    }

    fn mark(&mut self, event: ReplayEvent) {
        self.marks.push(ReplayMark {
            end: self.block.as_ref().map_or(0, |block| block.bytes().len()),
            counts: mem::take(&mut self.counts),
            event,
        });
    }

    /// Copies as much of `bytes` as fits into the block, and returns the number of copied bytes.
    fn fill(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send_if_full()?;
        let lend = || self.blocks.lend(self.turn);
        Ok(self.block.get_or_insert_with(lend).fill(bytes))
    }

    fn send_if_full(&mut self) -> io::Result<()> {
        if self.marks.len() >= MARKS || self.block.as_ref().is_some_and(OutputBlock::is_full) {
            return self.send(false);
        }
        Ok(())
    }

    fn send(&mut self, is_last: bool) -> io::Result<()> {
        self.mark(ReplayEvent::Lines);
        let part = ReplayPart {
            block: self.block.take(),
            marks: mem::take(&mut self.marks),
            is_last,
        };
        let sent = self.writer.send(part);
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for ReplayBuffer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.fill(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MemberSink for ReplayBuffer<'_> {
    fn counts(&mut self) -> &mut UnzipCounts {
        &mut self.counts
    }

    fn go_on(&mut self) -> io::Result<()> {
        match self.wanted.strong_count() {
            0 => Err(io::ErrorKind::BrokenPipe.into()),
            _ => Ok(()),
        }
    }

    fn begin(&mut self, name: String) {
        self.mark(ReplayEvent::Begin(name));
    }

    fn skip_bom(&mut self) -> io::Result<()> {
        // Each part has a block, even if no bytes are copied to it: the number of blocks limits the
        // number of parts that wait for the writer.
        self.fill(&[])?;
        self.mark(ReplayEvent::SkipBom);
        Ok(())
    }

    fn bad_line(&mut self, line: RejectedLine<'_>) -> anyhow::Result<()> {
        self.mark(ReplayEvent::Lines);
        let mut raw = line.raw;
        loop {
            raw = &raw[self.fill(raw)?..];
            if raw.is_empty() {
                break;
            }
            self.mark(ReplayEvent::Raw);
        }
        self.mark(ReplayEvent::RejectedLine {
            number: line.number,
            offset: line.offset,
            length: line.length,
            error: line.error,
        });
        Ok(())
    }

    fn end(&mut self, done: Result<TaskOutcome, MemberError>) -> Result<(), MemberError> {
        let goes_on = matches!(done, Ok(_) | Err(MemberError::Source(ArchiveError::Bad(_))));
        self.mark(ReplayEvent::End(done));
        self.send_if_full()?;
        match goes_on {
            true => Ok(()),
            // This error only ends the job. The writer finds the reason in the mark.
            false => Err(io::Error::from(io::ErrorKind::BrokenPipe).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_job_that_nobody_wants_does_not_go_on() {
        let (writer, _parts) = mpsc::channel();
        let (blocks, wanted) = (Arc::new(Blocks::new(1)), Arc::new(()));
        let mut parts = ReplayBuffer::new(0, &blocks, writer, Arc::downgrade(&wanted));
        assert!(parts.go_on().is_ok());
        drop(wanted);
        assert!(parts.go_on().is_err());
    }

    #[test]
    fn lines_with_nothing_but_a_byte_order_mark_do_not_pile_up() {
        let (writer, parts) = mpsc::channel();
        let (blocks, wanted) = (Arc::new(Blocks::new(1)), Arc::new(()));
        let reader = std::thread::spawn(move || {
            let counts: Vec<_> = parts
                .iter()
                .map(|part: ReplayPart| (part.marks.len(), part.block.is_some()))
                .collect();
            counts
        });
        let mut buffer = ReplayBuffer::new(0, &blocks, writer, Arc::downgrade(&wanted));
        for _ in 0..10 * MARKS {
            buffer.skip_bom().unwrap();
        }
        buffer.finish();
        let counts = reader.join().unwrap();
        assert!(counts.len() >= 10, "{}", counts.len());
        assert!(
            counts
                .iter()
                .all(|(marks, has_block)| *marks <= MARKS + 1 && *has_block)
        );
    }
}
