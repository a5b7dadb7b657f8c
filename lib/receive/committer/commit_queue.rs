//! The queue of the committer.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};

use crate::os::mutex::lock;
use crate::receive::inbox::{CommitFailure, CoverageNote, Done};
use crate::receive::push::{Push, PushContent};
use crate::receive::store::StoreError;

/// The most notes that are kept while they cannot be written, for example because the disk is full.
pub(super) const NOTES: usize = 100_000;

/// The queue of pushes and notes to commit.
pub(super) struct CommitQueue {
    pub(super) waiting: Mutex<Waiting>,
    pub(super) changed: Condvar,
    pub(super) queue_bytes: usize,
    /// Called with the reason when nothing can be written any more.
    pub(super) broken: Arc<dyn Fn(&str) + Send + Sync>,
}

impl CommitQueue {
    /// After a failed sync: fails all pushes in the queue, and all pushes that are submitted later.
    /// Does nothing after other failures.
    pub(super) fn break_down(&self, failure: &CommitFailure) {
        let CommitFailure::Broken(text) = failure else {
            return;
        };
        let mut waiting = lock(&self.waiting);
        waiting.broken = Some(text.clone());
        let rest: Vec<(Push, Done)> = waiting.pushes.drain(..).collect();
        waiting.bytes = 0;
        drop(waiting);
        self.changed.notify_all();
        for (_, done) in rest {
            done(Err(failure.clone()));
        }
        (self.broken)(text);
    }
}

/// Pushes and notes in their order of arrival.
#[derive(Default)]
pub(super) struct Waiting {
    pub(super) pushes: VecDeque<(Push, Done)>,
    pub(super) bytes: usize,
    pub(super) notes: Vec<CoverageNote>,
    pub(super) is_closed: bool,
    /// The error of a failed sync.
    pub(super) broken: Option<String>,
}

/// The bytes that a push adds to the size of the queue in memory; 0 for a recording, which is on
/// the disk.
pub(super) fn size(push: &Push) -> usize {
    match &push.content {
        PushContent::Json(body) => body.len(),
        PushContent::Recording { .. } => 0,
    }
}

/// Turns an error of the database into the failure that is reported to waiting pushes.
pub(super) fn failure(e: StoreError) -> CommitFailure {
    let is_sync = e.is_sync();
    let text = format!("{:#}", anyhow::Error::from(e));
    match is_sync {
        true => CommitFailure::Broken(text),
        false => CommitFailure::Refused(text),
    }
}
