//! What functions share with the evaluation that calls them.

use jaq_core::Exn;
use jaq_core::data::JustLut;
use jaq_json::{Error, Val};

use super::super::guard;

/// What a compiled expression is run with.
pub(in crate::filter::expr) type JaqData = JustLut<Val>;

/// An error if the evaluation may not take so many bytes more. Nothing catches it for long:
/// every later [`check`] ends the evaluation.
pub(super) fn room(bytes: usize) -> Result<(), Error> {
    allowed(guard::has_room(bytes))
}

/// An error if the record has used up its time, memory or depth.
pub(super) fn go_on() -> Result<(), Error> {
    allowed(guard::check())
}

fn allowed(is_allowed: bool) -> Result<(), Error> {
    match is_allowed {
        true => Ok(()),
        false => Err(Error::str("the record takes too much")),
    }
}

/// How often the time and memory of a growing array are looked at, in elements.
const STRIDE: usize = 1024;

/// What an element takes, at least: itself and what it points to.
const ELEMENT: usize = 64;

/// An array that grows within the limits of the record.
#[derive(Default)]
pub(super) struct GrowingArray(Vec<Val>);

impl GrowingArray {
    /// Adds an element; an error if the record takes too much.
    pub(super) fn push(&mut self, value: Val) -> Result<(), Error> {
        let Self(values) = self;
        if values.len() == values.capacity() {
            // It moves into a place of twice the size.
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

/// Ends an evaluation that takes too much, so that no `try` catches it.
pub(super) fn check<'a>() -> Result<(), Exn<'a, Val>> {
    match guard::check() {
        true => Ok(()),
        false => Err(Exn::halt(0)),
    }
}
