//! The main loop: reads inputs, writes kept records and rejects, and counts.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use super::blocks::{Fault, Inputs, LineBlock, Sizes};
use super::cdr::Cdr;
use super::decide::{Decider, FilterJob};
use super::decided::{Decided, FilterCounts};
use super::selection::{Selection, WRITING};
use crate::cli::output::Output;
use crate::cli::progress_line::{ProgressLine, bytes};
use crate::cli::run::Report;
use crate::error::{Failure, Status};
use crate::export::rejects::{Reject, Rejects};
use crate::json::lines::MAX_LINE;
use crate::time::Timestamp;

/// How the inputs are read and decided: with how many threads, and in blocks of which size.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The number of threads.
    pub threads: usize,
    /// The size of one read, and the length of the longest line.
    pub sizes: Sizes,
    /// Whether kept records are flushed after each block, as a live stream needs it.
    pub live: bool,
}

impl Pace {
    /// The pace for this number of threads, with a block size that suits it.
    pub fn new(threads: usize, live: bool) -> Pace {
        Pace {
            threads,
            sizes: Sizes {
                // A larger block does not make reading faster. But with several threads the block
                // is twice as large, so that it is worth waking a thread for the block.
                block: if threads > 1 { 512 * 1024 } else { 256 * 1024 },
                line: MAX_LINE,
            },
            live,
        }
    }
}

/// Filters inputs one after the other. Memory holds a few blocks of lines.
#[derive(Debug)]
pub struct Scan<'a> {
    pub(super) job: &'a FilterJob,
    pub(super) pace: Pace,
    decider: Decider,
    output: &'a mut Output,
    rejects: Rejects,
    selection: Option<Selection>,
    counts: FilterCounts,
    /// The current input, and the number of its lines whose results were written.
    source: Arc<str>,
    number: u64,
    /// The length of the current input in bytes, if it is a file.
    length: Option<u64>,
    progress: ProgressLine,
    unread: u64,
    /// The worst status of the inputs that could not be read to their end.
    status: Status,
}

