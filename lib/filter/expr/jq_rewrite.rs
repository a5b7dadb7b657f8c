//! Rewrites an expression so that jaq gives the results of jq.
//!
//! A function that gives other results in jaq than in jq is redefined in the library. An operator
//! that gives other results cannot be redefined, so it is replaced by a function call.

mod path_terms;
mod terms;

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::ops::Math;
use jaq_core::path::{Opt, Part, Path};

use super::parse::{digits, text, variables};
use super::patterns::each;
use super::single::is_single;
use terms::{bind, call, pipe};

/// Variable names for rewritten terms. No expression can contain them.
const INDEX: &str = "$!index";
const FROM: &str = "$!from";
const TO: &str = "$!to";
const RIGHT: &str = "$!right";
const OBJECT: &str = "$!object";

/// Variable names for values that a pattern takes apart, one name for each level of the pattern.
const PARTS: [&str; super::parse::DEEPEST_PATTERN] = [
    "$!0", "$!1", "$!2", "$!3", "$!4", "$!5", "$!6", "$!7", "$!8", "$!9",
];

/// The rewritten expression.
pub(super) fn expression(term: Term<&str>) -> Term<&str> {
    path_terms::computed(rewrite(term))
}

fn rewrite<'t>(term: Term<&'t str>) -> Term<&'t str> {
    let boxed = |term: Box<Term<&'t str>>| Box::new(rewrite(*term));
    match term {
        Term::Path(from, Path(parts)) => path(rewrite(*from), parts),
        Term::BinOp(left, op, right) => operation(*left, op, *right),
        Term::Obj(fields) => object(fields),
        Term::Str(format, parts) => string(format, parts),
        Term::Arr(None) => Term::Arr(None),
        Term::Arr(Some(term)) => call("jq_collect", [rewrite(*term)]),
        Term::Neg(term) => pipe(rewrite(*term), call("jq_negate", [])),
        Term::Label(name, term) => Term::Label(name, boxed(term)),
        Term::Fold(name, source, bound, args) => fold(name, *source, bound, args),
        Term::TryCatch(term, catch) => Term::TryCatch(boxed(term), catch.map(boxed)),
        Term::IfThenElse(branches, otherwise) => {
            let branch = |(test, then)| (rewrite(test), rewrite(then));
            let branches = branches.into_iter().map(branch);
            Term::IfThenElse(branches.collect(), otherwise.map(boxed))
        }
        Term::Def(defs, term) => Term::Def(defs.into_iter().map(define).collect(), boxed(term)),
        Term::Call(name, args) => match name.strip_prefix('@') {
            Some(format) => call("format", [text(format)]),
            None => Term::Call(name, args.into_iter().map(rewrite).collect()),
        },
        Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) => term,
    }
}

/// Rewrites a definition. A parameter `$x` can also be called as the function `x`, which yields all
/// values of the argument.
pub(super) fn define(def: Def<&str>) -> Def<&str> {
    let mut body = rewrite(def.body);
    let mut args = def.args;
    let mut is_called = false;
    each(&body, &mut |term| {
        is_called |= matches!(term, Term::Call(name, called) if called.is_empty()
            && args.iter().any(|arg| arg.strip_prefix('$') == Some(*name)));
    });
    if is_called {
        for arg in args.iter_mut().rev() {
            if let Some(name) = arg.strip_prefix('$') {
                body = bind(call(name, []), arg, body);
                *arg = name;
            }
        }
    }
    guarded(Def { body, args, ..def })
}

/// Joins the parts of a string. The value of each `\(…)` is converted by the format that precedes
/// the string.
fn string<'t>(
    format: Option<&'t str>,
    parts: Vec<StrPart<&'t str, Term<&'t str>>>,
) -> Term<&'t str> {
    let mut sum: Option<Term<&'t str>> = None;
    let mut plain = Vec::new();
    let add = |sum: Option<Term<&'t str>>, part| match sum {
        Some(sum) => Some(call("jq_add", [part, sum])),
        None => Some(part),
    };
    for part in parts {
        match part {
            StrPart::Term(term) => {
                if !plain.is_empty() {
                    sum = add(sum, Term::Str(None, std::mem::take(&mut plain)));
                }
                let format = match format.and_then(|format| format.strip_prefix('@')) {
                    None | Some("text") => call("tostring", []),
                    Some(format) => call("format", [text(format)]),
                };
                sum = add(sum, pipe(rewrite(term), format));
            }
            part => plain.push(part),
        }
    }
    if plain.is_empty()
        && let Some(sum) = sum
    {
        return sum;
    }
    add(sum, Term::Str(None, plain)).unwrap_or_default()
}

