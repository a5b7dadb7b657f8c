//! Reads and changes the value at a path.

use jaq_json::{Error, Num, Val, ValR};

use super::context::room;
use super::number::float;
use super::text::{kind, shown};

type PathChange<'f, E> = &'f mut dyn FnMut(Val) -> Result<Val, E>;

/// The value of a key in `value`; null if `value` does not have the key.
pub(super) fn get(value: &Val, key: &Val) -> ValR {
    match (value, key) {
        (Val::Obj(object), Val::TStr(_)) => Ok(object.get(key).cloned().unwrap_or_default()),
        (Val::Arr(array), Val::Num(_)) => {
            let index = index(key)?.and_then(|index| absolute(index, array.len()));
            Ok(index
                .and_then(|index| array.get(index).cloned())
                .unwrap_or_default())
        }
        (Val::Arr(array), Val::Obj(_)) => {
            let (from, to) = bounds(key, array.len())?;
            Ok(Val::Arr(array[from..to].to_vec().into()))
        }
        (Val::TStr(text), Val::Obj(_)) => {
            let text = String::from_utf8_lossy(text);
            let (from, to) = bounds(key, text.chars().count())?;
            let part: String = text.chars().skip(from).take(to - from).collect();
            Ok(Val::from(part))
        }
        (Val::Arr(array), Val::Arr(part)) => {
            let at = |at: &usize| array[*at..].starts_with(part);
            let found = (0..array.len()).filter(at).map(Val::from);
            Ok(Val::Arr(match part.is_empty() {
                true => Vec::new().into(),
                false => found.collect::<Vec<Val>>().into(),
            }))
        }
        (Val::Null, Val::TStr(_) | Val::Num(_) | Val::Obj(_)) => Ok(Val::Null),
        _ => Err(Error::str(format_args!(
            "cannot index {} with {}",
            kind(value),
            shown(key)
        ))),
    }
}

/// An index without its fraction; `None` if the index is NaN.
pub(super) fn index(key: &Val) -> Result<Option<i64>, Error> {
    let index = float(key)?;
    let index = index.clamp(i32::MIN.into(), i32::MAX.into());
    Ok((!index.is_nan()).then_some(index as i64))
}

pub(super) fn absolute(index: i64, length: usize) -> Option<usize> {
    match usize::try_from(index) {
        Ok(index) => Some(index),
        Err(_) => length.checked_sub(usize::try_from(-index).ok()?),
    }
}

/// The start and the end of a slice, as positions in a value with `length` elements.
pub(super) fn bounds(slice: &Val, length: usize) -> Result<(usize, usize), Error> {
    let length = length as f64;
    let end = |name: &str, default: f64| match slice {
        Val::Obj(object) => match object.get(&Val::from(name.to_owned())) {
            Some(Val::Null) => Ok(default),
            Some(end @ Val::Num(_)) => Ok(float(end)?),
            _ => Err(Error::str("the ends of a slice must be numbers")),
        },
        _ => Ok(default),
    };
    let relative = |end: f64| if end < 0.0 { end + length } else { end };
    let (from, to) = (end("start", 0.0)?, end("end", length)?);
    let from = if from.is_nan() { 0.0 } else { relative(from) };
    let from = from.clamp(0.0, length).floor();
    let to = if to.is_nan() { length } else { relative(to) };
    let to = if to < 0.0 {
        from
    } else {
        to.min(length).ceil()
    };
    Ok((from as usize, to.max(from) as usize))
}

/// Changes the value at a path.
pub(super) fn change<E: From<Error>>(
    value: Val,
    path: &[Val],
    how: PathChange<'_, E>,
) -> Result<Val, E> {
    let Some((key, rest)) = path.split_first() else {
        return how(value);
    };
    match (value, key) {
        (Val::Obj(mut object), Val::TStr(_)) => {
            let fields = jaq_json::Rc::make_mut(&mut object);
            let slot = fields.entry(key.clone()).or_default();
            *slot = change(std::mem::take(slot), rest, how)?;
            Ok(Val::Obj(object))
        }
        (Val::Null, Val::TStr(_)) => {
            let mut fields = jaq_json::Map::default();
            fields.insert(key.clone(), change(Val::Null, rest, how)?);
            Ok(Val::obj(fields))
        }
        (Val::Arr(mut array), Val::Num(_)) => {
            let elements = jaq_json::Rc::make_mut(&mut array);
            change_element(elements, key, rest, how)?;
            Ok(Val::Arr(array))
        }
        (Val::Null, Val::Num(_)) => {
            let mut elements = Vec::new();
            change_element(&mut elements, key, rest, how)?;
            Ok(Val::Arr(elements.into()))
        }
        (value @ (Val::Arr(_) | Val::Null), Val::Obj(_)) => {
            let mut elements = match value {
                Val::Arr(array) => array.to_vec(),
                _ => Vec::new(),
            };
            let (from, to) = bounds(key, elements.len())?;
            let part = match elements.is_empty() {
                true => Val::Null,
                false => Val::Arr(elements[from..to].to_vec().into()),
            };
            let Val::Arr(part) = change(part, rest, how)? else {
                return Err(Error::str("a slice of an array can only be an array").into());
            };
            elements.splice(from..to, part.iter().cloned());
            Ok(Val::Arr(elements.into()))
        }
        (Val::TStr(_), Val::Obj(_)) => Err(Error::str("cannot update string slices").into()),
        (value, key) => Err(Error::str(format_args!(
            "cannot update field at {} index of {}",
            kind(key),
            kind(&value)
        ))
        .into()),
    }
}

