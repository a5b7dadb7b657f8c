//! Sorts as jq does: NaN is less than every number, and the sort is stable.

use std::cmp::Ordering;

use jaq_json::{Error, Val, ValR};

use super::context::room;

/// The order of two values. If each value is less than the other, both are NaN or start with NaN,
/// and they count as equal.
pub(super) fn order<T: Ord>(left: &T, right: &T) -> Ordering {
    match left.cmp(right) {
        Ordering::Less if right.cmp(left) == Ordering::Less => Ordering::Equal,
        order => order,
    }
}

/// The sorted elements of an array.
pub(super) fn sort(array: &Val) -> ValR {
    let mut values = elements(array)?.to_vec();
    values.sort_by(order);
    Ok(Val::Arr(values.into()))
}

/// The values in an array of `[key, value]` pairs, sorted by the keys.
pub(super) fn sort_by_key(pairs: &Val) -> ValR {
    let sorted = sorted(pairs)?;
    let values = sorted.into_iter().map(|(_, value)| value.clone());
    Ok(Val::Arr(values.collect::<Vec<Val>>().into()))
}

/// The values in an array of `[key, value]` pairs: for each key, an array of its values.
pub(super) fn group_by_key(pairs: &Val) -> ValR {
    let groups = sorted(pairs)?;
    let groups = groups.chunk_by(|(left, _), (right, _)| left == right);
    let groups = groups.map(|group| {
        let values = group.iter().map(|(_, value)| (*value).clone());
        Val::Arr(values.collect::<Vec<Val>>().into())
    });
    Ok(Val::Arr(groups.collect::<Vec<Val>>().into()))
}

fn sorted(pairs: &Val) -> Result<Vec<(&Val, &Val)>, Error> {
    let pairs = elements(pairs)?.iter().filter_map(|pair| match pair {
        Val::Arr(pair) => pair.first().zip(pair.get(1)),
        _ => None,
    });
    let mut pairs: Vec<(&Val, &Val)> = pairs.collect();
    pairs.sort_by(|(left, _), (right, _)| order(*left, *right));
    Ok(pairs)
}

/// The elements of an array. An error if there is not enough memory to copy them.
fn elements(array: &Val) -> Result<&[Val], Error> {
    let Val::Arr(array) = array else {
        return Err(Error::str("only an array can be sorted"));
    };
    room(array.len() * size_of::<Val>() * 2)?;
    Ok(array)
}
