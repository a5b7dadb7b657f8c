//! A queue of requests for each group, with at most one export under way, because
//! the service runs at most one for each group.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::error::Status;
use crate::ocp::export_request::ExportRequest;
use crate::ocp::fetch::export_job::ExportJob;

/// The longest pause between two questions, in shortest ones.
const SLOWEST: u32 = 30;

/// The requests of one group.
#[derive(Default)]
pub(super) struct GroupQueue {
    pub(super) waiting: VecDeque<ExportJob>,
    pub(super) running: Option<Running>,
    /// The group's slot is taken, or a create was lost: not before then.
    pub(super) rest_until: Option<Instant>,
    /// Since when the slot is taken by somebody else.
    pub(super) busy_since: Option<Instant>,
    /// Why nothing more is asked for in this run, for lack of time.
    pub(super) closed: Option<&'static str>,
    /// The service refuses the whole group.
    pub(super) refused: Option<RefusedGroup>,
    /// An export of the group was accepted in this run.
    pub(super) is_served: bool,
    /// Why the last one was refused, if not for its window.
    pub(super) refusal: Option<String>,
}

impl GroupQueue {
    /// Nothing more is asked for of this group.
    pub(super) fn refuse(&mut self, status: Status) {
        self.refused.get_or_insert(RefusedGroup {
            status,
            first: None,
            count: 0,
        });
    }
}

/// What was not asked for after the group's first refusal.
pub(super) struct RefusedGroup {
    pub(super) status: Status,
    /// The first request.
    pub(super) first: Option<ExportRequest>,
    pub(super) count: u64,
}

/// An export that is waited for.
pub(super) struct Running {
    pub(super) job: ExportJob,
    pub(super) export_id: String,
    pub(super) since: Instant,
    pub(super) next_poll: Instant,
    /// The service has shown that it exists.
    pub(super) was_seen: bool,
    /// The service has shown that it is ours, or does not show whose it is.
    pub(super) is_confirmed: bool,
    /// Its lines have left already (`--until submitted`): only the slot is awaited.
    pub(super) is_reported: bool,
}

/// All groups, by group.
#[derive(Default)]
pub(super) struct GroupQueues {
    groups: BTreeMap<String, GroupQueue>,
}

impl GroupQueues {
    /// The groups of which the service refuses everything.
    pub(super) fn refused(&mut self) -> impl Iterator<Item = (&String, RefusedGroup)> {
        let refused = |(group, queue): (_, &mut GroupQueue)| Some((group, queue.refused.take()?));
        self.groups.iter_mut().filter_map(refused)
    }

    pub(super) fn of(&mut self, group: &str) -> &mut GroupQueue {
        self.groups.entry(group.to_owned()).or_default()
    }

    /// Whether no request is left; `ended`: that nothing more will come.
    pub(super) fn are_idle(&self, ended: bool) -> bool {
        self.groups.values().all(|queue| {
            let awaits_slot = |running: &Running| !(running.is_reported && ended);
            queue.waiting.is_empty() && !queue.running.as_ref().is_some_and(awaits_slot)
        })
    }

    /// The group whose step comes first, and when; `held`: nothing new is begun.
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

/// The pause before the next question after `so_far`: a tenth of that, within
/// bounds, and a little at random. An export is seen ready a few hundredths after
/// the fact, whether it takes seconds or hours, and the request limit of the
/// group is spared.
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
