//! Finds terms that yield exactly one value for any input.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Pattern, Term};
use jaq_core::path::{Opt, Part, Path};

/// Functions that yield exactly one value.
const FUNCTIONS: [&str; 20] = [
    "true",
    "false",
    "null",
    "not",
    "length",
    "type",
    "tostring",
    "tojson",
    "tonumber",
    "add",
    "floor",
    "keys",
    "sort",
    "unique",
    "reverse",
    "first",
    "last",
    "map",
    "to_entries",
    "setpath",
];

/// Whether a term yields one value or an error, and never zero or several values.
pub(super) fn is_single(term: &Term<&str>) -> bool {
    match term {
        Term::Id | Term::Num(_) | Term::Var(_) | Term::Arr(_) => true,
        Term::Str(_, parts) => parts.iter().all(|part| match part {
            StrPart::Term(term) => is_single(term),
            StrPart::Str(_) | StrPart::Char(_) => true,
        }),
        Term::Obj(fields) => fields
            .iter()
            .all(|(name, value)| is_single(name) && value.iter().all(is_single)),
        Term::Neg(term) => is_single(term),
        Term::BinOp(left, op, right) => match op {
            BinaryOp::Comma => false,
            BinaryOp::Pipe(Some(Pattern::Arr(_) | Pattern::Obj(_))) => false,
            BinaryOp::Update => true,
            BinaryOp::Assign | BinaryOp::UpdateMath(_) | BinaryOp::UpdateAlt => is_single(right),
            _ => is_single(left) && is_single(right),
        },
        Term::IfThenElse(branches, otherwise) => {
            let is_branch = |(test, then): &(Term<_>, Term<_>)| is_single(test) && is_single(then);
            branches.iter().all(is_branch) && otherwise.iter().all(|term| is_single(term))
        }
        Term::Path(from, Path(parts)) => {
            let is_step = |(part, opt): &(Part<Term<&str>>, Opt)| match (part, opt) {
                (_, Opt::Optional) | (Part::Range(None, None), _) => false,
                (Part::Index(term), _) => is_single(term),
                (Part::Range(from, to), _) => from.iter().chain(to).all(is_single),
            };
            is_single(from) && parts.iter().all(is_step)
        }
        Term::Call("map", _) => true,
        Term::Call(name, args) => FUNCTIONS.contains(name) && args.iter().all(is_single),
        _ => false,
    }
}
