//! Which records of a stream are kept.
//!
//! A line is validated as a whole ([`crate::json::fields`]), perhaps taken out of the envelope
//! that it was pushed in ([`envelope`]), and decided: first by the flags that
//! know call detail records ([`cdr`]), which look at a few fields where they stand
//! in the line, and only then, on what is left, by an expression in jq's language
//! ([`expr`]), which needs the record as a value. What is kept leaves with the
//! bytes that it came with ([`scan`]).

use crate::json::bad_line::BadLine;
use crate::json::fields::{Fields, Finds, Record};
use crate::time::Timestamp;
use cdr::{Cdr, CdrArgs};
use expr::Expr;
use prefilter::Prefilter;

pub mod blocks;
pub mod cdr;
pub mod decide;
pub mod envelope;
pub mod expr;
mod parallel;
pub mod prefilter;
pub mod projection;
pub mod scan;
pub mod selection;

/// What becomes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is kept. With its time, if that was asked for and there is one.
    Keep(Option<Timestamp>),
    /// It is not.
    Drop,
}

/// A record that is kept.
#[derive(Clone, Copy, Debug)]
pub struct Kept<'l> {
    /// The line, and the fields that were wanted of it.
    pub record: Record<'l, 'l>,
    /// Its time, if that was asked for and there is one.
    pub time: Option<Timestamp>,
}

/// All that the command line says about the records to keep.
#[derive(Clone, Debug)]
pub struct FilterSpec {
    /// The flags.
    pub flags: CdrArgs,
    /// The expression, unless every record passes it.
    pub expr: Option<String>,
    /// What the expression sees as `$ENV`.
    pub env: Vec<(String, String)>,
    /// What `now` is in a flag.
    pub now: Timestamp,
    /// Whether times are asked for even where nothing depends on them.
    pub timed: bool,
}

/// Decides records, in one pass over each.
#[derive(Debug)]
pub struct Predicate {
    fields: Fields,
    finds: Finds,
    cdr: Cdr,
    expr: Option<Expr>,
}

impl Predicate {
    /// Compiles what is wanted; others want `fields` too. Status 2 if it makes no
    /// sense.
    pub fn new(wanted: &FilterSpec, mut fields: Fields) -> anyhow::Result<Predicate> {
        let cdr = Cdr::new(&wanted.flags, wanted.now, wanted.timed, &mut fields)?;
        let expr = wanted
            .expr
            .as_deref()
            .map(|text| Expr::compile(text, &wanted.env, &mut fields))
            .transpose()?;
        Ok(Predicate {
            fields,
            finds: Finds::default(),
            cdr,
            expr,
        })
    }

    /// Validates and decides one line; `None` if it is not kept.
    pub fn decide<'l>(&'l mut self, line: &'l str) -> Result<Option<Kept<'l>>, BadLine> {
        if self.fields.are_none()
            && let Some(expr) = &self.expr
            && let Some(keeps) = expr.keeps_unread(line)
        {
            let record = self.fields.unread(line, &mut self.finds);
            return Ok(keeps?.then_some(Kept { record, time: None }));
        }
        let record = self.fields.read(line, &mut self.finds)?;
        let Verdict::Keep(time) = self.cdr.decide(&record)? else {
            return Ok(None);
        };
        let keeps = match &self.expr {
            Some(expr) => expr.keeps(&record)?,
            None => true,
        };
        Ok(keeps.then_some(Kept { record, time }))
    }

    /// A test of the bytes of a line that no record passes which would be kept.
    pub fn prefilter(&self) -> Option<Prefilter> {
        let expr = self.expr.iter().flat_map(Expr::needles);
        Prefilter::new(self.cdr.needles().into_iter().chain(expr).collect())
    }

    /// Who decides, and why nobody faster.
    pub fn explain(&self) -> String {
        self.expr.as_ref().map_or_else(
            || "fast: decided by flags, or nothing to decide".to_owned(),
            Expr::explain,
        )
    }

    /// Warns of an expression that is hardly meant.
    pub fn warn(&self) {
        if self.expr.as_ref().is_some_and(Expr::assigns) {
            log::warn!("expression: it assigns (=), which is always true; == compares");
        }
    }

    /// See [`Cdr::take_without_time`].
    pub fn take_without_time(&mut self) -> u64 {
        self.cdr.take_without_time()
    }
}
