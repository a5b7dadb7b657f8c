//! The facts about the records of one type.

use super::location::First;
use super::tree::Tree;

/// The facts about the records of one type.
#[derive(Debug, Default)]
pub(super) struct TypeSurvey {
    pub(super) tree: Tree,
    pub(super) records: u64,
    pub(super) too_large: u64,
    pub(super) first_too_large: Option<First>,
    pub(super) invalid: u64,
    pub(super) first_invalid: Option<First>,
}
