//! The minimum speed at which a body must arrive.

use std::time::Duration;

use tokio::time::Instant;

/// The deadlines of one body: one for the whole body, and one for each time window.
#[derive(Debug)]
pub(crate) struct BodyPace {
    end: Instant,
    window: Duration,
    /// The bytes that must arrive in a time window.
    quota: u64,
    window_began: Instant,
    in_window: u64,
}

impl BodyPace {
    /// Starts now. The whole body must arrive within the first duration. In each time window as
    /// long as the second duration, `rate` bytes per second must arrive on average.
    pub(crate) fn new((all, window): (Duration, Duration), rate: u64) -> BodyPace {
        let now = Instant::now();
        BodyPace {
            end: now + all,
            window,
            quota: rate.saturating_mul(window.as_secs()),
            window_began: now,
            in_window: 0,
        }
    }

    /// The time by which the next bytes must arrive.
    pub(crate) fn deadline(&self) -> Instant {
        self.end.min(self.window_began + self.window)
    }

    /// Adds received bytes.
    pub(crate) fn count(&mut self, bytes: usize) {
        self.in_window += bytes as u64;
        if self.in_window >= self.quota {
            self.in_window = 0;
            self.window_began = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seconds until a body that arrives with `rate` bytes per second is refused.
    async fn cut_after(rate: usize) -> u64 {
        let times = (Duration::from_secs(60), Duration::from_secs(5));
        let mut pace = BodyPace::new(times, 4096);
        let began = Instant::now();
        loop {
            let next = tokio::time::sleep(Duration::from_secs(1));
            if tokio::time::timeout_at(pace.deadline(), next)
                .await
                .is_err()
            {
                return began.elapsed().as_secs();
            }
            pace.count(rate);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn r23_a_slow_body_ends_and_a_fast_one_has_a_minute() {
        assert_eq!(cut_after(0).await, 5);
        assert_eq!(cut_after(4000).await, 5);
        assert!(cut_after(5200).await >= 59);
    }
}
