//! What `dialpad-window` remembers: how far it came, and which of the latest
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
    /// Where it began: older messages are not exported with this state.
    pub from: Timestamp,
    /// Everything before this has been asked for.
    pub to: Timestamp,
    /// Whether a message has ever come, so that nothing means nothing.
    pub proven: bool,
    /// Messages from this time on that were exported are in the trail.
    pub seen_from: Timestamp,
    /// How much of the trail counts.
    pub seen: SideLogMark,
}
