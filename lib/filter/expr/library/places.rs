//! Functions that yield paths, and functions that change the values at paths.

use jaq_core::native::{self, Fun, bome};
use jaq_core::{Bind, Cv, Exn, Native, ValX, ValXs};
use jaq_json::{Error, Val, ValR};

use super::context::{JaqData, check};
use super::{deletion, paths, text};

pub(super) fn natives() -> impl Iterator<Item = Fun<JaqData>> {
    let update: Box<[Bind]> = Box::new([Bind::Var(()), Bind::Fun(())]);
    let index = Native::<JaqData>::new(index).with_paths(|(mut context, (value, path))| {
        let key = context.pop_var();
        let found = not_lost(&value, path.head()).and_then(|()| paths::get(&value, &key));
        let found = found.map(|found| (found, path.cons(key)));
        Box::new(std::iter::once(found.map_err(Exn::from)))
    });
    let fold: Box<[Bind]> = Box::new([Bind::Fun(())]);
    let get_path = Native::<JaqData>::new(get_path).with_paths(|(mut context, (value, path))| {
        let keys = context.pop_var();
        let found = path_of(&keys).and_then(|keys| {
            not_lost(&value, path.head())?;
            keys.iter().try_fold((value, path), |(value, path), key| {
                Ok((paths::get(&value, key)?, path.cons(key.clone())))
            })
        });
        Box::new(std::iter::once(found.map_err(Exn::from)))
    });
    [
        ("jq_update", update, Native::<JaqData>::new(modify)),
        ("jq_index", native::v(1), index),
        ("getpath", native::v(1), get_path),
        ("jq_no_path", fold.clone(), no_path::<true>()),
        ("jq_lost_path", fold.clone(), no_path::<false>()),
        ("jq_path", fold, Native::<JaqData>::new(paths_of)),
    ]
    .into_iter()
}

/// Runs a filter that is not a path expression of jq, such as `1 + 1`. With `MAY_BE`, the path
/// stays if the filter's result is identical to the value at the path. Otherwise the path is lost:
/// the next use of the path is an error.
fn no_path<const MAY_BE: bool>() -> Native<JaqData> {
    Native::<JaqData>::new(run_filter).with_paths(|(mut context, (value, path))| {
        let (filter, inner) = context.pop_fun();
        let results = filter.run((inner, value.clone()));
        let (here, path) = match path.head().is_some_and(is_lost) {
            true => (
                path.get(1).cloned().unwrap_or_default(),
                path.skip(2).clone(),
            ),
            false => (value, path),
        };
        Box::new(results.map(move |result| {
            let (result, path) = (result?, path.clone());
            Ok(match MAY_BE && paths::is_identical(&here, &result) {
                true => (result, path),
                false => (result, path.cons(here.clone()).cons(lost())),
            })
        }))
    })
}

fn run_filter<'a>((mut context, value): Cv<'a, JaqData>) -> ValXs<'a, Val> {
    let (filter, inner) = context.pop_fun();
    filter.run((inner, value))
}

/// The key that marks a path as lost: it is the last key of a lost path. The key before this mark
/// is the value at the place where the path was lost. No other key is a byte string.
fn lost() -> Val {
    Val::BStr(Box::default())
}

fn is_lost(key: &Val) -> bool {
    matches!(key, Val::BStr(_))
}

/// An error if `last`, the last key of a path, marks the path as lost; `value` is for the message.
fn not_lost(value: &Val, last: Option<&Val>) -> Result<(), Error> {
    match last {
        Some(key) if is_lost(key) => Err(no_place(value)),
        _ => Ok(()),
    }
}

fn no_place(value: &Val) -> Error {
    let what = text::shown(value);
    Error::str(format_args!("invalid path expression with result {what}"))
}

/// The paths that a filter yields, each as an array.
fn paths_of<'a>((mut context, value): Cv<'a, JaqData>) -> ValXs<'a, Val> {
    let (filter, inner) = context.pop_fun();
    let paths = filter.paths((inner, (value, Default::default())));
    Box::new(paths.map(|found| {
        let (value, path) = found?;
        if path.iter().any(is_lost) {
            return Err(Exn::from(no_place(&value)));
        }
        let mut keys: Vec<Val> = path.iter().cloned().collect();
        keys.reverse();
        Ok(Val::Arr(keys.into()))
    }))
}

fn index<'a>((mut context, value): Cv<'a, JaqData>) -> ValXs<'a, Val> {
    let key = context.pop_var();
    bome(paths::get(&value, &key))
}

fn path_of(keys: &Val) -> Result<&[Val], Error> {
    match keys {
        Val::Arr(keys) => Ok(keys),
        _ => Err(Error::str("a path must be specified as an array")),
    }
}

fn get_path<'a>((mut context, value): Cv<'a, JaqData>) -> ValXs<'a, Val> {
    let keys = context.pop_var();
    let keys = path_of(&keys);
    bome(keys.and_then(|keys| {
        keys.iter()
            .try_fold(value, |value, key| paths::get(&value, key))
    }))
}

pub(super) fn set_path(value: &Val, path: &Val, new: &Val) -> ValR {
    paths::change(value.clone(), path_of(path)?, &mut |_| Ok(new.clone()))
}

/// Replaces the value at each path by the first result of `update`. If `update` has no result, the
/// value is deleted.
fn modify<'a>((mut context, value): Cv<'a, JaqData>) -> ValXs<'a, Val> {
    let (update, inner) = context.pop_fun();
    let paths = context.pop_var();
    let run = || -> ValX<'a, Val> {
        let mut gone = Vec::new();
        let mut value = value;
        for path in path_of(&paths)? {
            check()?;
            let keys = path_of(path)?;
            let old = keys
                .iter()
                .try_fold(value.clone(), |value, key| paths::get(&value, key))?;
            match update.run((inner.clone(), old)).next().transpose()? {
                Some(new) => {
                    value = paths::change(value, keys, &mut |_| Ok::<_, Error>(new.clone()))?;
                }
                None => gone.push(path.clone()),
            }
        }
        Ok(deletion::delete(value, &Val::Arr(gone.into()))?)
    };
    Box::new(std::iter::once(run()))
}
