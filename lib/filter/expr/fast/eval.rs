//! Computes the value of a term for a record.

use std::borrow::Cow;
use std::cmp::Ordering;

use jaq_core::ops::{Cmp, Math};
use serde_json::value::RawValue;

use super::term::{FastTerm, MatchPosition, ScopedTest, Strict};
use super::value::{Fallback, FastValue};
use crate::json::fields::{Found, Record};

/// The value of a term; `None` if the term yields no value.
type Yield<'v> = Result<Option<FastValue<'v>>, Fallback>;

/// The input of a term.
#[derive(Clone, Copy)]
pub(super) struct At<'v, 'x> {
    pub(super) record: Record<'v, 'x>,
    /// The value that comes through a pipe, if the term is on the right side of a pipe.
    pub(super) value: Option<&'x FastValue<'v>>,
}

/// The value of the term `$node`. If this term yields no value, the term that uses the macro yields
/// no value.
macro_rules! get {
    ($node:expr, $at:expr) => {
        match $node.eval($at)? {
            Some(value) => value,
            None => return Ok(None),
        }
    };
}

impl FastTerm {
    pub(super) fn eval<'v>(&'v self, at: &At<'v, '_>) -> Yield<'v> {
        Ok(Some(match self {
            FastTerm::Constant(value) => value.borrow(),
            FastTerm::Whole => FastValue::read(at.record.line)?,
            FastTerm::Path { slot, strict, .. } => match (at.record.find(*slot), strict) {
                (Found::Value(json), _) => FastValue::read(json)?,
                (Found::Absent, _) => FastValue::Null,
                (Found::Mismatch, Strict::None) => return Ok(None),
                (Found::Mismatch, _) => return Err(Fallback),
            },
            FastTerm::Present(slot) => {
                FastValue::Bool(matches!(at.record.find(*slot), Found::Value(_)))
            }
            FastTerm::Piped => at.value.cloned().ok_or(Fallback)?,
            FastTerm::Pipe(left, right) => {
                let value = get!(left, at);
                let value = Some(&value);
                return right.eval(&At { value, ..*at });
            }
            FastTerm::When(test, then) => {
                if !get!(test, at).is_true() {
                    return Ok(None);
                }
                return then.eval(at);
            }
            FastTerm::Guard(first, then) => {
                get!(first, at);
                return then.eval(at);
            }
            FastTerm::If(test, then, otherwise) => {
                let branch = if get!(test, at).is_true() {
                    then
                } else {
                    otherwise
                };
                return branch.eval(at);
            }
            FastTerm::And(left, right) => {
                FastValue::Bool(get!(left, at).is_true() && get!(right, at).is_true())
            }
            FastTerm::Or(left, right) => {
                FastValue::Bool(get!(left, at).is_true() || get!(right, at).is_true())
            }
            FastTerm::Not(node) => FastValue::Bool(!get!(node, at).is_true()),
            FastTerm::Alternative(left, right) => match left.eval(at)? {
                Some(value) if value.is_true() => value,
                _ => return right.eval(at),
            },
            // jq computes the right side first, and the left side only if the right side yields a
            // value.
            FastTerm::Compare(by, left, right) => {
                let right = get!(right, at);
                FastValue::Bool(compare(*by, &get!(left, at), &right)?)
            }
            FastTerm::Compute(how, left, right) => {
                let right = get!(right, at);
                compute(*how, get!(left, at), right)?
            }
            FastTerm::Negative(node) => negate(&get!(node, at))?,
            FastTerm::OneOf {
                value,
                others,
                only_text,
            } => {
                let value = get!(value, at);
                if *only_text && !matches!(value, FastValue::Text(_)) {
                    return Err(Fallback);
                }
                for other in others {
                    if let Some(other) = other.eval(at)?
                        && other.equals(&value)?
                    {
                        return Ok(Some(FastValue::Bool(true)));
                    }
                }
                FastValue::Bool(false)
            }
            FastTerm::Holds(place, text, part) => match (get!(text, at), get!(part, at)) {
                (FastValue::Text(text), FastValue::Text(part)) => {
                    FastValue::Bool(place.holds(&text, &part)?)
                }
                _ => return Err(Fallback),
            },
            FastTerm::Has(object, scope) => match get!(object, at) {
                FastValue::Object(json) => FastValue::Bool(scope.test(json)? == Some(true)),
                FastValue::Null => FastValue::Bool(false),
                _ => return Err(Fallback),
            },
            FastTerm::Each {
                array,
                lenient,
                every,
                scope,
            } => {
                let elements = match array.eval(at)? {
                    Some(FastValue::Array(json)) => elements(json)?,
                    Some(FastValue::Object(_)) => return Err(Fallback),
                    Some(_) if !lenient => return Err(Fallback),
                    Some(_) | None => Vec::new(),
                };
                for element in elements {
                    if scope.test(element.get())? == Some(!every) {
                        return Ok(Some(FastValue::Bool(!every)));
                    }
                }
                FastValue::Bool(*every)
            }
            FastTerm::Length(node) => get!(node, at).length()?,
            FastTerm::Kind(node) => FastValue::Text(Cow::Borrowed(get!(node, at).kind())),
            FastTerm::Lowercase(node) => match get!(node, at) {
                FastValue::Text(text) => FastValue::Text(Cow::Owned(text.to_ascii_lowercase())),
                _ => return Err(Fallback),
            },
            FastTerm::Nothing => return Ok(None),
        }))
    }
}

