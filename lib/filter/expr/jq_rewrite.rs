//! jaq's operators, where they do otherwise than jq's.
//!
//! A function that differs is defined anew in the prelude. An operator has no
//! definition: so where one stands in an expression, a call of a function takes its
//! place.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::ops::Math;
use jaq_core::path::{Opt, Part, Path};

use super::patterns::each;

/// Names of variables that no expression can use.
const INDEX: &str = "$!index";
const FROM: &str = "$!from";
const TO: &str = "$!to";
const RIGHT: &str = "$!right";

/// The same expression, with jq's meaning to jaq.
pub(super) fn rewrite<'t>(term: Term<&'t str>) -> Term<&'t str> {
    let boxed = |term: Box<Term<&'t str>>| Box::new(rewrite(*term));
    match term {
        Term::Path(from, Path(parts)) => path(rewrite(*from), parts),
        Term::BinOp(left, op, right) => operation(rewrite(*left), op, rewrite(*right)),
        Term::Obj(fields) => Term::Obj(fields.into_iter().map(field).collect()),
        Term::Str(format, parts) => {
            let part = |part| match part {
                StrPart::Term(term) => StrPart::Term(rewrite(term)),
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
            args.into_iter().map(rewrite).collect(),
        ),
        Term::TryCatch(term, catch) => Term::TryCatch(boxed(term), catch.map(boxed)),
        Term::IfThenElse(branches, otherwise) => {
            let branch = |(test, then)| (rewrite(test), rewrite(then));
            let branches = branches.into_iter().map(branch);
            Term::IfThenElse(branches.collect(), otherwise.map(boxed))
        }
        Term::Def(defs, term) => {
            let def = |def: Def<_>| {
                guarded(Def {
                    body: rewrite(def.body),
                    ..def
                })
            };
            Term::Def(defs.into_iter().map(def).collect(), boxed(term))
        }
        Term::Call(name, args) => Term::Call(name, args.into_iter().map(rewrite).collect()),
        Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) => term,
    }
}

