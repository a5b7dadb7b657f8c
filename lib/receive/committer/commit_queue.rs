//! What waits for the committer.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};

use crate::os::mutex::lock;
use crate::receive::inbox::{CommitFailure, CoverageNote, Done};
use crate::receive::push::{Push, PushContent};
use crate::receive::store::StoreError;

/// Notes that wait for a disk that is full are not kept without end.
pub(super) const NOTES: usize = 100_000;

/// What waits to be committed.
pub(super) struct CommitQueue {
    pub(super) waiting: Mutex<Waiting>,
    pub(super) changed: Condvar,
    pub(super) queue_bytes: usize,
    /// Who is told why nothing can be written any more.
    pub(super) broken: Arc<dyn Fn(&str) + Send + Sync>,
}

impl CommitQueue {
    /// After a sync that failed, all that wait get to know, and those that come.
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

/// Pushes and notes, in their order.
#[derive(Default)]
pub(super) struct Waiting {
    pub(super) pushes: VecDeque<(Push, Done)>,
    pub(super) bytes: usize,
    pub(super) notes: Vec<CoverageNote>,
    pub(super) is_closed: bool,
    /// What failed, once a sync has.
    pub(super) broken: Option<String>,
}

/// Bytes that it holds in memory.
pub(super) fn size(push: &Push) -> usize {
    match &push.content {
        PushContent::Json(body) => body.len(),
        PushContent::Recording { .. } => 0,
    }
}

/// What a failed commit is to those who wait for it.
pub(super) fn failure(e: StoreError) -> CommitFailure {
    let is_sync = e.is_sync();
    let text = format!("{:#}", anyhow::Error::from(e));
    match is_sync {
        true => CommitFailure::Broken(text),
        false => CommitFailure::Refused(text),
    }
}
