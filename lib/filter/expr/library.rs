//! The functions that an expression may call: jq's library, less what an expression on
//! one record must not do.
//!
//! What jq writes in jq is in the prelude, with a few natives of jaq's library for
//! what is alike; the rest is here.

mod format;
mod number;
mod paths;
mod regex;
mod text;
mod time;

use jaq_core::data::JustLut;
use jaq_core::load::parse::Def;
use jaq_core::native::{self, Fun, bome};
use jaq_core::ops::Math;
use jaq_core::{Bind, Cv, Exn, Native, RunPtr, ValX, ValXs};
use jaq_json::{Error, Num, Val, ValR};
use jaq_std::ValT as _;

use super::guard;
use super::jq_rewrite::define;
use super::{parse, value};
pub(super) use regex::check as check_pattern;

/// What a compiled expression is run with.
pub(super) type JaqData = JustLut<Val>;

const PRELUDE: &str = include_str!("prelude.jq");

/// What jaq's library does as jq's.
const FROM_JAQ: [&str; 55] = [
    "first",
    "limit",
    "skip",
    "keys_unsorted",
    "explode",
    "ascii_downcase",
    "ascii_upcase",
    "reverse",
    "sort",
    "sort_by",
    "group_by",
    "startswith",
    "endswith",
    "trim",
    "ltrim",
    "rtrim",
    "now",
    "utf8bytelength",
    "contains",
    "indices",
    "bsearch",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "cbrt",
    "cos",
    "cosh",
    "erf",
    "erfc",
    "exp",
    "exp10",
    "exp2",
    "expm1",
    "fabs",
    "frexp",
    "j0",
    "j1",
    "lgamma",
    "log",
    "log10",
    "log1p",
    "log2",
    "modf",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "tgamma",
    "trunc",
    "y0",
    "y1",
];

/// The same, by another name: what jq does not have, and what the prelude calls when it
/// has put the arguments in jq's order.
const RENAMED: [(&str, &str); 21] = [
    ("path", "jq_path"),
    ("last", "jq_final"),
    ("error_empty", "jq_error_empty"),
    ("min_by_or_empty", "jq_min_by_or_empty"),
    ("max_by_or_empty", "jq_max_by_or_empty"),
    ("ilogb", "jq_ilogb"),
    ("atan2", "jq_atan2"),
    ("copysign", "jq_copysign"),
    ("fdim", "jq_fdim"),
    ("fmax", "jq_fmax"),
    ("fmin", "jq_fmin"),
    ("fmod", "jq_fmod"),
    ("hypot", "jq_hypot"),
    ("jn", "jq_jn"),
    ("ldexp", "jq_ldexp"),
    ("nextafter", "jq_nextafter"),
    ("pow", "jq_pow"),
    ("remainder", "jq_nearest_remainder"),
    ("scalbln", "jq_scalbln"),
    ("yn", "jq_yn"),
    ("fma", "jq_fma"),
];

/// The library's definitions.
pub(super) fn definitions<'t>() -> impl Iterator<Item = Def<&'t str>> {
    let ours: Vec<Def<&'t str>> = parse::definitions(PRELUDE).unwrap_or_default();
    ours.into_iter().map(define)
}

