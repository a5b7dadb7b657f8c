//! Reads each record before it is written: to choose the file for the record, or to describe the
//! record in the schema report.

use std::borrow::Cow;
use std::io::Write;
use std::mem;
use std::sync::Arc;

use super::args::MemberArgs;
use super::blocks::LONG;
use super::line_validator::prefix;
use super::places::ZipPlaces;
use super::sink::RejectedLine;
use crate::cli::output::Output;
use crate::cli::run::Report;
use crate::export::rejects::{Reject, Rejects};
use crate::json::bad_line::BadLine;
use crate::json::lines::{BOM, record};
use crate::lake::layout::{FileLine, Layout};
use crate::lake::partition_key::{KeyReader, PathKey, RecordKey};
use crate::schema::{RecordLocation, Survey};
use crate::time::Timestamp;

/// Joins pieces of a member's lines to whole lines, and reads the records in them.
#[derive(Debug)]
pub(super) struct Records {
    reader: KeyReader,
    layout: Option<Layout>,
    survey: Option<Survey>,
    wraps: bool,
    hint: PathKey,
    /// The text before the line number of a wrapped line.
    prefix: String,
    place: RecordLocation,
    /// The offset of the next line in its member.
    offset: u64,
    /// The start of a line whose end has not arrived yet.
    partial: Vec<u8>,
    wrapped: Vec<u8>,
    filed: Filed,
}

/// The numbers of files and ZIPs so far, and of records whose type or hour differs from the one in
/// the path of their member.
#[derive(Debug, Default)]
struct Filed {
    written: u64,
    kept: u64,
    withheld: u64,
    /// Records whose type differs from the type in the path of their member. `hours` is the same
    /// for the hour.
    kinds: Differs,
    hours: Differs,
}

#[derive(Debug, Default)]
struct Differs {
    count: u64,
    /// The place of the first record that differs, with the value in the path and the value in the
    /// record.
    example: Option<String>,
}

impl Differs {
    fn add(&mut self, place: &RecordLocation, path: &str, record: &str) {
        self.count += 1;
        self.example.get_or_insert_with(|| {
            let (source, member, line) = (&place.source, &place.member, place.line);
            format!("{source}:{member}:{line}: the path says {path}, the record {record}")
        });
    }
}

/// Where lines go: to the output, or to the rejects.
pub(super) struct RecordOutputs<'w> {
    pub(super) output: &'w mut Output,
    pub(super) rejects: &'w mut Rejects,
    /// The number of lines that were passed on.
    pub(super) lines: &'w mut u64,
}

impl Records {
    /// Opens the survey of --schema-report and the files of --layout; `None` if neither flag is
    /// given.
    pub(super) fn new(
        selection: &MemberArgs,
        places: &ZipPlaces<'_>,
    ) -> anyhow::Result<Option<Records>> {
        let survey = Survey::open(&selection.schema)?;
        let layout = Layout::open(&selection.layout, places.spool_dir, places.service)?;
        if survey.is_none() && layout.is_none() {
            return Ok(None);
        }
        Ok(Some(Records {
            reader: KeyReader::new(),
            layout,
            survey,
            wraps: selection.with_source,
            hint: PathKey::default(),
            prefix: String::new(),
            place: RecordLocation {
                source: Arc::default(),
                member: Arc::default(),
                line: 0,
            },
            offset: 0,
            partial: Vec::new(),
            wrapped: Vec::new(),
            filed: Filed::default(),
        }))
    }

    /// Prepares to read the lines of a member.
    pub(super) fn begin(&mut self, source: &Arc<str>, member: &str) {
        self.hint = PathKey::of(member);
        if self.wraps {
            self.prefix = prefix(source, member);
        }
        self.place = RecordLocation {
            source: Arc::clone(source),
            member: member.into(),
            line: 0,
        };
        self.offset = 0;
        self.partial.clear();
    }

    /// Skips a byte order mark.
    pub(super) fn skip_bom(&mut self) {
        self.offset += BOM.len() as u64;
    }

    /// Skips a line that was refused.
    pub(super) fn skip(&mut self, line: &RejectedLine<'_>) {
        self.place.line = line.number;
        self.offset = line.offset + line.length;
    }

