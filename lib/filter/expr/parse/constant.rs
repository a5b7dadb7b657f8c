//! Constants: how the parser writes one, and whether a term is one.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Term};

use super::parser::binary;

/// A constant string.
pub(in crate::filter::expr) fn text(text: &str) -> Term<&str> {
    Term::Str(None, vec![StrPart::Str(text)])
}

/// A constant number.
pub(in crate::filter::expr) fn digits<'t>(number: usize) -> Term<&'t str> {
    let digits = number.to_string().chars().map(StrPart::Char).collect();
    let number = Term::Call("tonumber", Vec::new());
    binary(Term::Str(None, digits), BinaryOp::Pipe(None), number)
}

/// Whether a term has the same value everywhere, as far as jq sees that when it compiles.
pub(super) fn is_constant(term: &Term<&str>) -> bool {
    match term {
        Term::Num(_) | Term::Arr(None) => true,
        Term::Str(None, parts) => !parts.iter().any(|part| matches!(part, StrPart::Term(_))),
        Term::Call("true" | "false" | "null", args) => args.is_empty(),
        Term::Arr(Some(elements)) => are_constant(elements),
        Term::Obj(fields) => fields
            .iter()
            .all(|(name, value)| is_constant(name) && value.as_ref().is_some_and(is_constant)),
        Term::BinOp(left, BinaryOp::Math(_) | BinaryOp::Cmp(_), right) => {
            is_number(left) && is_number(right)
        }
        _ => false,
    }
}

fn is_number(term: &Term<&str>) -> bool {
    match term {
        Term::Num(_) => true,
        Term::BinOp(left, BinaryOp::Math(_), right) => is_number(left) && is_number(right),
        _ => false,
    }
}

/// The same of the terms between commas.
fn are_constant(terms: &Term<&str>) -> bool {
    match terms {
        Term::BinOp(left, BinaryOp::Comma, right) => are_constant(left) && is_constant(right),
        term => is_constant(term),
    }
}
