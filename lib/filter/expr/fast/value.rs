//! Values as far as the fast engine knows them, and how they compare: as in jaq.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde::de::IgnoredAny;

/// The fast engine does not know, or jaq would raise an error: jaq decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unsure;

/// A value. What holds others stays as it is written.
#[derive(Clone, Debug)]
pub(super) enum Value<'v> {
    Null,
    Bool(bool),
    Int(i64),
    /// Never NaN.
    Float(f64),
    Text(Cow<'v, str>),
    Array(&'v str),
    Object(&'v str),
}

impl<'v> Value<'v> {
    /// The value of a valid JSON text.
    pub(super) fn read(json: &'v str) -> Result<Value<'v>, Unsure> {
        Ok(match json.trim_ascii_start().as_bytes().first() {
            Some(b'"') => Value::Text(text(json)?),
            Some(b'n') => Value::Null,
            Some(b't') => Value::Bool(true),
            Some(b'f') => Value::Bool(false),
            Some(b'[') => Value::Array(json),
            Some(b'{') => Value::Object(json),
            _ => Value::number(json)?,
        })
    }

    /// An integer of 64 bits, or what is written as no integer; jaq knows more.
    pub(super) fn number(text: &str) -> Result<Value<'v>, Unsure> {
        if text.contains(['.', 'e', 'E']) {
            return Value::float(text.parse().map_err(|_| Unsure)?);
        }
        text.parse().map(Value::Int).map_err(|_| Unsure)
    }

    pub(super) fn float(float: f64) -> Result<Value<'v>, Unsure> {
        // jaq's NaN is less than itself.
        if float.is_nan() {
            return Err(Unsure);
        }
        Ok(Value::Float(float))
    }

    /// The same value without a copy of its text.
    pub(super) fn borrow(&self) -> Value<'_> {
        match self {
            Value::Text(text) => Value::Text(Cow::Borrowed(text)),
            other => other.clone(),
        }
    }

    pub(super) fn as_float(&self) -> Result<f64, Unsure> {
        match self {
            Value::Int(int) => Ok(*int as f64),
            Value::Float(float) => Ok(*float),
            _ => Err(Unsure),
        }
    }

    pub(super) fn is_true(&self) -> bool {
        !matches!(self, Value::Null | Value::Bool(false))
    }

    /// As `type` says it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Int(_) | Value::Float(_) => "number",
            Value::Text(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        }
    }

    /// As `length` says it. Of an object's fields of one name only one counts, so
    /// that jaq had better count them.
    pub(super) fn length(&self) -> Result<Value<'static>, Unsure> {
        let count = match self {
            Value::Null => 0,
            Value::Text(text) => text.chars().count(),
            Value::Array(json) => serde_json::from_str::<Vec<IgnoredAny>>(json)
                .map_err(|_| Unsure)?
                .len(),
            _ => return Err(Unsure),
        };
        i64::try_from(count).map(Value::Int).map_err(|_| Unsure)
    }

    pub(super) fn equals(&self, other: &Value<'_>) -> Result<bool, Unsure> {
        match (self, other) {
            (Value::Text(a), Value::Text(b)) => Ok(a == b),
            (Value::Int(a), Value::Int(b)) => Ok(a == b),
            _ => self.order(other).map(Ordering::is_eq),
        }
    }

    pub(super) fn order(&self, other: &Value<'_>) -> Result<Ordering, Unsure> {
        let floats = |a: f64, b: f64| a.partial_cmp(&b).ok_or(Unsure);
        match (self, other) {
            (Value::Bool(a), Value::Bool(b)) => Ok(a.cmp(b)),
            (Value::Int(a), Value::Int(b)) => Ok(a.cmp(b)),
            (Value::Int(a), Value::Float(b)) => floats(*a as f64, *b),
            (Value::Float(a), Value::Int(b)) => floats(*a, *b as f64),
            (Value::Float(a), Value::Float(b)) => floats(*a, *b),
            (Value::Text(a), Value::Text(b)) => Ok(a.as_bytes().cmp(b.as_bytes())),
            (Value::Array(a), Value::Array(b)) | (Value::Object(a), Value::Object(b)) => {
                match (is_empty(a), is_empty(b)) {
                    (false, false) => Err(Unsure),
                    (a, b) => Ok(b.cmp(&a)),
                }
            }
            _ => Ok(self.rank().cmp(&other.rank())),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Value::Null => 0,
            Value::Bool(_) => 1,
            Value::Int(_) | Value::Float(_) => 2,
            Value::Text(_) => 3,
            Value::Array(_) => 4,
            Value::Object(_) => 5,
        }
    }
}

/// What a string says. Half of a surrogate pair is left to jaq.
fn text(json: &str) -> Result<Cow<'_, str>, Unsure> {
    let quoted = json.trim_ascii();
    match quoted.strip_prefix('"').and_then(|q| q.strip_suffix('"')) {
        Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
        _ => serde_json::from_str(quoted)
            .map(Cow::Owned)
            .map_err(|_| Unsure),
    }
}

fn is_empty(json: &str) -> bool {
    let inside = json.trim_ascii_start().get(1..).unwrap_or_default();
    matches!(
        inside.trim_ascii_start().as_bytes().first(),
        Some(b']' | b'}')
    )
}
