//! Remembers which bytes of an archive already belong to a member.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

/// The smallest member, in bytes. No member fits into a smaller gap. So two ranges with such a gap
/// between them are joined, and a normal archive becomes one range, however many members it has.
const SMALLEST_MEMBER: u64 = 30;

/// The largest number of ranges, which take about 8 MiB of memory. An archive with more ranges was
/// made to use up memory.
const MOST_PIECES: usize = 250_000;

/// A set of byte ranges that do not overlap.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    ends: BTreeMap<u64, u64>,
}

impl Ranges {
    /// Adds `start..end`. An error if it overlaps another range, or if there are too many ranges.
    pub(super) fn claim(&mut self, start: u64, end: u64) -> Result<(), &'static str> {
        let before = self.ends.range(..=start).next_back();
        let before = before.map(|(start, end)| (*start, *end));
        let after = self.ends.range((Excluded(start), Unbounded)).next();
        let after = after.map(|(start, end)| (*start, *end));
        if before.is_some_and(|before| before.1 > start) || after.is_some_and(|after| after.0 < end)
        {
            return Err("its data overlap another member's");
        }
        if self.ends.len() >= MOST_PIECES {
            return Err("the members are too scattered to check whether they overlap");
        }
        let mut piece = (start, end);
        if let Some(after) = after.filter(|after| after.0 - end < SMALLEST_MEMBER) {
            self.ends.remove(&after.0);
            piece.1 = after.1;
        }
        if let Some(before) = before.filter(|before| start - before.1 < SMALLEST_MEMBER) {
            piece.0 = before.0;
        }
        self.ends.insert(piece.0, piece.1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn neighbours_become_one_piece_in_any_order() {
        let mut ranges = Ranges::default();
        for i in [2, 0, 1, 4, 3_u64] {
            ranges.claim(i * 100, i * 100 + 80).unwrap();
        }
        assert_eq!(ranges.ends, BTreeMap::from([(0, 480)]));
    }

    #[test]
    fn an_archive_in_pieces_does_not_fill_the_memory() {
        let mut ranges = Ranges::default();
        let mut starts = (0_u64..).map(|i| i * 100);
        let pieces = starts
            .by_ref()
            .take_while(|start| ranges.claim(*start, start + 30).is_ok());
        assert_eq!(pieces.count(), MOST_PIECES);
    }

    proptest! {
        #[test]
        fn no_byte_is_given_twice(wanted in prop::collection::vec((0_u64..2000, 30_u64..200), 1..60)) {
            let mut ranges = Ranges::default();
            let mut given: Vec<(u64, u64)> = Vec::new();
            for (start, length) in wanted {
                let end = start + length;
                let free = given.iter().all(|(s, e)| end <= *s || *e <= start);
                prop_assert_eq!(ranges.claim(start, end).is_ok(), free);
                if free {
                    given.push((start, end));
                }
            }
        }
    }
}
