//! Expressions that can be decided from a few fields of a record, where these
//! stand in the line.
//!
//! This engine knows the part of jq's language that nearly every filter is written
//! in, and knows it only as far as it is sure: where a value is one that it does
//! not know, or jaq would raise an error, it says that it is [`Fallback`], and jaq
//! decides the record. So it may be small, and an error has one wording.
//!
//! Every term of it yields one value or, after `select` or `?`, none.

mod compile;
mod eval;
mod literal;
mod needles;
mod value;

use std::cell::Cell;

use jaq_core::load::parse::Term;
use jaq_core::ops::{Cmp, Math};

use super::super::prefilter::Clause;
use crate::json::fields::{Fields, Finds, Record, Slot};
use eval::At;
pub(super) use literal::step;
use value::{Fallback, FastValue};

/// Why an expression is none for this engine, with its place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unsupported(pub(super) String);

/// A compiled expression.
#[derive(Debug)]
pub(super) struct Fast(FastTerm);

impl Fast {
    /// Compiles `term`, which was parsed from `text`.
    pub(super) fn compile(
        term: &Term<&str>,
        text: &str,
        env: &[(String, String)],
        fields: &mut Fields,
    ) -> Result<Fast, Unsupported> {
        // What is compiled in part must leave no wishes behind.
        compile::whole(term, text, env, &mut Fields::default())?;
        compile::whole(term, text, env, fields).map(Fast)
    }

    /// Whether a record is kept; `None` if jaq must say.
    pub(super) fn keeps(&self, record: &Record<'_, '_>) -> Option<bool> {
        let at = At {
            record: *record,
            value: None,
        };
        match self.0.eval(&at) {
            Ok(value) => Some(value.is_some_and(|value| value.is_true())),
            Err(Fallback) => None,
        }
    }

    /// What must be in the line of a record that is kept.
    pub(super) fn needles(&self) -> Vec<Clause> {
        self.0.needles()
    }
}

/// A term.
#[derive(Debug)]
enum FastTerm {
    Constant(FastValue<'static>),
    /// The record or the element as a whole.
    Whole,
    /// What a path leads to.
    Path {
        slot: Slot,
        /// The last field's name, if it is one.
        name: Option<String>,
        strict: Strict,
    },
    /// Whether the object has the field.
    Present(Slot),
    /// What came through the last pipe.
    Piped,
    Pipe(Box<FastTerm>, Box<FastTerm>),
    /// The second if the first is neither false nor null, else none.
    When(Box<FastTerm>, Box<FastTerm>),
    /// The second if the first yields a value.
    Guard(Box<FastTerm>, Box<FastTerm>),
    If(Box<FastTerm>, Box<FastTerm>, Box<FastTerm>),
    And(Box<FastTerm>, Box<FastTerm>),
    Or(Box<FastTerm>, Box<FastTerm>),
    Not(Box<FastTerm>),
    Alternative(Box<FastTerm>, Box<FastTerm>),
    Compare(Cmp, Box<FastTerm>, Box<FastTerm>),
    Compute(Math, Box<FastTerm>, Box<FastTerm>),
    Negative(Box<FastTerm>),
    /// Whether the value is one of those.
    OneOf {
        value: Box<FastTerm>,
        others: Vec<FastTerm>,
        /// Whether only a string may be one.
        only_text: bool,
    },
    /// Whether the first string holds the second one.
    Holds(MatchPosition, Box<FastTerm>, Box<FastTerm>),
    Has(Box<FastTerm>, Box<ScopedTest>),
    /// Whether an element, or every one, passes.
    Each {
        array: Box<FastTerm>,
        /// Whether what cannot be iterated over has no elements.
        lenient: bool,
        every: bool,
        scope: Box<ScopedTest>,
    },
    Length(Box<FastTerm>),
    Kind(Box<FastTerm>),
    Lowercase(Box<FastTerm>),
    Nothing,
}

/// Where a string is looked for in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MatchPosition {
    Start,
    End,
    Anywhere,
    All,
}

/// Which steps of a path raise an error where they lead nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strict {
    All,
    Some,
    None,
}

/// A test of a part of the record, with the fields of it that are wanted.
struct ScopedTest {
    fields: Fields,
    test: FastTerm,
    finds: Cell<Finds>,
}

impl ScopedTest {
    fn new(fields: Fields, test: FastTerm) -> ScopedTest {
        ScopedTest {
            fields,
            test,
            finds: Cell::default(),
        }
    }
}

impl std::fmt::Debug for ScopedTest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.test.fmt(f)
    }
}
