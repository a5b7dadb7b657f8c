//! When to try again, and how fast to ask: pure schedules. The caller sleeps.
//!
//! A try that failed for a passing reason (connection refused or cut, timeout,
//! 408, 429, 500, 502, 503, 504) is repeated after a random part of a doubling
//! delay, so that many clients of one service do not come back together. What
//! the service asks for in `Retry-After` is a minimum, never a maximum: to come
//! early is to be refused again.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use crate::time::{Timestamp, parse_duration, show_duration};

/// How often and how long.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Tries in all, the first included.
    pub tries: u32,
    /// The delay doubles from this.
    pub base: Duration,
    /// The delay stays under this.
    pub cap: Duration,
    /// A `Retry-After` above this is not slept through: the scheduler waits better.
    pub patience: Duration,
}

impl Policy {
    /// The wait after `tried` failures, or `None` to give up. `jitter` is a
    /// random number in `[0, 1)`.
    pub fn wait(self, tried: u32, asked: Option<Duration>, jitter: f64) -> Option<Duration> {
        if tried >= self.tries || asked.is_some_and(|asked| asked > self.patience) {
            return None;
        }
        let doubled = self.base.saturating_mul(1 << (tried - 1).min(20));
        let spread = doubled.min(self.cap).mul_f64(jitter);
        Some(match asked {
            Some(asked) => asked + spread.min(self.base),
            None => spread,
        })
    }
}

/// Whether a status asks to come back later.
pub fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

/// Reads `Retry-After`: seconds, or an HTTP-date that is counted from `now`.
pub fn parse_retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    Timestamp::parse_http_date(value).map(|at| at.since(now))
}

/// A source of jitter: SplitMix64, seeded by the caller.
#[derive(Clone, Debug)]
pub struct Jitter(u64);

impl Jitter {
    /// Two processes should not share a seed: the clock and the process id do.
    pub fn seeded(seed: u64) -> Jitter {
        Jitter(seed)
    }

    /// A number in `[0, 1)`.
    pub fn draw(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^= bits >> 31;
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }
}

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
pub struct SlidingWindow {
    rate: Rate,
    used: VecDeque<Instant>,
    closed_until: Option<Instant>,
}

impl SlidingWindow {
    /// Nothing used yet.
    pub fn new(rate: Rate) -> SlidingWindow {
        SlidingWindow {
            rate,
            used: VecDeque::new(),
            closed_until: None,
        }
    }

    /// How long to wait before the next request.
    pub fn wait(&mut self, now: Instant) -> Duration {
        self.wait_for(1, now)
    }

    /// How long to wait before a request that counts as `units`.
    pub fn wait_for(&mut self, units: usize, now: Instant) -> Duration {
        while let Some(oldest) = self.used.front() {
            if now.saturating_duration_since(*oldest) < self.rate.per {
                break;
            }
            self.used.pop_front();
        }
        // More than fits at once fits when the window is empty.
        let room = self.rate.limit.saturating_sub(units);
        let over = self.used.len().checked_sub(room + 1);
        let aged = match over.and_then(|over| self.used.get(over)) {
            None => Duration::ZERO,
            Some(last) => (*last + self.rate.per).saturating_duration_since(now),
        };
        aged.max(self.closed(now))
    }

    /// How long to wait before a request that the rate does not count.
    pub fn closed(&self, now: Instant) -> Duration {
        self.closed_until
            .map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// Counts a request. The service counts when a request reaches it, which is
    /// at the latest when its reply begins: give that instant.
    pub fn count(&mut self, at: Instant) {
        let place = self.used.partition_point(|used| *used <= at);
        self.used.insert(place, at);
    }

    /// Moves the whole schedule: the service said that it is not to be asked
    /// before then.
    pub fn close_until(&mut self, until: Instant) {
        self.closed_until = Some(self.closed_until.map_or(until, |old| old.max(until)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POLICY: Policy = Policy {
        tries: 4,
        base: Duration::from_secs(1),
        cap: Duration::from_secs(60),
        patience: Duration::from_secs(900),
    };
    const NOW: Timestamp = Timestamp::from_millis(784_111_777_000); // Sun, 06 Nov 1994 08:49:37 GMT

    #[test]
    fn delays_double_and_end() {
        let waits: Vec<_> = (1..=4).map(|tried| POLICY.wait(tried, None, 0.5)).collect();
        let seconds = |s| Some(Duration::from_secs_f64(s));
        assert_eq!(waits, [seconds(0.5), seconds(1.0), seconds(2.0), None]);
    }

    #[test]
    fn retry_after_is_a_minimum() {
        let asked = Some(Duration::from_secs(30));
        let wait = POLICY.wait(1, asked, 0.99).unwrap();
        assert!(wait >= Duration::from_secs(30) && wait < Duration::from_secs(31));
        let too_long = Some(Duration::from_secs(7200));
        assert_eq!(POLICY.wait(1, too_long, 0.0), None);
    }

    #[test]
    fn retry_after_reads_seconds_and_dates() {
        let seconds = |s| Some(Duration::from_secs(s));
        assert_eq!(parse_retry_after("120", NOW), seconds(120));
        let date = "Sun, 06 Nov 1994 08:50:37 GMT";
        assert_eq!(parse_retry_after(date, NOW), seconds(60));
        let past = "Sun, 06 Nov 1994 08:00:00 GMT";
        assert_eq!(parse_retry_after(past, NOW), seconds(0));
        assert_eq!(parse_retry_after("soon", NOW), None);
    }

    #[test]
    fn rates_read_and_show() {
        assert_eq!("5/60s".parse::<Rate>().unwrap().to_string(), "5/1m");
        for text in ["5", "0/60s", "5/0s", "x/60s", "5/60"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_burst_then_one_as_each_ages_out() {
        let start = Instant::now();
        let mut window = SlidingWindow::new("2/10s".parse().unwrap());
        let at = |s| start + Duration::from_secs(s);
        window.count(at(0));
        window.count(at(4));
        assert_eq!(window.wait(at(5)), Duration::from_secs(5));
        assert_eq!(window.wait(at(10)), Duration::ZERO);
        window.count(at(10));
        assert_eq!(window.wait(at(10)), Duration::from_secs(4));
        window.close_until(at(30));
        assert_eq!(window.wait(at(20)), Duration::from_secs(10));
    }

    proptest! {
        #[test]
        fn no_window_ever_holds_more_than_the_limit(
            pauses in prop::collection::vec(0_u64..40, 1..60),
            limit in 1_usize..6,
        ) {
            let per = Duration::from_secs(20);
            let mut window = SlidingWindow::new(Rate { limit, per });
            let mut now = Instant::now();
            let mut sent = Vec::new();
            for pause in pauses {
                now += Duration::from_secs(pause);
                now += window.wait(now);
                window.count(now);
                sent.push(now);
            }
            for (i, first) in sent.iter().enumerate() {
                let within = sent[i..].iter().take_while(|at| **at - *first < per).count();
                prop_assert!(within <= limit);
            }
        }
    }
}
