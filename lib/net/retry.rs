//! Decides when to try again: the schedule, the flags for it, and one series of tries.
//!
//! A request is repeated if it failed for a temporary reason: connection refused or cut, timeout,
//! 408, 429, 500, 502, 503, 504. Each repetition waits for a random part of a delay, and the delay
//! doubles each time, so that many clients of one service do not try at the same moment. The wait
//! is never shorter than `Retry-After`, because the service refuses an earlier try.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::Args;

use crate::error::{Failure, Status};
use crate::os::clock::Clock;
use crate::os::mutex::lock;
use crate::os::signals::Stop;
use crate::os::waiting;
use crate::time::{Timestamp, parse_duration, show_duration};

/// The flags of a program that retries requests.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Network")]
pub struct RetryArgs {
    /// Try a request up to N times if it fails for a temporary reason: a broken connection, a
    /// timeout, or HTTP status 408, 429, 500, 502, 503 or 504.
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..))]
    pub tries: u32,

    /// Wait a random time of at most DUR before the second try. This maximum doubles before each
    /// further try, up to 64 times DUR. If a reply has a Retry-After header, the program waits at
    /// least as long as the header asks.
    #[arg(long, value_name = "DUR", default_value = "1s", value_parser = parse_duration)]
    pub backoff: Duration,

    /// Exit with status 75 if the service asks the program to wait longer than DUR (Retry-After).
    #[arg(long, value_name = "DUR", default_value = "15m", value_parser = parse_duration)]
    pub patience: Duration,
}

/// How often to try a request, and how long to wait between tries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// The number of tries, including the first.
    pub(crate) tries: u32,
    /// The longest delay before the second try. It doubles before each further try.
    pub(crate) base: Duration,
    /// No delay is longer than this, except if the service asks for a longer wait.
    pub(crate) cap: Duration,
    /// The longest `Retry-After` to wait for. If the service asks for a longer wait, the run ends.
    pub(crate) patience: Duration,
}