impl ScopedTest {
    /// Whether `json`, a part of the record, passes the test; `None` if the test yields no value.
    fn test(&self, json: &str) -> Result<Option<bool>, Fallback> {
        let mut finds = self.finds.take();
        let record = self
            .fields
            .read_part(json, &mut finds)
            .map_err(|_| Fallback)?;
        let at = At {
            record,
            value: None,
        };
        let passes = self.test.eval(&at)?.map(|value| value.is_true());
        self.finds.set(finds);
        Ok(passes)
    }
}

impl MatchPosition {
    fn holds(self, text: &str, part: &str) -> Result<bool, Fallback> {
        use MatchPosition::{Anywhere, End, Line, LineEnd, LineStart, Start};
        if matches!(self, LineStart | LineEnd | Line) && text.contains('\n') {
            return Err(Fallback);
        }
        Ok(match self {
            Start | LineStart => text.starts_with(part),
            End | LineEnd => text.ends_with(part),
            Anywhere => text.contains(part),
            Line => text == part,
        })
    }
}

fn elements(json: &str) -> Result<Vec<&RawValue>, Fallback> {
    serde_json::from_str(json).map_err(|_| Fallback)
}

pub(super) fn compare(
    by: Cmp,
    left: &FastValue<'_>,
    right: &FastValue<'_>,
) -> Result<bool, Fallback> {
    Ok(match by {
        Cmp::Eq => left.equals(right)?,
        Cmp::Ne => !left.equals(right)?,
        Cmp::Lt => left.order(right)? == Ordering::Less,
        Cmp::Le => left.order(right)? != Ordering::Greater,
        Cmp::Gt => left.order(right)? == Ordering::Greater,
        Cmp::Ge => left.order(right)? != Ordering::Less,
    })
}

/// The range in which a float can represent every integer. jq computes with floats.
const EXACT: std::ops::RangeInclusive<i64> = -(1 << 53)..=1 << 53;

/// Computes with two values. If both are integers in the range [`EXACT`], the result is an integer,
/// except for a division. If this result is outside of the range, jaq decides. Other numbers are
/// computed as floats.
fn compute<'v>(
    how: Math,
    left: FastValue<'v>,
    right: FastValue<'v>,
) -> Result<FastValue<'v>, Fallback> {
    let (a, b) = match (left, right) {
        (FastValue::Null, other) | (other, FastValue::Null) if how == Math::Add => {
            return Ok(other);
        }
        (FastValue::Int(a), FastValue::Int(b))
            if how != Math::Div && EXACT.contains(&a) && EXACT.contains(&b) =>
        {
            let exact = match how {
                Math::Add => a.checked_add(b),
                Math::Sub => a.checked_sub(b),
                Math::Mul => a.checked_mul(b),
                Math::Rem => a.checked_rem(b),
                Math::Div => None,
            };
            let exact = exact.filter(|exact| EXACT.contains(exact));
            return exact.map(FastValue::Int).ok_or(Fallback);
        }
        (left, right) => (left.as_float()?, right.as_float()?),
    };
    match how {
        Math::Add => FastValue::float(a + b),
        Math::Sub => FastValue::float(a - b),
        Math::Mul => FastValue::float(a * b),
        Math::Div if b != 0.0 => FastValue::float(a / b),
        Math::Div | Math::Rem => Err(Fallback),
    }
}

fn negate(value: &FastValue<'_>) -> Result<FastValue<'static>, Fallback> {
    match value {
        FastValue::Int(int) => int.checked_neg().map(FastValue::Int).ok_or(Fallback),
        FastValue::Float(float) => FastValue::float(-float),
        _ => Err(Fallback),
    }
}
