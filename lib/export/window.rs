//! Half-open windows of time, `[from, to)`, and functions that cut a range into windows. This
//! module has no input or output, so that tests can check that no window is lost or doubled.

use std::time::Duration;

use crate::time::Timestamp;

/// A half-open period, `[from, to)`. Never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    from: Timestamp,
    to: Timestamp,
}

impl Window {
    /// A new window; `None` unless `from` is before `to`.
    pub fn new(from: Timestamp, to: Timestamp) -> Option<Window> {
        (from < to).then_some(Window { from, to })
    }

    /// The first instant in the window.
    pub fn from(self) -> Timestamp {
        self.from
    }

    /// The first instant after the window.
    pub fn to(self) -> Timestamp {
        self.to
    }

    /// The shortest window that contains both windows.
    #[must_use]
    pub fn span(self, other: Window) -> Window {
        Window {
            from: self.from.min(other.from),
            to: self.to.max(other.to),
        }
    }

    /// Whether the two windows have an instant in common.
    pub fn overlaps(self, other: Window) -> bool {
        self.from < other.to && other.from < self.to
    }

    /// The whole hours around this window: `from` is rounded down and `to` is rounded up. An
    /// API that rounds both ends down would otherwise leave out the last hour.
    #[must_use]
    pub fn to_hours(self) -> Window {
        Window {
            from: self.from.floor_hour(),
            to: self.to.ceil_hour(),
        }
    }

    /// The part of the window that is also between `earliest` and `latest`; `None` if there is no
    /// such part.
    pub fn clamp(self, earliest: Timestamp, latest: Timestamp) -> Option<Window> {
        Window::new(self.from.max(earliest), self.to.min(latest))
    }

    /// Cuts this window into consecutive windows of `size`; the last one can be shorter.
    /// A `size` of less than one millisecond counts as one millisecond.
    pub fn cut(self, size: Duration) -> impl Iterator<Item = Window> {
        let size = size.max(Duration::from_millis(1));
        let mut from = self.from;
        std::iter::from_fn(move || {
            let window = Window::new(from, from.plus(size).min(self.to))?;
            from = window.to;
            Some(window)
        })
    }

    /// The parts of this window that no window of `have` covers, oldest first. The windows in
    /// `have` may be in any order and may overlap each other.
    pub fn gaps(self, have: &[Window]) -> Vec<Window> {
        let mut have: Vec<Window> = have.iter().copied().filter(|w| w.overlaps(self)).collect();
        have.sort_unstable();
        let mut gaps = Vec::new();
        let mut from = self.from;
        for window in have {
            gaps.extend(Window::new(from, window.from));
            from = from.max(window.to);
        }
        gaps.extend(Window::new(from, self.to));
        gaps
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}..{}", self.from, self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn window(from: i64, to: i64) -> Window {
        Window::new(Timestamp::from_millis(from), Timestamp::from_millis(to)).unwrap()
    }

    #[test]
    fn a_naive_end_would_lose_the_tail_hour() {
        let hour = crate::time::HOUR_MS;
        let hours = window(hour + 600_000, 2 * hour + 1_200_000).to_hours();
        assert_eq!(hours, window(hour, 3 * hour));
    }

    #[test]
    fn an_empty_window_cannot_be_made() {
        let at = Timestamp::from_millis(5);
        assert_eq!(Window::new(at, at), None);
    }

    fn windows() -> impl Strategy<Value = Window> {
        (-500_i64..500, 1_i64..400).prop_map(|(from, length)| window(from, from + length))
    }

    proptest! {
        #[test]
        fn cuts_cover_exactly(whole in windows(), size in 0_u64..70) {
            let parts: Vec<Window> = whole.cut(Duration::from_millis(size)).collect();
            prop_assert_eq!(parts[0].from, whole.from);
            prop_assert_eq!(parts[parts.len() - 1].to, whole.to);
            for pair in parts.windows(2) {
                prop_assert_eq!(pair[0].to, pair[1].from);
            }
            for part in parts {
                prop_assert!(part.to.since(part.from) <= Duration::from_millis(size.max(1)));
            }
        }

        #[test]
        fn gaps_are_what_no_other_window_covers(
            whole in windows(),
            have in prop::collection::vec(windows(), 0..6),
        ) {
            let gaps = whole.gaps(&have);
            for ms in whole.from.millis()..whole.to.millis() {
                let at = window(ms, ms + 1);
                let covered = have.iter().any(|w| w.overlaps(at));
                let hits = gaps.iter().filter(|w| w.overlaps(at)).count();
                prop_assert_eq!(hits, usize::from(!covered));
            }
            let inside = |gap: &Window| gap.from >= whole.from && gap.to <= whole.to;
            prop_assert!(gaps.iter().all(inside));
        }
    }
}
