//! Values of the fast engine. Comparing two of them gives the same result as in jaq.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde::de::IgnoredAny;

/// The fast engine cannot decide, or jaq would raise an error. In both cases, jaq decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fallback;

/// A value. Arrays and objects stay undecoded.
#[derive(Clone, Debug)]
pub(super) enum FastValue<'v> {
    Null,
    Bool(bool),
    Int(i64),
    /// A float that is not NaN.
    Float(f64),
    Text(Cow<'v, str>),
    Array(&'v str),
    Object(&'v str),
}

impl<'v> FastValue<'v> {
    /// The value of a valid JSON text.
    pub(super) fn read(json: &'v str) -> Result<FastValue<'v>, Fallback> {
        Ok(match json.trim_ascii_start().as_bytes().first() {
            Some(b'"') => FastValue::Text(text(json)?),
            Some(b'n') => FastValue::Null,
            Some(b't') => FastValue::Bool(true),
            Some(b'f') => FastValue::Bool(false),
            Some(b'[') => FastValue::Array(json),
            Some(b'{') => FastValue::Object(json),
            _ => FastValue::number(json)?,
        })
    }

    /// Reads a 64-bit integer, or a number with a fraction or exponent. For other numbers, jaq
    /// decides.
    pub(super) fn number(text: &str) -> Result<FastValue<'v>, Fallback> {
        if text.contains(['.', 'e', 'E']) {
            return FastValue::float(text.parse().map_err(|_| Fallback)?);
        }
        text.parse().map(FastValue::Int).map_err(|_| Fallback)
    }

    pub(super) fn float(float: f64) -> Result<FastValue<'v>, Fallback> {
        // This engine has no NaN, because in jaq NaN is less than itself.
        if float.is_nan() {
            return Err(Fallback);
        }
        Ok(FastValue::Float(float))
    }

    /// The same value. Its text is not copied.
    pub(super) fn borrow(&self) -> FastValue<'_> {
        match self {
            FastValue::Text(text) => FastValue::Text(Cow::Borrowed(text)),
            other => other.clone(),
        }
    }

    pub(super) fn as_float(&self) -> Result<f64, Fallback> {
        match self {
            FastValue::Int(int) => Ok(*int as f64),
            FastValue::Float(float) => Ok(*float),
            _ => Err(Fallback),
        }
    }

    pub(super) fn is_true(&self) -> bool {
        !matches!(self, FastValue::Null | FastValue::Bool(false))
    }

    /// The result of jq's function `type`.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            FastValue::Null => "null",
            FastValue::Bool(_) => "boolean",
            FastValue::Int(_) | FastValue::Float(_) => "number",
            FastValue::Text(_) => "string",
            FastValue::Array(_) => "array",
            FastValue::Object(_) => "object",
        }
    }

    /// The result of jq's function `length`. For objects, jaq decides: if several fields have the
    /// same name, they count as one.
    pub(super) fn length(&self) -> Result<FastValue<'static>, Fallback> {
        let count = match self {
            FastValue::Null => 0,
            FastValue::Text(text) => text.chars().count(),
            FastValue::Array(json) => serde_json::from_str::<Vec<IgnoredAny>>(json)
                .map_err(|_| Fallback)?
                .len(),
            _ => return Err(Fallback),
        };
        i64::try_from(count)
            .map(FastValue::Int)
            .map_err(|_| Fallback)
    }

    pub(super) fn equals(&self, other: &FastValue<'_>) -> Result<bool, Fallback> {
        match (self, other) {
            (FastValue::Text(a), FastValue::Text(b)) => Ok(a == b),
            (FastValue::Int(a), FastValue::Int(b)) => Ok(a == b),
            _ => self.order(other).map(Ordering::is_eq),
        }
    }

    pub(super) fn order(&self, other: &FastValue<'_>) -> Result<Ordering, Fallback> {
        let floats = |a: f64, b: f64| a.partial_cmp(&b).ok_or(Fallback);
        match (self, other) {
            (FastValue::Bool(a), FastValue::Bool(b)) => Ok(a.cmp(b)),
            (FastValue::Int(a), FastValue::Int(b)) => Ok(a.cmp(b)),
            (FastValue::Int(a), FastValue::Float(b)) => floats(*a as f64, *b),
            (FastValue::Float(a), FastValue::Int(b)) => floats(*a, *b as f64),
            (FastValue::Float(a), FastValue::Float(b)) => floats(*a, *b),
            (FastValue::Text(a), FastValue::Text(b)) => Ok(a.as_bytes().cmp(b.as_bytes())),
            (FastValue::Array(a), FastValue::Array(b))
            | (FastValue::Object(a), FastValue::Object(b)) => match (is_empty(a), is_empty(b)) {
                (false, false) => Err(Fallback),
                (a, b) => Ok(b.cmp(&a)),
            },
            _ => Ok(self.rank().cmp(&other.rank())),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            FastValue::Null => 0,
            FastValue::Bool(_) => 1,
            FastValue::Int(_) | FastValue::Float(_) => 2,
            FastValue::Text(_) => 3,
            FastValue::Array(_) => 4,
            FastValue::Object(_) => 5,
        }
    }
}

/// The content of a string. If the string has half of a surrogate pair, jaq decides.
fn text(json: &str) -> Result<Cow<'_, str>, Fallback> {
    let quoted = json.trim_ascii();
    match quoted.strip_prefix('"').and_then(|q| q.strip_suffix('"')) {
        Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
        _ => serde_json::from_str(quoted)
            .map(Cow::Owned)
            .map_err(|_| Fallback),
    }
}

fn is_empty(json: &str) -> bool {
    let inside = json.trim_ascii_start().get(1..).unwrap_or_default();
    matches!(
        inside.trim_ascii_start().as_bytes().first(),
        Some(b']' | b'}')
    )
}