/// The same definition; one that calls itself asks first whether it may go on.
pub(super) fn guarded(def: Def<&str>) -> Def<&str> {
    let mut calls_itself = false;
    each(&def.body, &mut |term| {
        let is_call = |name: &str, args: usize| name == def.name && args == def.args.len();
        calls_itself |= matches!(term, Term::Call(name, args) if is_call(name, args.len()));
    });
    let mut body = match def.body {
        // Definitions of a library are nested only here.
        Term::Def(defs, term) => Term::Def(defs.into_iter().map(guarded).collect(), term),
        body => body,
    };
    if calls_itself {
        // The last call stays the last one, and a path stays a path.
        let check = Term::Call("jq_check", Vec::new());
        body = Term::IfThenElse(vec![(check, body)], None);
    }
    Def { body, ..def }
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

fn pattern(bound: Pattern<&str>) -> Pattern<&str> {
    match bound {
        Pattern::Var(name) => Pattern::Var(name),
        Pattern::Arr(parts) => Pattern::Arr(parts.into_iter().map(pattern).collect()),
        Pattern::Obj(fields) => {
            let field = |(name, bound)| (rewrite(name), pattern(bound));
            Pattern::Obj(fields.into_iter().map(field).collect())
        }
    }
}

/// Names of fields are strings.
fn field<'t>(
    (name, value): (Term<&'t str>, Option<Term<&'t str>>),
) -> (Term<&'t str>, Option<Term<&'t str>>) {
    let name = match (rewrite(name), &value) {
        (name, Some(_)) if !matches!(name, Term::Str(..)) => Term::Call("jq_name", vec![name]),
        (name, _) => name,
    };
    (name, value.map(rewrite))
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
                path = step_with(path, [(INDEX, Some(rewrite(name)))], step);
            }
            Part::Range(from, to) if from.is_some() || to.is_some() => {
                let var = |name, term: &Option<_>| term.as_ref().map(|_| Term::Var(name));
                let range = Part::Range(var(FROM, &from), var(TO, &to));
                let slice = Term::Path(Term::Id.into(), Path(vec![(range, opt)]));
                let step = Term::Call("jq_slice", vec![slice]);
                let end = |term: Option<_>, call| term.map(|term| pipe(rewrite(term), call));
                let ends = [(FROM, end(from, "jq_start")), (TO, end(to, "jq_end"))];
                path = step_with(path, ends, step);
            }
            part => {
                let part = match part {
                    Part::Index(name) => Part::Index(rewrite(name)),
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
        .rev()
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

#[cfg(test)]
mod tests {
    use super::super::tests::{keeps, raises};

    const RECORD: &str =
        r#"{"o":{"k":[1,{"x":2}]},"l":[10,20,30],"n":null,"i":1,"s":"abc","f":1.5,"z":0.0}"#;

    #[test]
    fn steps_of_a_path_lead_where_they_do_in_jq() {
        for text in [
            ".o.k[1].x == 2",
            ".l[.i] == 20 and .l[-1] == 30 and .l[.f] == 20 and .l[1.0] == 20",
            ".o[\"k\"][.i][\"x\"] == 2",
            ".[\"o\", \"n\"] | . == null or has(\"k\")",
            "[.o[0]?, .[1]?, .n[true]?] == []",
            ".n[0] == null and .n[1:] == null and .o.none[:2] == null",
            ".l[1:] == [20, 30] and .l[.i:2] == [20] and .l[:1.5] == [10, 20] and .s[1:] == \"bc\"",
            "[path(.l[.i])] == [[\"l\", 1]] and (del(.l[0]) | .l == [20, 30])",
            "(.l[0] = 5 | .l[0] == 5) and (.l[1:] |= map(. + 1) | .l == [10, 21, 31])",
            "[.l[0, 1]] == [10, 20] and ([.l, .l | .[0]] == [10, 10])",
            ".l as $l | [.i, 2 | $l[.]] == [20, 30]",
            "(.n | first == null) and (.l | last == 30 and nth(1) == 20 and getpath([1]) == 20)",
        ] {
            assert!(keeps(text, RECORD), "{text}");
        }
        for (text, error) in [
            (".o[0]", "cannot index object with number"),
            (".[0]", "cannot index object with number"),
            (".o | first", "cannot index object with number"),
            (".n[false]", "cannot index null with boolean"),
            (".o | getpath([0])", "cannot index object with number"),
            (
                "{(.i): 1}",
                "a field cannot be called by a value of type number",
            ),
        ] {
            assert_eq!(
                raises(text, RECORD),
                format!("expression: {error}"),
                "{text}"
            );
        }
    }

    #[test]
    fn numbers_are_computed_as_in_jq() {
        for text in [
            "5.9 % 3.9 == 2 and -5 % 3 == -2 and 5 % -2 == 1 and .f % 1 == 0",
            "(nan % 5 | isnan) and \"a,b\" / \",\" == [\"a\", \"b\"]",
            ".s * 2 == \"abcabc\" and 1.5 * .s == \"abc\" and .s * 0 == \"\" and .s * -1 == null",
            "{a: 1} * {b: 2} == {a: 1, b: 2}",
            "-9223372036854775808 | length == 9223372036854775808",
        ] {
            assert!(keeps(text, RECORD), "{text}");
        }
        for (text, error) in [
            (".i / .z", "cannot divide by zero"),
            (".i / 0", "cannot divide by zero"),
            (".s * 1e12", "a string repeated so often is too long"),
        ] {
            assert_eq!(
                raises(text, RECORD),
                format!("expression: {error}"),
                "{text}"
            );
        }
        for text in [".i % 0", ".i % .z", "5 % 0.5", ".l - .o"] {
            assert!(!raises(text, RECORD).is_empty(), "{text}");
        }
    }

    #[test]
    fn the_right_side_is_computed_first() {
        for text in [
            "empty == error(\"right\")",
            "error(\"left\") < error(\"right\")",
            ".l[error(\"right\"):error(\"to\")]",
            "empty + error(\"right\")",
        ] {
            assert_eq!(raises(text, RECORD), "expression: right", "{text}");
        }
        for text in ["(error(\"left\") == empty)", ".o[0] == .l[5][0][]?"] {
            assert!(!keeps(text, RECORD), "{text}");
        }
        assert!(keeps("[(1, 2) + (10, 20)] == [11, 12, 21, 22]", RECORD));
    }
}
