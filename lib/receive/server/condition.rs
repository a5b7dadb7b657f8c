//! Whether the receiver accepts pushes, and the state that coverage and load balancers see.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::error::Status;
use crate::os::mutex::lock;
use crate::os::signals::Stop;
use crate::receive::inbox::ReceiverState;

/// How long the state stays `limited` after a refusal.
const LIMITED: Duration = Duration::from_secs(60);

/// The condition of one receiver.
#[derive(Debug)]
pub(crate) struct Condition {
    is_draining: AtomicBool,
    is_stopping: AtomicBool,
    is_broken: AtomicBool,
    is_short: AtomicBool,
    free: AtomicU64,
    least_free: u64,
    limited_at: Mutex<Option<Instant>>,
    stop: Stop,
}

impl Condition {
    /// A ready receiver. It refuses pushes while the disk has less than `least_free` bytes; it
    /// calls `stop` when a sync fails.
    pub(crate) fn new(least_free: u64, stop: Stop) -> Condition {
        Condition {
            is_draining: AtomicBool::new(false),
            is_stopping: AtomicBool::new(false),
            is_broken: AtomicBool::new(false),
            is_short: AtomicBool::new(false),
            free: AtomicU64::new(u64::MAX),
            least_free,
            limited_at: Mutex::default(),
            stop,
        }
    }

    /// Call this when a sync has failed. From then on pushes are refused, and the process exits
    /// with 74.
    pub(crate) fn fail(&self, why: &str) {
        if !self.is_broken.swap(true, Ordering::SeqCst) {
            log::error!("{why}: the receiver stops, because the disk is not reliable");
            self.stop.request(Status::Io);
        }
    }

    /// Whether a sync failed.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::SeqCst)
    }

    /// From now on the receiver is not ready for load balancers, but still accepts pushes.
    pub(crate) fn drain(&self) {
        self.is_draining.store(true, Ordering::SeqCst);
    }

    /// From now on the receiver refuses pushes.
    pub(crate) fn stop_taking(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
    }

    /// Sets the free bytes of the disk. Below `least_free` bytes, the disk counts as short until it
    /// has 1.1 times `least_free` free bytes.
    pub(crate) fn set_free(&self, free: u64) {
        self.free.store(free, Ordering::Relaxed);
        let is_short = self.is_short.load(Ordering::SeqCst);
        let enough = match is_short {
            true => self.least_free.saturating_add(self.least_free / 10),
            false => self.least_free,
        };
        let now_short = free < enough;
        if now_short != is_short {
            match now_short {
                true => log::error!(
                    "the disk is short: {free} bytes left, less than --min-free; pushes are refused"
                ),
                false => log::warn!("the disk has room again: {free} bytes"),
            }
        }
        self.is_short.store(now_short, Ordering::SeqCst);
    }

    /// The free bytes of the disk.
    pub(crate) fn free(&self) -> u64 {
        self.free.load(Ordering::Relaxed)
    }

    /// Why pushes are refused; `None` if they are accepted. `bytes` is the announced length of a
    /// body that would be stored.
    pub(crate) fn refuses(&self, bytes: u64) -> Option<&'static str> {
        let after = self.free().saturating_sub(bytes);
        if self.is_broken() {
            return Some("the disk failed");
        }
        if self.is_stopping.load(Ordering::SeqCst) {
            return Some("stopping");
        }
        let is_short = self.is_short.load(Ordering::SeqCst) || after < self.least_free;
        is_short.then_some("the disk is short")
    }

    /// Why the receiver is not ready for a load balancer; `None` if it is ready.
    pub(crate) fn unready(&self) -> Option<&'static str> {
        match self.is_draining.load(Ordering::SeqCst) {
            true => Some("stopping"),
            false => self.refuses(0),
        }
    }

    /// Call this when a push was refused because of overload, or because the push could not be
    /// stored.
    pub(crate) fn note_limited(&self, now: Instant) {
        *lock(&self.limited_at) = Some(now);
    }

    /// The state that the coverage records.
    pub(crate) fn state(&self, now: Instant) -> ReceiverState {
        let limited_at = *lock(&self.limited_at);
        let was_limited = limited_at.is_some_and(|at| now.saturating_duration_since(at) < LIMITED);
        match self.refuses(0) {
            Some("the disk is short") => ReceiverState::Limited,
            Some(_) => ReceiverState::Down,
            None if was_limited => ReceiverState::Limited,
            None => ReceiverState::Up,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r13_a_short_disk_takes_nothing_until_there_is_a_tenth_more() {
        let condition = Condition::new(1000, Stop::default());
        assert_eq!(condition.refuses(0), None);
        condition.set_free(999);
        assert_eq!(condition.refuses(0), Some("the disk is short"));
        condition.set_free(1099);
        assert!(condition.unready().is_some());
        condition.set_free(1100);
        assert_eq!(condition.unready(), None);
        assert_eq!(condition.refuses(100), None);
        assert!(
            condition.refuses(101).is_some(),
            "the recording would not fit"
        );
    }

    #[test]
    fn r14_a_failed_sync_ends_it() {
        let stop = Stop::default();
        let condition = Condition::new(0, stop.clone());
        condition.fail("fdatasync");
        assert_eq!(stop.requested(), Some(Status::Io));
        assert!(condition.unready().is_some());
    }

    #[test]
    fn draining_is_seen_before_anything_is_refused() {
        let condition = Condition::new(0, Stop::default());
        let now = Instant::now();
        condition.drain();
        assert_eq!(condition.unready(), Some("stopping"));
        assert_eq!(condition.refuses(0), None);
        assert_eq!(condition.state(now), ReceiverState::Up);
        condition.note_limited(now);
        assert_eq!(condition.state(now), ReceiverState::Limited);
        assert_eq!(condition.state(now + LIMITED), ReceiverState::Up);
        condition.stop_taking();
        assert_eq!(condition.state(now), ReceiverState::Down);
    }
}
