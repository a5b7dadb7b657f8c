//! The simulator's two times. Calendar time starts wherever a test wants it and decides what is
//! fresh or out of retention; elapsed time is always real and decides when an export is ready and a
//! token dead. HTTP's own dates (`Date`, `Retry-After`) stay out of this module: a client compares
//! them with its own clock.

use std::fmt;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

#[derive(Clone, Copy)]
pub struct Clock {
    origin: DateTime<Utc>,
    started: Instant,
}

impl Clock {
    pub fn starting_at(origin: DateTime<Utc>) -> Clock {
        Clock {
            origin,
            started: Instant::now(),
        }
    }

    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.origin + self.elapsed()
    }
}

const HOUR_MS: i64 = 3_600_000;

/// A whole UTC hour, the grain of everything in the Exports API, counted from the epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hour(pub i64);

impl Hour {
    /// The vendor's docs: minutes, seconds and milliseconds do not change an export.
    pub fn floor(time: DateTime<Utc>) -> Hour {
        Hour(time.timestamp_millis().div_euclid(HOUR_MS))
    }

    pub fn millis(self) -> i64 {
        self.0 * HOUR_MS
    }

    pub fn start(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.millis()).expect("an hour made from a valid time")
    }
}

/// As in the `date=` directory of an export.
impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.start().format("%Y-%m-%d-%H"))
    }
}
