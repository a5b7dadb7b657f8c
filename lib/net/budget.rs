//! Limits how fast requests are sent to a service: by the program's rates, and by the limits in the
//! service's replies.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::error;
use crate::net::http::Reply;
use crate::net::rate::Rate;
use crate::net::shared_budget::{HEARTBEAT, RateShare, SharedBudget, Turn};
use crate::os::clock::Clock;
use crate::os::mutex::lock;
use crate::os::signals::Stop;
use crate::os::waiting;
use crate::time::show_duration;

/// A wait that is longer than this is announced in the log.
const LONG: Duration = Duration::from_secs(60);

/// A [`Rate`] as a sliding window. While the window has fewer requests than the limit, a request is
/// sent without a wait. Each further request is sent as soon as the oldest request in the window is
/// as old as the period. Fixed pauses between requests are not used, because they would allow no
/// burst; nor is a token bucket that refills evenly, because it would allow twice the limit in one
/// period.
#[derive(Clone, Debug)]
struct SlidingWindow {
    rate: Rate,
    used: VecDeque<Instant>,
}

impl SlidingWindow {
    fn new(rate: Rate) -> SlidingWindow {
        SlidingWindow {
            rate,
            used: VecDeque::new(),
        }
    }

    /// How long to wait before a request that counts as `units`.
    fn wait(&mut self, units: usize, now: Instant) -> Duration {
        while let Some(oldest) = self.used.front() {
            if now.saturating_duration_since(*oldest) < self.rate.per {
                break;
            }
            self.used.pop_front();
        }
        // A request of more units than the limit is allowed when the window is empty.
        let room = self.rate.limit.saturating_sub(units);
        let over = self.used.len().checked_sub(room + 1);
        match over.and_then(|over| self.used.get(over)) {
            None => Duration::ZERO,
            Some(last) => (*last + self.rate.per).saturating_duration_since(now),
        }
    }

    fn count(&mut self, at: Instant) {
        let place = self.used.partition_point(|used| *used <= at);
        self.used.insert(place, at);
    }
}

/// Says when a request to one service is allowed. Every rate of the request's lane must allow the
/// request, and so must the service's own limits. All threads share this budget; with a
/// [`RateShare`], other processes share it, too.
///
/// A lane is a set of requests that has its own rate: all requests, or the requests for one OCP
/// group.
#[derive(Debug)]
pub struct Budget {
    used: Mutex<Used>,
    share: Option<RateShare>,
    /// The longest wait that the service may ask for. If it asks for a longer wait, the run ends.
    patience: Duration,
    /// How long requests stop after a 429 that names no time.
    pause: Duration,
    clock: Clock,
}

#[derive(Debug)]
struct Used {
    /// The windows that a new lane starts with.
    windows: Vec<SlidingWindow>,
    lanes: BTreeMap<String, Lane>,
    /// The number of requests that the service still allows, and the instant until which this
    /// number applies.
    left: Option<(usize, Instant)>,
    closed_until: Option<Instant>,
}

#[derive(Clone, Debug)]
struct Lane {
    windows: Vec<SlidingWindow>,
    shared: Option<Arc<SharedBudget>>,
}

impl Budget {
    /// An unused budget with these `rates`. Without rates, only the service's own limits apply.
    pub fn new(rates: &[Rate], patience: Duration, clock: Clock) -> Budget {
        let places = |rate: &Rate| rate.per / u32::try_from(rate.limit).unwrap_or(u32::MAX);
        Budget {
            used: Mutex::new(Used {
                windows: rates.iter().copied().map(SlidingWindow::new).collect(),
                lanes: BTreeMap::new(),
                left: None,
                closed_until: None,
            }),
            share: None,
            patience,
            pause: rates.first().map_or(Duration::ZERO, places),
            clock,
        }
    }

    /// The same budget, shared with other processes.
    #[must_use]
    pub fn shared(self, share: RateShare) -> Budget {
        let share = Some(share);
        Budget { share, ..self }
    }

    /// Waits until a request of `lane` that counts as `units` is allowed. A request of 0 units
    /// waits only if the service asked for a pause. Returns an error with status 75 if the service
    /// asks for a longer wait than `--patience`. If other processes share the rate, the request
    /// gets a place in the shared record; the caller then calls `count` or `give_back` for this
    /// place.
    pub fn wait(&self, units: usize, lane: &str, stop: &Stop) -> anyhow::Result<()> {
        let mut is_announced = false;
        loop {
            let (mut ours, mut theirs) = self.waits(units, lane);
            let mut look_again = Duration::MAX;
            let shared = self.shared_of(units, lane);
            if ours.max(theirs).is_zero()
                && let Some(shared) = &shared
            {
                match shared.ask(units)? {
                    Turn::Granted => return Ok(()),
                    Turn::Wait(wait) => {
                        ours = wait.max(Duration::from_millis(1));
                        look_again = HEARTBEAT;
                    }
                    Turn::Closed(wait) => theirs = wait,
                }
            }
            if theirs > self.patience {
                return Err(error::try_later(format!(
                    "the service asks to wait {}, longer than --patience",
                    seconds(theirs)
                )));
            }
            let wait = ours.max(theirs);
            if wait.is_zero() {
                return Ok(());
            }
            if wait > LONG && !std::mem::replace(&mut is_announced, true) {
                log::warn!("the rate limit is used up: waiting {}", seconds(wait));
            }
            let _note = waiting::wait_for("the rate limit");
            if let Err(e) = self.clock.sleep(stop, wait.min(look_again)) {
                shared.iter().for_each(|shared| shared.leave());
                return Err(e);
            }
        }
    }

