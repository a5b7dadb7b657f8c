//! The replies of a commit, which are told together: one notice instead of one for each push.

use std::sync::Arc;

use super::commit_queue::CommitQueue;
use crate::os::mutex::lock;
use crate::receive::inbox::{CommitFailure, Done};
use crate::receive::push::Push;

/// Tells the replies of a commit, in the same thread or in another.
pub(crate) type TellReplies = Arc<dyn Fn(Replies) + Send + Sync>;

/// The pushes of a commit, and what their requests must hear.
pub(crate) struct Replies {
    pushes: Vec<(Push, Done)>,
    result: Result<(), CommitFailure>,
    gathering: Gathering,
}

/// While this exists, pushes gather for the next commit. So it has as many as the threads of the
/// server could read meanwhile, without a timer.
pub(crate) struct Gathering(Arc<CommitQueue>);

impl Replies {
    /// Call after the sync, or after its failure.
    pub(super) fn new(
        queue: &Arc<CommitQueue>,
        pushes: Vec<(Push, Done)>,
        result: Result<(), CommitFailure>,
    ) -> Replies {
        lock(&queue.waiting).is_gathering = true;
        Replies {
            pushes,
            result,
            gathering: Gathering(Arc::clone(queue)),
        }
    }

    /// Tells all requests. The next commit waits until the result is dropped.
    pub(crate) fn tell(self) -> Gathering {
        for (_, done) in self.pushes {
            done(self.result.clone());
        }
        self.gathering
    }
}

impl Drop for Gathering {
    fn drop(&mut self) {
        let mut waiting = lock(&self.0.waiting);
        waiting.is_gathering = false;
        let has_pushes = !waiting.pushes.is_empty();
        drop(waiting);
        if has_pushes {
            self.0.changed.notify_one();
        }
    }
}