pub(super) fn natives() -> impl Iterator<Item = Fun<JaqData>> {
    let library = jaq_core::funs()
        .chain(jaq_std::funs())
        .chain(jaq_json::funs());
    let values: [(&str, usize, RunPtr<JaqData>); 46] = [
        ("jq_nothing", 0, |_| Box::new(std::iter::empty())),
        ("nan", 0, |_| bome(Ok(number::computed(f64::NAN)))),
        ("infinite", 0, |_| bome(Ok(number::computed(f64::INFINITY)))),
        ("type", 0, |(_, value)| {
            bome(Ok(Val::from(text::kind(&value).to_owned())))
        }),
        ("fromjson", 0, |(_, value)| bome(from_json(&value))),
        ("tonumber", 0, |(_, value)| bome(to_number(&value))),
        ("toboolean", 0, |(_, value)| bome(to_boolean(&value))),
        ("tojson", 0, |(_, value)| {
            bome(Ok(Val::from(text::json(&value))))
        }),
        ("tostring", 0, |(_, value)| bome(Ok(format::string(&value)))),
        ("format", 1, |cv| one(cv, format::format)),
        ("length", 0, |(_, value)| bome(length(&value))),
        ("implode", 0, |(_, value)| bome(implode(&value))),
        ("jq_absolute", 0, |(_, value)| {
            bome(number::absolute(&value))
        }),
        ("jq_negate", 0, |(_, value)| bome(number::negate(&value))),
        ("jq_int", 0, |(_, value)| bome(number::c_int(&value))),
        ("jq_float", 0, |(_, value)| {
            bome(number::float(&value).map(|float| Val::Num(Num::Float(float))))
        }),
        ("floor", 0, |cv| rounded(&cv.1, f64::floor)),
        ("ceil", 0, |cv| rounded(&cv.1, f64::ceil)),
        ("round", 0, |cv| rounded(&cv.1, f64::round)),
        ("nearbyint", 0, |cv| rounded(&cv.1, f64::round_ties_even)),
        ("rint", 0, |cv| rounded(&cv.1, f64::round_ties_even)),
        ("jq_add", 2, |cv| math(cv, Math::Add)),
        ("jq_subtract", 2, |cv| math(cv, Math::Sub)),
        ("jq_multiply", 2, |cv| math(cv, Math::Mul)),
        ("jq_divide", 2, |cv| math(cv, Math::Div)),
        ("jq_remainder", 2, |cv| math(cv, Math::Rem)),
        ("jq_range", 3, range),
        ("jq_check", 0, |_| {
            Box::new(std::iter::once(check().map(|()| Val::Bool(true))))
        }),
        ("jq_concat", 0, concat),
        ("jq_split", 1, |cv| {
            one(cv, |text, by| Ok(text::split(bytes(text), bytes(by))))
        }),
        ("jq_print", 2, |cv| {
            two(cv, |value, what, shown| {
                log::warn!("{}: {}", format::text(what), text::json(shown));
                Ok(value.clone())
            })
        }),
        ("has", 1, |cv| one(cv, paths::has)),
        ("jq_setpath", 2, |cv| two(cv, set_path)),
        ("delpaths", 1, |(mut context, value)| {
            let gone = context.pop_var();
            bome(paths::delete(value, &gone))
        }),
        ("jq_test", 2, |cv| two(cv, regex::test)),
        ("jq_match", 2, |cv| two(cv, regex::matches)),
        ("jq_parts", 2, |cv| two(cv, regex::parts)),
        ("jq_join", 0, |(_, value)| bome(regex::join(&value))),
        ("gmtime", 0, |(_, value)| {
            bome(time::broken_down(&value, false))
        }),
        ("localtime", 0, |(_, value)| {
            bome(time::broken_down(&value, true))
        }),
        ("mktime", 0, |(_, value)| bome(time::seconds(&value))),
        ("strftime", 1, |cv| {
            one(cv, |value, format| time::format(value, format, false))
        }),
        ("strflocaltime", 1, |cv| {
            one(cv, |value, format| time::format(value, format, true))
        }),
        ("strptime", 1, |cv| one(cv, time::parse)),
        ("jq_slice_key", 2, |cv| {
            two(cv, |_, from, to| Ok(paths::slice(from.clone(), to.clone())))
        }),
        ("jq_name", 0, |(_, name)| {
            bome(match name {
                Val::TStr(_) => Ok(name),
                _ => Err(Error::str(format_args!(
                    "a field cannot be called by a value of type {}",
                    text::kind(&name)
                ))),
            })
        }),
    ];
    let values =
        values.map(|(name, args, run)| native::run::<JaqData>((name, native::v(args), run)));
    let update: Box<[Bind]> = Box::new([Bind::Var(()), Bind::Fun(())]);
    let index = Native::<JaqData>::new(index).with_paths(|(mut context, (value, path))| {
        let key = context.pop_var();
        let found = paths::get(&value, &key).map(|found| (found, path.cons(key)));
        Box::new(std::iter::once(found.map_err(Exn::from)))
    });
    let fold: Box<[Bind]> = Box::new([Bind::Fun(())]);
    let no_path = Native::<JaqData>::new(run_filter).with_paths(|(mut context, (value, path))| {
        let (filter, inner) = context.pop_fun();
        let results = filter.run((inner, value.clone()));
        Box::new(results.map(move |result| same_place(&value, &path, result?)))
    });
    let get_path = Native::<JaqData>::new(get_path).with_paths(|(mut context, (value, path))| {
        let keys = context.pop_var();
        let found = path_of(&keys).and_then(|keys| {
            keys.iter().try_fold((value, path), |(value, path), key| {
                Ok((paths::get(&value, key)?, path.cons(key.clone())))
            })
        });
        Box::new(std::iter::once(found.map_err(Exn::from)))
    });
    library
        .filter_map(|(name, binds, native)| {
            let name = match RENAMED.iter().find(|(old, _)| *old == name) {
                Some((_, new)) => new,
                None => FROM_JAQ.iter().find(|kept| **kept == name)?,
            };
            Some((*name, binds, native))
        })
        .chain(values)
        .chain([
            ("jq_update", update, Native::<JaqData>::new(modify)),
            ("jq_index", native::v(1), index),
            ("getpath", native::v(1), get_path),
            ("jq_no_path", fold, no_path),
            constant::<0>(),
            constant::<1>(),
            constant::<2>(),
        ])
}

