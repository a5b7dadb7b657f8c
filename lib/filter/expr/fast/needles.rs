//! Finds texts that the line of every kept record contains.

use jaq_core::ops::Cmp;

use super::eval::compare;
use super::term::FastTerm;
use super::value::FastValue;
use crate::filter::prefilter::{Clause, Spelled};

impl FastTerm {
    /// Lists of texts. If the term's value is neither false nor null, the line contains at least
    /// one text of each list.
    pub(super) fn needles(&self) -> Vec<Clause> {
        let one = |clause: Option<Clause>| clause.into_iter().collect();
        match self {
            FastTerm::Path {
                name: Some(name), ..
            } => one(Clause::name(name)),
            FastTerm::Compare(by, left, right) => {
                let (from, constant, without) = match (&**left, &**right) {
                    (from, FastTerm::Constant(value)) => {
                        (from, value, compare(*by, &FastValue::Null, value))
                    }
                    (FastTerm::Constant(value), from) => {
                        (from, value, compare(*by, value, &FastValue::Null))
                    }
                    _ => return Vec::new(),
                };
                let text = match constant {
                    FastValue::Text(text) if *by == Cmp::Eq && from.is_in_line() => {
                        Clause::any([&**text], Spelled::Whole)
                    }
                    _ => None,
                };
                // If null does not pass the comparison, the record must have the field.
                let name = match from {
                    FastTerm::Path {
                        name: Some(name), ..
                    } if without == Ok(false) => Clause::name(name),
                    _ => None,
                };
                text.into_iter().chain(name).collect()
            }
            FastTerm::Holds(_, from, part) => match &**part {
                FastTerm::Constant(FastValue::Text(text)) if from.is_in_line() => {
                    one(Clause::any([&**text], Spelled::Part))
                }
                _ => Vec::new(),
            },
            FastTerm::OneOf { value, others, .. } if value.is_in_line() => {
                let texts: Option<Vec<&str>> = others.iter().map(FastTerm::as_text).collect();
                one(texts.and_then(|texts| Clause::any(texts, Spelled::Whole)))
            }
            FastTerm::And(left, right) => [left.needles(), right.needles()].concat(),
            FastTerm::Or(left, right) => {
                let best = |node: &FastTerm| node.needles().into_iter().max_by_key(Clause::weight);
                one(best(left).zip(best(right)).map(|(a, b)| a.or(b)))
            }
            FastTerm::When(test, then) => [test.needles(), then.needles()].concat(),
            FastTerm::Guard(_, then) => then.needles(),
            // `Pipe` has no texts: a value that comes through a pipe is computed, so it tells
            // nothing about the line.
            FastTerm::Each {
                every: false,
                scope,
                ..
            } => scope.test.needles(),
            _ => Vec::new(),
        }
    }

    /// Whether the line contains the term's value, if that value is a string.
    fn is_in_line(&self) -> bool {
        matches!(self, FastTerm::Path { .. } | FastTerm::Whole)
    }

    fn as_text(&self) -> Option<&str> {
        match self {
            FastTerm::Constant(FastValue::Text(text)) => Some(text),
            _ => None,
        }
    }
}