/// The highest index of a new element, unless the element directly follows the last element.
const LONGEST: usize = 1 << 24;

fn change_element<E: From<Error>>(
    elements: &mut Vec<Val>,
    key: &Val,
    rest: &[Val],
    how: PathChange<'_, E>,
) -> Result<(), E> {
    let Some(index) = index(key)? else {
        return Err(Error::str("cannot set array element at NaN index").into());
    };
    let Some(index) = absolute(index, elements.len()) else {
        return Err(Error::str("out of bounds negative array index").into());
    };
    if index > LONGEST.max(elements.len()) {
        return Err(Error::str("array index too large").into());
    }
    if elements.len() <= index {
        let changed = change(Val::Null, rest, how)?;
        room((index + 1) * size_of::<Val>())?;
        elements.resize(index, Val::Null);
        elements.push(changed);
        return Ok(());
    }
    let slot = &mut elements[index];
    *slot = change(std::mem::take(slot), rest, how)?;
    Ok(())
}

/// The object that is the key of a slice.
pub(super) fn slice(from: Val, to: Val) -> Val {
    let name = |name: &str| Val::from(name.to_owned());
    Val::obj(
        [(name("start"), from), (name("end"), to)]
            .into_iter()
            .collect(),
    )
}

/// Whether a value has a key.
pub(super) fn has(value: &Val, key: &Val) -> ValR {
    match (value, key) {
        (Val::Null, _) => Ok(Val::Bool(false)),
        (Val::Obj(object), Val::TStr(_)) => Ok(Val::Bool(object.contains_key(key))),
        (Val::Arr(array), Val::Num(_)) => {
            let index = index(key)?.and_then(|index| usize::try_from(index).ok());
            Ok(Val::Bool(index.is_some_and(|index| index < array.len())))
        }
        _ => Err(Error::str(format_args!(
            "cannot check whether {} has a {} key",
            kind(value),
            kind(key)
        ))),
    }
}

/// The position of a value in a sorted array. If the array lacks the value, -1 minus the position
/// at which it can be inserted.
pub(super) fn search(array: &Val, value: &Val) -> ValR {
    let Val::Arr(array) = array else {
        let what = format_args!("{} cannot be searched from", shown(array));
        return Err(Error::str(what));
    };
    let (mut start, mut end) = (0, array.len());
    while start < end {
        let middle = start + (end - start) / 2;
        match value.cmp(&array[middle]) {
            std::cmp::Ordering::Equal => return Ok(count(middle)),
            std::cmp::Ordering::Less => end = middle,
            std::cmp::Ordering::Greater => start = middle + 1,
        }
    }
    let missing = isize::try_from(start).unwrap_or(isize::MAX);
    Ok(Val::Num(Num::Int(-1 - missing)))
}

/// Whether two values are identical. Strings, arrays and objects must be at the same address.
pub(super) fn is_identical(left: &Val, right: &Val) -> bool {
    match (left, right) {
        (Val::Null, Val::Null) => true,
        (Val::Bool(left), Val::Bool(right)) => left == right,
        (Val::Num(left), Val::Num(right)) => left == right,
        (Val::TStr(left), Val::TStr(right)) => {
            (left.as_ptr(), left.len()) == (right.as_ptr(), right.len())
        }
        (Val::Arr(left), Val::Arr(right)) => jaq_json::Rc::ptr_eq(left, right),
        (Val::Obj(left), Val::Obj(right)) => jaq_json::Rc::ptr_eq(left, right),
        _ => false,
    }
}

/// A count as a number. Zero is stored as a float, so that it has a sign.
pub(super) fn count(count: usize) -> Val {
    Val::Num(match count {
        0 => Num::Float(0.0),
        count => Num::from_integral(count),
    })
}
