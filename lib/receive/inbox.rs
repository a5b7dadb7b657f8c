//! Between the server and the committer: pushes wait here until they are on disk.

use crate::receive::push::Push;
use crate::time::Timestamp;

/// Why a push is not on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CommitFailure {
    /// Not written and rolled back (disk full, busy): 503, the receiver goes on.
    Refused(String),
    /// A sync failed: 503, then the process exits with 74.
    Broken(String),
}

/// Called once, from the committer's thread, after the sync or when it failed.
pub(crate) type Done = Box<dyn FnOnce(Result<(), CommitFailure>) + Send>;

/// Takes pushes and notes.
pub(crate) trait Inbox: Send + Sync {
    /// Queues a push. Gives it back where the queue is full, by bytes or by number;
    /// `done` is not called then.
    // The push itself comes back, to be tried again.
    #[allow(clippy::result_large_err)]
    fn submit(&self, push: Push, done: Done) -> Result<(), Push>;

    /// Notes something for usage and coverage. Cheap: it is written with the next
    /// commit, or within 60 s.
    fn note(&self, note: CoverageNote);
}

/// What is remembered besides pushes. Committed pushes count as uses without a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CoverageNote {
    /// A client authenticated for a path, and nothing was stored: a GET, or a push
    /// that was refused. A token request has an empty path.
    Used {
        at: Timestamp,
        client: String,
        path: String,
    },
    /// A push was answered 408, 413, 429 or 503; its path, where it was known.
    Refused { at: Timestamp, path: Option<String> },
    /// From now on pushes are taken, partly refused, or not taken at all.
    State { at: Timestamp, state: ReceiverState },
    /// When the certificate in use expires: for `status`.
    Certificate { expires_at: Timestamp },
    /// The wall clock was set, by more than 5 s against the monotonic clock.
    ClockJumped { at: Timestamp, by_ms: i64 },
}

/// Whether pushes are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReceiverState {
    /// All of them.
    Up,
    /// Some are refused: over capacity, the disk is short.
    Limited,
    /// None.
    Down,
}
