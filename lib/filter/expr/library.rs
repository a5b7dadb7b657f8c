//! The functions for expressions: jq's library without the functions that a filter must not use.
//!
//! Functions that jq defines in its own language are in the prelude. Functions of jaq that give the
//! same results as in jq are reused. The other functions are here.

mod context;
mod conversions;
mod deletion;
mod format;
mod number;
mod order;
mod paths;
mod places;
mod regex;
mod text;
mod time;

use jaq_core::load::parse::Def;
use jaq_core::native::{self, Fun, bome};
use jaq_core::ops::Math;
use jaq_core::{Bind, Cv, Native, RunPtr, ValX, ValXs};
use jaq_json::{Error, Num, Val, ValR};
use jaq_std::ValT as _;

use super::jq_rewrite::define;
use super::parse;
pub(super) use context::JaqData;
use context::{GrowingArray, check, room};
pub(super) use regex::check as check_pattern;

const PRELUDE: &str = include_str!("prelude.jq");

/// Functions of jaq that give the same results as in jq. They keep their names.
const FROM_JAQ: &str = "\
    first limit skip keys_unsorted ascii_downcase ascii_upcase reverse \
    startswith endswith trim ltrim rtrim now utf8bytelength contains indices \
    acos acosh asin asinh atan atanh cbrt cos cosh erf erfc exp exp10 exp2 expm1 \
    fabs frexp j0 j1 lgamma log log10 log1p log2 modf sin sinh sqrt tan tanh tgamma trunc y0 \
    y1";

/// Functions of jaq that get other names: functions that jq does not have, and functions that the
/// prelude defines itself. Most of these definitions in the prelude compute the arguments in jq's
/// order, and then call the function of jaq.
const RENAMED: [(&str, &str); 20] = [
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

/// The definitions in the prelude.
pub(super) fn definitions<'t>() -> impl Iterator<Item = Def<&'t str>> {
    let ours: Vec<Def<&'t str>> = parse::definitions(PRELUDE).unwrap_or_default();
    ours.into_iter().map(define)
}

pub(super) fn natives() -> impl Iterator<Item = Fun<JaqData>> {
    let library = jaq_core::funs()
        .chain(jaq_std::funs())
        .chain(jaq_json::funs());
    let values: [(&str, usize, RunPtr<JaqData>); 54] = [
        ("jq_nothing", 0, |_| Box::new(std::iter::empty())),
        ("null", 0, |_| bome(Ok(Val::Null))),
        ("false", 0, |_| bome(Ok(Val::Bool(false)))),
        ("true", 0, |_| bome(Ok(Val::Bool(true)))),
        ("nan", 0, |_| bome(Ok(number::computed(f64::NAN)))),
        ("infinite", 0, |_| bome(Ok(number::computed(f64::INFINITY)))),
        ("type", 0, |(_, value)| {
            bome(Ok(Val::from(text::kind(&value).to_owned())))
        }),
        ("fromjson", 0, |(_, value)| {
            bome(conversions::from_json(&value))
        }),
        ("tonumber", 0, |(_, value)| {
            bome(conversions::to_number(&value))
        }),
        ("toboolean", 0, |(_, value)| {
            bome(conversions::to_boolean(&value))
        }),
        ("tojson", 0, |(_, value)| {
            bome(text::json(&value).map(Val::from))
        }),
        ("tostring", 0, |(_, value)| bome(format::string(&value))),
        ("format", 1, |cv| one(cv, format::format)),
        ("explode", 0, |(_, value)| bome(text::explode(&value))),
        ("length", 0, |(_, value)| bome(conversions::length(&value))),
        ("implode", 0, |(_, value)| {
            bome(conversions::implode(&value))
        }),
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
            one(cv, |text, by| text::split(bytes(text), bytes(by)))
        }),
        ("jq_print", 2, |cv| {
            two(cv, |value, what, shown| {
                log::warn!("{}: {}", format::text(what)?, text::json(shown)?);
                Ok(value.clone())
            })
        }),
        ("sort", 0, |(_, array)| bome(order::sort(&array))),
        ("jq_sort_by_key", 0, |(_, pairs)| {
            bome(order::sort_by_key(&pairs))
        }),
        ("jq_group_by_key", 0, |(_, pairs)| {
            bome(order::group_by_key(&pairs))
        }),
        ("has", 1, |cv| one(cv, paths::has)),
        ("bsearch", 1, |cv| one(cv, paths::search)),
        ("jq_setpath", 2, |cv| two(cv, places::set_path)),
        ("delpaths", 1, |(mut context, value)| {
            let gone = context.pop_var();
            bome(deletion::delete(value, &gone))
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
    library
        .filter_map(|(name, binds, native)| {
            let name = match RENAMED.iter().find(|(old, _)| *old == name) {
                Some((_, new)) => *new,
                None => FROM_JAQ.split_whitespace().find(|kept| *kept == name)?,
            };
            Some((name, binds, native))
        })
        .chain(values)
        .chain([(
            "jq_collect",
            [Bind::Fun(())].into(),
            Native::<JaqData>::new(collect),
        )])
        .chain(places::natives())
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

/// An arithmetic operator. Its first argument is the right side, because jq computes that side
/// first.
fn math<'a>((mut context, _): Cv<'a, JaqData>, how: Math) -> ValXs<'a, Val> {
    let left = context.pop_var();
    let right = context.pop_var();
    bome(number::compute(how, left, right))
}

fn rounded<'a>(value: &Val, how: fn(f64) -> f64) -> ValXs<'a, Val> {
    bome(number::float(value).map(|float| number::computed(how(float))))
}

/// The values of `range`. The bounds must be numbers, and the step a number or null. The first
/// value is the lower bound, unchanged.
fn range<'a>((mut context, _): Cv<'a, JaqData>) -> ValXs<'a, Val> {
    let number = |value: &Val| value.as_f64().unwrap_or(f64::NAN);
    let (by, to) = (context.pop_var().as_f64(), number(&context.pop_var()));
    let mut first = Some(context.pop_var());
    let mut next = first.as_ref().map_or(f64::NAN, number);
    // With a step, jq compares values, and NaN is less than every number.
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

/// All values of a filter, as one array. An error if the record exceeds a limit.
fn collect<'a>((mut context, value): Cv<'a, JaqData>) -> ValXs<'a, Val> {
    let (filter, inner) = context.pop_fun();
    let run = || -> ValX<'a, Val> {
        let mut values = GrowingArray::default();
        for value in filter.run((inner, value)) {
            values.push(value?)?;
        }
        Ok(values.into_value())
    };
    Box::new(std::iter::once(run()))
}

/// The joined texts of an array. If jaq joined the texts one by one, it would keep each
/// intermediate text in memory.
fn concat<'a>((_, texts): Cv<'a, JaqData>) -> ValXs<'a, Val> {
    let mut whole = Vec::new();
    if let Val::Arr(texts) = &texts {
        for text in texts.iter() {
            let Val::TStr(text) = text else {
                let what = text::shown(text);
                let error = format_args!("{what} cannot be added to a string");
                return bome(Err(Error::str(error)));
            };
            if whole.capacity() - whole.len() < text.len()
                && let Err(error) = room(whole.len() + text.len())
            {
                return bome(Err(error));
            }
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

#[cfg(test)]
mod tests;
