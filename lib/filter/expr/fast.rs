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
mod term;
mod value;

use jaq_core::load::parse::Term;

use crate::filter::prefilter::Clause;
use crate::json::fields::{Fields, Record};
use eval::At;
pub(super) use literal::step;
use term::FastTerm;
pub(super) use term::Unsupported;
use value::Fallback;

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
