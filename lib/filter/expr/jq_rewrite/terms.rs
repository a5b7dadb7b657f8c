//! Builds terms of an expression from other terms.

use jaq_core::load::parse::{BinaryOp, Pattern, Term};

pub(super) fn call<'t, const N: usize>(name: &'t str, args: [Term<&'t str>; N]) -> Term<&'t str> {
    Term::Call(name, args.into())
}

pub(super) fn pipe<'t>(left: Term<&'t str>, right: Term<&'t str>) -> Term<&'t str> {
    Term::BinOp(left.into(), BinaryOp::Pipe(None), right.into())
}

pub(super) fn bind<'t>(value: Term<&'t str>, name: &'t str, body: Term<&'t str>) -> Term<&'t str> {
    let op = BinaryOp::Pipe(Some(Pattern::Var(name)));
    Term::BinOp(value.into(), op, body.into())
}
