//! Repeats what failed for a passing reason, says so on stderr, and gives up in
//! the end. The schedule is [`crate::net::retry`]'s.

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use clap::Args;

use crate::error::{Failure, Status};
use crate::net::http::{NetError, Reply};
use crate::net::retry::{Jitter, Policy, is_passing, parse_retry_after};
use crate::os::mutex::lock;
use crate::os::signals::Stop;
use crate::time::{Timestamp, parse_duration, show_duration};

/// The flags of a program that tries again.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Network")]
pub struct RetryArgs {
    /// Try a request up to N times when it fails for a passing reason: cut off,
    /// timed out, 408, 429, 500, 502, 503 or 504.
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..))]
    pub tries: u32,

    /// Wait a random part of DUR before the second try, and of twice as much
    /// before each further one, up to 64 times DUR. A Retry-After is waited out
    /// in full.
    #[arg(long, value_name = "DUR", default_value = "1s", value_parser = parse_duration)]
    pub backoff: Duration,

    /// Do not sleep through a Retry-After longer than DUR: end with status 75.
    #[arg(long, value_name = "DUR", default_value = "15m", value_parser = parse_duration)]
    pub patience: Duration,
}

/// What came of one try.
#[derive(Debug)]
pub enum Attempt<T> {
    /// It worked, or failed in a way that a repetition would not change.
    Done(T),
    /// It failed in a way that may pass.
    Again(Trouble),
}

/// A failure that may pass.
#[derive(Debug)]
pub struct Trouble {
    /// In words, without the secret parts.
    pub why: String,
    /// How long the service asks to wait.
    pub asked: Option<Duration>,
    /// What the program ends with if it does not pass.
    pub status: Status,
}

/// Everything that waiting needs.
pub struct Attempts {
    policy: Policy,
    jitter: Mutex<Jitter>,
    now: fn() -> Timestamp,
    stop: Stop,
}

impl fmt::Debug for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attempts({:?})", self.policy)
    }
}

impl Attempts {
    /// Tries as the flags say; `seed` is for the jitter.
    pub fn new(args: &RetryArgs, seed: u64, now: fn() -> Timestamp, stop: Stop) -> Attempts {
        Attempts {
            policy: Policy {
                tries: args.tries,
                base: args.backoff,
                cap: args.backoff * 64,
                patience: args.patience,
            },
            jitter: Mutex::new(Jitter::seeded(seed)),
            now,
            stop,
        }
    }

    /// The clock.
    pub fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// The request to stop that ends every wait.
    pub fn stop(&self) -> &Stop {
        &self.stop
    }

    /// A number in `[0, 1)`.
    pub fn jitter(&self) -> f64 {
        let mut jitter = lock(&self.jitter);
        jitter.draw()
    }

    /// The wait after `tried` failures; `None` to give up.
    pub fn wait(&self, tried: u32) -> Option<Duration> {
        self.policy.wait(tried, None, self.jitter())
    }

    /// Calls `once` until it is done, with a pause after each failure.
    pub fn run<T>(
        &self,
        what: &str,
        mut once: impl FnMut() -> anyhow::Result<Attempt<T>>,
    ) -> anyhow::Result<T> {
        let mut tried = 0;
        loop {
            self.stop.check()?;
            let trouble = match once()? {
                Attempt::Done(value) => return Ok(value),
                Attempt::Again(trouble) => trouble,
            };
            tried += 1;
            // A connection that a signal has shut is no trouble of the network.
            self.stop.check()?;
            let Some(wait) = self.policy.wait(tried, trouble.asked, self.jitter()) else {
                return Err(self.give_up(what, tried, &trouble));
            };
            log::warn!(
                "{what}: {}; trying again in {} ({tried} of {} failed)",
                trouble.why,
                show_duration(round(wait)),
                self.policy.tries
            );
            self.stop.sleep(wait)?;
        }
    }

    fn give_up(&self, what: &str, tried: u32, trouble: &Trouble) -> anyhow::Error {
        let text = match trouble.asked {
            Some(asked) if asked > self.policy.patience => format!(
                "{what}: {}; the service asks to wait {}, longer than --patience",
                trouble.why,
                show_duration(asked)
            ),
            _ if tried == 1 => format!("{what}: {}, at the only try", trouble.why),
            _ => format!("{what}: {}, after {tried} tries", trouble.why),
        };
        Failure::new(trouble.status, text).into()
    }

    /// A reply that asks to come back later, as trouble.
    pub fn trouble_of(&self, reply: &mut Reply) -> Option<Trouble> {
        if !is_passing(reply.status) {
            return None;
        }
        let asked = reply.retry_after.as_deref();
        // A date is meant by the clock of whoever wrote it.
        let date = reply.date.as_deref().and_then(Timestamp::parse_http_date);
        let now = date.unwrap_or_else(|| self.now());
        Some(Trouble {
            why: format!("HTTP {}", reply.status),
            asked: asked.and_then(|value| parse_retry_after(value, now)),
            status: Status::TryLater,
        })
    }
}

impl NetError {
    /// A network error as what came of a try: trouble, or for good.
    pub fn into_attempt<T>(self) -> anyhow::Result<Attempt<T>> {
        if !self.passing {
            return Err(Failure::new(Status::Refused, self.to_string()).into());
        }
        Ok(Attempt::Again(Trouble {
            why: self.to_string(),
            asked: None,
            status: Status::TryLater,
        }))
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

    fn attempts(tries: u32) -> Attempts {
        let args = RetryArgs {
            tries,
            backoff: Duration::from_millis(1),
            patience: Duration::from_secs(60),
        };
        Attempts::new(&args, 7, Timestamp::now, Stop::default())
    }

    fn trouble(asked: Option<Duration>) -> Attempt<u32> {
        Attempt::Again(Trouble {
            why: "HTTP 503".to_owned(),
            asked,
            status: Status::TryLater,
        })
    }

    #[test]
    fn it_gives_up_with_the_status_that_the_trouble_names() {
        let mut calls = 0;
        let error = attempts(3)
            .run("GET /x", || {
                calls += 1;
                Ok(trouble(None))
            })
            .unwrap_err();
        assert_eq!(calls, 3);
        assert_eq!(Status::of(&error), Status::TryLater);
        assert_eq!(error.to_string(), "GET /x: HTTP 503, after 3 tries");
    }

    #[test]
    fn it_goes_on_where_the_trouble_passes() {
        let mut calls = 0;
        let value = attempts(3).run("GET /x", || {
            calls += 1;
            Ok(if calls < 3 {
                trouble(None)
            } else {
                Attempt::Done(calls)
            })
        });
        assert_eq!(value.unwrap(), 3);
    }

    #[test]
    fn a_wait_beyond_patience_is_left_to_the_scheduler() {
        let error = attempts(3)
            .run("GET /x", || Ok(trouble(Some(Duration::from_secs(3600)))))
            .unwrap_err();
        assert!(error.to_string().contains("asks to wait 1h"));
    }
}
