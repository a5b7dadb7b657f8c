//! Numbers, computed and printed as in jq.
//!
//! A number from a record or the expression keeps its digits. A computed number is a 64-bit float.
//! If this float is whole and small, it is stored as an integer, which compares in the same way.

use jaq_core::ops::Math;
use jaq_json::{Error, Num, Val, ValR};
use jaq_std::ValT as _;

use super::context::room;
use super::text::{shown, split};

/// The highest integer up to which a float can represent all integers.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The most bytes of a repeated string, as in jq.
const LONGEST_REPEAT: f64 = 2_147_483_647.0;

/// A computed number as a value.
pub(super) fn computed(float: f64) -> Val {
    let is_small = float.fract() == 0.0 && float != 0.0 && float.abs() < EXACT;
    Val::Num(match is_small {
        true => Num::Int(float as isize),
        false => Num::Float(float),
    })
}

/// The number as a float; an error if the value is not a number.
pub(super) fn float(value: &Val) -> Result<f64, Error> {
    let required = || Error::str(format_args!("{} number required", shown(value)));
    value.as_f64().ok_or_else(required)
}

/// The result of the arithmetic operator `how`.
pub(super) fn compute(how: Math, left: Val, right: Val) -> ValR {
    let fail = |what: &str| {
        let (left, right) = (shown(&left), shown(&right));
        Err(Error::str(format_args!(
            "{left} and {right} cannot be {what}"
        )))
    };
    match (how, &left, &right) {
        (Math::Add, Val::Num(_), Val::Num(_)) => Ok(computed(float(&left)? + float(&right)?)),
        (Math::Add, Val::Null, _) => Ok(right),
        (Math::Add, _, Val::Null) => Ok(left),
        (Math::Add, Val::TStr(_), Val::TStr(_))
        | (Math::Add, Val::Arr(_), Val::Arr(_))
        | (Math::Add, Val::Obj(_), Val::Obj(_)) => {
            room(size(&left) + size(&right))?;
            left + right
        }
        (Math::Add, ..) => fail("added"),
        (Math::Sub, Val::Num(_), Val::Num(_)) => Ok(computed(float(&left)? - float(&right)?)),
        (Math::Sub, Val::Arr(_), Val::Arr(_)) => left - right,
        (Math::Sub, ..) => fail("subtracted"),
        (Math::Mul, Val::Num(_), Val::Num(_)) => Ok(computed(float(&left)? * float(&right)?)),
        (Math::Mul, Val::TStr(text), number @ Val::Num(_))
        | (Math::Mul, number @ Val::Num(_), Val::TStr(text)) => repeat(text, float(number)?),
        (Math::Mul, Val::Obj(_), Val::Obj(_)) => left * right,
        (Math::Mul, ..) => fail("multiplied"),
        (Math::Div, Val::Num(_), Val::Num(_)) if float(&right)? == 0.0 => {
            fail("divided because the divisor is zero")
        }
        (Math::Div, Val::Num(_), Val::Num(_)) => Ok(computed(float(&left)? / float(&right)?)),
        (Math::Div, Val::TStr(text), Val::TStr(by)) => split(text, by),
        (Math::Div, ..) => fail("divided"),
        (Math::Rem, Val::Num(_), Val::Num(_)) => {
            let (dividend, divisor) = (float(&left)?, float(&right)?);
            if dividend.is_nan() || divisor.is_nan() {
                return Ok(computed(f64::NAN));
            }
            // jq first cuts both numbers to 64-bit integers.
            match (dividend as i64, divisor as i64) {
                (_, 0) => fail("divided (remainder) because the divisor is zero"),
                (dividend, divisor) => Ok(computed(dividend.wrapping_rem(divisor) as f64)),
            }
        }
        (Math::Rem, ..) => fail("divided (remainder)"),
    }
}

fn repeat(text: &[u8], count: f64) -> ValR {
    if count < 0.0 || count.is_nan() {
        return Ok(Val::Null);
    }
    if text.len() as f64 * count > LONGEST_REPEAT {
        return Err(Error::str("a string repeated so often is too long"));
    }
    room(text.len().saturating_mul(count as usize))?;
    Ok(Val::utf8_str(text.repeat(count as usize)))
}

/// The memory that a value takes, in bytes, without the contents of its elements.
pub(super) fn size(value: &Val) -> usize {
    match value {
        Val::TStr(text) => text.len(),
        Val::Arr(array) => array.len() * size_of::<Val>(),
        Val::Obj(object) => object.len() * 3 * size_of::<Val>(),
        _ => 0,
    }
}

/// A number as a 32-bit integer, converted as in C. A number that does not fit becomes the smallest
/// integer.
pub(super) fn c_int(value: &Val) -> ValR {
    let whole = float(value)?.trunc();
    let fits = (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&whole);
    Ok(Val::Num(Num::Int(if fits {
        whole as isize
    } else {
        i32::MIN as isize
    })))
}

/// The number with the opposite sign.
pub(super) fn negate(value: &Val) -> ValR {
    match value {
        Val::Num(Num::Int(0)) => Ok(value.clone()),
        Val::Num(Num::Int(int)) if *int != isize::MIN => Ok(Val::Num(Num::Int(-int))),
        Val::Num(Num::Dec(digits)) => {
            let turned = match digits.strip_prefix('-') {
                Some(digits) => digits.to_owned(),
                None if float(value)? == 0.0 => digits.to_string(),
                None => format!("-{digits}"),
            };
            Ok(Val::Num(Num::Dec(turned.into())))
        }
        Val::Num(Num::Float(float)) => Ok(Val::Num(Num::Float(-float))),
        Val::Num(_) => -value.clone(),
        _ => Err(Error::str(format_args!(
            "{} cannot be negated",
            shown(value)
        ))),
    }
}

/// The absolute value of the number.
pub(super) fn absolute(value: &Val) -> ValR {
    match value {
        Val::Num(Num::Float(float)) => Ok(Val::Num(Num::Float(float.abs()))),
        Val::Num(Num::Dec(digits)) if digits.starts_with('-') => {
            Ok(Val::Num(Num::Dec(digits[1..].to_owned().into())))
        }
        Val::Num(_) if float(value)? < 0.0 => negate(value),
        Val::Num(_) => Ok(value.clone()),
        _ => Err(Error::str(format_args!("{} has no length", shown(value)))),
    }
}
