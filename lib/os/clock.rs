//! A clock: the system's clock, or a manual one for tests.
//!
//! Code that gets a [`Clock`] reads no other clock and sleeps only with it, so that a test can move
//! time forward instead of waiting.

use std::fmt;
use std::fs;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::os::mutex::lock;
use crate::os::signals::Stop;
use crate::time::Timestamp;

/// A clock. All clones of a clock show the same time.
#[derive(Clone)]
pub struct Clock(Source);

/// An instant that all processes of a machine agree on, even if somebody sets the wall clock. It
/// can be stored in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MachineTime {
    /// The id of this boot of the machine.
    boot: String,
    /// Milliseconds since this boot, including the time that the machine slept.
    up: u64,
    /// Milliseconds of the wall clock. Used only to compare instants of different boots or
    /// machines.
    wall: i64,
}

impl MachineTime {
    /// The time from `earlier` to `self`; `None` if `earlier` seems to be later. If both are in one
    /// boot of the machine, the wall clock is not used.
    pub(crate) fn since(&self, earlier: &MachineTime) -> Option<Duration> {
        let millis = match self.boot == earlier.boot {
            true => self.up.checked_sub(earlier.up),
            false => u64::try_from(self.wall.saturating_sub(earlier.wall)).ok(),
        };
        millis.map(Duration::from_millis)
    }

    /// The instant `length` before this one.
    pub(crate) fn minus(&self, length: Duration) -> MachineTime {
        let millis = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        MachineTime {
            boot: self.boot.clone(),
            up: self.up.saturating_sub(millis),
            wall: self.wall.saturating_sub_unsigned(millis),
        }
    }
}

/// The kernel's id of this boot of the machine.
static BOOT: LazyLock<String> = LazyLock::new(|| {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
});

/// The time since the machine started.
fn up() -> Duration {
    #[cfg(target_os = "linux")]
    const SINCE_START: ClockId = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    const SINCE_START: ClockId = ClockId::Monotonic;
    let time = clock_gettime(SINCE_START);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_nanos(time.tv_nsec.unsigned_abs())
}

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
    /// The clock of the system.
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

    /// The time of the wall clock, which can jump.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => Timestamp::now(),
            Source::Manual { start, passed, .. } => start.plus(*lock(passed)),
        }
    }

    /// The time of the monotonic clock, which never goes back.
    pub fn instant(&self) -> Instant {
        match &self.0 {
            Source::System => Instant::now(),
            Source::Manual { began, passed, .. } => *began + *lock(passed),
        }
    }

    /// The current instant, in a form that all processes of this machine agree on.
    pub(crate) fn machine_time(&self) -> MachineTime {
        let (boot, up) = match &self.0 {
            Source::System => (BOOT.clone(), up()),
            Source::Manual { passed, .. } => (String::new(), *lock(passed)),
        };
        MachineTime {
            boot,
            up: u64::try_from(up.as_millis()).unwrap_or(u64::MAX),
            wall: self.now().millis(),
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

    /// Moves a manual clock forward; does nothing to the system's clock.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_the_wall_clock_does_not_move_the_time_of_the_machine() {
        let at = |boot: &str, up, wall| MachineTime {
            boot: boot.to_owned(),
            up,
            wall,
        };
        let now = at("b", 5_000, 1_000_000);
        let seconds = |n| Some(Duration::from_secs(n));
        assert_eq!(now.since(&at("b", 2_000, 9_000_000)), seconds(3));
        assert_eq!(now.since(&at("b", 2_000, 0)), seconds(3));
        assert_eq!(now.since(&at("b", 6_000, 0)), None);
        assert_eq!(now.since(&at("a", 9_000, 996_000)), seconds(4));
        assert_eq!(now.since(&at("a", 1, 1_000_001)), None);
        assert_eq!(now.since(&now.minus(Duration::from_secs(2))), seconds(2));
    }

    #[test]
    fn the_machine_knows_how_long_it_is_up() {
        let clock = Clock::system();
        let (first, second) = (clock.machine_time(), clock.machine_time());
        assert!(first.up > 0 && second.since(&first).is_some());
    }
}
