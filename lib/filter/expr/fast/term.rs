//! The terms that the fast engine knows.

use std::cell::Cell;

use jaq_core::ops::{Cmp, Math};

use super::value::FastValue;
use crate::json::fields::{Fields, Finds, Slot};

/// What the fast engine does not support in an expression, as text for a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unsupported(pub(crate) String);

/// A term.
#[derive(Debug)]
pub(super) enum FastTerm {
    Constant(FastValue<'static>),
    /// The whole record. In the test of an array element, the whole element.
    Whole,
    /// The value at a path.
    Path {
        slot: Slot,
        /// The last step, if it is a field name.
        name: Option<String>,
        strict: Strict,
    },
    /// Whether the object has the field in this slot.
    Present(Slot),
    /// The value that this term gets through a pipe.
    Piped,
    Pipe(Box<FastTerm>, Box<FastTerm>),
    /// The value of the second term if the value of the first term is neither false nor null,
    /// otherwise no value.
    When(Box<FastTerm>, Box<FastTerm>),
    /// The value of the second term if the first term yields a value, otherwise no value.
    Guard(Box<FastTerm>, Box<FastTerm>),
    If(Box<FastTerm>, Box<FastTerm>, Box<FastTerm>),
    And(Box<FastTerm>, Box<FastTerm>),
    Or(Box<FastTerm>, Box<FastTerm>),
    Not(Box<FastTerm>),
    Alternative(Box<FastTerm>, Box<FastTerm>),
    Compare(Cmp, Box<FastTerm>, Box<FastTerm>),
    Compute(Math, Box<FastTerm>, Box<FastTerm>),
    Negative(Box<FastTerm>),
    /// Whether `value` is equal to one of `others`.
    OneOf {
        value: Box<FastTerm>,
        others: Vec<FastTerm>,
        /// If this is set and `value` is not a string, jaq decides.
        only_text: bool,
    },
    /// Whether the first string contains the second string at this position.
    Holds(MatchPosition, Box<FastTerm>, Box<FastTerm>),
    Has(Box<FastTerm>, Box<ScopedTest>),
    /// Whether any element of `array` passes the test. If `every` is set, whether every element
    /// passes.
    Each {
        array: Box<FastTerm>,
        /// Whether a value that is not an array counts as an empty array.
        lenient: bool,
        every: bool,
        scope: Box<ScopedTest>,
    },
    Length(Box<FastTerm>),
    Kind(Box<FastTerm>),
    Lowercase(Box<FastTerm>),
    Nothing,
}

/// Where in a string another string must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MatchPosition {
    Start,
    End,
    Anywhere,
    /// At the start of a line, like `^` in a pattern.
    LineStart,
    LineEnd,
    Line,
}

/// Which steps of a path raise an error if the value has another type than the step needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strict {
    All,
    Some,
    None,
}

/// A test of a part of the record, with the fields that the test needs.
pub(super) struct ScopedTest {
    pub(super) fields: Fields,
    pub(super) test: FastTerm,
    pub(super) finds: Cell<Finds>,
}

impl ScopedTest {
    pub(super) fn new(fields: Fields, test: FastTerm) -> ScopedTest {
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
