//! Builds constants, and finds out whether a term is constant.

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

/// Whether jq treats a term as constant when jq compiles an expression.
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
        // The line number in `$__loc__`: a term that the function `digits` has built.
        Term::BinOp(left, BinaryOp::Pipe(None), _) => is_digits(left),
        _ => false,
    }
}

fn is_digits(term: &Term<&str>) -> bool {
    let is_digit = |part: &StrPart<_, _>| matches!(part, StrPart::Char('0'..='9'));
    matches!(term, Term::Str(None, parts) if !parts.is_empty() && parts.iter().all(is_digit))
}

fn is_number(term: &Term<&str>) -> bool {
    match term {
        Term::Num(_) => true,
        Term::BinOp(left, BinaryOp::Math(_), right) => is_number(left) && is_number(right),
        _ => false,
    }
}

/// Whether jq treats all terms between commas as constant.
fn are_constant(terms: &Term<&str>) -> bool {
    match terms {
        Term::BinOp(left, BinaryOp::Comma, right) => are_constant(left) && is_constant(right),
        term => is_constant(term),
    }
}
