//! Decides expressions that need only a few fields of a record, directly from the line.
//!
//! This engine supports the part of jq's language that nearly every filter uses. It decides a
//! record only if it is certain of the result. If the engine does not support a value, or if jaq
//! would raise an error, the result is [`Fallback`], and jaq decides the record. So the engine is
//! small, and each error has one text.
//!
//! A term of this engine yields one value or no value, never several. These terms yield no value:
//! `empty`, and sometimes `select`, a path with `?`, functions such as `strings`, and terms that
//! contain one of these.

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
    /// Compiles `term`; `text` is the source text of the expression.
    pub(super) fn compile(
        term: &Term<&str>,
        text: &str,
        env: &[(String, String)],
        fields: &mut Fields,
    ) -> Result<Fast, Unsupported> {
        // The first call tests whether the whole expression compiles. If it does not, nothing may
        // be added to `fields`.
        compile::whole(term, text, env, &mut Fields::default())?;
        compile::whole(term, text, env, fields).map(Fast)
    }

    /// Whether a record is kept; `None` if jaq must decide.
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

    /// Lists of texts. The line of every kept record contains at least one text of each list.
    pub(super) fn needles(&self) -> Vec<Clause> {
        self.0.needles()
    }
}