impl Policy {
    /// The wait after `tried` failures, or `None` to give up. `asked` is the wait that the service
    /// asked for. `jitter` is a random number in `[0, 1)`.
    pub(crate) fn wait(self, tried: u32, asked: Option<Duration>, jitter: f64) -> Option<Duration> {
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

/// Whether an HTTP status means a temporary failure.
pub fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

/// Reads `Retry-After`: seconds, or an HTTP-date. Returns the wait from `now`.
pub(crate) fn parse_retry_after(value: &str, now: Timestamp) -> Option<Duration> {
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
    /// Starts the sequence of `seed`. Two processes should have different seeds, for example from
    /// the clock and the process id.
    pub fn seeded(seed: u64) -> Jitter {
        Jitter(seed)
    }

    /// The next random number in `[0, 1)`.
    pub fn draw(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^= bits >> 31;
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// The result of one try.
#[derive(Debug)]
pub enum Attempt<T> {
    /// Success, or a failure that a repetition would not change.
    Done(T),
    /// A temporary failure.
    Again(Failed),
}

/// A temporary failure.
#[derive(Debug)]
pub struct Failed {
    /// The reason in words, without secrets.
    pub why: String,
    /// How long the service asks to wait.
    pub asked: Option<Duration>,
    /// The exit status if all tries fail.
    pub status: Status,
    /// The HTTP status, if there was a reply.
    pub code: Option<u16>,
    /// Whether the service may have acted on the request.
    pub sent: bool,
    /// Whether a smaller request can help. It can if the request timed out and may have reached the
    /// service, or if the reply was 502 or 504 and did not ask for a wait.
    pub slow: bool,
}

impl Failed {
    /// The failure for a reply of another kind than expected. `status` is the exit status after the
    /// last try.
    pub fn content(why: impl Into<String>, status: Status) -> Failed {
        Failed {
            why: why.into(),
            asked: None,
            status,
            code: None,
            sent: true,
            slow: false,
        }
    }
}

/// Everything that a wait needs: the schedule, the jitter, the clock, the request to stop. Clones
/// share the jitter, the clock and the request to stop.
#[derive(Clone, Debug)]
pub struct Retry {
    policy: Policy,
    jitter: Arc<Mutex<Jitter>>,
    clock: Clock,
    stop: Stop,
}

impl Retry {
    /// Sets the schedule from the flags; `seed` is for the jitter.
    pub fn new(args: &RetryArgs, seed: u64, clock: Clock, stop: Stop) -> Retry {
        Retry {
            policy: Policy {
                tries: args.tries,
                base: args.backoff,
                cap: args.backoff * 64,
                patience: args.patience,
            },
            jitter: Arc::new(Mutex::new(Jitter::seeded(seed))),
            clock,
            stop,
        }
    }

    /// A copy for a single try. It shares the clock and the jitter, but a request to stop does not
    /// end its waits.
    pub(crate) fn once(&self) -> Retry {
        Retry {
            policy: Policy {
                tries: 1,
                ..self.policy
            },
            stop: Stop::default(),
            ..self.clone()
        }
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The time of the wall clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The time of the monotonic clock.
    pub fn instant(&self) -> Instant {
        self.clock.instant()
    }

    /// The request to stop that ends every wait.
    pub fn stop(&self) -> &Stop {
        &self.stop
    }

    /// The longest wait that the service may ask for.
    pub(crate) fn patience(&self) -> Duration {
        self.policy.patience
    }

    /// Waits for `length`. Ends early, with an error, when a stop is requested.
    pub fn sleep(&self, length: Duration) -> anyhow::Result<()> {
        self.clock.sleep(&self.stop, length)
    }

    /// The next random number in `[0, 1)`.
    pub fn jitter(&self) -> f64 {
        lock(&self.jitter).draw()
    }

    /// The wait after `failed` failures; `None` to give up.
    pub fn wait(&self, failed: u32) -> Option<Duration> {
        self.policy.wait(failed, None, self.jitter())
    }

    /// Starts a series of tries of one request. `what` is the name of the request in messages.
    pub fn tries(&self, what: &str) -> Tries<'_> {
        Tries {
            retry: self,
            what: what.to_owned(),
            failed: 0,
        }
    }
}

/// A series of tries of one request.
#[derive(Debug)]
pub struct Tries<'r> {
    retry: &'r Retry,
    what: String,
    failed: u32,
}

impl Tries<'_> {
    /// Logs the failure and waits for the next try. Returns the failure as an error after the last
    /// try, or if the service asks for a longer wait than `--patience`.
    pub fn again(&mut self, failed: Failed) -> anyhow::Result<()> {
        // A signal closes the connections. Then `check` returns the error of the signal, and no
        // failure of the network is reported.
        self.retry.stop.check()?;
        self.failed += 1;
        let policy = self.retry.policy;
        let Some(wait) = policy.wait(self.failed, failed.asked, self.retry.jitter()) else {
            return Err(self.give_up(&failed));
        };
        log::warn!(
            "{}: {}; trying again in {} ({} of {} tries failed)",
            self.what,
            failed.why,
            show_duration(round(wait)),
            self.failed,
            policy.tries
        );
        let _note = waiting::wait_for("the next attempt");
        self.retry.sleep(wait)
    }

    fn give_up(&self, failed: &Failed) -> anyhow::Error {
        let (what, why) = (&self.what, &failed.why);
        let text = match failed.asked {
            Some(asked) if asked > self.retry.policy.patience => format!(
                "{what}: {why}; the service asks to wait {}, longer than --patience",
                show_duration(asked)
            ),
            _ if self.failed == 1 => format!("{what}: {why}, after 1 try"),
            _ => format!("{what}: {why}, after {} tries", self.failed),
        };
        Failure::new(failed.status, text).into()
    }
}

fn round(length: Duration) -> Duration {
    let unit = if length.as_secs() >= 10 { 1000 } else { 100 };
    let millis = length.as_millis().div_ceil(unit) * unit;
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn retry(tries: u32) -> Retry {
        let args = RetryArgs {
            tries,
            backoff: Duration::from_secs(1),
            patience: Duration::from_secs(60),
        };
        Retry::new(&args, 7, Clock::manual(NOW), Stop::default())
    }

    #[test]
    fn it_gives_up_with_the_status_that_the_failure_names() {
        let retry = retry(3);
        let mut tries = retry.tries("GET /x");
        let failed = || Failed::content("HTTP 503", Status::TryLater);
        assert!(tries.again(failed()).is_ok());
        assert!(tries.again(failed()).is_ok());
        assert!(retry.now() > NOW && retry.now().since(NOW) < Duration::from_secs(3));
        let error = tries.again(failed()).unwrap_err();
        assert_eq!(Status::of(&error), Status::TryLater);
        assert_eq!(error.to_string(), "GET /x: HTTP 503, after 3 tries");
    }

    #[test]
    fn a_wait_beyond_patience_is_left_to_the_scheduler() {
        let mut failed = Failed::content("HTTP 503", Status::TryLater);
        failed.asked = Some(Duration::from_secs(3600));
        let error = retry(3).tries("GET /x").again(failed).unwrap_err();
        assert!(error.to_string().contains("asks to wait 1h"));
    }

    #[test]
    fn a_wait_of_all_patience_is_waited_and_no_other_reason_is_given() {
        let all = Some(POLICY.patience);
        assert_eq!(POLICY.wait(1, all, 0.0), all);
        for (tries, words) in [(1, "after 1 try"), (2, "after 2 tries")] {
            let retry = retry(tries);
            assert_eq!(retry.patience(), Duration::from_secs(60));
            let mut series = retry.tries("GET /x");
            let failed = || {
                let mut failed = Failed::content("HTTP 503", Status::TryLater);
                failed.asked = Some(retry.patience());
                failed
            };
            for _ in 1..tries {
                series.again(failed()).unwrap();
            }
            let error = series.again(failed()).unwrap_err();
            assert_eq!(error.to_string(), format!("GET /x: HTTP 503, {words}"));
        }
    }

    #[test]
    fn jitter_is_splitmix64() {
        // The first outputs of the reference implementation for seed 0. `draw` uses their upper 53
        // bits.
        let reference = [0xE220_A839_7B1D_CDAF_u64, 0x6E78_9E6A_A1B9_65F4];
        let mut jitter = Jitter::seeded(0);
        for bits in reference {
            let drawn = jitter.draw();
            assert!((drawn * 2_f64.powi(53) - (bits >> 11) as f64).abs() < 0.5);
        }
    }

    #[test]
    fn some_statuses_pass_and_others_do_not() {
        for status in [408, 429, 500, 502, 503, 504] {
            assert!(is_passing(status), "{status}");
        }
        for status in [200, 301, 400, 401, 403, 404, 501, 505] {
            assert!(!is_passing(status), "{status}");
        }
    }

    #[test]
    fn a_wait_is_shown_in_tenths_and_from_ten_seconds_on_in_seconds() {
        let shown = |millis| round(Duration::from_millis(millis)).as_millis();
        assert_eq!([1, 100, 101, 9_901].map(shown), [100, 100, 200, 10_000]);
        assert_eq!([10_000, 10_001].map(shown), [10_000, 11_000]);
    }

    #[test]
    fn one_try_has_no_wait_and_hears_no_stop() {
        let retry = retry(3);
        assert!(retry.wait(1).is_some_and(|wait| !wait.is_zero()));
        let once = retry.once();
        assert_eq!(once.wait(1), None);
        assert!(once.patience() == retry.patience() && once.now() == retry.now());
        retry.stop().request(Status::Terminated);
        assert!(retry.stop().check().is_err() && once.stop().check().is_ok());
    }
}
