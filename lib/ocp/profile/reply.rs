//! Reads replies with the names from the profile.

use std::collections::BTreeSet;

use serde_json::Value;

use super::spelling::Profile;
use crate::ocp::export_request::{ExportRequest, is_all};
use crate::time::Timestamp;

/// The fields of an export in a reply.
#[derive(Clone, Debug, Default)]
pub struct ExportReply {
    /// The OCP group.
    pub group: Option<String>,
    /// The message types.
    pub types: Option<BTreeSet<String>>,
    /// The start of the first hour.
    pub from: Option<Timestamp>,
    /// The end of the last hour.
    pub to: Option<Timestamp>,
    /// When the export expires.
    pub expires_at: Option<Timestamp>,
}

/// The meaning of the state of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The export is submitted or is processing.
    Pending,
    /// The profile does not name the state; the export is treated as pending.
    Unknown,
    /// The export can be downloaded.
    Ready,
    /// The export was READY, but can no longer be downloaded.
    Expired,
    /// The export has failed.
    Failed,
}

/// Whether an export belongs to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// The reply shows the types and hours of the request.
    Ours,
    /// The reply shows another group, other types or other hours.
    Foreign,
    /// The reply shows no difference, but does not show all of types, start and end.
    Unknown,
}

impl Profile {
    /// The exports in the reply to a list request; `None` if the reply does not contain a list.
    pub(crate) fn listed<'a>(&self, reply: &'a Value) -> Option<&'a Vec<Value>> {
        let mut found = self
            .sections
            .reply
            .list
            .iter()
            .filter_map(|at| reply.pointer(at));
        found.find_map(Value::as_array)
    }

    /// The id of an export in a reply. The id becomes a part of paths, so an empty id, `.` and `..`
    /// are not accepted.
    pub fn export_id(&self, reply: &Value) -> Option<String> {
        let id = first(reply, &self.sections.reply.export_id).and_then(text)?;
        (!matches!(id.as_str(), "" | "." | "..")).then_some(id)
    }

    /// The state of an export in a reply, as the service spells it.
    pub fn state(&self, reply: &Value) -> Option<String> {
        first(reply, &self.sections.reply.status).and_then(text)
    }

    /// The number of files in a metadata reply, and the number of bytes if the reply contains it.
    pub(crate) fn metadata_of(&self, reply: &Value) -> Option<(u64, Option<u64>)> {
        let number = |at| first(reply, at).and_then(number);
        let files = number(&self.sections.reply.num_of_files)?;
        let size = number(&self.sections.reply.size_of_export);
        Some((files, size))
    }

    /// Whether an export in a list belongs to the request `order`. False if the list does not show
    /// group, types and hours, because the listed export is then possibly another one, with other
    /// records.
    pub fn matches(&self, listed: &Value, order: &ExportRequest) -> bool {
        let shown = self.shown(listed);
        shown.group.as_ref() == Some(&order.group)
            && shown.from == Some(order.window.from())
            && shown.to == Some(order.window.to())
            && shown.types.as_ref() == Some(&order.types)
    }

    /// Whether a reply about an export shows that the export belongs to the request `order`.
    pub(crate) fn ownership(&self, reply: &Value, order: &ExportRequest) -> Ownership {
        let shown = self.shown(reply);
        if self.contradicts(reply, order) {
            Ownership::Foreign
        } else if shown.from.is_some() && shown.to.is_some() && shown.types.is_some() {
            Ownership::Ours
        } else {
            Ownership::Unknown
        }
    }

    /// Whether a reply proves that its export belongs to another request than `order`. Different
    /// types prove this only if neither the reply nor `order` has `ALL`, because the service can
    /// list other types for `ALL`.
    pub(crate) fn contradicts(&self, reply: &Value, order: &ExportRequest) -> bool {
        let shown = self.shown(reply);
        let has_all = |types: &BTreeSet<String>| types.iter().any(|kind| is_all(kind));
        let other_types = |types: BTreeSet<String>| {
            types != order.types && !has_all(&types) && !has_all(&order.types)
        };
        shown.group.is_some_and(|group| group != order.group)
            || shown.from.is_some_and(|from| from != order.window.from())
            || shown.to.is_some_and(|to| to != order.window.to())
            || shown.types.is_some_and(other_types)
    }

    /// The fields of an export in a reply.
    pub fn shown(&self, reply: &Value) -> ExportReply {
        let pointers = &self.sections.reply;
        let time = |at| first(reply, at).and_then(instant);
        let hour = |at| time(at).map(Timestamp::floor_hour);
        ExportReply {
            group: first(reply, &pointers.group).and_then(text),
            types: first(reply, &pointers.types).map(types),
            from: hour(&pointers.from),
            to: hour(&pointers.to),
            expires_at: time(&pointers.expires_at),
        }
    }

    /// The meaning of a state; [`Meaning::Unknown`] if the profile does not name the state.
    pub(crate) fn meaning(&self, state: &str) -> Meaning {
        let states = &self.sections.states;
        let is_in = |states: &[String]| states.iter().any(|s| s.eq_ignore_ascii_case(state));
        if is_in(&states.ready) {
            Meaning::Ready
        } else if is_in(&states.expired) {
            Meaning::Expired
        } else if is_in(&states.failed) {
            Meaning::Failed
        } else if is_in(&states.pending) {
            Meaning::Pending
        } else {
            Meaning::Unknown
        }
    }

    /// The error message in a reply, if there is one. The services of OCP use about six formats for
    /// error messages.
    pub(crate) fn error_text(&self, body: &str) -> Option<String> {
        let reply: Value = serde_json::from_str(body).ok()?;
        let mut found = self
            .sections
            .reply
            .error
            .iter()
            .filter_map(|at| reply.pointer(at));
        found.find_map(text).filter(|text| !text.is_empty())
    }

    /// Whether the refusal of a create means that the group is busy.
    pub(crate) fn is_busy(&self, status: u16, said: &str) -> bool {
        let said = said.to_lowercase();
        let mut words = self.sections.create.busy.iter();
        self.sections.codes.busy.contains(&status)
            || status == 400 && words.any(|word| said.contains(&word.to_lowercase()))
    }

    /// Whether a refusal means that an export is gone.
    pub(crate) fn is_expired(&self, status: u16) -> bool {
        self.sections.codes.expired.contains(&status)
    }

    /// Whether a refusal means that an export is not READY yet.
    pub(crate) fn is_not_ready(&self, status: u16) -> bool {
        self.sections.codes.not_ready.contains(&status)
    }
}

pub(in crate::ocp) fn first<'a>(reply: &'a Value, pointers: &[String]) -> Option<&'a Value> {
    let mut found = pointers.iter().filter_map(|at| reply.pointer(at));
    found.find(|value| !value.is_null())
}

pub(in crate::ocp) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Types from an array, or from one string with commas.
pub(super) fn types(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Array(items) => items.iter().filter_map(text).collect(),
        one => text(one)
            .iter()
            .flat_map(|text| text.split(','))
            .map(|kind| kind.trim().to_owned())
            .collect(),
    }
}

/// A time in any of the formats of a request.
pub(super) fn instant(value: &Value) -> Option<Timestamp> {
    let text = text(value)?;
    // Only relative times need the current time, and a reply does not contain relative times.
    let is_absolute = text.starts_with(|c: char| c.is_ascii_digit());
    is_absolute.then(|| Timestamp::parse(&text, Timestamp::from_millis(0)).ok())?
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