impl<'a> Scan<'a> {
    /// Prepares to run `job` with its `decider`, and to write kept records to `output`.
    pub fn new(
        job: &'a FilterJob,
        pace: Pace,
        decider: Decider,
        output: &'a mut Output,
        rejects: Rejects,
    ) -> Scan<'a> {
        Scan {
            job,
            pace,
            decider,
            output,
            rejects,
            selection: Selection::new(&job.selection, &job.temp_dir),
            counts: FilterCounts::default(),
            source: Arc::default(),
            number: 0,
            length: None,
            progress: ProgressLine::default(),
            unread: 0,
            status: Status::Done,
        }
    }

    /// Shows the progress of the run on this line.
    #[must_use]
    pub fn showing(self, progress: ProgressLine) -> Scan<'a> {
        progress.say(|| "waiting for input".to_owned());
        Scan { progress, ..self }
    }

    /// Prepares to read the files (`-` is stdin). If the output is a table, writes its header.
    pub(super) fn open(&mut self, files: &[PathBuf]) -> anyhow::Result<Inputs> {
        let header = self.decider.header();
        self.output.write_all(&header).context(WRITING)?;
        let mut inputs = Inputs::new(files, self.pace.sizes);
        if self.job.envelope.is_some() {
            inputs.join_values();
        }
        Ok(inputs)
    }

    /// Filters `inputs` in this thread. If an input cannot be read, this is logged and changes the
    /// status of the run. An error is returned if the output or a reject cannot be written.
    pub(super) fn inputs(&mut self, mut inputs: Inputs) -> anyhow::Result<()> {
        let (mut block, mut decided) = (LineBlock::default(), Decided::default());
        loop {
            // In a live stream, the reader of the output needs the finished records before this
            // thread waits for input.
            if !inputs.is_ready() {
                self.flush()?;
            }
            if !inputs.fill(&mut block) {
                return Ok(());
            }
            self.finish_block(&block, 0, &mut decided)?;
        }
    }

    /// Decides a block from byte `start` on, and writes its kept records.
    pub(super) fn finish_block(
        &mut self,
        block: &LineBlock,
        mut start: usize,
        decided: &mut Decided,
    ) -> anyhow::Result<()> {
        while start < block.lines().len() {
            self.enter(block);
            let offset = block.offset + start as u64;
            let before = Some(self.number);
            self.decider.enter(&block.source, before, offset);
            start = self.decider.decide(block.lines(), start, decided);
            self.write(block, decided)?;
        }
        if let Some(fault) = &block.fault {
            self.unreadable(block, fault);
        }
        Ok(())
    }

    /// Writes the result of a block. The blocks must come in the order of the input.
    pub(super) fn write(&mut self, block: &LineBlock, decided: &Decided) -> anyhow::Result<()> {
        self.enter(block);
        match &mut self.selection {
            Some(selection) => selection.take(decided, self.output, &mut self.counts)?,
            None => self.output.write_all(&decided.kept).context(WRITING)?,
        }
        if self.pace.live && !decided.kept.is_empty() {
            self.flush()?;
        }
        for reject in &decided.rejects {
            self.rejects.add(Reject {
                source: &block.source,
                member: None,
                line: Some(self.number + reject.line),
                offset: Some(block.offset + reject.place.start as u64),
                error: &reject.reason.to_string(),
                raw: Some(&block.lines()[reject.place.clone()]),
            })?;
        }
        self.number += decided.counts.lines;
        self.counts.add(&decided.counts);
        self.progress.say(|| {
            let read = block.offset + block.lines().len() as u64;
            let length = self.length.map(|length| format!(" of {}", bytes(length)));
            let (source, of, read) = (&self.source, length.unwrap_or_default(), bytes(read));
            let FilterCounts { records, kept, .. } = self.counts;
            format!("{source}: {read}{of}; {kept} of {records} records kept")
        });
        Ok(())
    }

    /// If the block is from a new input, starts counting lines from 1 again.
    fn enter(&mut self, block: &LineBlock) {
        if !Arc::ptr_eq(&self.source, &block.source) {
            self.source = block.source.clone();
            self.number = 0;
            let metadata = Path::new(&*self.source).metadata().ok();
            let metadata = metadata.filter(std::fs::Metadata::is_file);
            self.length = metadata.map(|metadata| metadata.len());
        }
    }

    fn unreadable(&mut self, block: &LineBlock, fault: &Fault) {
        self.enter(block);
        let source = &block.source;
        let status = match fault {
            Fault::Io(e) => {
                log::error!("{source}: {e}");
                Status::Io
            }
            Fault::LongLine(limit) => {
                let number = self.number + 1;
                log::error!("{source}: line {number} is longer than {limit} bytes");
                Status::BadInput
            }
        };
        self.unread += 1;
        self.status = self.status.worse(status);
    }

    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        io::Write::flush(self.output).context(WRITING)
    }

    /// Prints the records that had to wait for the end of the inputs, and the number for --count.
    pub fn end(&mut self) -> anyhow::Result<()> {
        if let Some(selection) = &mut self.selection {
            selection.finish(self.output, &mut self.counts)?;
        }
        if self.job.projection.count {
            writeln!(self.output, "{}", self.counts.kept).context(WRITING)?;
        }
        self.flush()
    }

    /// Adds the counts so far to the report.
    pub fn report(&self, report: &mut Report) {
        let counts = &self.counts;
        report.set("lines", counts.lines);
        report.set("records", counts.records);
        report.set("kept", counts.kept);
        report.set("rejected", self.rejects.count());
        if let Some(selection) = &self.selection {
            report.set("duplicates", selection.duplicates);
            report.set("without_key", selection.without_key);
        }
        report.set("boms", counts.boms);
        report.set("without_time", counts.without_time);
        report.set("missing_fields", self.missing_fields());
        report.set("bytes_in", counts.bytes);
        report.set("bytes_out", self.output.bytes());
        report.set("first_time", counts.first.map(Timestamp::rfc3339));
        report.set("last_time", counts.last.map(Timestamp::rfc3339));
    }

    /// The flags and expressions that name fields which no record had. Empty if every record was
    /// bad, or if there was no record.
    fn missing_fields(&self) -> Vec<&str> {
        match self.counts.records > self.rejects.count() {
            true => self.decider.missing_fields(self.counts.seen_fields),
            false => Vec::new(),
        }
    }

    /// Logs warnings, and returns the counts. An error if an input could not be read, or if too
    /// many records are bad. The caller must call [`Scan::end`] before this.
    pub fn finish(self) -> anyhow::Result<FilterCounts> {
        if let Some(selection) = &self.selection {
            selection.say_without_key();
        }
        for field in self.missing_fields() {
            log::warn!("{field}: no record has this field");
        }
        Cdr::say_without_time(&self.job.flags, self.counts.without_time);
        let judged = self.rejects.finish();
        let inputs = match self.unread {
            0 => {
                if judged.is_err() {
                    // All good records were written, so the output is completed in spite of the bad
                    // ones.
                    self.output.finish()?;
                }
                return judged.map(|()| self.counts);
            }
            1 => "1 input".to_owned(),
            count => format!("{count} inputs"),
        };
        if let Err(e) = judged {
            log::error!("{e:#}");
        }
        let text = format!("{inputs} could not be read");
        Err(Failure::new(self.status, text).into())
    }
}
