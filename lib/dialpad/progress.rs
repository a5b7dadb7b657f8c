//! The content of the state of `dialpad-window`: its position, and which recent messages were
//! exported.

use serde::{Deserialize, Serialize};

use crate::export::side_log::SideLogMark;
use crate::time::Timestamp;

/// The version of the state file's format.
pub const VERSION: u32 = 1;

/// The progress of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageProgress {
    /// The start: older messages are not exported with this state.
    pub from: Timestamp,
    /// All messages before this time have been exported.
    pub to: Timestamp,
    /// Whether the service has ever sent a message. If so, an empty reply means that there are no
    /// messages.
    pub proven: bool,
    /// The side log (a file beside the state file) has the exported messages from this time on.
    pub seen_from: Timestamp,
    /// The valid part of the side log.
    pub seen: SideLogMark,
}
