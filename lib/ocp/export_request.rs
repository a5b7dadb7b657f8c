//! The content of one export: a group, message types and a window.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::export::window::Window;
use crate::time::Timestamp;

/// The message types that the vendor documents. Other types are accepted unchanged, because
/// environments spell types differently and the vendor adds new types.
pub const KNOWN_TYPES: [&str; 9] = [
    "dialog_start",
    "dialog_step",
    "dialog_end",
    "vb_enrolment",
    "vb_verification",
    "audit",
    "wcr",
    "ALL",
    "Audio",
];

/// An export request. Two requests are equal if they have the same group, window and set of types;
/// the order of the types does not matter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "SpelledRequest", into = "SpelledRequest")]
pub struct ExportRequest {
    /// The name of the OCP group, exactly as OCP spells it.
    pub group: String,
    /// Message types, verbatim.
    pub types: BTreeSet<String>,
    /// The window, in whole hours; the end is exclusive.
    pub window: Window,
}

/// A request as it is written in a plan line or in the ledger.
#[derive(Clone, Serialize, Deserialize)]
struct SpelledRequest {
    group: String,
    types: BTreeSet<String>,
    from: Timestamp,
    to: Timestamp,
}

impl TryFrom<SpelledRequest> for ExportRequest {
    type Error = String;

    fn try_from(spelled: SpelledRequest) -> Result<ExportRequest, String> {
        let window = Window::new(spelled.from, spelled.to)
            .ok_or_else(|| format!("from {} is not before to {}", spelled.from, spelled.to))?;
        if window.to_hours() != window {
            return Err(format!(
                "{window} is not whole hours, and the service would round both ends down: plan it \
                 with export-plan"
            ));
        }
        if spelled.types.is_empty() {
            return Err("types is empty".to_owned());
        }
        if spelled.group.is_empty() {
            return Err("group is empty".to_owned());
        }
        Ok(ExportRequest {
            group: spelled.group,
            types: spelled.types,
            window,
        })
    }
}

impl From<ExportRequest> for SpelledRequest {
    fn from(request: ExportRequest) -> SpelledRequest {
        SpelledRequest {
            group: request.group,
            types: request.types,
            from: request.window.from(),
            to: request.window.to(),
        }
    }
}

impl ExportRequest {
    /// Whether two requests share records: they have the same group, overlapping windows, and a
    /// common type.
    pub(crate) fn shares_records(&self, other: &ExportRequest) -> bool {
        self.group == other.group
            && self.window.overlaps(other.window)
            && (self.types.iter().any(|kind| covers(&other.types, kind))
                || other.types.iter().any(|kind| covers(&self.types, kind)))
    }
}

/// The types that `ALL` includes. `ALL` replaced `Dialog Data` in the vendor's documentation. The
/// documentation does not say that `ALL` includes more types.
pub(crate) const ALL_TYPES: [&str; 3] = ["dialog_start", "dialog_step", "dialog_end"];

/// Whether a type includes all records of a dialog: `ALL` or its old name `Dialog Data`.
pub fn is_all(kind: &str) -> bool {
    kind.eq_ignore_ascii_case("all") || kind.eq_ignore_ascii_case("dialog data")
}

/// Whether an export of `types` contains the records of `kind`.
pub(crate) fn covers(types: &BTreeSet<String>, kind: &str) -> bool {
    let is_of_dialogs = is_all(kind) || ALL_TYPES.contains(&kind);
    types
        .iter()
        .any(|have| have == kind || (is_all(have) && is_of_dialogs))
}

/// Escapes control characters in the name of a group, because a message is one line.
fn shown(c: char) -> Vec<char> {
    match c.is_control() {
        true => c.escape_default().collect(),
        false => vec![c],
    }
}

impl fmt::Display for ExportRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types: Vec<&str> = self.types.iter().map(String::as_str).collect();
        let group: String = self.group.chars().flat_map(shown).collect();
        write!(f, "{group} {} {}", types.join("+"), self.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(types: &[&str], from: i64, to: i64) -> ExportRequest {
        ExportRequest {
            group: "acme".to_owned(),
            types: types.iter().map(|kind| (*kind).to_owned()).collect(),
            window: Window::new(Timestamp::from_millis(from), Timestamp::from_millis(to)).unwrap(),
        }
    }

    #[test]
    fn the_order_of_types_does_not_matter() {
        let read = |text: &str| serde_json::from_str::<ExportRequest>(text).unwrap();
        let one = r#"{"group":"g","types":["b","a"],"from":"2026-11-01T00:00:00Z","to":"2026-11-02T00:00:00Z"}"#;
        let two = r#"{"group":"g","types":["a","b","a"],"from":"2026-11-01","to":"2026-11-02"}"#;
        assert_eq!(read(one), read(two));
    }

    #[test]
    fn an_empty_window_is_refused() {
        let text = r#"{"group":"g","types":["a"],"from":"2026-11-02","to":"2026-11-02"}"#;
        let error = serde_json::from_str::<ExportRequest>(text).unwrap_err();
        assert!(error.to_string().contains("is not before"));
    }

    #[test]
    fn records_are_shared_where_windows_and_types_meet() {
        let one = request(&["a", "dialog_end"], 0, 10);
        assert!(one.shares_records(&request(&["a"], 9, 12)));
        assert!(!one.shares_records(&request(&["a"], 10, 12)));
        assert!(!one.shares_records(&request(&["dialog_start"], 0, 10)));
        assert!(one.shares_records(&request(&["ALL"], 0, 10)));
        assert!(request(&["ALL"], 0, 10).shares_records(&one));
        assert!(!request(&["ALL"], 0, 10).shares_records(&request(&["audit"], 0, 10)));
    }

    #[test]
    fn a_window_that_the_service_would_floor_is_refused() {
        let text = r#"{"group":"g","types":["a"],"from":"2026-11-02T12:10:00Z","to":"2026-11-02T13:20:00Z"}"#;
        let error = serde_json::from_str::<ExportRequest>(text).unwrap_err();
        assert!(error.to_string().contains("is not whole hours"));
    }
}