/// If the function that `def` defines is recursive, adds a check of the limits before its body.
pub(super) fn guarded(def: Def<&str>) -> Def<&str> {
    let mut calls_itself = false;
    each(&def.body, &mut |term| {
        let is_call = |name: &str, args: usize| name == def.name && args == def.args.len();
        calls_itself |= matches!(term, Term::Call(name, args) if is_call(name, args.len()));
    });
    let mut body = match def.body {
        // In the library, only the start of a body contains further definitions.
        Term::Def(defs, term) => Term::Def(defs.into_iter().map(guarded).collect(), term),
        body => body,
    };
    if calls_itself {
        // The check is the condition of an `if`, because inside an `if` a tail call stays a tail
        // call, and a path stays a path.
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
    let update = |op, left, right| {
        let change = Term::BinOp(Term::Id.into(), op, Term::Var(RIGHT).into());
        bind(
            rewrite(right),
            RIGHT,
            call("jq_modify", [rewrite(left), rewrite(change)]),
        )
    };
    match op {
        BinaryOp::Math(how) => {
            let name = match how {
                Math::Add => "jq_add",
                Math::Sub => "jq_subtract",
                Math::Mul => "jq_multiply",
                Math::Div => "jq_divide",
                Math::Rem => "jq_remainder",
            };
            call(name, [rewrite(right), rewrite(left)])
        }
        BinaryOp::Cmp(_) if !is_single(&left) || !is_single(&right) => {
            // jq computes the right side first. It computes the left side only if the right side
            // yields a value.
            let then = Term::BinOp(rewrite(left).into(), op, Term::Var(RIGHT).into());
            bind(rewrite(right), RIGHT, then)
        }
        BinaryOp::Pipe(Some(pattern)) => take_apart(rewrite(left), pattern, rewrite(right), 0),
        BinaryOp::Assign => call("jq_assign", [rewrite(left), rewrite(right)]),
        BinaryOp::Update => call("jq_modify", [rewrite(left), rewrite(right)]),
        BinaryOp::UpdateMath(how) => update(BinaryOp::Math(how), left, right),
        BinaryOp::UpdateAlt => update(BinaryOp::Alt, left, right),
        op => Term::BinOp(rewrite(left).into(), op, rewrite(right).into()),
    }
}

/// Binds the variables of a pattern to the parts of a value. `level` is the nesting depth of the
/// pattern.
fn take_apart<'t>(
    value: Term<&'t str>,
    pattern: Pattern<&'t str>,
    body: Term<&'t str>,
    level: usize,
) -> Term<&'t str> {
    let keys: Vec<(Term<&'t str>, Pattern<&'t str>)> = match pattern {
        Pattern::Var(name) => return bind(value, name, body),
        Pattern::Arr(parts) => {
            let key = |(at, part)| (digits(at), part);
            parts.into_iter().enumerate().map(key).collect()
        }
        Pattern::Obj(fields) => {
            let key = |(key, part)| (rewrite(key), part);
            fields.into_iter().map(key).collect()
        }
    };
    // The parser refuses patterns with more levels than there are names.
    let name = PARTS[level.min(PARTS.len() - 1)];
    let body = keys.into_iter().rev().fold(body, |body, (key, part)| {
        let value = pipe(Term::Var(name), call("jq_index", [key]));
        take_apart(value, part, body, level + 1)
    });
    bind(value, name, body)
}

/// Rewrites a fold: `reduce` or `foreach`. If the update of a fold yields several values, the fold
/// continues with the last value. If the update yields no value, the fold continues with null.
fn fold<'t>(
    name: &'t str,
    source: Term<&'t str>,
    bound: Pattern<&'t str>,
    args: Vec<Term<&'t str>>,
) -> Term<&'t str> {
    let mut source = rewrite(source);
    let bound = match bound {
        Pattern::Var(_) => bound,
        bound => {
            let mut names = Vec::new();
            variables(&bound, &mut names);
            let values = names.iter().map(|name| Term::Var(*name));
            let comma = |left: Term<_>, right: Term<_>| {
                Term::BinOp(left.into(), BinaryOp::Comma, right.into())
            };
            let values = Term::Arr(values.reduce(comma).map(Box::new));
            source = take_apart(source, bound, values, 0);
            Pattern::Arr(names.into_iter().map(Pattern::Var).collect())
        }
    };
    let is_simple = args.get(1).is_some_and(is_single);
    let mut args: Vec<Term<&'t str>> = args.into_iter().map(rewrite).collect();
    if !is_simple && let [init, update, project @ ..] = &mut args[..] {
        if name == "reduce" {
            *update = call("jq_last", [std::mem::take(update)]);
        } else {
            // The state is an array of the values that the update yields.
            let array = |term: Term<&'t str>| Term::Arr(Some(term.into()));
            let each = Term::Path(
                Term::Id.into(),
                Path(vec![(Part::Range(None, None), Opt::Essential)]),
            );
            *init = pipe(std::mem::take(init), array(Term::Id));
            *update = array(pipe(call("last", []), std::mem::take(update)));
            match project {
                [project, ..] => *project = pipe(each, std::mem::take(project)),
                [] => args.push(each),
            }
        }
    }
    // In jq the result of a fold is not a path, even if the value of the result came from a path.
    call("jq_no_path", [Term::Fold(name, source.into(), bound, args)])
}

