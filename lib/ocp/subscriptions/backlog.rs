//! The hours to export by batch after a subscription was deleted. The vendor can drop the records
//! of these hours from the stream.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use crate::export::window::Window;
use crate::ocp::plan::PlannedExport;
use crate::time::Timestamp;

const HOUR: Duration = Duration::from_secs(3600);

/// How long the vendor keeps records for an absent receiver.
const COLLECTED: Duration = Duration::from_secs(24 * 3600);

/// The longest call. A record has the start time of its call, but is sent at the end of the call.
const LONGEST_CALL: Duration = Duration::from_secs(4 * 3600);

/// A window for `export-fetch`, with the reason why it is exported.
#[derive(Debug, Serialize)]
pub struct BacklogLine {
    #[serde(flatten)]
    window: PlannedExport,
    reason: &'static str,
}

/// The window to export if a subscription is deleted at the time `now`. The window starts 24 hours
/// plus the length of the longest call before `now`. It ends two hours after `now`, because a batch
/// export lags by two hours.
pub fn window(group: &str, message_type: &str, now: Timestamp) -> Option<BacklogLine> {
    let from = now.minus(COLLECTED).minus(LONGEST_CALL);
    let hours = Window::new(from, now.plus(2 * HOUR))?.to_hours();
    Some(BacklogLine {
        window: PlannedExport {
            group: group.to_owned(),
            types: BTreeSet::from([message_type.to_owned()]),
            from: hours.from(),
            to: hours.to(),
            not_before: hours.to().plus(2 * HOUR),
            expires_at: hours.from().plus(60 * 24 * HOUR),
        },
        reason: "deleted",
    })
}
