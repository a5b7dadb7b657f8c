//! Checks the regular expressions that are constants in an expression. So an error in a regular
//! expression is reported before any record is read.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Pattern, Term};
use jaq_core::path::Part;

use super::explain::place;
use super::library::check_pattern;

/// The functions whose first argument is a regular expression: the name, the number of arguments,
/// and the index of the argument with the flags, if there is one.
const FUNCTIONS: [(&str, usize, Option<usize>); 14] = [
    ("test", 1, None),
    ("test", 2, Some(1)),
    ("match", 1, None),
    ("match", 2, Some(1)),
    ("capture", 1, None),
    ("capture", 2, Some(1)),
    ("scan", 1, None),
    ("scan", 2, Some(1)),
    ("split", 2, Some(1)),
    ("splits", 1, None),
    ("sub", 2, None),
    ("sub", 3, Some(2)),
    ("gsub", 2, None),
    ("gsub", 3, Some(2)),
];

/// An error if a constant regular expression in `term` is invalid; `text` is the source of `term`.
pub(super) fn check(term: &Term<&str>, text: &str) -> Result<(), String> {
    let mut checked = Ok(());
    each(term, &mut |term| {
        if let Term::Call(name, args) = term
            && let Some((.., flags)) = FUNCTIONS.iter().find(|f| (f.0, f.1) == (*name, args.len()))
            && let Some(pattern) = constant(&args[0])
            && let Some(flags) = flags.map_or(Some(String::new()), |at| constant(&args[at]))
            && let Err(what) = check_pattern(&pattern, &flags)
            && checked.is_ok()
        {
            checked = Err(format!("{name}: {what}, {}", place(text, name)));
        }
    });
    checked
}

/// The text of a constant string. For null, which means that there are no flags, the text is empty.
/// `None` for other terms.
fn constant(term: &Term<&str>) -> Option<String> {
    let parts = match term {
        Term::Str(None, parts) => parts,
        Term::Call("null", args) if args.is_empty() => return Some(String::new()),
        _ => return None,
    };
    let part = |part: &StrPart<&str, _>| match part {
        StrPart::Str(text) => Some((*text).to_owned()),
        StrPart::Char(char) => Some(char.to_string()),
        StrPart::Term(_) => None,
    };
    parts.iter().map(part).collect()
}

/// Visits every term of an expression.
pub(super) fn each<'t>(term: &Term<&'t str>, see: &mut impl FnMut(&Term<&'t str>)) {
    see(term);
    match term {
        Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) => {}
        Term::Arr(None) => {}
        Term::Arr(Some(term)) | Term::Neg(term) | Term::Label(_, term) => each(term, see),
        Term::Str(_, parts) => {
            for part in parts {
                if let StrPart::Term(term) = part {
                    each(term, see);
                }
            }
        }
        Term::Obj(fields) => {
            for (name, value) in fields {
                each(name, see);
                value.iter().for_each(|value| each(value, see));
            }
        }
        Term::BinOp(left, op, right) => {
            each(left, see);
            if let BinaryOp::Pipe(Some(bound)) = op {
                each_in(bound, see);
            }
            each(right, see);
        }
        Term::Fold(_, values, bound, args) => {
            each(values, see);
            each_in(bound, see);
            args.iter().for_each(|arg| each(arg, see));
        }
        Term::TryCatch(term, catch) => {
            each(term, see);
            catch.iter().for_each(|catch| each(catch, see));
        }
        Term::IfThenElse(branches, otherwise) => {
            for (test, then) in branches {
                each(test, see);
                each(then, see);
            }
            otherwise.iter().for_each(|term| each(term, see));
        }
        Term::Def(defs, term) => {
            defs.iter().for_each(|def| each(&def.body, see));
            each(term, see);
        }
        Term::Call(_, args) => args.iter().for_each(|arg| each(arg, see)),
        Term::Path(from, path) => {
            each(from, see);
            for (part, _) in &path.0 {
                match part {
                    Part::Index(term) => each(term, see),
                    Part::Range(from, to) => from.iter().chain(to).for_each(|end| each(end, see)),
                }
            }
        }
    }
}

fn each_in<'t>(bound: &Pattern<&'t str>, see: &mut impl FnMut(&Term<&'t str>)) {
    match bound {
        Pattern::Var(_) => {}
        Pattern::Arr(parts) => parts.iter().for_each(|part| each_in(part, see)),
        Pattern::Obj(fields) => {
            for (name, bound) in fields {
                each(name, see);
                each_in(bound, see);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{compile, keeps};
    use crate::error::Status;

    #[test]
    fn a_constant_pattern_that_is_none_is_a_usage_error_with_its_place() {
        for (text, message) in [
            (
                r#".a | test("[")"#,
                "expression: test: '[' is not a regular expression: [..] at column 6: test(\"[\")",
            ),
            (
                r#".a | test("a"; "q")"#,
                "expression: test: there is no flag 'q', at column 6: test(\"a\"; \"q\")",
            ),
        ] {
            let error = compile(text).unwrap_err();
            let said = error.to_string();
            let (before, after) = message.split_once("[..]").unwrap_or((message, ""));
            assert!(said.starts_with(before) && said.ends_with(after), "{said}");
            assert_eq!(Status::of(&error), Status::Usage);
        }
        for text in [
            r#"[.a | match("("; "g")]"#,
            r#"{a: .a | sub("*"; "")}"#,
            r#"if .a | gsub("\\"; "") then 1 else 2 end"#,
            r#"reduce .a[] as $x (0; $x | capture("(?<"))"#,
            r#".a as {b: [$x]} | $x | scan("[z-a]")"#,
            r#"def f: split("a{2,1}"; null); f"#,
            r#"try .a[.b | splits(")")] catch "\(test("+"))""#,
            r#"-.a, label $l | .b[1:(.c | test("(?<a>x"))]"#,
        ] {
            assert!(compile(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_pattern_that_is_computed_is_the_records_affair() {
        assert!(keeps(
            r#"try (.b as $b | .a | test($b)) catch true"#,
            r#"{"a":"a","b":"["}"#
        ));
        assert!(keeps(
            r##".a | test(" A # comment"; "xi")"##,
            r#"{"a":"a"}"#
        ));
        assert!(compile(r#".a | split("[")"#).is_ok());
    }
}
