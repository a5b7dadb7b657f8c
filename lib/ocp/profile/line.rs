//! The lines of an API profile, as messages name them.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;

/// A role of a request. Each role has its own section in the profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Requests an export.
    Create,
    /// Lists the exports of a group.
    List,
    /// Returns the state of one export.
    Status,
    /// Returns the number of files of one export.
    Metadata,
    /// Returns a page of one export.
    Data,
}

impl Role {
    /// The name of the role's section in the profile.
    pub fn word(self) -> &'static str {
        match self {
            Role::Create => "create",
            Role::List => "list",
            Role::Status => "status",
            Role::Metadata => "metadata",
            Role::Data => "data",
        }
    }

    /// The line `key` in the section that the profile has for this role.
    pub fn line(self, key: &'static str) -> ProfileLine {
        ProfileLine {
            section: self.word(),
            key,
        }
    }
}

/// A line of the profile, for example `[metadata] path`.
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

/// Advice for a reply that does not fit the profile. The advice names the lines of the profile that
/// are possibly wrong, the most likely line first, and a value that fits this line, if the reply
/// shows such a value.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Advice {
    /// The lines to check.
    pub lines: Vec<ProfileLine>,
    /// The value for the first line.
    pub value: Option<Value>,
}

impl Advice {
    /// Advice to check `lines`.
    pub fn check(lines: impl Into<Vec<ProfileLine>>) -> Advice {
        Advice {
            lines: lines.into(),
            value: None,
        }
    }

    /// Advice to set `line` to `value`.
    pub fn set(line: ProfileLine, value: impl Into<Value>) -> Advice {
        Advice {
            lines: vec![line],
            value: Some(value.into()),
        }
    }

    /// The first line and its value, if the advice has a value.
    pub(crate) fn correction(&self) -> Option<(ProfileLine, &Value)> {
        Some((*self.lines.first()?, self.value.as_ref()?))
    }
}

impl fmt::Display for Advice {
    /// Writes the advice as the last part of a message. The value is JSON: its strings and numbers
    /// are also valid TOML.
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
