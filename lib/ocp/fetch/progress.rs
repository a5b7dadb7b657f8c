//! The progress of `export-fetch`: exports, pages, bytes, and the time left at the current rate.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::cli::progress_line::{ProgressLine, bytes};
use crate::net::rate::Rate;
use crate::os::clock::Clock;
use crate::os::mutex::lock;
use crate::time::show_duration;

/// The progress of a run, as a line on stderr.
#[derive(Debug)]
pub struct FetchProgress {
    rate: Rate,
    clock: Clock,
    line: ProgressLine,
    state: Mutex<BarState>,
}

#[derive(Debug)]
struct BarState {
    begun: Instant,
    requests: u64,
    done: u64,
    pages_left: u64,
    pages: u64,
    bytes: u64,
    waiting: String,
}

impl FetchProgress {
    /// Shows a line on stderr if `shown`. `rate` is the allowed rate of pages.
    pub fn new(shown: bool, rate: Rate, clock: Clock) -> FetchProgress {
        FetchProgress {
            rate,
            line: ProgressLine::new(shown),
            clock: clock.clone(),
            state: Mutex::new(BarState {
                begun: clock.instant(),
                requests: 0,
                done: 0,
                pages_left: 0,
                pages: 0,
                bytes: 0,
                waiting: String::new(),
            }),
        }
    }

    /// Adds requests to the total.
    pub(crate) fn more_requests(&self, count: u64) {
        self.update(|state| state.requests += count);
    }

    /// Shows what the exporter waits for.
    pub(crate) fn waits(&self, what: &str) {
        self.update(|state| state.waiting = what.to_owned());
    }

    /// Adds pages that are still to be downloaded.
    pub(crate) fn more_pages(&self, count: u64) {
        self.update(|state| state.pages_left += count);
    }

    /// Counts a page that is on disk.
    pub(crate) fn page(&self, bytes: u64) {
        self.update(|state| {
            state.pages_left = state.pages_left.saturating_sub(1);
            state.pages += 1;
            state.bytes += bytes;
        });
    }

    /// Counts a complete request.
    pub(crate) fn request_done(&self) {
        self.update(|state| state.done += 1);
    }

    /// Removes the line.
    pub fn finish(&self) {
        self.line.finish();
    }

    fn update(&self, change: impl FnOnce(&mut BarState)) {
        if self.line.is_shown() {
            let mut state = lock(&self.state);
            change(&mut state);
            self.line
                .say(|| state.message(self.rate, self.clock.instant()));
        }
    }
}

impl BarState {
    fn message(&self, rate: Rate, now: Instant) -> String {
        let mut text = format!(
            "exports {}/{}, pages {}/{}, {}",
            self.done,
            self.requests,
            self.pages,
            self.pages + self.pages_left,
            bytes(self.bytes)
        );
        if let Some(left) = self.left(rate, now) {
            text.push_str(&format!(", about {} left", show_duration(left)));
        }
        if !self.waiting.is_empty() {
            text.push_str(&format!("; {}", self.waiting));
        }
        text
    }

    /// The time left: the longer of two times. The first is the time for the remaining pages at the
    /// allowed rate. The second is the time for the remaining exports at the speed of the finished
    /// exports. `None` before the first export is finished, and after the last export is finished.
    fn left(&self, rate: Rate, now: Instant) -> Option<Duration> {
        let to_come = self
            .requests
            .checked_sub(self.done)
            .filter(|left| *left > 0)?;
        let done = u32::try_from(self.done).ok().filter(|done| *done > 0)?;
        let pages_each = self.pages.div_ceil(self.done);
        let pages = self.pages_left + pages_each * to_come.saturating_sub(1);
        let by_rate = rate.per.mul_f64(pages as f64 / rate.limit as f64);
        let by_pace =
            now.duration_since(self.begun) / done * u32::try_from(to_come).unwrap_or(u32::MAX);
        Some(Duration::from_secs(by_rate.max(by_pace).as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn begun() -> Instant {
        Clock::manual(Timestamp::from_millis(0)).instant()
    }

    fn state(begun: Instant, requests: u64, done: u64, pages: u64, pages_left: u64) -> BarState {
        BarState {
            begun,
            requests,
            done,
            pages_left,
            pages,
            bytes: 1024,
            waiting: "acme: PROCESSING for 4s".to_owned(),
        }
    }

    #[test]
    fn what_is_left_counts_the_rate_in() {
        let rate: Rate = "5/60s".parse().unwrap();
        let begun = begun();
        let state = |requests, done, pages, left| state(begun, requests, done, pages, left);
        assert_eq!(
            state(3, 0, 0, 0).left(rate, begun),
            None,
            "nothing is known yet"
        );
        assert_eq!(state(3, 3, 9, 0).left(rate, begun), None);
        // The first export had 10 pages. Of the second, 5 pages are left; of the third, all pages.
        let left = state(3, 1, 10, 5).left(rate, begun);
        assert_eq!(left, Some(Duration::from_secs(180)));
        assert_eq!(
            state(3, 1, 10, 5).message(rate, begun),
            "exports 1/3, pages 10/15, 1.00 KiB, about 3m left; acme: PROCESSING for 4s"
        );
    }
}
