//! What functions share with the evaluation that calls them.

use jaq_core::Exn;
use jaq_core::data::JustLut;
use jaq_json::Val;

use super::super::guard;

/// What a compiled expression is run with.
pub(in crate::filter::expr) type JaqData = JustLut<Val>;

/// Ends an evaluation that takes too much, so that no `try` catches it.
pub(super) fn check<'a>() -> Result<(), Exn<'a, Val>> {
    match guard::check() {
        true => Ok(()),
        false => Err(Exn::halt(0)),
    }
}
