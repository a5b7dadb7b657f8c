//! How fast the service may be asked: 75 requests a minute and 2000 an hour by the
//! vendor's article on rate limiting, each request counted in both; less where the
//! service itself says so in `RateLimit-Remaining` and `RateLimit-Reset`, which
//! come with every reply. A request for a recording counts as ten.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::error;
use crate::net::http::Reply;
use crate::net::retry::{Rate, SlidingWindow};
use crate::os::mutex::lock;
use crate::os::signals::Stop;
use crate::time::show_duration;

/// A wait that is said.
const LONG: Duration = Duration::from_secs(60);

/// The limits and what has been used of them.
#[derive(Debug)]
pub struct Quota {
    used: Mutex<Used>,
    /// A wait that the service asks for is not slept through beyond this.
    patience: Duration,
}

#[derive(Debug)]
struct Used {
    windows: Vec<SlidingWindow>,
    /// What the service says is left until when.
    left: Option<(usize, Instant)>,
}

impl Quota {
    /// Nothing used yet.
    pub fn new(rates: &[Rate], patience: Duration) -> Quota {
        let windows = rates.iter().copied().map(SlidingWindow::new).collect();
        Quota {
            used: Mutex::new(Used {
                windows,
                left: None,
            }),
            patience,
        }
    }

    /// Waits until a request that counts as `units` is allowed. Status 75 if the
    /// service says that this takes longer than `--patience`.
    pub fn wait(&self, units: usize, stop: &Stop) -> anyhow::Result<()> {
        loop {
            let now = Instant::now();
            let (paced, told) = {
                let mut used = self.used();
                let paced = used.windows.iter_mut().map(|w| w.wait_for(units, now));
                let paced = paced.max().unwrap_or_default();
                let told = match used.left {
                    Some((left, until)) if left < units => until.saturating_duration_since(now),
                    _ => Duration::ZERO,
                };
                (paced, told)
            };
            if told > self.patience {
                return Err(error::try_later(format!(
                    "the quota of the account is used up for another {}, longer than --patience",
                    seconds(told)
                )));
            }
            let wait = paced.max(told);
            if wait.is_zero() {
                return Ok(());
            }
            if wait > LONG {
                log::warn!("the rate is used up: waiting {}", seconds(wait));
            }
            stop.sleep(wait)?;
        }
    }

    /// Counts a request that reached the service at the latest at `at`.
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

    /// What a reply says is left.
    pub fn learn(&self, reply: &Reply) {
        let number = |name| {
            let value = reply.header(name)?;
            value.split([',', ';']).next()?.trim().parse::<u64>().ok()
        };
        if let (Some(left), Some(reset)) =
            (number("ratelimit-remaining"), number("ratelimit-reset"))
            && let Some(until) = reply.began.checked_add(Duration::from_secs(reset))
        {
            let left = usize::try_from(left).unwrap_or(usize::MAX);
            self.used().left = Some((left, until));
        }
    }

    /// Moves the whole schedule: not before `until`.
    pub fn close_until(&self, until: Instant) {
        for window in &mut self.used().windows {
            window.close_until(until);
        }
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        lock(&self.used)
    }
}

fn seconds(length: Duration) -> String {
    show_duration(Duration::from_secs(length.as_secs() + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;

    fn quota(rates: &[&str]) -> Quota {
        let rates: Vec<Rate> = rates.iter().map(|rate| rate.parse().unwrap()).collect();
        Quota::new(&rates, Duration::from_secs(1))
    }

    fn takes(quota: &Quota, units: usize) -> Duration {
        let begun = Instant::now();
        quota.wait(units, &Stop::default()).unwrap();
        quota.count(units, Instant::now());
        begun.elapsed()
    }

    #[test]
    fn the_tightest_of_the_windows_counts() {
        let quota = quota(&["3/50ms", "4/300ms"]);
        for _ in 0..3 {
            assert!(takes(&quota, 1) < Duration::from_millis(20));
        }
        let fourth = takes(&quota, 1);
        assert!(fourth >= Duration::from_millis(25), "{fourth:?}");
        let fifth = takes(&quota, 1);
        assert!(fifth >= Duration::from_millis(180), "{fifth:?}");
    }

    #[test]
    fn a_recording_takes_ten_places_and_more_than_there_are_when_all_are_free() {
        let quota = quota(&["12/100ms"]);
        takes(&quota, 10);
        assert!(takes(&quota, 2) < Duration::from_millis(20));
        assert!(takes(&quota, 20) >= Duration::from_millis(70));
    }

    #[test]
    fn what_the_service_says_is_left_is_left() {
        let quota = quota(&["100/1s"]);
        let until = Instant::now() + Duration::from_millis(80);
        quota.used().left = Some((1, until));
        assert!(takes(&quota, 1) < Duration::from_millis(20));
        assert!(takes(&quota, 1) >= Duration::from_millis(40));
        quota.used().left = Some((3, Instant::now() + Duration::from_secs(90)));
        assert!(takes(&quota, 1) < Duration::from_millis(20));
        let error = quota.wait(10, &Stop::default()).unwrap_err();
        assert_eq!(Status::of(&error), Status::TryLater);
    }
}
