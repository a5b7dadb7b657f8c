//! Conversions between types.

use jaq_json::{Error, Val, ValR};
use jaq_std::ValT as _;

use super::super::value;
use super::{number, paths, text};

pub(super) fn length(value: &Val) -> ValR {
    Ok(paths::count(match value {
        Val::Null => 0,
        Val::TStr(text) => String::from_utf8_lossy(text).chars().count(),
        Val::BStr(bytes) => bytes.len(),
        Val::Arr(array) => array.len(),
        Val::Obj(object) => object.len(),
        Val::Bool(_) | Val::Num(_) => return number::absolute(value),
    }))
}

pub(super) fn implode(value: &Val) -> ValR {
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

pub(super) fn to_number(value: &Val) -> ValR {
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

pub(super) fn to_boolean(value: &Val) -> ValR {
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

pub(super) fn from_json(text: &Val) -> ValR {
    let bytes = text.try_as_utf8_bytes_owned()?;
    let json = std::str::from_utf8(&bytes).map_err(Error::str)?;
    value::read_as_jq(json).map_err(|e| {
        let text = text::short(text);
        Error::str(format_args!("cannot parse {text} as JSON: {e}"))
    })
}