fn one<'a>((mut context, value): Cv<'a, JaqData>, run: fn(&Val, &Val) -> ValR) -> ValXs<'a, Val> {
    let argument = context.pop_var();
    bome(run(&value, &argument))
}

fn two<'a>(
    (mut context, value): Cv<'a, JaqData>,
    run: fn(&Val, &Val, &Val) -> ValR,
) -> ValXs<'a, Val> {
    let second = context.pop_var();
    let first = context.pop_var();
    bome(run(&value, &first, &second))
}

/// jq computes the right side first.
fn math<'a>((mut context, _): Cv<'a, JaqData>, how: Math) -> ValXs<'a, Val> {
    let left = context.pop_var();
    let right = context.pop_var();
    bome(number::compute(how, left, right))
}

fn rounded<'a>(value: &Val, how: fn(f64) -> f64) -> ValXs<'a, Val> {
    bome(number::float(value).map(|float| number::computed(how(float))))
}

fn index<'a>((mut context, value): Cv<'a, JaqData>) -> ValXs<'a, Val> {
    let key = context.pop_var();
    bome(paths::get(&value, &key))
}

/// What a name of a constant says.
const CONSTANTS: [(&str, Val); 3] = [
    ("null", Val::Null),
    ("false", Val::Bool(false)),
    ("true", Val::Bool(true)),
];

fn constant<const AT: usize>() -> Fun<JaqData> {
    let native = Native::<JaqData>::new(|_| bome(Ok(CONSTANTS[AT].1.clone())));
    let native = native.with_paths(|(_, (value, path))| {
        let constant = CONSTANTS[AT].1.clone();
        Box::new(std::iter::once(same_place(&value, &path, constant)))
    });
    (CONSTANTS[AT].0, native::v(0), native)
}

fn run_filter<'a>((mut context, value): Cv<'a, JaqData>) -> ValXs<'a, Val> {
    let (filter, inner) = context.pop_fun();
    filter.run((inner, value))
}

