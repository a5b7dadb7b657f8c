//! The interface between the server and the committer: pushes wait here until they are on disk.

use crate::receive::push::Push;
use crate::time::Timestamp;

/// Why a push is not on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CommitFailure {
    /// The commit was rolled back, because the disk is full or busy. The reply is 503, and the
    /// receiver continues.
    Refused(String),
    /// A sync failed. The reply is 503, then the process exits with 74.
    Broken(String),
}

/// Called once for each push, after its sync or after a failure.
pub(crate) type Done = Box<dyn FnOnce(Result<(), CommitFailure>) + Send>;

/// A queue for pushes, and for notes about usage and coverage.
pub(crate) trait Inbox: Send + Sync {
    /// Adds a push to the queue. Returns the push if the queue is closed, or has too many bytes or
    /// pushes; `done` is then not called.
    // The push itself is returned, so that the caller can submit it again.
    #[allow(clippy::result_large_err)]
    fn submit(&self, push: Push, done: Done) -> Result<(), Push>;

    /// Adds a note, without waiting: the note is written with the next commit, or within 60 s.
    fn note(&self, note: CoverageNote);
}

/// A note about usage or coverage. A committed push counts as a use, and needs no note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CoverageNote {
    /// A client authenticated, and nothing was stored: the request was a GET for this path or, if
    /// the path is empty, a request for a token.
    Used {
        at: Timestamp,
        client: String,
        path: String,
    },
    /// A push was refused with 408, 413, 503, or the status for overload (429 by default). The path
    /// is `None` if it is not known.
    Refused { at: Timestamp, path: Option<String> },
    /// From the time `at` on, pushes are accepted, partly refused, or not accepted.
    State { at: Timestamp, state: ReceiverState },
    /// When the current certificate expires; the command `status` shows it.
    Certificate { expires_at: Timestamp },
    /// The wall clock was changed by more than 5 s relative to the monotonic clock.
    ClockJumped { at: Timestamp, by_ms: i64 },
}

/// Whether pushes are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReceiverState {
    /// All pushes are accepted.
    Up,
    /// Some pushes are refused: the receiver is overloaded, or the disk is short.
    Limited,
    /// No pushes are accepted.
    Down,
}