    /// Returns two waits: the wait that the rates require, and the wait that the service asked for.
    fn waits(&self, units: usize, lane: &str) -> (Duration, Duration) {
        let now = self.clock.instant();
        let mut used = self.used();
        let until =
            |at: Option<Instant>| at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        let mut theirs = until(used.closed_until);
        if let Some((left, end)) = used.left
            && left < units
        {
            theirs = theirs.max(until(Some(end)));
        }
        if units == 0 {
            return (Duration::ZERO, theirs);
        }
        let lane = self.lane(&mut used, lane);
        let ours = lane
            .windows
            .iter_mut()
            .map(|window| window.wait(units, now));
        (ours.max().unwrap_or_default(), theirs)
    }

    /// The lane `name` if each lane has its own rate; otherwise the one lane of all requests.
    fn lane<'u>(&self, used: &'u mut Used, name: &str) -> &'u mut Lane {
        let by_lane = self.share.as_ref().is_some_and(|share| share.by_lane);
        let name = if by_lane { name } else { "" };
        let Used { windows, lanes, .. } = used;
        lanes.entry(name.to_owned()).or_insert_with(|| {
            let rate = windows.first().map(|window| window.rate);
            let shared = self.share.as_ref().zip(rate);
            Lane {
                windows: windows.clone(),
                shared: shared
                    .and_then(|(share, rate)| SharedBudget::open(share, name, rate, &self.clock))
                    .map(Arc::new),
            }
        })
    }

    /// The shared budget of the lane; `None` if the rate is not shared or the request has 0 units.
    fn shared_of(&self, units: usize, lane: &str) -> Option<Arc<SharedBudget>> {
        (units > 0)
            .then(|| self.lane(&mut self.used(), lane).shared.clone())
            .flatten()
    }

    /// Counts a request. `at` is the time when the reply began: by then, the service has counted
    /// the request.
    pub fn count(&self, units: usize, lane: &str, at: Instant) {
        if units == 0 {
            return;
        }
        let mut used = self.used();
        for window in &mut self.lane(&mut used, lane).windows {
            for _ in 0..units {
                window.count(at);
            }
        }
        if let Some((left, _)) = &mut used.left {
            *left = left.saturating_sub(units);
        }
        drop(used);
        if let Some(shared) = self.shared_of(units, lane) {
            (0..units).for_each(|_| shared.count(at));
        }
    }

    /// Gives back the `units` of an allowed request that did not reach the service or was refused
    /// with 429.
    pub(crate) fn give_back(&self, units: usize, lane: &str) {
        if let Some(shared) = self.shared_of(units, lane) {
            shared.leave();
        }
    }

    /// Counts a request that an earlier run was about to send `age` ago. The service may have
    /// received the request a little later, so a tenth of the period is subtracted from `age`. The
    /// group of the request is not known, so it counts for all groups.
    pub fn count_earlier(&self, age: Duration) {
        let mut used = self.used();
        let Used { windows, lanes, .. } = &mut *used;
        let lanes = lanes.values_mut().flat_map(|lane| &mut lane.windows);
        for window in windows.iter_mut().chain(lanes) {
            let age = age.saturating_sub(window.rate.per / 10);
            if age < window.rate.per
                && let Some(at) = self.clock.instant().checked_sub(age)
            {
                window.count(at);
            }
        }
    }

    /// Stores the limit that a reply announces in `RateLimit-Remaining` and `RateLimit-Reset`.
    pub(crate) fn learn(&self, reply: &Reply) {
        let number = |name| {
            let value = reply.header(name)?;
            value.split([',', ';']).next()?.trim().parse::<u64>().ok()
        };
        let left = number("ratelimit-remaining").zip(number("ratelimit-reset"));
        let Some((left, reset)) = left else { return };
        if let Some(until) = reply.began.checked_add(Duration::from_secs(reset)) {
            let left = usize::try_from(left).unwrap_or(usize::MAX);
            self.used().left = Some((left, until));
        }
    }

    /// Stops all requests for the time `asked`, counted from `at`, because the service asked for
    /// this pause. Without `asked` (after a 429 that names no time), the pause is the period of the
    /// first rate divided by the limit of this rate. Other processes that share the rate stop, too,
    /// unless `units` is 0.
    pub fn close(&self, units: usize, lane: &str, at: Instant, asked: Option<Duration>) {
        if let Some(until) = at.checked_add(asked.unwrap_or(self.pause)) {
            let mut used = self.used();
            used.closed_until = Some(used.closed_until.map_or(until, |old| old.max(until)));
            drop(used);
            if let Some(shared) = self.shared_of(units, lane) {
                shared.close(until.saturating_duration_since(self.clock.instant()));
            }
        }
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        lock(&self.used)
    }
}