/// What is no path leads to the place that it is at, if its value is the one there.
fn same_place<'a, P: Clone>(here: &Val, path: &P, result: Val) -> Result<(Val, P), Exn<'a, Val>> {
    match paths::is_identical(here, &result) {
        true => Ok((result, path.clone())),
        false => {
            let what = text::shown(&result);
            let error = format_args!("invalid path expression with result {what}");
            Err(Exn::from(Error::str(error)))
        }
    }
}

fn path_of(keys: &Val) -> Result<&[Val], Error> {
    match keys {
        Val::Arr(keys) => Ok(keys),
        _ => Err(Error::str("a path must be specified as an array")),
    }
}

fn get_path<'a>((mut context, value): Cv<'a, JaqData>) -> ValXs<'a, Val> {
    let keys = context.pop_var();
    let keys = path_of(&keys);
    bome(keys.and_then(|keys| {
        keys.iter()
            .try_fold(value, |value, key| paths::get(&value, key))
    }))
}

fn set_path(value: &Val, path: &Val, new: &Val) -> ValR {
    paths::change(value.clone(), path_of(path)?, &mut |_| Ok(new.clone()))
}

/// What an update yields first takes the place of the value; where it yields nothing,
/// the place goes.
fn modify<'a>((mut context, value): Cv<'a, JaqData>) -> ValXs<'a, Val> {
    let (update, inner) = context.pop_fun();
    let paths = context.pop_var();
    let run = || -> ValX<'a, Val> {
        let mut gone = Vec::new();
        let mut value = value;
        for path in path_of(&paths)? {
            check()?;
            let keys = path_of(path)?;
            let old = keys
                .iter()
                .try_fold(value.clone(), |value, key| paths::get(&value, key))?;
            match update.run((inner.clone(), old)).next().transpose()? {
                Some(new) => {
                    value = paths::change(value, keys, &mut |_| Ok::<_, Error>(new.clone()))?
                }
                None => gone.push(path.clone()),
            }
        }
        Ok(paths::delete(value, &Val::Arr(gone.into()))?)
    };
    Box::new(std::iter::once(run()))
}

/// Ends an evaluation that takes too much, so that no `try` catches it.
fn check<'a>() -> Result<(), Exn<'a, Val>> {
    match guard::check() {
        true => Ok(()),
        false => Err(Exn::halt(0)),
    }
}

/// The bounds are numbers, and the step is one or null. The first value is the lower bound
/// as it is written.
fn range<'a>((mut context, _): Cv<'a, JaqData>) -> ValXs<'a, Val> {
    let number = |value: &Val| value.as_f64().unwrap_or(f64::NAN);
    let (by, to) = (context.pop_var().as_f64(), number(&context.pop_var()));
    let mut first = Some(context.pop_var());
    let mut next = first.as_ref().map_or(f64::NAN, number);
    // Where jq compares values and not numbers, NaN is below every number.
    let is_below = |a: f64, b: f64| a < b || a.is_nan();
    Box::new(std::iter::from_fn(move || {
        let value = next;
        let is_inside = match by {
            None => value < to || value.is_nan() || to.is_nan(),
            Some(by) if by > 0.0 => is_below(value, to),
            Some(by) => by != 0.0 && !value.is_nan() && is_below(to, value),
        };
        next += by.unwrap_or(1.0);
        is_inside.then(|| {
            let value = first.take().unwrap_or_else(|| number::computed(value));
            check().map(|()| value)
        })
    }))
}

/// The texts of an array as one. A fold of jaq's keeps each text that it has come to.
fn concat<'a>((_, texts): Cv<'a, JaqData>) -> ValXs<'a, Val> {
    let mut whole = Vec::new();
    if let Val::Arr(texts) = &texts {
        for text in texts.iter() {
            let Val::TStr(text) = text else {
                let what = text::shown(text);
                let error = format_args!("{what} cannot be added to a string");
                return bome(Err(Error::str(error)));
            };
            whole.extend_from_slice(text);
        }
    }
    bome(Ok(Val::utf8_str(whole)))
}

fn bytes(text: &Val) -> &[u8] {
    match text {
        Val::TStr(text) | Val::BStr(text) => text,
        _ => &[],
    }
}

