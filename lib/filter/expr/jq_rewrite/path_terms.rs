//! Rewrites terms that are not paths, but stand where jq expects a path. jq computes such a term,
//! and compares the result with the value that the path has reached so far. If the two are not
//! identical, the next step of the path, or the end of the whole path, raises an error. jaq refuses
//! such a term without computing it.

use jaq_core::load::parse::{BinaryOp, Def, Term};

use super::super::patterns::each;
use super::terms::{bind, call, pipe};

/// A variable name for rewritten terms. No expression can contain it.
const BEFORE: &str = "$!before";

/// Functions whose first argument is a path.
const TAKE_PATHS: [&str; 6] = ["path", "jq_path", "del", "pick", "jq_assign", "jq_modify"];

/// Functions that can stand inside a path: they yield paths if their arguments yield paths.
const LEAD_ON: [&str; 36] = [
    "jq_modify",
    "map_values",
    "with_entries",
    "walk",
    "indices",
    "index",
    "rindex",
    "jq_index",
    "jq_no_path",
    "getpath",
    "empty",
    "error",
    "first",
    "last",
    "nth",
    "limit",
    "skip",
    "until",
    "while",
    "repeat",
    "recurse",
    "select",
    "values",
    "nulls",
    "booleans",
    "numbers",
    "strings",
    "arrays",
    "objects",
    "iterables",
    "scalars",
    "normals",
    "finites",
    "jq_check",
    "jq_nothing",
    "paths",
];

/// Rewrites each part of a term that stands where a path is expected, but is not a path. A function
/// of the library computes such a part, and checks the result as jq does.
pub(super) fn computed(term: Term<&str>) -> Term<&str> {
    let (mut takes_paths, mut defined) = (false, Vec::new());
    each(&term, &mut |term| match term {
        Term::Call(name, _) => takes_paths |= TAKE_PATHS.contains(name),
        Term::Def(defs, _) => defs.iter().for_each(|def| names(def, &mut defined)),
        _ => {}
    });
    match takes_paths {
        true => Marker { defined }.mark(term, false),
        false => term,
    }
}

/// Adds the names in a definition to `defined`: the name of the definition, and the names of its
/// parameters.
fn names<'t>(def: &Def<&'t str>, defined: &mut Vec<&'t str>) {
    defined.push(def.name);
    defined.extend(&def.args);
}

/// `and` or `or` in a path. jq computes both sides as paths. The input of the right side is the
/// input of the left side, but with the path that the left side yields.
fn both<'t>(left: Term<&'t str>, op: BinaryOp<&'t str>, right: Term<&'t str>) -> Term<&'t str> {
    let here = |term| call("jq_no_path", [term]);
    let word = |word| here(call(word, []));
    let test = |then, other| Term::IfThenElse(vec![(Term::Id, then)], Some(Box::new(other)));
    let right = pipe(right, test(word("true"), word("false")));
    let right = pipe(here(Term::Var(BEFORE)), right);
    let after = match op {
        BinaryOp::And => test(right, word("false")),
        _ => test(word("true"), right),
    };
    bind(Term::Id, BEFORE, pipe(left, after))
}

/// Whether a term is a number, perhaps with signs before it.
fn is_written_number(term: &Term<&str>) -> bool {
    match term {
        Term::Num(_) => true,
        Term::BinOp(number, BinaryOp::Pipe(None), sign) => {
            matches!(&**sign, Term::Call("jq_negate", _)) && is_written_number(number)
        }
        _ => false,
    }
}

struct Marker<'t> {
    /// The functions and parameters that the expression defines. Each of them can be called in a
    /// path.
    defined: Vec<&'t str>,
}

impl<'t> Marker<'t> {
    fn mark(&self, term: Term<&'t str>, is_path: bool) -> Term<&'t str> {
        let boxed = |term: Box<Term<&'t str>>, is_path| Box::new(self.mark(*term, is_path));
        let value = |term: Term<&'t str>| match is_path {
            true => call("jq_no_path", [term]),
            false => term,
        };
        match term {
            Term::Id | Term::Recurse | Term::Break(_) => term,
            // In jq, a number literal is never identical to another value, even if both are equal.
            term if is_path && is_written_number(&term) => call("jq_lost_path", [term]),
            Term::Num(_)
            | Term::Str(..)
            | Term::Var(_)
            | Term::Arr(_)
            | Term::Obj(_)
            | Term::Neg(_) => value(term),
            Term::BinOp(left, op, right) => match op {
                BinaryOp::Pipe(None) | BinaryOp::Comma | BinaryOp::Alt => {
                    Term::BinOp(boxed(left, is_path), op, boxed(right, is_path))
                }
                BinaryOp::Pipe(Some(_)) => {
                    Term::BinOp(boxed(left, false), op, boxed(right, is_path))
                }
                BinaryOp::And | BinaryOp::Or if is_path => {
                    both(self.mark(*left, true), op, self.mark(*right, true))
                }
                op => value(Term::BinOp(boxed(left, false), op, boxed(right, false))),
            },
            Term::Path(from, parts) => Term::Path(boxed(from, is_path), parts),
            Term::Label(name, term) => Term::Label(name, boxed(term, is_path)),
            Term::TryCatch(term, catch) => {
                Term::TryCatch(boxed(term, is_path), catch.map(|catch| boxed(catch, false)))
            }
            Term::IfThenElse(branches, otherwise) => {
                let branch = |(test, then)| (self.mark(test, false), self.mark(then, is_path));
                let branches = branches.into_iter().map(branch).collect();
                Term::IfThenElse(branches, otherwise.map(|term| boxed(term, is_path)))
            }
            Term::Fold(name, source, bound, args) => {
                let args = args.into_iter().map(|arg| self.mark(arg, false));
                Term::Fold(name, boxed(source, false), bound, args.collect())
            }
            Term::Def(defs, term) => {
                let body = |def: Def<&'t str>| Def {
                    body: self.mark(def.body, true),
                    ..def
                };
                Term::Def(defs.into_iter().map(body).collect(), boxed(term, is_path))
            }
            Term::Call(name, args) => self.mark_call(name, args, is_path),
        }
    }

    fn mark_call(&self, name: &'t str, args: Vec<Term<&'t str>>, is_path: bool) -> Term<&'t str> {
        let is_defined = self.defined.contains(&name);
        let takes_paths = TAKE_PATHS.contains(&name);
        let leads_on = is_defined || LEAD_ON.contains(&name);
        let mark = |(at, arg)| {
            let is_path = is_defined || takes_paths && at == 0 || leads_on && is_path;
            self.mark(arg, is_path && name != "jq_no_path")
        };
        let args = args.into_iter().enumerate().map(mark).collect();
        match is_path && !leads_on {
            true => call("jq_no_path", [Term::Call(name, args)]),
            false => Term::Call(name, args),
        }
    }
}
