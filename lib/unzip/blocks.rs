//! Memory blocks that pass from the threads that unpack to the thread that writes.
//!
//! A job is one or more members that one thread unpacks. The threads that unpack share a fixed
//! number of blocks. So a thread cannot be far ahead of the writing. But the job whose output is
//! written next must continue even if other jobs use all blocks, so this job may use a few more.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::os::mutex::lock;

/// The most bytes of a member that are inflated or passed on at once. With blocks of this size,
/// passing them on costs little.
pub(super) const BLOCK: usize = 256 * 1024;

/// The most bytes of memory that a buffer for lines keeps after a long line.
pub(super) const LONG: usize = 64 * 1024;

/// The number of additional blocks for the job whose output is written next. The job fills one
/// block while the other block is written.
const FOR_THE_NEXT: usize = 2;

/// A pool that lends blocks. When a block is dropped, it returns to the pool.
#[derive(Debug)]
pub(super) struct Blocks {
    state: Mutex<LentBlocks>,
    changed: Condvar,
    most: usize,
}

#[derive(Debug, Default)]
struct LentBlocks {
    free: Vec<Vec<u8>>,
    lent: usize,
    /// The job whose output is written next.
    next: u64,
}

/// Output of a job, in a block that the pool has lent.
#[derive(Debug)]
pub(super) struct OutputBlock {
    bytes: Vec<u8>,
    blocks: Arc<Blocks>,
}

impl Blocks {
    pub(super) fn new(most: usize) -> Blocks {
        Blocks {
            state: Mutex::default(),
            changed: Condvar::new(),
            most,
        }
    }

    /// Waits until a block is free, and returns this block, empty, for the output of the job
    /// `turn`.
    pub(super) fn lend(self: &Arc<Blocks>, turn: u64) -> OutputBlock {
        let mut state = lock(&self.state);
        while state.lent >= self.most + extra(&state, turn) {
            let woken = self.changed.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
        state.lent += 1;
        let bytes = state.free.pop();
        OutputBlock {
            bytes: bytes.unwrap_or_else(|| Vec::with_capacity(BLOCK)),
            blocks: Arc::clone(self),
        }
    }

    /// Allows the additional blocks for the job `turn`. Call this before the output of this job is
    /// written.
    pub(super) fn wait_for(&self, turn: u64) {
        lock(&self.state).next = turn;
        self.changed.notify_all();
    }
}

fn extra(state: &LentBlocks, turn: u64) -> usize {
    if state.next == turn { FOR_THE_NEXT } else { 0 }
}

impl OutputBlock {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Copies as much of `bytes` as fits into the block, and returns the number of copied bytes.
    pub(super) fn fill(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(BLOCK - self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..count]);
        count
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() == BLOCK
    }
}

impl Drop for OutputBlock {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        let mut state = lock(&self.blocks.state);
        state.lent -= 1;
        state.free.push(bytes);
        drop(state);
        self.blocks.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn a_block_comes_back_empty_when_it_is_dropped() {
        let blocks = Arc::new(Blocks::new(1));
        let mut block = blocks.lend(7);
        assert_eq!(block.fill(&[7; BLOCK + 1]), BLOCK);
        assert!(block.is_full());
        let at = block.bytes.as_ptr();
        drop(block);
        let block = blocks.lend(7);
        assert_eq!((block.bytes.as_ptr(), block.bytes.len()), (at, 0));
    }

    #[test]
    fn who_is_waited_for_gets_one_when_the_others_have_all() {
        let blocks = Arc::new(Blocks::new(1));
        blocks.wait_for(0);
        let _taken = blocks.lend(1);
        let mine = [blocks.lend(0), blocks.lend(0)];
        let (tx, rx) = mpsc::channel();
        let other = Arc::clone(&blocks);
        let waiting = thread::spawn(move || tx.send(other.lend(2).bytes.len()));
        let soon = Duration::from_millis(50);
        assert!(rx.recv_timeout(soon).is_err());
        drop(mine);
        assert!(rx.recv_timeout(soon).is_err());
        blocks.wait_for(2);
        assert_eq!(rx.recv(), Ok(0));
        waiting.join().unwrap().unwrap();
    }
}
