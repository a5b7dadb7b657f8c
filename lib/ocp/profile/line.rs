//! The lines of an API profile, as messages name them.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;

/// The part that a request plays: a section of the profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Asks for an export.
    Create,
    /// Lists the exports of a group.
    List,
    /// Tells the state of one export.
    Status,
    /// Tells how many files one export has.
    Metadata,
    /// Gives out a page of one export.
    Data,
}

impl Role {
    /// Its section.
    pub fn word(self) -> &'static str {
        match self {
            Role::Create => "create",
            Role::List => "list",
            Role::Status => "status",
            Role::Metadata => "metadata",
            Role::Data => "data",
        }
    }

    /// A line of its section.
    pub fn line(self, key: &'static str) -> ProfileLine {
        ProfileLine {
            section: self.word(),
            key,
        }
    }
}

/// A line of the profile: `[metadata] path`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProfileLine {
    /// The section, without brackets.
    pub section: &'static str,
    /// The key.
    pub key: &'static str,
}

impl ProfileLine {
    /// A line of `[reply]`.
    pub fn reply(key: &'static str) -> ProfileLine {
        ProfileLine {
            section: "reply",
            key,
        }
    }

    /// A line of `[codes]`.
    pub fn code(key: &'static str) -> ProfileLine {
        ProfileLine {
            section: "codes",
            key,
        }
    }

    /// A line of `[states]`.
    pub fn state(key: &'static str) -> ProfileLine {
        ProfileLine {
            section: "states",
            key,
        }
    }
}

impl fmt::Display for ProfileLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.section, self.key)
    }
}

impl Serialize for ProfileLine {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What to do about a reply that does not fit: the lines that may be wrong, the
/// likeliest first, and the value that would fit, if the reply shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Advice {
    /// The lines to look at.
    pub lines: Vec<ProfileLine>,
    /// The value to set the first of them to.
    pub value: Option<Value>,
}

impl Advice {
    /// These lines may be wrong.
    pub fn check(lines: impl Into<Vec<ProfileLine>>) -> Advice {
        Advice {
            lines: lines.into(),
            value: None,
        }
    }

    /// This line should be so.
    pub fn set(line: ProfileLine, value: impl Into<Value>) -> Advice {
        Advice {
            lines: vec![line],
            value: Some(value.into()),
        }
    }

    /// The line and its value, if there is one.
    pub(crate) fn correction(&self) -> Option<(ProfileLine, &Value)> {
        Some((*self.lines.first()?, self.value.as_ref()?))
    }
}

impl fmt::Display for Advice {
    /// As the end of a message. JSON of strings and numbers is TOML, too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.correction() {
            Some((line, value)) => write!(f, "set {line} = {value} in the API profile"),
            None => {
                let lines: Vec<String> = self.lines.iter().map(ToString::to_string).collect();
                write!(f, "check {} in the API profile", lines.join(", "))
            }
        }
    }
}