fn seconds(length: Duration) -> String {
    show_duration(Duration::from_secs(length.as_millis().div_ceil(1000) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;
    use crate::time::Timestamp;
    use proptest::prelude::*;

    fn budget(rates: &[&str]) -> (Budget, Clock) {
        let clock = Clock::manual(Timestamp::from_millis(1_795_176_000_000));
        let rates: Vec<Rate> = rates.iter().map(|rate| rate.parse().unwrap()).collect();
        let patience = Duration::from_secs(900);
        (Budget::new(&rates, patience, clock.clone()), clock)
    }

    /// Waits for a request, counts it, and returns how many seconds it had to wait.
    fn takes((budget, clock): &(Budget, Clock), units: usize) -> u64 {
        let before = clock.instant();
        budget.wait(units, "", &Stop::default()).unwrap();
        budget.count(units, "", clock.instant());
        (clock.instant() - before).as_secs()
    }

    #[test]
    fn a_burst_then_one_as_each_ages_out() {
        let budget = budget(&["2/10s"]);
        assert_eq!(takes(&budget, 1), 0);
        budget.1.advance(Duration::from_secs(4));
        assert_eq!(takes(&budget, 1), 0);
        assert_eq!(takes(&budget, 1), 6);
        assert_eq!(takes(&budget, 1), 4);
    }

    #[test]
    fn lanes_wait_for_each_other_unless_each_has_a_rate_of_its_own() {
        for (by_lane, waits) in [(false, 10), (true, 0)] {
            let (budget, clock) = budget(&["1/10s"]);
            let budget = budget.shared(RateShare {
                by_lane,
                home: None,
                identity: Vec::new(),
                seed: 0,
            });
            let before = clock.instant();
            for lane in ["acme", "acme-qa"] {
                budget.wait(1, lane, &Stop::default()).unwrap();
                budget.count(1, lane, clock.instant());
            }
            assert_eq!((clock.instant() - before).as_secs(), waits, "{by_lane}");
        }
    }

    #[test]
    fn the_tightest_of_the_windows_counts() {
        let budget = budget(&["3/50s", "4/300s"]);
        assert_eq!([1, 1, 1].map(|units| takes(&budget, units)), [0, 0, 0]);
        assert_eq!(takes(&budget, 1), 50);
        assert_eq!(takes(&budget, 1), 250);
    }

    #[test]
    fn a_request_of_ten_takes_ten_places_and_more_than_there_are_when_all_are_free() {
        let budget = budget(&["12/100s"]);
        assert_eq!([10, 2].map(|units| takes(&budget, units)), [0, 0]);
        assert_eq!(takes(&budget, 20), 100);
    }

    #[test]
    fn what_the_service_says_is_left_is_left() {
        let budget = budget(&["100/1s"]);
        budget.0.used().left = Some((1, budget.1.instant() + Duration::from_secs(80)));
        assert_eq!([1, 1].map(|units| takes(&budget, units)), [0, 80]);
        budget.0.used().left = Some((3, budget.1.instant() + Duration::from_secs(1000)));
        let error = budget.0.wait(10, "", &Stop::default()).unwrap_err();
        assert_eq!(Status::of(&error), Status::TryLater);
    }

    #[test]
    fn a_closed_budget_lets_nothing_through() {
        let budget = budget(&["5/60s"]);
        let now = budget.1.instant();
        budget.0.close(1, "", now, Some(Duration::from_secs(30)));
        budget.0.close(1, "", now, None);
        assert_eq!(takes(&budget, 0), 30);
        budget.0.close(1, "", budget.1.instant(), None);
        assert_eq!(takes(&budget, 0), 12, "a fifth of the minute");
    }

    proptest! {
        #[test]
        fn no_window_ever_holds_more_than_the_limit(
            pauses in prop::collection::vec(0_u64..40, 1..60),
            limit in 1_usize..6,
        ) {
            let per = Duration::from_secs(20);
            let budget = budget(&[&format!("{limit}/20s")]);
            let mut sent = Vec::new();
            for pause in pauses {
                budget.1.advance(Duration::from_secs(pause));
                takes(&budget, 1);
                sent.push(budget.1.instant());
            }
            for (i, first) in sent.iter().enumerate() {
                let within = sent[i..].iter().take_while(|at| **at - *first < per).count();
                prop_assert!(within <= limit);
            }
        }
    }
}
