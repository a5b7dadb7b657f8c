//! Functions that lead to a place in a value, or change what is there.

use jaq_core::native::{self, Fun, bome};
use jaq_core::{Bind, Cv, Exn, Native, ValX, ValXs};
use jaq_json::{Error, Val, ValR};

use super::context::{JaqData, check};
use super::{paths, text};

pub(super) fn natives() -> impl Iterator<Item = Fun<JaqData>> {
    let update: Box<[Bind]> = Box::new([Bind::Var(()), Bind::Fun(())]);
    let index = Native::<JaqData>::new(index).with_paths(|(mut context, (value, path))| {
        let key = context.pop_var();
        let found = paths::get(&value, &key).map(|found| (found, path.cons(key)));
        Box::new(std::iter::once(found.map_err(Exn::from)))
    });
    let fold: Box<[Bind]> = Box::new([Bind::Fun(())]);
    let no_path = Native::<JaqData>::new(run_filter).with_paths(|(mut context, (value, path))| {
        let (filter, inner) = context.pop_fun();
        let results = filter.run((inner, value.clone()));
        Box::new(results.map(move |result| same_place(&value, &path, result?)))
    });
    let get_path = Native::<JaqData>::new(get_path).with_paths(|(mut context, (value, path))| {
        let keys = context.pop_var();
        let found = path_of(&keys).and_then(|keys| {
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
        ("jq_no_path", fold, no_path),
        constant::<0>(),
        constant::<1>(),
        constant::<2>(),
    ]
    .into_iter()
}

/// What a name of a constant says.
const CONSTANTS: [(&str, Val); 3] = [
    ("null", Val::Null),
    ("false", Val::Bool(false)),
    ("true", Val::Bool(true)),
];

fn constant<const AT: usize>() -> Fun<JaqData> {
    let native = Native::<JaqData>::new(|_| bome(Ok(CONSTANTS[AT].1.clone())));
    let native = native.with_paths(|(_, (value, path))| {
        let constant = CONSTANTS[AT].1.clone();
        Box::new(std::iter::once(same_place(&value, &path, constant)))
    });
    (CONSTANTS[AT].0, native::v(0), native)
}

fn run_filter<'a>((mut context, value): Cv<'a, JaqData>) -> ValXs<'a, Val> {
    let (filter, inner) = context.pop_fun();
    filter.run((inner, value))
}

/// What is no path leads to the place that it is at, if its value is the one there.
fn same_place<'a, P: Clone>(here: &Val, path: &P, result: Val) -> Result<(Val, P), Exn<'a, Val>> {
    match paths::is_identical(here, &result) {
        true => Ok((result, path.clone())),
        false => {
            let what = text::shown(&result);
            let error = format_args!("invalid path expression with result {what}");
            Err(Exn::from(Error::str(error)))
        }
    }
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

/// What an update yields first takes the place of the value; where it yields nothing,
/// the place goes.
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
        Ok(paths::delete(value, &Val::Arr(gone.into()))?)
    };
    Box::new(std::iter::once(run()))
}