    /// Takes some bytes of the member's lines. The first and the last byte can be inside a line.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        outputs: &mut RecordOutputs<'_>,
    ) -> anyhow::Result<()> {
        if self.layout.is_none() && !self.wraps {
            outputs.output.write_all(bytes)?;
        }
        let mut rest = bytes;
        while let Some(at) = memchr::memchr(b'\n', rest) {
            let (line, behind) = rest.split_at(at + 1);
            rest = behind;
            if self.partial.is_empty() {
                self.line(line, outputs)?;
                continue;
            }
            let mut whole = mem::take(&mut self.partial);
            whole.extend_from_slice(line);
            self.line(&whole, outputs)?;
            whole.clear();
            whole.shrink_to(LONG);
            self.partial = whole;
        }
        self.partial.extend_from_slice(rest);
        Ok(())
    }

    fn line(&mut self, line: &[u8], outputs: &mut RecordOutputs<'_>) -> anyhow::Result<()> {
        self.place.line += 1;
        let offset = self.offset;
        self.offset += line.len() as u64;
        let bytes = record(line);
        if bytes.is_empty() {
            return Ok(());
        }
        let text = simdutf8::basic::from_utf8(bytes);
        let told = text.map_err(|_| BadLine::new("not UTF-8"));
        let told = told.and_then(|text| Ok((text, self.reader.read(text)?)));
        let (kind, hour) = match told {
            Ok((text, told)) => {
                let key = self.filed.settle(told, &self.hint, &self.place);
                if let Some(survey) = &mut self.survey {
                    survey.observe(key.0.as_deref(), text, &self.place);
                }
                key
            }
            Err(bad) => {
                if let Some(survey) = &mut self.survey {
                    survey.invalid(self.hint.kind.as_deref(), &self.place);
                }
                if self.layout.is_some() {
                    // `LineValidator` has counted the line as a record.
                    *outputs.lines -= 1;
                    return outputs.rejects.add(Reject {
                        source: &self.place.source,
                        member: Some(&self.place.member),
                        line: Some(self.place.line),
                        offset: Some(offset),
                        error: &bad.to_string(),
                        raw: Some(bytes),
                    });
                }
                Default::default()
            }
        };
        if self.wraps {
            self.wrapped.clear();
            self.wrapped.shrink_to(LONG);
            write!(
                self.wrapped,
                "{}{},\"record\":",
                self.prefix, self.place.line
            )?;
            self.wrapped.extend_from_slice(bytes);
            self.wrapped.extend_from_slice(b"}\n");
        }
        match &mut self.layout {
            Some(layout) => {
                let line = if self.wraps { &self.wrapped } else { line };
                layout.add(kind.as_deref(), hour, line)
            }
            None if self.wraps => Ok(outputs.output.write_all(&self.wrapped)?),
            None => Ok(()),
        }
    }

    /// Ends a ZIP. If the ZIP is good, its files get their names, and a line about each file is
    /// printed.
    pub(super) fn end_zip(
        &mut self,
        source: &str,
        is_good: bool,
        output: &mut Output,
    ) -> anyhow::Result<()> {
        self.partial = Vec::new();
        let Some(layout) = &mut self.layout else {
            return Ok(());
        };
        if !is_good {
            let records = layout.discard();
            self.filed.withheld += 1;
            log::warn!(
                "{source}: damaged, so no files were written for it (good records left out: \
                 {records}): fetch it again, or read the good part with --member or without \
                 --layout"
            );
            return Ok(());
        }
        let files = layout.publish(source)?;
        for file in &files {
            match file.is_new() {
                true => self.filed.written += 1,
                false => self.filed.kept += 1,
            }
            output.write_record(&FileLine { file, source })?;
        }
        // A program that waits for the files must get these lines now.
        Ok(output.flush()?)
    }

    /// Logs how many records have another type or hour than the path of their member. Returns the
    /// survey, and the layout, so that the caller can call [`Layout::listed`].
    pub(super) fn end(self, report: &mut Report) -> (Option<Survey>, Option<Layout>) {
        if self.layout.is_some() {
            self.filed.report(report);
        }
        (self.survey, self.layout)
    }
}

impl Filed {
    /// Returns the type and the hour of a record. If the record lacks one of these values, the
    /// value in the path of its member is returned. Counts the record if a value in the record
    /// differs from the one in the path.
    fn settle<'l>(
        &mut self,
        told: RecordKey<'l>,
        hint: &PathKey,
        place: &RecordLocation,
    ) -> (Option<Cow<'l, str>>, Option<Timestamp>) {
        if let (Some(record), Some(path)) = (&told.kind, &hint.kind)
            && record != path
        {
            self.kinds.add(place, path, record);
        }
        if let (Some(record), Some(path)) = (told.hour, hint.hour)
            && record != path
        {
            let (path, record) = (path.hour_name(), record.hour_name());
            self.hours.add(place, &path, &record);
        }
        let kind = told.kind;
        (
            kind.or_else(|| hint.kind.clone().map(Into::into)),
            told.hour.or(hint.hour),
        )
    }

    fn report(&self, report: &mut Report) {
        report.set("files_written", self.written);
        report.set("files_kept", self.kept);
        report.set("zips_withheld", self.withheld);
        report.set("other_type_in_path", self.kinds.count);
        report.set("other_hour_in_path", self.hours.count);
        // The hour of a path need not be in UTC, and need not be the hour in which the dialog
        // started. So different hours are common, and are logged only at level info.
        for (differs, what, level) in [
            (&self.kinds, "type", log::Level::Warn),
            (&self.hours, "hour", log::Level::Info),
        ] {
            if let Some(example) = &differs.example {
                let s = if differs.count == 1 { "" } else { "s" };
                log::log!(
                    level,
                    "for {} record{s} the path in the ZIP and the record differ in the {what}; the \
                     value in the record is used. The first: {example}",
                    differs.count
                );
            }
        }
    }
}
