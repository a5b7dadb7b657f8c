//! Decides which records in the lines of a block are kept, and which are rejected.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::cdr::{Cdr, CdrArgs, Verdict};
use super::decided::{Decided, FilterCounts, KeptRecord};
use super::envelope::Envelope;
use super::expr::Expr;
use super::expr::guard::LimitArgs;
use super::prefilter::Prefilter;
use super::projection::{Projection, ProjectionArgs};
use super::selection::SelectionArgs;
use super::selection::dedupe::Keys;
use crate::cdr::RECORD_TYPES;
use crate::json::bad_line::BadLine;
use crate::json::field_watch::FieldWatch;
use crate::json::fields::{Fields, Finds, Record};
use crate::json::lines::{line_length, without_bom, without_end};
use crate::time::Timestamp;
use crate::time::zone::Zone;

/// After this many bad records, [`Decider::decide`] stops, and the caller calls it again for the
/// rest of the block. Otherwise the error texts of a block with many bad records would take too
/// much memory.
const REJECTS: usize = 1000;

/// The options of a filter run.
#[derive(Clone, Debug)]
pub struct FilterJob {
    /// The flags about call detail records.
    pub flags: CdrArgs,
    /// The expression. With `None`, the flags alone decide.
    pub expr: Option<String>,
    /// The content of `$ENV` in the expression.
    pub env: Vec<(String, String)>,
    /// The limits for one record.
    pub limits: LimitArgs,
    /// The time that `now` in a flag means.
    pub now: Timestamp,
    /// Whether the times of records are needed even if no flag uses them.
    pub timed: bool,
    /// The field with the array of records in each line; `None` if each line is a record.
    pub envelope: Option<String>,
    /// Whether full validation is skipped for lines that cannot contain a kept record.
    pub trusted: bool,
    /// The flags that set how a kept record is printed.
    pub projection: ProjectionArgs,
    /// The flags that choose which kept records are printed.
    pub selection: SelectionArgs,
    /// The directory for temporary files of --dedupe and --sample.
    pub temp_dir: PathBuf,
}

/// Decides which records are kept.
#[derive(Debug)]
pub struct Decider {
    fields: Fields,
    finds: Finds,
    cdr: Cdr,
    expr: Option<Expr>,
    projection: Projection,
    keys: Option<Keys>,
    /// Whether --dedupe or --sample chooses among the kept records.
    selects: bool,
    envelope: Option<Envelope>,
    prefilter: Option<Prefilter>,
    watch: FieldWatch,
}

impl Decider {
    /// Compiles the options. An error with status 2 if they are invalid.
    pub fn new(job: &FilterJob) -> anyhow::Result<Decider> {
        let mut fields = Fields::default();
        let projection = Projection::new(&job.projection, &mut fields)?;
        let keys = Keys::new(&job.selection.dedupe, &mut fields)?;
        let zone = job.projection.tz.unwrap_or(Zone::UTC);
        let cdr = Cdr::new(&job.flags, (job.now, zone), job.timed, &mut fields)?;
        let expr = job.expr.as_deref();
        let expr = expr
            .map(|text| Expr::compile(text, &job.env, job.limits, &mut fields))
            .transpose()?;
        let needles = expr.iter().flat_map(Expr::needles);
        let needles: Vec<_> = cdr.needles().into_iter().chain(needles).collect();
        // A line that the prefilter skips counts as one record. An envelope can hold several
        // records, so with an envelope there is no prefilter.
        let looks_outside = job.trusted && job.envelope.is_none();
        let prefilter = looks_outside.then(|| Prefilter::new(needles)).flatten();
        let mut watched = Vec::new();
        // The fields of lines that the prefilter skips are unknown, so with a prefilter no field
        // can be reported missing.
        if prefilter.is_none() {
            let selected = projection.watched().into_iter();
            watched.extend(selected.map(|(path, slot)| (format!("--select '{path}'"), slot)));
            let named = expr.iter().flat_map(Expr::watched);
            watched.extend(named.map(|(name, slot)| (format!("expression, '{name}'"), *slot)));
        }
        Ok(Decider {
            prefilter,
            watch: FieldWatch::new(watched),
            envelope: job.envelope.as_deref().map(Envelope::new),
            fields,
            finds: Finds::default(),
            cdr,
            expr,
            projection,
            keys,
            selects: !job.selection.takes_all(),
        })
    }

    /// Says which engine decides the records, and why a faster engine cannot decide them.
    pub fn explain(&self) -> String {
        self.expr.as_ref().map_or_else(
            || "fast: decided by flags, or nothing to decide".to_owned(),
            Expr::explain,
        )
    }

    /// Warns of flags and expressions that are probably mistakes.
    pub fn warn(&self, flags: &CdrArgs) {
        for kind in &flags.message_type {
            if !kind.is_empty() && !RECORD_TYPES.contains(&kind.as_str()) {
                log::warn!(
                    "--type {kind}: the service does not document this type, only {}",
                    RECORD_TYPES.join(", ")
                );
            }
        }
        if self.expr.as_ref().is_some_and(Expr::assigns) {
            log::warn!("expression: = assigns and is always true; use == to compare");
        }
    }

    /// The flags and expressions that name fields which no record had; `seen` has a bit for each
    /// field that was found.
    pub(super) fn missing_fields(&self, seen: u64) -> Vec<&str> {
        self.watch.missing(seen)
    }

