//! The rules, each a function from the library's sources to what breaks it.

mod imports;
mod items;
mod owners;

use std::fmt;

use super::source::Source;
pub use imports::{circles, direction, flow};
pub use items::{names, shape, unused};
pub use owners::{Effect, crates, effects};

/// One line of the list that a rule reports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    pub file: String,
    pub line: usize,
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.text)
    }
}

fn violation(source: &Source, line: usize, text: String) -> Violation {
    let file = source.file.clone();
    Violation { file, line, text }
}

/// An entry of a table that is not, or no longer, true.
fn table(text: String) -> Violation {
    Violation {
        file: "tests/architecture.rs".to_owned(),
        line: 1,
        text,
    }
}
