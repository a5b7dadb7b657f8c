//! How fast a service may be asked: by limits of ours, and by what it says itself.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::error;
use crate::net::http::Reply;
use crate::os::clock::Clock;
use crate::os::mutex::lock;
use crate::os::signals::Stop;
use crate::time::{parse_duration, show_duration};

/// A longer wait is announced.
const LONG: Duration = Duration::from_secs(60);

/// At most so many requests in any stretch of time so long: `5/60s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests.
    pub limit: usize,
    /// The length of the sliding window.
    pub per: Duration,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Rate, String> {
        let wrong = || format!("'{text}' is not a rate: use REQUESTS/DURATION, as 5/60s");
        let (limit, per) = text.split_once('/').ok_or_else(wrong)?;
        let limit = limit.trim().parse().map_err(|_| wrong())?;
        let per = parse_duration(per).map_err(|_| wrong())?;
        if limit == 0 || per.is_zero() {
            return Err(wrong());
        }
        Ok(Rate { limit, per })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.limit, show_duration(self.per))
    }
}

/// A [`Rate`] as a sliding window: a burst up to the limit, then each request as
/// soon as the oldest one has aged out. A fixed sleep between requests would
/// waste the burst; a bucket that refills evenly would allow twice the limit.
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
        if units == 0 {
            return Duration::ZERO;
        }
        // More than fits at once fits when the window is empty.
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

/// What may still be asked of one service, shared by all threads: every window of
/// ours has room, and the service has not said to wait.
#[derive(Debug)]
pub struct Budget {
    used: Mutex<Used>,
    /// A longer wait that the service asks for is left to the scheduler.
    patience: Duration,
    /// How long a 429 without a word closes it.
    pause: Duration,
    clock: Clock,
}

#[derive(Debug)]
struct Used {
    windows: Vec<SlidingWindow>,
    /// What the service says is left until when.
    left: Option<(usize, Instant)>,
    closed_until: Option<Instant>,
}

impl Budget {
    /// Nothing used yet of `rates`; without any, only what the service says counts.
    pub fn new(rates: &[Rate], patience: Duration, clock: Clock) -> Budget {
        let places = |rate: &Rate| rate.per / u32::try_from(rate.limit).unwrap_or(u32::MAX);
        Budget {
            used: Mutex::new(Used {
                windows: rates.iter().copied().map(SlidingWindow::new).collect(),
                left: None,
                closed_until: None,
            }),
            patience,
            pause: rates.first().map_or(Duration::ZERO, places),
            clock,
        }
    }

    /// Waits until a request that counts as `units` is allowed; one of 0 units only
    /// waits where the service said so. Status 75 if the service asks for a longer
    /// wait than `--patience`.
    pub fn wait(&self, units: usize, stop: &Stop) -> anyhow::Result<()> {
        loop {
            let (ours, theirs) = self.waits(units);
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
            if wait > LONG {
                log::warn!("the rate limit is used up: waiting {}", seconds(wait));
            }
            self.clock.sleep(stop, wait)?;
        }
    }

    /// By our limits, and by the service's word.
    fn waits(&self, units: usize) -> (Duration, Duration) {
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
        let ours = used
            .windows
            .iter_mut()
            .map(|window| window.wait(units, now));
        (ours.max().unwrap_or_default(), theirs)
    }

    /// Counts a request. The service counts when a request reaches it, which is at
    /// the latest when its reply begins: give that instant.
    pub fn count(&self, units: usize, at: Instant) {
        let mut used = self.used();
        for window in &mut used.windows {
            for _ in 0..units {
                window.count(at);
            }
        }
        if let Some((left, _)) = &mut used.left {
            *left = left.saturating_sub(units);
        }
    }

    /// Counts a request that an earlier run was about to send `age` ago. When the
    /// service heard of it is not known: somewhat later.
    pub fn count_earlier(&self, age: Duration) {
        let mut used = self.used();
        for window in &mut used.windows {
            let age = age.saturating_sub(window.rate.per / 10);
            if age < window.rate.per
                && let Some(at) = self.clock.instant().checked_sub(age)
            {
                window.count(at);
            }
        }
    }

    /// Reads `RateLimit-Remaining` and `RateLimit-Reset` of a reply.
    pub fn learn(&self, reply: &Reply) {
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

    /// Closes the budget for `asked` after `at`: the service said that it is not to
    /// be asked before. A 429 that names no time closes it until a place is free.
    pub fn close(&self, at: Instant, asked: Option<Duration>) {
        if let Some(until) = at.checked_add(asked.unwrap_or(self.pause)) {
            let mut used = self.used();
            used.closed_until = Some(used.closed_until.map_or(until, |old| old.max(until)));
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

    #[test]
    fn rates_read_and_show() {
        assert_eq!("5/60s".parse::<Rate>().unwrap().to_string(), "5/1m");
        for text in ["5", "0/60s", "5/0s", "x/60s", "5/60"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    fn budget(rates: &[&str]) -> (Budget, Clock) {
        let clock = Clock::manual(Timestamp::from_millis(1_795_176_000_000));
        let rates: Vec<Rate> = rates.iter().map(|rate| rate.parse().unwrap()).collect();
        let patience = Duration::from_secs(900);
        (Budget::new(&rates, patience, clock.clone()), clock)
    }

    /// How many seconds a request that is counted had to wait.
    fn takes((budget, clock): &(Budget, Clock), units: usize) -> u64 {
        let before = clock.instant();
        budget.wait(units, &Stop::default()).unwrap();
        budget.count(units, clock.instant());
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
        let error = budget.0.wait(10, &Stop::default()).unwrap_err();
        assert_eq!(Status::of(&error), Status::TryLater);
    }

    #[test]
    fn a_closed_budget_lets_nothing_through() {
        let budget = budget(&["5/60s"]);
        let now = budget.1.instant();
        budget.0.close(now, Some(Duration::from_secs(30)));
        budget.0.close(now, None);
        assert_eq!(takes(&budget, 0), 30);
        budget.0.close(budget.1.instant(), None);
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
