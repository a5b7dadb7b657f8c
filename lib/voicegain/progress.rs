//! The content of the state of `vg-consecutive`: its position, the calls that it
//! skipped, and how much of the files beside the state counts.

use serde::{Deserialize, Serialize};

use crate::export::side_log::SideLogMark;
use crate::time::Timestamp;

/// The form of the state file.
pub const VERSION: u32 = 1;

/// How far an export has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallProgress {
    /// The highest call that was exported or skipped. It only ever rises.
    pub cursor: u64,
    /// The project that the calls belong to: a token of another project must not
    /// continue with this cursor.
    pub context: Option<String>,
    /// The call that blocked the export last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked: Option<Unfinished>,
    /// Calls that were skipped because they were not finished, by id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<Unfinished>,
    /// The exported calls, to find what changed later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exported: Option<Exported>,
    /// Recordings to fetch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio: Option<Queue>,
}

/// A call that was not finished when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unfinished {
    /// Its id.
    pub call_id: u64,
    /// `progressPhase` as it is spelled.
    pub phase: String,
    /// When the call began, if the service says so.
    pub start: Option<Timestamp>,
    /// When it was first seen to block.
    pub since: Timestamp,
    /// When it was last asked for.
    pub seen: Timestamp,
}

/// An exported call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallEntry {
    /// Its id.
    pub id: u64,
    /// A hash of its content.
    pub hash: String,
    /// When it began, or was exported if that is not known.
    pub time: Timestamp,
}

/// The side log of exported calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exported {
    /// How much of it counts.
    pub mark: SideLogMark,
    /// Calls above this id that were exported are in it.
    pub after: u64,
    /// ... if they began after this.
    pub from: Option<Timestamp>,
    /// Calls that were exported out of order since the state was last written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<CallEntry>,
}

/// The side log of recordings to be fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// How much of it counts.
    pub mark: SideLogMark,
    /// How many of its bytes need not be read again.
    pub done: u64,
}

impl Unfinished {
    /// This call, first seen when `known` says so, if that is the same call.
    pub(super) fn known_since(self, known: Option<&Unfinished>) -> Unfinished {
        let same = known.filter(|known| known.call_id == self.call_id);
        Unfinished {
            since: same.map_or(self.since, |known| known.since),
            ..self
        }
    }

    /// The time since the call began; since it was first seen, if its start is not
    /// known.
    pub fn age(&self, now: Timestamp) -> std::time::Duration {
        now.since(self.start.unwrap_or(self.since))
    }

    /// Whether to ask for it again: a tenth of the time that it has been unfinished has
    /// passed since the last time. A call that is stuck for a month is not asked for
    /// every minute.
    pub fn is_due(&self, now: Timestamp) -> bool {
        now.since(self.seen) >= self.seen.since(self.since) / 10
    }
}
