//! Time as it passes: the system's, or a test's own.
//!
//! Nothing else in the library reads a clock or sleeps, so that a test can move time
//! forward instead of waiting for it.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::os::mutex::lock;
use crate::os::signals::Stop;
use crate::time::Timestamp;

/// A clock. Clones show the same time.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System,
    Manual {
        start: Timestamp,
        began: Instant,
        passed: Arc<Mutex<Duration>>,
    },
}

impl Clock {
    /// The system's clocks.
    pub fn system() -> Clock {
        Clock(Source::System)
    }

    /// A clock that shows `start` and moves only by [`Clock::sleep`] and
    /// [`Clock::advance`].
    pub fn manual(start: Timestamp) -> Clock {
        Clock(Source::Manual {
            start,
            began: Instant::now(),
            passed: Arc::default(),
        })
    }

    /// The wall clock, which may jump.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => Timestamp::now(),
            Source::Manual { start, passed, .. } => start.plus(*lock(passed)),
        }
    }

    /// The monotonic clock, which never goes back.
    pub fn instant(&self) -> Instant {
        match &self.0 {
            Source::System => Instant::now(),
            Source::Manual { began, passed, .. } => *began + *lock(passed),
        }
    }

    /// Waits for `length`. Ends early, with an error, when a stop is requested.
    pub fn sleep(&self, stop: &Stop, length: Duration) -> anyhow::Result<()> {
        match &self.0 {
            Source::System => stop.sleep(length),
            Source::Manual { .. } => {
                stop.check()?;
                self.advance(length);
                Ok(())
            }
        }
    }

    /// Moves a manual clock forward; the system's stays as it is.
    pub fn advance(&self, length: Duration) {
        if let Source::Manual { passed, .. } = &self.0 {
            *lock(passed) += length;
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}
