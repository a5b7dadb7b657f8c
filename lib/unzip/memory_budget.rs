//! A budget of memory that several threads share.

use std::sync::{Arc, Mutex};

use crate::os::mutex::lock;

/// A budget of memory: the number of bytes that can still be taken.
#[derive(Debug)]
pub(super) struct MemoryBudget(Mutex<u64>);

/// Bytes that were taken from a budget. When this is dropped, the budget gets them back.
#[derive(Debug)]
pub(super) struct TakenBytes {
    budget: Arc<MemoryBudget>,
    count: u64,
}

impl MemoryBudget {
    pub(super) fn new(bytes: u64) -> Arc<MemoryBudget> {
        Arc::new(MemoryBudget(Mutex::new(bytes)))
    }

    /// Takes `count` bytes; `None` if the budget has fewer.
    pub(super) fn take(self: &Arc<MemoryBudget>, count: u64) -> Option<TakenBytes> {
        let mut left = lock(&self.0);
        *left = left.checked_sub(count)?;
        Some(TakenBytes {
            budget: Arc::clone(self),
            count,
        })
    }
}

impl TakenBytes {
    /// Keeps `count` bytes, and returns the others to the budget.
    pub(super) fn keep(&mut self, count: u64) {
        let returned = self.count.saturating_sub(count);
        *lock(&self.budget.0) += returned;
        self.count -= returned;
    }

    /// Takes `more` bytes in addition; `false` if the budget has fewer.
    pub(super) fn grow(&mut self, more: u64) -> bool {
        let taken = self.budget.take(more);
        let Some(mut taken) = taken else {
            return false;
        };
        self.count += taken.count;
        taken.count = 0;
        true
    }
}

impl Drop for TakenBytes {
    fn drop(&mut self) {
        self.keep(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_taken_than_there_is_and_all_returns() {
        let budget = MemoryBudget::new(10);
        let mut one = budget.take(6).unwrap();
        assert!(budget.take(5).is_none());
        one.keep(2);
        let other = budget.take(5).unwrap();
        assert!(one.grow(3));
        assert!(!one.grow(1));
        drop(one);
        assert!(budget.take(6).is_none());
        drop(other);
        assert!(budget.take(10).is_some());
    }
}