fn length(value: &Val) -> ValR {
    Ok(paths::count(match value {
        Val::Null => 0,
        Val::TStr(text) => String::from_utf8_lossy(text).chars().count(),
        Val::BStr(bytes) => bytes.len(),
        Val::Arr(array) => array.len(),
        Val::Obj(object) => object.len(),
        Val::Bool(_) | Val::Num(_) => return number::absolute(value),
    }))
}

fn implode(value: &Val) -> ValR {
    let Val::Arr(codes) = value else {
        return Err(Error::str("implode input must be an array"));
    };
    let char = |code: &Val| match code.as_f64().filter(|code| !code.is_nan()) {
        Some(code) => {
            let code = u32::try_from(code as i64).ok().and_then(char::from_u32);
            Ok(code.unwrap_or(char::REPLACEMENT_CHARACTER))
        }
        None => Err(Error::str(format_args!(
            "{} is no code point",
            text::shown(code)
        ))),
    };
    let text: Result<String, Error> = codes.iter().map(char).collect();
    text.map(Val::from)
}

fn to_number(value: &Val) -> ValR {
    let number = match value {
        Val::Num(_) => Some(value.clone()),
        Val::TStr(text) => std::str::from_utf8(text).ok().and_then(value::number),
        _ => None,
    };
    let fail = || {
        Error::str(format_args!(
            "cannot parse {} as a number",
            text::short(value)
        ))
    };
    number.ok_or_else(fail)
}

fn to_boolean(value: &Val) -> ValR {
    match value {
        Val::Bool(_) => Ok(value.clone()),
        Val::TStr(text) if &text[..] == b"true" => Ok(Val::Bool(true)),
        Val::TStr(text) if &text[..] == b"false" => Ok(Val::Bool(false)),
        _ => {
            let what = format_args!("cannot parse {} as a boolean", text::short(value));
            Err(Error::str(what))
        }
    }
}

