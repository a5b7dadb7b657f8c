//! A queue of requests for each group. A queue has at most one running export, because the service
//! runs only one export of a group at a time.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::error::Status;
use crate::ocp::export_request::ExportRequest;
use crate::ocp::fetch::export_job::ExportJob;

/// The longest pause between two polls, as a multiple of the shortest pause.
const SLOWEST: u32 = 30;

/// The requests of one group.
#[derive(Default)]
pub(super) struct GroupQueue {
    pub(super) waiting: VecDeque<ExportJob>,
    pub(super) running: Option<Running>,
    /// No waiting request starts before this time, because another export of the group is running
    /// or the reply to a create was lost.
    pub(super) rest_until: Option<Instant>,
    /// Since when an export that does not belong to this run has been running in the group.
    pub(super) busy_since: Option<Instant>,
    /// Why this run creates no more exports of the group: it has waited for `--max-wait`, or must
    /// not wait (`--poll-once`).
    pub(super) closed: Option<&'static str>,
    /// Set if the service refuses the whole group.
    pub(super) refused: Option<RefusedGroup>,
    /// Whether the service accepted an export of the group in this run.
    pub(super) is_served: bool,
    /// The reason of the group's last refusal; `None` if the reason was the window, or nothing was
    /// refused.
    pub(super) refusal: Option<String>,
}

impl GroupQueue {
    /// Stops the requests of the group, because the service refused one of them with `status`.
    pub(super) fn refuse(&mut self, status: Status) {
        self.refused.get_or_insert(RefusedGroup {
            status,
            first: None,
            count: 0,
        });
    }
}

/// The requests of a group that were not sent, because the service had refused the group.
pub(super) struct RefusedGroup {
    pub(super) status: Status,
    /// The first request that was not sent.
    pub(super) first: Option<ExportRequest>,
    pub(super) count: u64,
}

/// A running export.
pub(super) struct Running {
    pub(super) job: ExportJob,
    pub(super) export_id: String,
    pub(super) since: Instant,
    pub(super) next_poll: Instant,
    /// Whether the service has shown that the export exists.
    pub(super) was_seen: bool,
    /// Whether the owner of the export was checked, and no reply showed another owner.
    pub(super) is_confirmed: bool,
    /// Whether the lines of the export were already written (`--until submitted`). Then the run
    /// waits only until the export no longer blocks its group.
    pub(super) is_reported: bool,
}

#[derive(Default)]
pub(super) struct GroupQueues {
    groups: BTreeMap<String, GroupQueue>,
}

impl GroupQueues {
    /// Removes [`GroupQueue::refused`] from each group that has it, and returns it with the name of
    /// the group.
    pub(super) fn refused(&mut self) -> impl Iterator<Item = (&String, RefusedGroup)> {
        let refused = |(group, queue): (_, &mut GroupQueue)| Some((group, queue.refused.take()?));
        self.groups.iter_mut().filter_map(refused)
    }

    pub(super) fn of(&mut self, group: &str) -> &mut GroupQueue {
        self.groups.entry(group.to_owned()).or_default()
    }

    /// Whether nothing is left to do. `ended` means that no more requests will be added.
    pub(super) fn are_idle(&self, ended: bool) -> bool {
        self.groups.values().all(|queue| {
            let awaits_slot = |running: &Running| !(running.is_reported && ended);
            queue.waiting.is_empty() && !queue.running.as_ref().is_some_and(awaits_slot)
        })
    }

    /// The group whose next step is due first, and the time of this step. `held` means that no new
    /// request may start.
    pub(super) fn due(&self, now: Instant, held: bool) -> Option<(Instant, String)> {
        let at = |queue: &GroupQueue| match &queue.running {
            Some(running) => Some(running.next_poll),
            None if queue.waiting.is_empty() || held => None,
            None => Some(queue.rest_until.unwrap_or(now)),
        };
        self.groups
            .iter()
            .filter_map(|(group, queue)| Some((at(queue)?, group)))
            .min()
            .map(|(at, group)| (at, group.clone()))
    }
}

/// The pause before the next poll of an export that has run for `so_far`. It is a tenth of that
/// time, within limits, changed by up to 10 % at random. The run therefore notices a READY export
/// within about a tenth of the export's duration, and sends few requests.
pub(super) fn pause(so_far: Duration, shortest: Duration, jitter: f64) -> Duration {
    let longest = shortest.saturating_mul(SLOWEST);
    (so_far / 10)
        .clamp(shortest, longest)
        .mul_f64(0.9 + 0.2 * jitter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_with_the_wait_and_stay_within_bounds() {
        let seconds = Duration::from_secs;
        let at = |so_far| pause(seconds(so_far), seconds(2), 0.5);
        assert_eq!(at(0), seconds(2));
        assert_eq!(at(100), seconds(10));
        assert_eq!(at(100_000), seconds(60));
        assert_eq!(pause(seconds(100), seconds(2), 0.0), seconds(9));
    }
}
