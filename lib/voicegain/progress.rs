//! The content of the state of `vg-consecutive`: its position, the calls that it skipped, and which
//! part of each file beside the state is valid.

use serde::{Deserialize, Serialize};

use crate::export::side_log::SideLogMark;
use crate::time::Timestamp;

/// The version of the state file's format.
pub const VERSION: u32 = 1;

/// The progress of an export.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallProgress {
    /// The highest id of a call that was exported or skipped. It never falls.
    pub cursor: u64,
    /// The project that the calls belong to: a token of another project must not
    /// continue with this cursor.
    pub context: Option<String>,
    /// The call that blocked the export last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked: Option<Unfinished>,
    /// The calls that were skipped because they were not finished, sorted by id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<Unfinished>,
    /// The exported calls, to find later changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exported: Option<Exported>,
    /// Recordings to fetch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio: Option<Queue>,
}

/// A call that was not finished when it was last requested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unfinished {
    /// The id of the call.
    pub call_id: u64,
    /// The value of `progressPhase`; `no phase` if it is empty.
    pub phase: String,
    /// When the call began, if the service says so.
    pub start: Option<Timestamp>,
    /// When the call was first found to block the export.
    pub since: Timestamp,
    /// When the call was last requested.
    pub seen: Timestamp,
}

/// An exported call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallEntry {
    /// The id of the call.
    pub id: u64,
    /// A hash of the call's content.
    pub hash: String,
    /// When the call began, or when it was exported if its start is not known.
    pub time: Timestamp,
}

/// The side log of exported calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exported {
    /// The valid part of the log.
    pub mark: SideLogMark,
    /// Exported calls above this id are in the log, unless `from` excludes them.
    pub after: u64,
    /// If set, the log has only calls that began at this time or later.
    pub from: Option<Timestamp>,
    /// Calls that were exported out of order since the log was last rewritten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<CallEntry>,
}

/// The side log that lists the recordings to fetch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// The valid part of the log.
    pub mark: SideLogMark,
    /// The number of bytes at the start of the log that need not be read again.
    pub done: u64,
}

impl Unfinished {
    /// This call, with the `since` of `known` if `known` is the same call.
    pub(super) fn known_since(self, known: Option<&Unfinished>) -> Unfinished {
        let same = known.filter(|known| known.call_id == self.call_id);
        Unfinished {
            since: same.map_or(self.since, |known| known.since),
            ..self
        }
    }

    /// The time since the call began. If the start of the call is not known, the time since the
    /// call was first found to block the export.
    pub fn age(&self, now: Timestamp) -> std::time::Duration {
        now.since(self.start.unwrap_or(self.since))
    }

    /// Whether to request the call again. The pause after a request is a tenth of the time that the
    /// call had been unfinished at this request. So a call that is stuck for a month is not
    /// requested every minute.
    pub fn is_due(&self, now: Timestamp) -> bool {
        now.since(self.seen) >= self.seen.since(self.since) / 10
    }
}