fn from_json(text: &Val) -> ValR {
    let bytes = text.try_as_utf8_bytes_owned()?;
    let json = std::str::from_utf8(&bytes).map_err(Error::str)?;
    value::read_as_jq(json).map_err(|e| {
        let text = text::short(text);
        Error::str(format_args!("cannot parse {text} as JSON: {e}"))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{keeps, raises};
    use super::*;

    #[test]
    fn nothing_is_there_that_jq_lacks() {
        let builtins = include_str!("../../../tests/differential/builtins.txt");
        let ours = definitions().map(|def| (def.name, def.args.len()));
        let natives = natives().map(|(name, args, _)| (name, args.len()));
        for (name, args) in ours.chain(natives) {
            let is_constant = ["null", "true", "false"].contains(&name);
            let line = format!("{name}/{args}");
            let is_jqs = name.starts_with("jq_") || builtins.lines().any(|known| known == line);
            assert!(is_constant || is_jqs, "{line}");
        }
    }

    #[test]
    fn what_jaqs_library_lacks_is_there() {
        let record =
            r#"{"a":"x","n":null,"k":[{"key":"c","value":"v"},{"name":"d","value":2}],"l":[1,2]}"#;
        for text in [
            r#".a | IN("x", "y")"#,
            "IN(.l[]; 2, 3)",
            r#"INDEX(.k[]; .key).c.value == "v""#,
            r#".k | from_entries == {c: "v", d: 2}"#,
            r#"$ENV.LINE == "+1" and env.LINE == "+1""#,
            r#".a | ltrimstr("x") == """#,
            r#""xax" | trimstr("x") == "a""#,
            r#"(.n | index("x") == null) and (.a | index("x") == 0) and (.l | rindex(2) == 1)"#,
            r#"(.n | reverse == []) and (.l | reverse == [2, 1])"#,
            r#"[.l | tostream] == [[[0],1],[[1],2],[[1]]]"#,
            r#"[1, "a\"b", null] | @csv == "1,\"a\"\"b\",""#,
            r#"["a\tb", 1] | @tsv == "a\\tb\t1""#,
            r#"[.l | paths(scalars)] == [[0], [1]]"#,
        ] {
            assert!(keeps(text, record), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_there_is_an_error_as_in_jq() {
        let record = r#"{"n":null,"s":"abc","l":["ab",{"k":null}],"o":{"k":1},"t":true}"#;
        for text in [
            r#"(.n | has("k") or has(0)) | not"#,
            r#"(.o | has("k")) and (.l | has(1)) and (.l | has(2) | not)"#,
            r#"("k" | in({k: 1})) and (1 | in([1, 2])) and ("b" | inside("abc"))"#,
            r#"(.s | contains("bc")) and (.l | contains(["a", {}])) and (.t | contains(true))"#,
        ] {
            assert!(keeps(text, record), "{text}");
        }
        for (text, error) in [
            (
                ".o | has(0)",
                "cannot check whether object has a number key",
            ),
            (
                r#".l | has("k")"#,
                "cannot check whether array has a string key",
            ),
            (
                r#".n | contains("k")"#,
                "cannot check whether null contains string",
            ),
            (
                ".t | contains(false)",
                "cannot check whether boolean contains boolean",
            ),
            (
                "1 | in({k: 1})",
                "cannot check whether object has a number key",
            ),
        ] {
            assert_eq!(
                raises(text, record),
                format!("expression: {error}"),
                "{text}"
            );
        }
    }

    #[test]
    fn what_jq_takes_jaqs_library_takes_too() {
        let record = r#"{"o":{"a":[1,[2]],"b":"x"},"l":["a",null,true,1.5],"s":"ab"}"#;
        for text in [
            r#".o | flatten == [1, 2, "x"] and (.a | flatten(0) == [1, [2]])"#,
            r#"(.l | join("-") == "a--true-1.5") and (.o | del(.a) | join(",") == "x")"#,
            r#"([[1], [2, 3]] | transpose == [[1, 2], [null, 3]]) and ([] | transpose == [])"#,
            r#"([97, -1, 55296, 1114112, 98.7] | implode == "a\ufffd\ufffd\ufffdb")"#,
            r#"(.s | test("B"; "i")) and (.s | test("a"; null)) and (.s | test(["B", "i"]))"#,
            r#"(.s | [match([".", "g"]).string] == ["a", "b"]) and (.s | [match(["."])] | length == 1)"#,
            r#"(.s | capture("(?<x>b)"; null) == {x: "b"}) and (.s | sub("a"; "c"; null) == "cb")"#,
            r#"(.l | has(0.5) and (has(-1) or has(4) | not)) and (5e-324 | isnormal | not)"#,
            r#"(.o | indices("b") == "x") and ("abab" | indices("b") == [1, 3])"#,
            r#"({} | reverse == []) and IN(.l[]; 7, null)"#,
        ] {
            assert!(keeps(text, record), "{text}");
        }
        for text in [
            "[[]] | implode",
            ".o | transpose",
            "[[1], {}] | transpose",
            ".s | test([])",
            ".l | flatten(-1)",
        ] {
            assert!(!raises(text, record).is_empty(), "{text}");
        }
    }

    #[test]
    fn text_that_holds_json_is_read_as_strictly_as_a_record() {
        assert!(keeps(".v | fromjson.a == 1", r#"{"v":"{\"a\":1}"}"#));
        assert!(keeps(".v | tonumber == 5", r#"{"v":"5"}"#));
        let deep = format!(r#"{{"v":"{}"}}"#, "[".repeat(200_000));
        assert!(raises(".v | fromjson", &deep).starts_with("expression: cannot parse"));
        for text in ["{} {}", "[1] # comment", ""] {
            let record = serde_json::json!({ "v": text }).to_string();
            assert!(
                !keeps("try (.v | fromjson | true) catch false", &record),
                "{text}"
            );
        }
    }
}
