//! The reason why a line is not a record.

use std::borrow::Cow;
use std::fmt;

use super::lines::explain;

/// The reason why a line is not a record, or why a filter could not decide about it.
#[derive(Debug, PartialEq, Eq)]
pub struct BadLine(Cow<'static, str>);

impl BadLine {
    /// The reason, as text.
    pub fn new(reason: impl Into<Cow<'static, str>>) -> BadLine {
        BadLine(reason.into())
    }
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadLine {}

impl From<serde_json::Error> for BadLine {
    fn from(error: serde_json::Error) -> BadLine {
        BadLine::new(explain(&error))
    }
}
