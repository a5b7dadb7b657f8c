//! Deletes the values at some paths.

use jaq_json::{Error, Val, ValR};

use super::order::order;
use super::paths::{absolute, bounds, change, get, index};
use super::text::kind;

/// The value without the parts at these paths.
pub(super) fn delete(value: Val, paths: &Val) -> ValR {
    let Val::Arr(paths) = paths else {
        return Err(Error::str("paths must be specified as an array"));
    };
    let mut sorted = Vec::with_capacity(paths.len());
    for path in paths.iter() {
        match path {
            Val::Arr(path) => sorted.push(path.clone()),
            _ => return Err(Error::str("a path must be specified as an array")),
        }
    }
    sorted.sort_by(order);
    match sorted.first() {
        None => Ok(value),
        Some(first) if first.is_empty() => Ok(Val::Null),
        Some(_) => {
            let paths: Vec<&[Val]> = sorted.iter().map(|path| &path[..]).collect();
            delete_sorted(value, &paths)
        }
    }
}

/// Deletes the parts at `paths`, which must be sorted. No path may be empty.
fn delete_sorted(mut value: Val, paths: &[&[Val]]) -> ValR {
    let mut keys = Vec::new();
    for group in paths.chunk_by(|a, b| a[0] == b[0]) {
        let key = &group[0][0];
        if group[0].len() == 1 {
            keys.push(key);
            continue;
        }
        match (get(&value, key)?, key) {
            (Val::Null, _) => continue,
            // An empty slice contains nothing to delete.
            (Val::Arr(part), Val::Obj(_)) if part.is_empty() => continue,
            _ => {}
        }
        let rest: Vec<&[Val]> = group.iter().map(|path| &path[1..]).collect();
        let path = std::slice::from_ref(key);
        value = change(value, path, &mut |part| delete_sorted(part, &rest))?;
    }
    delete_keys(value, &keys)
}

fn delete_keys(value: Val, keys: &[&Val]) -> ValR {
    match value {
        _ if keys.is_empty() => Ok(value),
        Val::Null => Ok(value),
        Val::Obj(mut object) => {
            let fields = jaq_json::Rc::make_mut(&mut object);
            for key in keys {
                match key {
                    Val::TStr(_) => drop(fields.shift_remove(*key)),
                    _ => {
                        let what = format_args!("cannot delete {} field of object", kind(key));
                        return Err(Error::str(what));
                    }
                }
            }
            Ok(Val::Obj(object))
        }
        Val::Arr(array) => {
            let mut is_gone = vec![false; array.len()];
            for key in keys {
                let (from, to) = match key {
                    Val::Num(_) => {
                        let index = index(key)?.and_then(|index| absolute(index, array.len()));
                        index.map_or((0, 0), |index| (index, index + 1))
                    }
                    Val::Obj(_) => bounds(key, array.len())?,
                    _ => {
                        let what = format_args!("cannot delete {} element of array", kind(key));
                        return Err(Error::str(what));
                    }
                };
                is_gone
                    .iter_mut()
                    .take(to)
                    .skip(from)
                    .for_each(|gone| *gone = true);
            }
            let kept = array.iter().zip(is_gone).filter(|(_, gone)| !gone);
            Ok(Val::Arr(
                kept.map(|(value, _)| value.clone())
                    .collect::<Vec<Val>>()
                    .into(),
            ))
        }
        value => Err(Error::str(format_args!(
            "cannot delete fields from {}",
            kind(&value)
        ))),
    }
}
