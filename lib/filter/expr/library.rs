//! The functions that an expression may call: jaq's library, less what an
//! expression on one record must not do, plus what jq has on top.

use jaq_core::data::JustLut;
use jaq_core::load::parse::Def;
use jaq_core::native::{self, Fun};
use jaq_core::{Cv, Exn, RunPtr, ValXs, load};
use jaq_json::Val;

use super::guard;
use super::jq_rewrite::guarded;
use super::value;

/// What a compiled expression is run with.
pub(super) type JaqData = JustLut<Val>;

/// What jq has and jaq's library lacks, or has only in its own program.
const PRELUDE: &str = include_str!("prelude.jq");

/// Left out of jaq's library: what would end the process, or read or write
/// behind our back, or accept more than JSON, or panic. The prelude and [`natives`] bring
/// all but `halt` back.
const REPLACED: [&str; 9] = [
    "halt",
    "halt_error",
    "env",
    "debug_empty",
    "stderr_empty",
    "fromjson",
    "tonumber",
    "length",
    "range/3",
];

pub(super) fn definitions<'t>() -> impl Iterator<Item = Def<&'t str>> {
    let library = jaq_core::defs()
        .chain(jaq_std::defs())
        .chain(jaq_json::defs());
    let ours = load::parse(PRELUDE, |parser| parser.defs()).unwrap_or_default();
    library
        .filter_map(|def| -> Option<Def<&'t str>> {
            (!REPLACED.contains(&def.name)).then_some(def)
        })
        .chain(ours)
        .map(guarded)
}

pub(super) fn natives() -> impl Iterator<Item = Fun<JaqData>> {
    let library = jaq_core::funs()
        .chain(jaq_std::funs())
        .chain(jaq_json::funs());
    let ours: [(&str, usize, RunPtr<JaqData>); 8] = [
        ("debug_empty", 0, |(_, value)| print("debug", &value)),
        ("stderr_empty", 0, |(_, value)| print("stderr", &value)),
        ("fromjson", 0, from_json),
        ("tonumber", 0, to_number),
        ("length", 0, length),
        ("range", 3, range),
        ("jq_check", 0, |_| {
            Box::new(std::iter::once(check().map(|()| Val::Bool(true))))
        }),
        ("jq_concat", 0, concat),
    ];
    library
        .filter(|(name, args, _)| {
            !REPLACED.contains(name) && !REPLACED.contains(&&*format!("{name}/{}", args.len()))
        })
        .chain(ours.map(|(name, args, run)| native::run::<JaqData>((name, native::v(args), run))))
}

/// Ends an evaluation that takes too much, so that no `try` catches it.
fn check<'a>() -> Result<(), Exn<'a, Val>> {
    match guard::check() {
        true => Ok(()),
        false => Err(Exn::halt(0)),
    }
}

/// jaq's own goes on without an end where a bound is no number or the step is 0.
fn range<'a>((mut context, _): Cv<'a, JaqData>) -> ValXs<'a, Val> {
    let by = context.pop_var();
    let to = context.pop_var();
    let mut from = Some(context.pop_var());
    if ![&by, &to]
        .into_iter()
        .chain(&from)
        .all(|bound| matches!(bound, Val::Num(_)))
    {
        let error = jaq_core::Error::str("the bounds of a range must be numbers");
        return native::bome(Err(error));
    }
    let zero = Val::from(0_isize);
    Box::new(std::iter::from_fn(move || {
        let value = from.take()?;
        let is_inside = (by > zero && value < to) || (by < zero && value > to);
        if !is_inside {
            return None;
        }
        if let Err(end) = check() {
            return Some(Err(end));
        }
        match value.clone() + by.clone() {
            Ok(next) => from = Some(next),
            Err(error) => return Some(Err(error.into())),
        }
        Some(Ok(value))
    }))
}

/// The texts of an array as one. A fold of jaq's keeps each text that it has come to.
fn concat<'a>((_, texts): Cv<'a, JaqData>) -> ValXs<'a, Val> {
    let mut whole = Vec::new();
    if let Val::Arr(texts) = &texts {
        for text in texts.iter() {
            let Val::TStr(text) = text else {
                let error = format_args!("{text} cannot be added to a string");
                return native::bome(Err(jaq_core::Error::str(error)));
            };
            whole.extend_from_slice(text);
        }
    }
    native::bome(Ok(Val::utf8_str(whole)))
}

fn print<'a>(what: &str, value: &Val) -> ValXs<'a, Val> {
    log::warn!("{what}: {value}");
    Box::new(std::iter::empty())
}

/// jaq's own overflows at the least integer of 64 bits.
fn length<'a>((_, value): Cv<'a, JaqData>) -> ValXs<'a, Val> {
    let count = match &value {
        Val::Null => 0,
        Val::Bool(_) => {
            let error = jaq_core::Error::str(format_args!("{value} has no length"));
            return native::bome(Err(error));
        }
        Val::Num(_) if value < Val::from(0_isize) => return native::bome(-value),
        Val::Num(_) => return native::bome(Ok(value)),
        Val::TStr(text) => String::from_utf8_lossy(text).chars().count(),
        Val::BStr(bytes) => bytes.len(),
        Val::Arr(array) => array.len(),
        Val::Obj(object) => object.len(),
    };
    native::bome(Ok(Val::from(count)))
}

fn to_number<'a>((_, value): Cv<'a, JaqData>) -> ValXs<'a, Val> {
    let number = match &value {
        Val::Num(_) => Some(value.clone()),
        Val::TStr(text) => std::str::from_utf8(text).ok().and_then(value::number),
        _ => None,
    };
    let fail = || jaq_core::Error::str(format_args!("cannot parse {value} as a number"));
    native::bome(number.ok_or_else(fail))
}

fn from_json<'a>((_, text): Cv<'a, JaqData>) -> ValXs<'a, Val> {
    let read = || {
        let bytes = text.try_as_utf8_bytes_owned()?;
        let json = std::str::from_utf8(&bytes).map_err(jaq_core::Error::str)?;
        value::validate(json)
            .and_then(|()| value::read(json))
            .map_err(|e| jaq_core::Error::str(format_args!("cannot parse {text} as JSON: {e}")))
    };
    native::bome(read())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{keeps, raises};

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
            r#".n | ltrimstr("x") == null"#,
            r#".a | ltrimstr("x") == """#,
            r#""xax" | trimstr("x") == "a""#,
            r#"(.n | index("x") == null) and (.a | index("x") == 0) and (.l | rindex(2) == 1)"#,
            r#"(.n | reverse == []) and (.l | reverse == [2, 1])"#,
            r#"[.l | tostream] == [[[0],1],[[1],2],[[1]]]"#,
            r#"[1, "a\"b", null] | @csv == "1,\"a\"\"b\",""#,
            r#"["a\tb", 1] | @tsv == "a\\tb\t1""#,
            r#"[.l | leaf_paths] == [[0], [1]] and (65 | ascii == "A") and (1 | toarray == [1])"#,
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
        for text in ["NaN", "{} {}", "[1] # comment", ""] {
            let record = serde_json::json!({ "v": text }).to_string();
            assert!(
                !keeps("try (.v | fromjson | true) catch false", &record),
                "{text}"
            );
        }
    }
}
