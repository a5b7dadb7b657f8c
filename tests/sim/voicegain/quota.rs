//! 75 requests a minute and 2000 an hour, in windows that begin on the minute and on the hour.

use std::time::{Duration, Instant};

pub struct Quota {
    begun: Instant,
    windows: [Window; 2],
    pub violations: u64,
}

struct Window {
    limit: u64,
    length: Duration,
    number: u128,
    used: u64,
}

impl Quota {
    pub fn new((minute, hour): (u64, u64), length: Duration) -> Quota {
        let window = |limit, length| Window {
            limit,
            length,
            number: 0,
            used: 0,
        };
        Quota {
            begun: Instant::now(),
            windows: [window(minute, length), window(hour, length * 60)],
            violations: 0,
        }
    }

    /// Counts a request, or says after how many seconds there is room for it.
    pub fn take(&mut self, units: u64) -> Result<(), u64> {
        self.turn();
        let full = self
            .windows
            .iter()
            .filter(|window| window.used + units > window.limit);
        if let Some(wait) = full.map(|window| window.left(self.begun)).max() {
            self.violations += 1;
            return Err(whole_seconds(wait));
        }
        for window in &mut self.windows {
            window.used += units;
        }
        Ok(())
    }

    /// The limits, what is left in the tighter window, and when that ends.
    pub fn state(&mut self) -> (String, u64, u64) {
        self.turn();
        let left = |window: &Window| window.limit.saturating_sub(window.used);
        let [minute, hour] = &self.windows;
        let tighter = if left(hour) < left(minute) {
            hour
        } else {
            minute
        };
        let limit = format!(
            "{0}, {0};window={1}, {2};window={3}",
            minute.limit,
            minute.length.as_secs(),
            hour.limit,
            hour.length.as_secs()
        );
        (
            limit,
            left(tighter),
            whole_seconds(tighter.left(self.begun)),
        )
    }

    fn turn(&mut self) {
        let elapsed = self.begun.elapsed();
        for window in &mut self.windows {
            let number = elapsed.as_nanos() / window.length.as_nanos();
            if number != window.number {
                (window.number, window.used) = (number, 0);
            }
        }
    }
}

impl Window {
    fn left(&self, begun: Instant) -> Duration {
        let elapsed = begun.elapsed().as_nanos() % self.length.as_nanos();
        self.length - Duration::from_nanos(u64::try_from(elapsed).expect("an hour fits"))
    }
}

fn whole_seconds(length: Duration) -> u64 {
    length
        .as_millis()
        .div_ceil(1000)
        .try_into()
        .expect("an hour fits")
}
