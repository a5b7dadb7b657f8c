//! Values as text: as JSON, with numbers as jq prints them, and shortened for messages.

use jaq_json::{Error, Num, Val, ValR};

use super::context::{GrowingArray, go_on, room};

/// The most characters of a value in a message.
const SHORT: usize = 11;

/// The text of a number: `5`, `1.10` unchanged, `1E+2`, `1e+17`; null for NaN.
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
    // The shortest digits that identify the float, for example d.ddde-5.
    let shortest = format!("{:e}", float.abs());
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let digits = half_even(digits.replace('.', ""), float.abs());
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

/// The digits that jq prints for `float`. `digits` are the digits that Rust prints: as few as are
/// needed to identify the float. If two texts of this length are equally close to the float, Rust
/// takes the larger one, and jq the one whose last digit is even.
fn half_even(digits: String, float: f64) -> String {
    let (rest, last) = digits.split_at(digits.len() - 1);
    let last = match last.as_bytes() {
        // If two texts are equally close to a float, they have at least 16 digits.
        [last] if last % 2 == 1 && rest.len() >= 15 => last - 1,
        _ => return digits,
    };
    let even = format!("{rest}{}", char::from(last));
    let exact = format!("{float:.40e}").replace('.', "");
    let exact = exact.split('e').next().unwrap_or_default();
    match exact.trim_end_matches('0').strip_prefix(&even) {
        Some("5") => even,
        _ => digits,
    }
}

/// The text of a number that was not computed. The number keeps its digits, and may have an
/// exponent, such as `1E+2`.
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

/// The type of a value and the value, for messages.
pub(super) fn shown(value: &Val) -> String {
    format!("{} ({})", kind(value), short(value))
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

/// The JSON text of a value; an error if the record exceeds a limit.
pub(super) fn json(value: &Val) -> Result<String, Error> {
    let mut text = String::new();
    write(value, &mut text)?;
    Ok(text)
}

/// Reserves memory for this many bytes behind the text.
fn grow(text: &mut String, bytes: usize) -> Result<(), Error> {
    if text.capacity() - text.len() < bytes {
        // The memory of the text grows to twice the size, so that the text is rarely copied.
        room(2 * text.len() + bytes)?;
        text.reserve(bytes);
    }
    Ok(())
}

/// The start of the JSON text of a value, for messages.
pub(super) fn short(value: &Val) -> String {
    let text = match value {
        Val::Arr(array) if array.len() > SHORT => "[…]".to_owned(),
        Val::Obj(object) if object.len() > SHORT => "{…}".to_owned(),
        Val::TStr(text) => {
            // A character takes four bytes at most.
            let start = &text[..text.len().min(4 * SHORT)];
            json(&Val::utf8_str(start.to_vec())).unwrap_or_default()
        }
        _ => json(value).unwrap_or_default(),
    };
    match text.char_indices().nth(SHORT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn write(value: &Val, text: &mut String) -> Result<(), Error> {
    grow(text, 2)?;
    match value {
        Val::Null => text.push_str("null"),
        Val::Bool(is_true) => text.push_str(if *is_true { "true" } else { "false" }),
        Val::Num(number) => text.push_str(&spell(number)),
        Val::TStr(string) | Val::BStr(string) => quote(&String::from_utf8_lossy(string), text)?,
        Val::Arr(array) => {
            go_on()?;
            text.push('[');
            for (at, value) in array.iter().enumerate() {
                text.push_str(if at > 0 { "," } else { "" });
                write(value, text)?;
            }
            text.push(']');
        }
        Val::Obj(object) => {
            go_on()?;
            text.push('{');
            for (at, (name, value)) in object.iter().enumerate() {
                text.push_str(if at > 0 { "," } else { "" });
                write(name, text)?;
                text.push(':');
                write(value, text)?;
            }
            text.push('}');
        }
    }
    Ok(())
}

fn quote(string: &str, text: &mut String) -> Result<(), Error> {
    grow(text, string.len() + 2)?;
    text.push('"');
    for char in string.chars() {
        match char {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            '\r' => text.push_str("\\r"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            '\0'..='\u{1f}' | '\u{7f}' => {
                text.push_str(&format!("\\u{:04x}", u32::from(char)));
            }
            _ => text.push(char),
        }
    }
    text.push('"');
    Ok(())
}

/// The parts of a text between the separators `by`. If `by` is empty, each character is a part.
pub(super) fn split(text: &[u8], by: &[u8]) -> ValR {
    let text = String::from_utf8_lossy(text);
    let by = String::from_utf8_lossy(by);
    let mut parts = GrowingArray::default();
    if by.is_empty() {
        for char in text.chars() {
            parts.push(Val::from(char.to_string()))?;
        }
    } else if !text.is_empty() {
        for part in text.split(&*by) {
            parts.push(Val::from(part.to_owned()))?;
        }
    }
    Ok(parts.into_value())
}

/// The code points of a text.
pub(super) fn explode(text: &Val) -> ValR {
    let Val::TStr(text) = text else {
        let what = shown(text);
        return Err(Error::str(format_args!("{what} cannot be exploded")));
    };
    let mut codes = GrowingArray::default();
    for char in String::from_utf8_lossy(text).chars() {
        codes.push(Val::from(u32::from(char) as usize))?;
    }
    Ok(codes.into_value())
}

/// The digits with a decimal point after `point` digits. Zeros are added where digits are missing.
fn plain(digits: &str, point: i32) -> String {
    match usize::try_from(point) {
        Ok(point) if point >= digits.len() => {
            format!("{digits}{}", "0".repeat(point - digits.len()))
        }
        Ok(point) if point > 0 => format!("{}.{}", &digits[..point], &digits[point..]),
        _ => format!("0.{}{digits}", "0".repeat(point.unsigned_abs() as usize)),
    }
}
