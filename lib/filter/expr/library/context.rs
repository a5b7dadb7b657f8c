//! The limits that functions share with the evaluation that calls them.

use jaq_core::Exn;
use jaq_core::data::JustLut;
use jaq_json::{Error, Val};

use super::super::guard;

/// The type of the data that jaq passes to functions, besides their input and arguments. It
/// contains no data of callpipe.
pub(in crate::filter::expr) type JaqData = JustLut<Val>;

/// An error if the evaluation must not use this many more bytes. If `try` catches the error, the
/// next [`check`] ends the evaluation.
pub(super) fn room(bytes: usize) -> Result<(), Error> {
    allowed(guard::has_room(bytes))
}

/// An error if the record has exceeded its limit of time, memory or depth.
pub(super) fn go_on() -> Result<(), Error> {
    allowed(guard::check())
}

fn allowed(is_allowed: bool) -> Result<(), Error> {
    match is_allowed {
        true => Ok(()),
        false => Err(Error::str("the record exceeds a limit")),
    }
}

/// A growing array checks the limits after this number of elements.
const STRIDE: usize = 1024;

/// The least memory, in bytes, that each element of an array is assumed to take with its content.
const ELEMENT: usize = 64;

/// An array that grows until the record exceeds a limit.
#[derive(Default)]
pub(super) struct GrowingArray(Vec<Val>);

impl GrowingArray {
    /// Adds an element; an error if the record exceeds a limit.
    pub(super) fn push(&mut self, value: Val) -> Result<(), Error> {
        let Self(values) = self;
        if values.len() == values.capacity() {
            // The array moves to new memory of twice the size.
            room(values.len() * 2 * size_of::<Val>())?;
        }
        if values.len() % STRIDE == STRIDE - 1 {
            room(STRIDE * ELEMENT)?;
            go_on()?;
        }
        values.push(value);
        Ok(())
    }

    pub(super) fn into_value(self) -> Val {
        Val::Arr(self.0.into())
    }
}

/// Ends an evaluation that exceeds a limit, so that no `try` can catch the error.
pub(super) fn check<'a>() -> Result<(), Exn<'a, Val>> {
    match guard::check() {
        true => Ok(()),
        false => Err(Exn::halt(0)),
    }
}
