//! What a term yields for a record.

use std::borrow::Cow;
use std::cmp::Ordering;

use jaq_core::ops::{Cmp, Math};
use serde_json::value::RawValue;

use super::value::{Unsure, Value};
use super::{Node, Place, Scope, Strict};
use crate::json::fields::{Found, Record};

/// A value or none.
type Yield<'v> = Result<Option<Value<'v>>, Unsure>;

/// What a term looks at.
#[derive(Clone, Copy)]
pub(super) struct At<'v, 'x> {
    pub(super) record: Record<'v, 'x>,
    /// What came through the last pipe.
    pub(super) value: Option<&'x Value<'v>>,
}

/// The value of a node, or none for the node around it.
macro_rules! get {
    ($node:expr, $at:expr) => {
        match $node.eval($at)? {
            Some(value) => value,
            None => return Ok(None),
        }
    };
}

impl Node {
    pub(super) fn eval<'v>(&'v self, at: &At<'v, '_>) -> Yield<'v> {
        Ok(Some(match self {
            Node::Constant(value) => value.borrow(),
            Node::Whole => Value::read(at.record.line)?,
            Node::Path { slot, strict, .. } => match (at.record.find(*slot), strict) {
                (Found::Value(json), _) => Value::read(json)?,
                (Found::Absent, _) => Value::Null,
                (Found::Mismatch, Strict::None) => return Ok(None),
                (Found::Mismatch, _) => return Err(Unsure),
            },
            Node::Present(slot) => Value::Bool(matches!(at.record.find(*slot), Found::Value(_))),
            Node::Piped => at.value.cloned().ok_or(Unsure)?,
            Node::Pipe(left, right) => {
                let value = get!(left, at);
                let value = Some(&value);
                return right.eval(&At { value, ..*at });
            }
            Node::When(test, then) => {
                if !get!(test, at).is_true() {
                    return Ok(None);
                }
                return then.eval(at);
            }
            Node::Guard(first, then) => {
                get!(first, at);
                return then.eval(at);
            }
            Node::If(test, then, otherwise) => {
                let branch = if get!(test, at).is_true() {
                    then
                } else {
                    otherwise
                };
                return branch.eval(at);
            }
            Node::And(left, right) => {
                Value::Bool(get!(left, at).is_true() && get!(right, at).is_true())
            }
            Node::Or(left, right) => {
                Value::Bool(get!(left, at).is_true() || get!(right, at).is_true())
            }
            Node::Not(node) => Value::Bool(!get!(node, at).is_true()),
            Node::Alternative(left, right) => match left.eval(at)? {
                Some(value) if value.is_true() => value,
                _ => return right.eval(at),
            },
            // jq computes the right side first, and the left one only if there is any.
            Node::Compare(by, left, right) => {
                let right = get!(right, at);
                Value::Bool(compare(*by, &get!(left, at), &right)?)
            }
            Node::Compute(how, left, right) => {
                let right = get!(right, at);
                compute(*how, get!(left, at), right)?
            }
            Node::Negative(node) => negate(&get!(node, at))?,
            Node::OneOf {
                value,
                others,
                only_text,
            } => {
                let value = get!(value, at);
                if *only_text && !matches!(value, Value::Text(_)) {
                    return Err(Unsure);
                }
                for other in others {
                    if let Some(other) = other.eval(at)?
                        && other.equals(&value)?
                    {
                        return Ok(Some(Value::Bool(true)));
                    }
                }
                Value::Bool(false)
            }
            Node::Holds(place, text, part) => match (get!(text, at), get!(part, at)) {
                (Value::Text(text), Value::Text(part)) => Value::Bool(place.holds(&text, &part)),
                _ => return Err(Unsure),
            },
            Node::Has(object, scope) => match get!(object, at) {
                Value::Object(json) => Value::Bool(scope.test(json)? == Some(true)),
                Value::Null => Value::Bool(false),
                _ => return Err(Unsure),
            },
            Node::Each {
                array,
                lenient,
                every,
                scope,
            } => {
                let elements = match array.eval(at)? {
                    Some(Value::Array(json)) => elements(json)?,
                    Some(Value::Object(_)) => return Err(Unsure),
                    Some(_) if !lenient => return Err(Unsure),
                    Some(_) | None => Vec::new(),
                };
                for element in elements {
                    if scope.test(element.get())? == Some(!every) {
                        return Ok(Some(Value::Bool(!every)));
                    }
                }
                Value::Bool(*every)
            }
            Node::Length(node) => get!(node, at).length()?,
            Node::Kind(node) => Value::Text(Cow::Borrowed(get!(node, at).kind())),
            Node::Lowercase(node) => match get!(node, at) {
                Value::Text(text) => Value::Text(Cow::Owned(text.to_ascii_lowercase())),
                _ => return Err(Unsure),
            },
            Node::Nothing => return Ok(None),
        }))
    }
}

impl Scope {
    /// Whether a part of the record passes.
    fn test(&self, json: &str) -> Result<Option<bool>, Unsure> {
        let mut finds = self.finds.take();
        let record = self
            .fields
            .read_part(json, &mut finds)
            .map_err(|_| Unsure)?;
        let at = At {
            record,
            value: None,
        };
        let passes = self.test.eval(&at)?.map(|value| value.is_true());
        self.finds.set(finds);
        Ok(passes)
    }
}

impl Place {
    fn holds(self, text: &str, part: &str) -> bool {
        match self {
            Place::Start => text.starts_with(part),
            Place::End => text.ends_with(part),
            Place::Anywhere => text.contains(part),
            Place::All => text == part,
        }
    }
}

fn elements(json: &str) -> Result<Vec<&RawValue>, Unsure> {
    serde_json::from_str(json).map_err(|_| Unsure)
}

pub(super) fn compare(by: Cmp, left: &Value<'_>, right: &Value<'_>) -> Result<bool, Unsure> {
    Ok(match by {
        Cmp::Eq => left.equals(right)?,
        Cmp::Ne => !left.equals(right)?,
        Cmp::Lt => left.order(right)? == Ordering::Less,
        Cmp::Le => left.order(right)? != Ordering::Greater,
        Cmp::Gt => left.order(right)? == Ordering::Greater,
        Cmp::Ge => left.order(right)? != Ordering::Less,
    })
}

/// Integers stay exact or are left to jaq; a division yields no integer.
fn compute<'v>(how: Math, left: Value<'v>, right: Value<'v>) -> Result<Value<'v>, Unsure> {
    let (a, b) = match (left, right) {
        (Value::Null, other) | (other, Value::Null) if how == Math::Add => return Ok(other),
        (Value::Int(a), Value::Int(b)) if how != Math::Div => {
            let exact = match how {
                Math::Add => a.checked_add(b),
                Math::Sub => a.checked_sub(b),
                Math::Mul => a.checked_mul(b),
                Math::Rem => a.checked_rem(b),
                Math::Div => None,
            };
            return exact.map(Value::Int).ok_or(Unsure);
        }
        (left, right) => (left.as_float()?, right.as_float()?),
    };
    match how {
        Math::Add => Value::float(a + b),
        Math::Sub => Value::float(a - b),
        Math::Mul => Value::float(a * b),
        Math::Div if b != 0.0 => Value::float(a / b),
        Math::Div | Math::Rem => Err(Unsure),
    }
}

fn negate(value: &Value<'_>) -> Result<Value<'static>, Unsure> {
    match value {
        Value::Int(int) => int.checked_neg().map(Value::Int).ok_or(Unsure),
        Value::Float(float) => Value::float(-float),
        _ => Err(Unsure),
    }
}
