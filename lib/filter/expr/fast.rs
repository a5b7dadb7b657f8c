//! Expressions that can be decided from a few fields of a record, where these
//! stand in the line.
//!
//! This engine knows the part of jq's language that nearly every filter is written
//! in, and knows it only as far as it is sure: where a value is one that it does
//! not know, or jaq would raise an error, it says that it is [`Unsure`], and jaq
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
use value::{Unsure, Value};

/// Why an expression is none for this engine, with its place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outside(pub(super) String);

/// A compiled expression.
#[derive(Debug)]
pub(super) struct Fast(Node);

impl Fast {
    /// Compiles `term`, which was parsed from `text`.
    pub(super) fn compile(
        term: &Term<&str>,
        text: &str,
        env: &[(String, String)],
        fields: &mut Fields,
    ) -> Result<Fast, Outside> {
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
            Err(Unsure) => None,
        }
    }

    /// What must be in the line of a record that is kept.
    pub(super) fn needles(&self) -> Vec<Clause> {
        self.0.needles()
    }
}

/// A term.
#[derive(Debug)]
enum Node {
    Constant(Value<'static>),
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
    Pipe(Box<Node>, Box<Node>),
    /// The second if the first is neither false nor null, else none.
    When(Box<Node>, Box<Node>),
    /// The second if the first yields a value.
    Guard(Box<Node>, Box<Node>),
    If(Box<Node>, Box<Node>, Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
    Alternative(Box<Node>, Box<Node>),
    Compare(Cmp, Box<Node>, Box<Node>),
    Compute(Math, Box<Node>, Box<Node>),
    Negative(Box<Node>),
    /// Whether the value is one of those.
    OneOf {
        value: Box<Node>,
        others: Vec<Node>,
        /// Whether only a string may be one.
        only_text: bool,
    },
    /// Whether the first string holds the second one.
    Holds(Place, Box<Node>, Box<Node>),
    Has(Box<Node>, Box<Scope>),
    /// Whether an element, or every one, passes.
    Each {
        array: Box<Node>,
        /// Whether what cannot be iterated over has no elements.
        lenient: bool,
        every: bool,
        scope: Box<Scope>,
    },
    Length(Box<Node>),
    Kind(Box<Node>),
    Lowercase(Box<Node>),
    Nothing,
}

/// Where a string is looked for in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
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
struct Scope {
    fields: Fields,
    test: Node,
    finds: Cell<Finds>,
}

impl Scope {
    fn new(fields: Fields, test: Node) -> Scope {
        Scope {
            fields,
            test,
            finds: Cell::default(),
        }
    }
}

impl std::fmt::Debug for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.test.fmt(f)
    }
}
