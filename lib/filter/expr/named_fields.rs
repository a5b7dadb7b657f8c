//! The fields that an expression names and expects in records.
//!
//! If no record has such a field, its name is nearly always a typo. jq raises no error for it,
//! because a missing field is null. A field that may be missing is written as `.a?`, `.a // 0`,
//! `has("a")`, `.a == null` or `try .a`. Fields in these forms are not expected, so they are not
//! reported.

use jaq_core::load::parse::{BinaryOp, Term};
use jaq_core::path::{Opt, Part, Path};

use super::fast::step;
use crate::json::fields::{Fields, Slot, Step};

/// The fields of `term` that have a slot in `fields`, in jq's notation. If the path of a field has
/// no slot, but the first step of the path has one, the first step is returned instead of the
/// field.
pub(super) fn watched(term: &Term<&str>, fields: &Fields) -> Vec<(String, Slot)> {
    let mut paths = Vec::new();
    collect(term, &mut paths);
    let mut watched: Vec<(String, Slot)> = Vec::new();
    for path in paths {
        let slot = [&path[..], &path[..1]].into_iter().find_map(|path| {
            let slot = fields.wanted(path)?;
            Some((shown(path), slot))
        });
        watched.extend(slot.filter(|(name, _)| watched.iter().all(|(known, _)| known != name)));
    }
    watched
}

/// Collects the fields in a term. The input of the term must be the record.
fn collect(term: &Term<&str>, paths: &mut Vec<Vec<Step>>) {
    match term {
        Term::Path(from, Path(parts)) => match &**from {
            Term::Id => paths.extend(names(parts)),
            from => collect(from, paths),
        },
        Term::Neg(term) | Term::Arr(Some(term)) => collect(term, paths),
        Term::IfThenElse(branches, otherwise) => {
            for (test, then) in branches {
                collect(test, paths);
                collect(then, paths);
            }
            otherwise.iter().for_each(|term| collect(term, paths));
        }
        Term::BinOp(left, op, right) => match op {
            BinaryOp::Alt => collect(right, paths),
            BinaryOp::Cmp(_) if is_null(left) || is_null(right) => {}
            BinaryOp::Pipe(None) => {
                collect(left, paths);
                if yields_record(left) {
                    collect(right, paths);
                }
            }
            BinaryOp::And
            | BinaryOp::Or
            | BinaryOp::Comma
            | BinaryOp::Math(_)
            | BinaryOp::Cmp(_) => {
                collect(left, paths);
                collect(right, paths);
            }
            _ => {}
        },
        Term::Call("select", args) => args.iter().for_each(|term| collect(term, paths)),
        _ => {}
    }
}

/// The steps of a path before the first step that is optional (`?`) or not constant.
fn names(parts: &[(Part<Term<&str>>, Opt)]) -> Option<Vec<Step>> {
    let certain = parts
        .iter()
        .take_while(|(_, opt)| matches!(opt, Opt::Essential));
    let steps: Vec<Step> = certain.map_while(|(part, _)| step(part).ok()).collect();
    (!steps.is_empty()).then_some(steps)
}

fn yields_record(term: &Term<&str>) -> bool {
    match term {
        Term::Id | Term::Call("select", _) => true,
        Term::BinOp(left, BinaryOp::Pipe(None), right) => {
            yields_record(left) && yields_record(right)
        }
        _ => false,
    }
}

fn is_null(term: &Term<&str>) -> bool {
    matches!(term, Term::Call("null", args) if args.is_empty())
}

fn shown(path: &[Step]) -> String {
    let step = |step: &Step| match step {
        Step::Name(name) => format!(".{name}"),
        Step::Index(index) => format!("[{index}]"),
    };
    path.iter().map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::compile;

    fn watched(text: &str) -> Vec<String> {
        let (_, expr) = compile(text).unwrap();
        expr.watched()
            .iter()
            .map(|(name, _)| name.clone())
            .collect()
    }

    #[test]
    fn fields_that_are_counted_on() {
        for (text, names) in [
            (".a == 1 and .b.c > 2", &[".a", ".b.c"][..]),
            ("select(.a) | .b == \"x\"", &[".a", ".b"]),
            ("if .a then .b else .c end", &[".a", ".b", ".c"]),
            (".a | test(\"x\")", &[".a"]),
            ("(.a | length) > 1", &[".a"]),
            (".a.b[0].c == 1", &[".a.b[0].c"]),
            ("[.a, .x.y] | any", &[".a", ".x"]),
            ("-.a < 1 or .a == 2", &[".a"]),
        ] {
            assert_eq!(watched(text), names, "{text}");
        }
    }

    #[test]
    fn fields_that_may_be_missing_on_purpose() {
        for text in [
            ".a? == 1",
            ".a?.b == 1",
            "(.a // 0) == 0",
            "has(\"a\")",
            ".a == null",
            "null != .a",
            "(try .a) == 1",
            ".",
            "true",
            "any(.[]; .a == 1)",
        ] {
            assert!(watched(text).is_empty(), "{text}: {:?}", watched(text));
        }
    }
}