    /// The header of a table; empty for other formats.
    pub fn header(&mut self) -> Vec<u8> {
        self.projection.header()
    }

    /// Sets the current block, for messages. The block starts at byte `offset` of `source`.
    /// `lines_before` is the number of lines of `source` before the block; `None` if it is unknown.
    pub(super) fn enter(&self, source: &Arc<str>, lines_before: Option<u64>, offset: u64) {
        if let Some(expr) = &self.expr {
            expr.enter(source, lines_before, offset);
        }
    }

    /// Decides the lines of `block` from byte `start` on. Returns the byte at which deciding
    /// stopped: the end of the block, or an earlier byte if there were many bad records.
    pub fn decide(&mut self, block: &[u8], start: usize, decided: &mut Decided) -> usize {
        decided.kept.clear();
        decided.each.clear();
        decided.rejects.clear();
        decided.counts = FilterCounts::default();
        // All lines are checked at once, because nearly always all of them are valid UTF-8.
        let text = simdutf8::basic::from_utf8(&block[start..]).ok();
        let mut at = start;
        while at < block.len() && decided.rejects.len() < REJECTS {
            let length = line_length(&block[at..]);
            decided.counts.lines += 1;
            let text = text.and_then(|text| text.get(at - start..at - start + length));
            self.line(block, at..at + length, text, decided);
            at += length;
        }
        decided.counts.bytes = (at - start) as u64;
        decided.counts.without_time = self.cdr.take_without_time();
        decided.counts.seen_fields = self.watch.seen();
        at
    }

    /// Decides the line at `place`. `text` is the same line as text; `None` if the line is possibly
    /// not valid UTF-8.
    fn line(
        &mut self,
        block: &[u8],
        place: Range<usize>,
        text: Option<&str>,
        decided: &mut Decided,
    ) {
        let whole = &block[place.clone()];
        let whole = without_bom(whole);
        decided.counts.boms += u64::from(whole.len() < place.len());
        let line = without_end(whole);
        let is_object = line.starts_with(b"{");
        if !is_object && line.trim_ascii().is_empty() {
            return;
        }
        if let Some(prefilter) = &self.prefilter
            && is_object
            && line.ends_with(b"}")
            && !prefilter.passes(line)
            && (text.is_some() || std::str::from_utf8(line).is_ok())
        {
            decided.counts.records += 1;
            return;
        }
        let start = place.len() - whole.len();
        let text = match text.and_then(|text| text.get(start..start + line.len())) {
            Some(text) => Ok(text),
            None => std::str::from_utf8(line),
        };
        let text = match text {
            Ok(text) => text,
            Err(e) => {
                let reason =
                    BadLine::new(format!("invalid UTF-8 at column {}", e.valid_up_to() + 1));
                return decided.reject(block, line, reason);
            }
        };
        let Some(envelope) = &mut self.envelope else {
            return self.record(block, text, whole, decided);
        };
        match envelope.records(text) {
            Ok(records) => {
                for record in records {
                    self.record(block, record, record.as_bytes(), decided);
                }
            }
            Err(reason) => decided.reject(block, line, reason),
        }
    }

    /// Decides a record. `whole` is the record with its line end, if it has one.
    fn record(&mut self, block: &[u8], record: &str, whole: &[u8], decided: &mut Decided) {
        if let Some(expr) = &self.expr {
            expr.at_line(decided.counts.lines);
        }
        let judge = Judge {
            fields: &self.fields,
            cdr: &mut self.cdr,
            expr: self.expr.as_ref(),
            watch: &mut self.watch,
        };
        let (record, time) = match judge.keep(&mut self.finds, record) {
            Err(reason) => return decided.reject(block, record.as_bytes(), reason),
            Ok(None) => {
                decided.counts.records += 1;
                return;
            }
            Ok(Some(kept)) => kept,
        };
        decided.counts.records += 1;
        self.projection.write(&record, whole, &mut decided.kept);
        if self.selects {
            decided.each.push(KeptRecord {
                end: decided.kept.len(),
                key: self.keys.as_ref().and_then(|keys| keys.of(&record)),
                time,
            });
        } else {
            decided.counts.keep(time);
        }
    }
}

/// The parts of a decider that are needed for one record.
struct Judge<'d> {
    fields: &'d Fields,
    cdr: &'d mut Cdr,
    expr: Option<&'d Expr>,
    watch: &'d mut FieldWatch,
}

impl Judge<'_> {
    /// Validates one record, and decides it by the flags, then by the expression. Returns the
    /// fields and the time of a kept record; `None` if the record is not kept.
    fn keep<'l, 'f>(
        self,
        finds: &'f mut Finds,
        record: &'l str,
    ) -> Result<Option<(Record<'l, 'f>, Option<Timestamp>)>, BadLine> {
        let (fields, expr) = (self.fields, self.expr);
        if fields.are_none()
            && let Some(keeps) = expr.and_then(|expr| expr.keeps_unread(record))
        {
            return Ok(keeps?.then(|| (fields.unread(record, finds), None)));
        }
        let record = fields.read(record, finds)?;
        self.watch.look(&record);
        let Verdict::Keep(time) = self.cdr.decide(&record)? else {
            return Ok(None);
        };
        let keeps = expr.map_or(Ok(true), |expr| expr.keeps(&record))?;
        Ok(keeps.then_some((record, time)))
    }
}
