//! The content of the state of `dialpad-window`: its position, and which of the latest
//! messages it has exported.

use serde::{Deserialize, Serialize};

use crate::export::side_log::SideLogMark;
use crate::time::Timestamp;

/// The form of the state file.
pub const VERSION: u32 = 1;

/// How far an export has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageProgress {
    /// The start: older messages are not exported with this state.
    pub from: Timestamp,
    /// All messages before this have been exported.
    pub to: Timestamp,
    /// Whether a message has ever come, so that an empty reply means that there are none.
    pub proven: bool,
    /// Exported messages from this time on are in the side log.
    pub seen_from: Timestamp,
    /// How much of the side log counts.
    pub seen: SideLogMark,
}