/// Rewrites an object. jq computes the fields of an object from left to right, and stops at the
/// first field that fails or yields nothing. jaq also computes the fields after a field that fails.
fn object<'t>(fields: Vec<(Term<&'t str>, Option<Term<&'t str>>)>) -> Term<&'t str> {
    let yields_one =
        |(name, value): &(_, Option<_>)| is_single(name) && value.as_ref().is_none_or(is_single);
    let are_simple = fields.iter().skip(1).all(yields_one);
    let fields = fields.into_iter().map(field);
    if are_simple {
        return Term::Obj(fields.collect());
    }
    let one = |field| Term::Obj(vec![field]);
    let so_far = || Term::Var(OBJECT);
    let mut fields = fields.map(one);
    let first = fields.next().unwrap_or_else(|| Term::Obj(Vec::new()));
    let with = |field| pipe(field, call("jq_add", [Term::Id, so_far()]));
    let whole = fields
        .rev()
        .fold(so_far(), |rest, field| bind(with(field), OBJECT, rest));
    bind(first, OBJECT, whole)
}

/// Rewrites a field of an object. If the name is computed, the rewritten field checks that the name
/// is a string.
fn field<'t>(
    (name, value): (Term<&'t str>, Option<Term<&'t str>>),
) -> (Term<&'t str>, Option<Term<&'t str>>) {
    match (name, value) {
        (name, Some(value)) => {
            let is_text = matches!(name, Term::Str(..));
            let name = rewrite(name);
            let name = match is_text {
                true => name,
                false => pipe(name, call("jq_name", [])),
            };
            (name, Some(rewrite(value)))
        }
        (Term::Str(None, parts), None)
            if !parts.iter().any(|part| matches!(part, StrPart::Term(_))) =>
        {
            (Term::Str(None, parts), None)
        }
        (name @ Term::Str(..), None) => {
            let name = rewrite(name);
            let value = call("jq_index", [name.clone()]);
            (name, Some(value))
        }
        (name, None) => (name, None),
    }
}

/// Rewrites a path. Every step that is neither a constant field name nor `[]` becomes a function
/// call.
fn path<'t>(from: Term<&'t str>, parts: Vec<(Part<Term<&'t str>>, Opt)>) -> Term<&'t str> {
    let mut path = from;
    for (part, opt) in parts {
        let step = |key: Term<&'t str>| {
            let step = call("jq_index", [key]);
            match opt {
                Opt::Essential => step,
                Opt::Optional => Term::TryCatch(step.into(), None),
            }
        };
        match part {
            Part::Index(name) if !is_plain(&name) => {
                let next = pipe(path, step(Term::Var(INDEX)));
                path = bind(rewrite(name), INDEX, next);
            }
            Part::Range(from, to) if from.is_some() || to.is_some() => {
                let end = |term: Option<Term<&'t str>>| match term {
                    Some(term) => rewrite(term),
                    None => call("null", []),
                };
                let key = call("jq_slice_key", [Term::Var(FROM), Term::Var(TO)]);
                let next = pipe(path, bind(key, INDEX, step(Term::Var(INDEX))));
                path = bind(end(from), FROM, bind(end(to), TO, next));
            }
            part => match &mut path {
                Term::Path(_, Path(parts)) => parts.push((part, opt)),
                _ => path = Term::Path(path.into(), Path(vec![(part, opt)])),
            },
        }
    }
    path
}

/// Whether a term is a constant string.
fn is_plain(term: &Term<&str>) -> bool {
    let is_term = |part: &StrPart<_, _>| matches!(part, StrPart::Term(_));
    matches!(term, Term::Str(_, parts) if !parts.iter().any(is_term))
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
            (".o[0]", "cannot index object with number (0)"),
            (".[0]", "cannot index object with number (0)"),
            (".o | first", "cannot index object with number (0)"),
            (".n[false]", "cannot index null with boolean (false)"),
            (".o | getpath([0])", "cannot index object with number (0)"),
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
            (
                ".i / .z",
                "number (1) and number (0.0) cannot be divided because the divisor is zero",
            ),
            (
                ".i / 0",
                "number (1) and number (0) cannot be divided because the divisor is zero",
            ),
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
