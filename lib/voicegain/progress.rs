//! What `vg-consecutive` remembers: how far it came, what it went past, and how
//! much of the files beside the state counts.

use serde::{Deserialize, Serialize};

use super::memory::CallEntry;
use crate::export::side_log::SideLogMark;
use crate::time::Timestamp;

/// The form of the state file.
pub const VERSION: u32 = 1;

/// How far an export has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallProgress {
    /// The highest call that the walk has gone past. It only ever rises.
    pub cursor: u64,
    /// The project that the calls belong to: a token of another one must not go
    /// on with this cursor.
    pub context: Option<String>,
    /// What the walk ended at last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked: Option<Unfinished>,
    /// Calls that the walk went past unfinished, by id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<Unfinished>,
    /// What was exported, to find what changed later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exported: Option<Exported>,
    /// Recordings that are to be fetched.
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

/// The trail of exported calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exported {
    /// How much of it counts.
    pub mark: SideLogMark,
    /// Calls above this id that were exported are in it.
    pub after: u64,
    /// ... if they began after this.
    pub from: Option<Timestamp>,
    /// Those that were exported out of order since it was last written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<CallEntry>,
}

/// The trail of recordings to be fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// How much of it counts.
    pub mark: SideLogMark,
    /// How many of its bytes are done with.
    pub done: u64,
}

impl Unfinished {
    /// How old the call is; how long it is known, where its start is not.
    pub fn age(&self, now: Timestamp) -> std::time::Duration {
        now.since(self.start.unwrap_or(self.since))
    }

    /// Whether a tenth of the time since it was first seen has passed since it was
    /// last asked for: what is stuck for a month need not be asked for every minute.
    pub fn is_due(&self, now: Timestamp) -> bool {
        now.since(self.seen) >= self.seen.since(self.since) / 10
    }
}
