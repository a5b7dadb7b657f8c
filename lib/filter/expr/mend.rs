//! jaq's operators, where they do otherwise than jq's.
//!
//! A function that differs is defined anew in the prelude. An operator has no
//! definition: so where one stands in an expression, a call of a function takes its
//! place.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::ops::Math;
use jaq_core::path::{Opt, Part, Path};

/// Names of variables that no expression can use.
const INDEX: &str = "$!index";
const FROM: &str = "$!from";
const TO: &str = "$!to";
const RIGHT: &str = "$!right";

/// The same expression, with jq's meaning to jaq.
pub(super) fn mend<'t>(term: Term<&'t str>) -> Term<&'t str> {
    let boxed = |term: Box<Term<&'t str>>| Box::new(mend(*term));
    match term {
        Term::Path(from, Path(parts)) => path(mend(*from), parts),
        Term::BinOp(left, op, right) => operation(mend(*left), op, mend(*right)),
        Term::Obj(fields) => Term::Obj(fields.into_iter().map(field).collect()),
        Term::Str(format, parts) => {
            let part = |part| match part {
                StrPart::Term(term) => StrPart::Term(mend(term)),
                other => other,
            };
            Term::Str(format, parts.into_iter().map(part).collect())
        }
        Term::Arr(term) => Term::Arr(term.map(boxed)),
        Term::Neg(term) => Term::Neg(boxed(term)),
        Term::Label(name, term) => Term::Label(name, boxed(term)),
        Term::Fold(name, values, bound, args) => Term::Fold(
            name,
            boxed(values),
            pattern(bound),
            args.into_iter().map(mend).collect(),
        ),
        Term::TryCatch(term, catch) => Term::TryCatch(boxed(term), catch.map(boxed)),
        Term::IfThenElse(branches, otherwise) => {
            let branch = |(test, then)| (mend(test), mend(then));
            let branches = branches.into_iter().map(branch);
            Term::IfThenElse(branches.collect(), otherwise.map(boxed))
        }
        Term::Def(defs, term) => {
            let def = |def: Def<_>| Def {
                body: mend(def.body),
                ..def
            };
            Term::Def(defs.into_iter().map(def).collect(), boxed(term))
        }
        Term::Call(name, args) => Term::Call(name, args.into_iter().map(mend).collect()),
        Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) => term,
    }
}

fn operation<'t>(
    left: Term<&'t str>,
    op: BinaryOp<&'t str>,
    right: Term<&'t str>,
) -> Term<&'t str> {
    match op {
        BinaryOp::Math(Math::Mul) => Term::Call("jq_multiply", vec![left, right]),
        BinaryOp::Math(Math::Div) => Term::Call("jq_divide", vec![left, right]),
        BinaryOp::Math(Math::Rem) => Term::Call("jq_remainder", vec![left, right]),
        BinaryOp::Math(_) | BinaryOp::Cmp(_) if !is_simple(&left) && !is_simple(&right) => {
            // jq computes the right side first, and the left one only if there is any.
            let first = BinaryOp::Pipe(Some(Pattern::Var(RIGHT)));
            let then = Term::BinOp(left.into(), op, Term::Var(RIGHT).into());
            Term::BinOp(right.into(), first, then.into())
        }
        BinaryOp::Pipe(Some(bound)) => {
            let op = BinaryOp::Pipe(Some(pattern(bound)));
            Term::BinOp(left.into(), op, right.into())
        }
        op => Term::BinOp(left.into(), op, right.into()),
    }
}

/// Whether a term yields one value whatever it looks at.
fn is_simple(term: &Term<&str>) -> bool {
    matches!(
        term,
        Term::Id | Term::Num(_) | Term::Var(_) | Term::Str(None, _)
    )
}

fn pattern<'t>(bound: Pattern<&'t str>) -> Pattern<&'t str> {
    match bound {
        Pattern::Var(name) => Pattern::Var(name),
        Pattern::Arr(parts) => Pattern::Arr(parts.into_iter().map(pattern).collect()),
        Pattern::Obj(fields) => {
            let field = |(name, bound)| (mend(name), pattern(bound));
            Pattern::Obj(fields.into_iter().map(field).collect())
        }
    }
}

/// Names of fields are strings.
fn field<'t>(
    (name, value): (Term<&'t str>, Option<Term<&'t str>>),
) -> (Term<&'t str>, Option<Term<&'t str>>) {
    let name = match (mend(name), &value) {
        (name, Some(_)) if !matches!(name, Term::Str(..)) => Term::Call("jq_name", vec![name]),
        (name, _) => name,
    };
    (name, value.map(mend))
}

/// A path whose steps are calls where they may be other than a field or `[]`.
fn path<'t>(from: Term<&'t str>, parts: Vec<(Part<Term<&'t str>>, Opt)>) -> Term<&'t str> {
    let mut path = from;
    for (part, opt) in parts {
        match part {
            Part::Index(name) if !matches!(name, Term::Str(..)) => {
                let step = match opt {
                    Opt::Essential => "jq_index",
                    Opt::Optional => "jq_index_if_any",
                };
                let step = Term::Call(step, vec![Term::Var(INDEX)]);
                path = step_with(path, [(INDEX, Some(mend(name)))], step);
            }
            Part::Range(from, to) if from.is_some() || to.is_some() => {
                let var = |name, term: &Option<_>| term.as_ref().map(|_| Term::Var(name));
                let range = Part::Range(var(FROM, &from), var(TO, &to));
                let slice = Term::Path(Term::Id.into(), Path(vec![(range, opt)]));
                let step = Term::Call("jq_slice", vec![slice]);
                let end = |term: Option<_>, call| term.map(|term| pipe(mend(term), call));
                let ends = [(FROM, end(from, "jq_start")), (TO, end(to, "jq_end"))];
                path = step_with(path, ends, step);
            }
            part => {
                let part = match part {
                    Part::Index(name) => Part::Index(mend(name)),
                    range => range,
                };
                match &mut path {
                    Term::Path(_, Path(parts)) => parts.push((part, opt)),
                    _ => path = Term::Path(path.into(), Path(vec![(part, opt)])),
                }
            }
        }
    }
    path
}

/// What a path leads to, piped into one more step. What that depends on is computed
/// before, of what the whole path begins with.
fn step_with<'t, const N: usize>(
    path: Term<&'t str>,
    bound: [(&'static str, Option<Term<&'t str>>); N],
    step: Term<&'t str>,
) -> Term<&'t str> {
    let path = Term::BinOp(path.into(), BinaryOp::Pipe(None), step.into());
    bound
        .into_iter()
        .fold(path, |path, (name, term)| match term {
            Some(term) => {
                let op = BinaryOp::Pipe(Some(Pattern::Var(name)));
                Term::BinOp(term.into(), op, path.into())
            }
            None => path,
        })
}

fn pipe<'t>(term: Term<&'t str>, call: &'static str) -> Term<&'t str> {
    let call = Term::Call(call, Vec::new());
    Term::BinOp(term.into(), BinaryOp::Pipe(None), call.into())
}
