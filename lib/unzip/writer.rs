//! Writes and counts the output of the members, in their order, and rejects bad lines.

use std::io::{self, Write};
use std::sync::Arc;

use glob::Pattern;

use super::args::MemberArgs;
use super::counts::UnzipCounts;
use super::records::{RecordOutputs, Records};
use super::sink::{MemberSink, RejectedLine, TaskOutcome};
use super::wav;
use crate::cli::output::Output;
use crate::cli::run::Report;
use crate::export::rejects::{Reject, Rejects};
use crate::format::zip::ArchiveError;
use crate::lake::layout::Layout;
use crate::schema::Survey;
use crate::unzip::error::MemberError;
use crate::unzip::zip_line::{EndLine, ZipLine};

/// The only part of the program that writes and counts the output of members.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    selection: &'a MemberArgs,
    pub(super) output: &'a mut Output,
    pub(super) rejects: &'a mut Rejects,
    pub(super) counts: UnzipCounts,
    /// The globs of --member that no member has matched yet.
    unmatched: Vec<Pattern>,
    source: Arc<str>,
    member: String,
    /// Reads the fields of records; `None` if no flag needs them.
    records: Option<Records>,
    /// Whether no error in the ZIP has been found so far.
    is_good: bool,
    /// The counts when the current ZIP was started.
    before: UnzipCounts,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        selection: &'a MemberArgs,
        records: Option<Records>,
        output: &'a mut Output,
        rejects: &'a mut Rejects,
    ) -> Writer<'a> {
        Writer {
            selection,
            output,
            rejects,
            counts: UnzipCounts::default(),
            unmatched: selection.member.clone(),
            source: Arc::default(),
            member: String::new(),
            records,
            is_good: true,
            before: UnzipCounts::default(),
        }
    }

    /// Continues with the ZIP `source`. If the previous call named another ZIP, starts the ZIP
    /// `source`.
    pub(super) fn enter(&mut self, source: &Arc<str>) {
        if !Arc::ptr_eq(&self.source, source) {
            self.source = Arc::clone(source);
            self.counts.zips += 1;
            self.is_good = true;
            self.before = self.counts;
        }
    }

    /// Ends a ZIP: prints the lines that follow its records, or handles the error. Returns only an
    /// error that ends the run.
    pub(super) fn leave(
        &mut self,
        result: Result<(), MemberError>,
        line: Option<&ZipLine>,
    ) -> anyhow::Result<()> {
        match result {
            Ok(()) => self.say_end(line)?,
            Err(MemberError::Fatal(e)) => return Err(e),
            Err(MemberError::Source(ArchiveError::Io(e))) => {
                self.is_good = false;
                self.unreadable(&e);
            }
            Err(MemberError::Source(ArchiveError::Bad(text))) => {
                self.is_good = false;
                self.reject(None, &text)?;
            }
        }
        match &mut self.records {
            None => Ok(()),
            Some(records) => records.end_zip(&self.source, self.is_good, self.output),
        }
    }

    /// Prints the line that follows the records of a ZIP, if all of the ZIP was read.
    fn say_end(&mut self, line: Option<&ZipLine>) -> anyhow::Result<()> {
        let is_all = self.is_good
            && self.selection.member.is_empty()
            && self.counts.recordings_skipped == self.before.recordings_skipped;
        let records = self.counts.lines - self.before.lines;
        match line {
            Some(line) if is_all => self.write_end(Some(&Arc::clone(&self.source)), records, line),
            _ => Ok(()),
        }
    }

    /// Prints the line for an export without a ZIP.
    pub(super) fn say_empty(&mut self, line: &ZipLine) -> anyhow::Result<()> {
        self.write_end(None, 0, line)
    }

    fn write_end(
        &mut self,
        source: Option<&str>,
        records: u64,
        export: &ZipLine,
    ) -> anyhow::Result<()> {
        if !self.selection.says_ends() || !export.tells_export() {
            return Ok(());
        }
        Ok(self.output.write_record(&EndLine {
            source,
            records,
            export,
        })?)
    }

    /// Logs that the ZIP cannot be read, and counts it.
    pub(super) fn unreadable(&mut self, e: &io::Error) {
        self.counts.unreadable += 1;
        log::error!("{}: {e}", self.source);
    }

    fn reject(&mut self, member: Option<&str>, error: &str) -> anyhow::Result<()> {
        self.rejects.add(Reject {
            source: &self.source,
            member,
            line: None,
            offset: None,
            error,
            raw: None,
        })
    }

    /// Logs what was skipped, and fills the report.
    pub(super) fn end(self, report: &mut Report) -> (UnzipCounts, Option<Survey>, Option<Layout>) {
        for glob in &self.unmatched {
            log::warn!("--member {glob}: no member matches");
        }
        let skipped = self.counts.recordings_skipped;
        if skipped > 0 {
            let s = if skipped == 1 { "" } else { "s" };
            log::warn!("{skipped} recording{s} skipped; --wav-dir DIR keeps them");
        }
        self.counts.report(report);
        let ended = self.records.map(|records| records.end(report));
        let (survey, layout) = ended.unwrap_or_default();
        (self.counts, survey, layout)
    }
}

impl MemberSink for Writer<'_> {
    fn counts(&mut self) -> &mut UnzipCounts {
        &mut self.counts
    }

    fn go_on(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn begin(&mut self, name: String) {
        self.unmatched.retain(|glob| !glob.matches(&name));
        if let Some(records) = &mut self.records {
            records.begin(&self.source, &name);
        }
        self.member = name;
    }

    fn skip_bom(&mut self) -> io::Result<()> {
        self.counts.boms += 1;
        if let Some(records) = &mut self.records {
            records.skip_bom();
        }
        Ok(())
    }

    fn bad_line(&mut self, line: RejectedLine<'_>) -> anyhow::Result<()> {
        if let Some(records) = &mut self.records {
            records.skip(&line);
        }
        self.rejects.add(Reject {
            source: &self.source,
            member: Some(&self.member),
            line: Some(line.number),
            offset: Some(line.offset),
            error: line.error,
            raw: Some(line.raw),
        })
    }

    fn end(&mut self, done: Result<TaskOutcome, MemberError>) -> Result<(), MemberError> {
        match (done, &self.selection.wav_dir) {
            (Ok(TaskOutcome::Lines), _) => self.counts.members += 1,
            (Ok(TaskOutcome::Recording(unpacked)), Some(directory)) => {
                let written = wav::keep(*unpacked, directory, &self.source, &self.member)?;
                self.output.write_record(&written)?;
                self.counts.recordings += 1;
            }
            (Ok(_), _) => self.counts.recordings_skipped += 1,
            (Err(MemberError::Source(ArchiveError::Bad(text))), _) => {
                self.is_good = false;
                let member = std::mem::take(&mut self.member);
                self.reject(Some(&member), &text)?;
            }
            (Err(e), _) => return Err(e),
        }
        Ok(())
    }
}

impl Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(records) = &mut self.records else {
            return self.output.write(bytes);
        };
        let mut outputs = RecordOutputs {
            output: self.output,
            rejects: self.rejects,
            lines: &mut self.counts.lines,
        };
        records.take(bytes, &mut outputs).map_err(as_io)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// Turns `e` into an I/O error with the same text. If an I/O error caused `e`, the kind is the same
/// too.
fn as_io(e: anyhow::Error) -> io::Error {
    let mut causes = e.chain().filter_map(|cause| cause.downcast_ref());
    let kind = causes.next().map_or(io::ErrorKind::Other, io::Error::kind);
    io::Error::new(kind, format!("{e:#}"))
}
