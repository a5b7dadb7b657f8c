//! Which records of a stream are kept.
//!
//! A line is validated as a whole ([`fields`]), perhaps taken out of the envelope
//! that it was pushed in ([`envelope`]), and decided: first by the flags that
//! know call detail records ([`cdr`]), which look at a few fields where they stand
//! in the line, and only then, on what is left, by an expression in jq's language
//! ([`expr`]), which needs the record as a value. What is kept leaves with the
//! bytes that it came with ([`scan`]).

use std::borrow::Cow;
use std::fmt;

use crate::time::Timestamp;

pub mod cdr;
pub mod envelope;
pub mod expr;
pub mod fields;
pub mod scan;

/// Why a line is no record, or could not be decided.
#[derive(Debug, PartialEq, Eq)]
pub struct Bad(Cow<'static, str>);

impl Bad {
    /// The reason, in words.
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Bad {
        Bad(reason.into())
    }
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Bad {}

impl From<serde_json::Error> for Bad {
    /// A record is one line, so that the library's "at line 1" says nothing.
    fn from(error: serde_json::Error) -> Bad {
        let text = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        match text.strip_suffix(&place) {
            Some(cause) => Bad::new(format!("{cause} at column {}", error.column())),
            None => Bad::new(text),
        }
    }
}

/// What becomes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is passed on. With its time, if that was asked for and there is one.
    Keep(Option<Timestamp>),
    /// It is not.
    Drop,
}

/// All that the command line says about the records to keep.
#[derive(Debug)]
pub struct Predicate {
    /// The flags.
    pub cdr: cdr::Cdr,
    /// The expression, unless every record passes it.
    pub expr: Option<expr::Expr>,
}

impl Predicate {
    /// Validates and decides one line. The flags cost little: the expression
    /// sees only what they leave.
    pub fn decide(&mut self, line: &str) -> Result<Verdict, Bad> {
        let verdict = self.cdr.decide(line)?;
        match (&self.expr, verdict) {
            (Some(expr), Verdict::Keep(_)) if !expr.keeps(line)? => Ok(Verdict::Drop),
            _ => Ok(verdict),
        }
    }
}
