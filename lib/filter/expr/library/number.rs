//! Numbers as jq computes and spells them.
//!
//! A number that stands in a record or in the expression keeps its digits; whatever is
//! computed is a 64-bit float. A computed one that is whole and small is held as an
//! integer, which compares alike.

use jaq_core::ops::Math;
use jaq_json::{Error, Num, Val, ValR};
use jaq_std::ValT as _;

/// Up to here a float holds every integer.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Longer strings are not made by repeating one.
const LONGEST_REPEAT: f64 = 1e8;

/// A number that was computed.
pub(super) fn computed(float: f64) -> Val {
    let is_small = float.fract() == 0.0 && float != 0.0 && float.abs() < EXACT;
    Val::Num(match is_small {
        true => Num::Int(float as isize),
        false => Num::Float(float),
    })
}

/// The number as a float; an error for what is none.
pub(super) fn float(value: &Val) -> Result<f64, Error> {
    let required = || Error::str(format_args!("{} number required", shown(value)));
    value.as_f64().ok_or_else(required)
}

/// The kind of a value and the value itself, for messages.
pub(super) fn shown(value: &Val) -> String {
    format!("{} ({})", kind(value), super::format::short(value))
}

pub(super) fn kind(value: &Val) -> &'static str {
    match value {
        Val::Null => "null",
        Val::Bool(_) => "boolean",
        Val::Num(_) => "number",
        Val::TStr(_) | Val::BStr(_) => "string",
        Val::Arr(_) => "array",
        Val::Obj(_) => "object",
    }
}

/// The value of an operator.
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
        | (Math::Add, Val::Obj(_), Val::Obj(_)) => left + right,
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
        (Math::Div, Val::TStr(text), Val::TStr(by)) => Ok(super::format::split(text, by)),
        (Math::Div, ..) => fail("divided"),
        (Math::Rem, Val::Num(_), Val::Num(_)) => {
            let (dividend, divisor) = (float(&left)?, float(&right)?);
            if dividend.is_nan() || divisor.is_nan() {
                return Ok(computed(f64::NAN));
            }
            // Both are cut to 64 bits first.
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
    Ok(Val::utf8_str(text.repeat(count as usize)))
}

/// The number with the other sign.
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

/// The number without its sign.
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

/// The text of a number: `5`, `1.10` as it stands, `1E+2`, `1e+17`; NaN is null.
pub(super) fn spell(number: &Num) -> String {
    match number {
        Num::Int(int) => int.to_string(),
        Num::BigInt(int) => int.to_string(),
        Num::Dec(digits) => decimal(digits),
        Num::Float(float) => spell_float(*float),
    }
}

fn spell_float(float: f64) -> String {
    if float.is_nan() {
        return "null".to_owned();
    }
    let float = float.clamp(f64::MIN, f64::MAX);
    // The shortest digits that say it: d.ddde-5.
    let shortest = format!("{:e}", float.abs());
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let digits = digits.replace('.', "");
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let sign = if float.is_sign_negative() { "-" } else { "" };
    if digits == "0" {
        return format!("{sign}0");
    }
    if point <= -4 || point > count + 15 {
        let (first, rest) = digits.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        let exponent = point - 1;
        let (exponent_sign, exponent) = match exponent < 0 {
            true => ('-', -exponent),
            false => ('+', exponent),
        };
        return format!("{sign}{first}{dot}{rest}e{exponent_sign}{exponent:02}");
    }
    format!("{sign}{}", plain(&digits, point))
}

/// Digits with a point behind so many of them.
fn plain(digits: &str, point: i32) -> String {
    match usize::try_from(point) {
        Ok(point) if point >= digits.len() => {
            format!("{digits}{}", "0".repeat(point - digits.len()))
        }
        Ok(point) if point > 0 => format!("{}.{}", &digits[..point], &digits[point..]),
        _ => format!("0.{}{digits}", "0".repeat(point.unsigned_abs() as usize)),
    }
}

/// A number as it stands, in the one spelling of decimal arithmetic.
fn decimal(text: &str) -> String {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (number, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let all = format!("{whole}{fraction}");
    let digits = match all.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    let Ok(exponent) = exponent.parse::<i64>() else {
        return text.to_owned();
    };
    let exponent = exponent - fraction.len() as i64;
    let adjusted = exponent + digits.len() as i64 - 1;
    if exponent <= 0 && adjusted >= -6 {
        let point = i32::try_from(adjusted + 1).unwrap_or(i32::MAX);
        return match exponent {
            0 => format!("{sign}{digits}"),
            _ => format!("{sign}{}", plain(digits, point)),
        };
    }
    let (first, rest) = digits.split_at(1);
    let dot = if rest.is_empty() { "" } else { "." };
    format!("{sign}{first}{dot}{rest}E{adjusted:+}")
}
