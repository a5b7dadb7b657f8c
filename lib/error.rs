//! The exit statuses of all programs, and the errors that choose one.
//!
//! Functions return `anyhow::Error` with context; a [`Failure`] in the chain of an error says how
//! the program ends. An `io::Error` without a [`Failure`] is a local I/O error, because `net::http`
//! has its own type for errors of the network.

use std::fmt;
use std::io;

/// How a program ended. A shell or a scheduler sees this as the exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Success, also if there was nothing to do.
    Done = 0,
    /// A failure that no other status describes; or `-e` was given and nothing was selected.
    Failed = 1,
    /// The command line or the configuration is wrong. A retry does not help.
    Usage = 2,
    /// More bad input than `--max-bad` allows; checksum or coverage mismatch.
    BadInput = 65,
    /// The service refused the request, and would refuse it again later: 4xx, expired, outside
    /// retention.
    Refused = 69,
    /// Local I/O: disk full, unwritable state.
    Io = 74,
    /// A later run can succeed: something is not ready, another process holds a lock, the rate
    /// budget is used up, or the service still replied 5xx at the last try.
    TryLater = 75,
    /// Authentication failed, or the account lacks a role.
    Auth = 77,
    /// SIGINT arrived. The state is saved; a later run continues the work.
    Interrupted = 130,
    /// SIGTERM arrived. The state is saved; a later run continues the work.
    Terminated = 143,
}

impl Status {
    /// The number that the program exits with.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The status as one word, for `--report`.
    pub fn word(self) -> &'static str {
        match self {
            Status::Done => "done",
            Status::Failed => "failed",
            Status::Usage => "usage",
            Status::BadInput => "bad-input",
            Status::Refused => "refused",
            Status::Io => "io",
            Status::TryLater => "try-later",
            Status::Auth => "auth",
            Status::Interrupted => "interrupted",
            Status::Terminated => "terminated",
        }
    }

    /// The exit status for an error. The first [`Failure`] or `io::Error` in the chain of the error
    /// decides. A [`Failure`] has a status. An `io::Error` is [`Status::BadInput`] if its kind is
    /// `InvalidData`, otherwise [`Status::Io`]. If the chain has neither, the status is
    /// [`Status::Failed`].
    pub fn of(error: &anyhow::Error) -> Status {
        for cause in error.chain() {
            if let Some(failure) = cause.downcast_ref::<Failure>() {
                return failure.status;
            }
            if let Some(e) = cause.downcast_ref::<io::Error>() {
                return match e.kind() {
                    io::ErrorKind::InvalidData => Status::BadInput,
                    _ => Status::Io,
                };
            }
        }
        Status::Failed
    }

    /// The worse of two statuses. A failure that a person must solve is worse than a failure that a
    /// retry can solve.
    pub fn worse(self, other: Status) -> Status {
        let rank = |status| match status {
            Status::Done => 0,
            Status::TryLater => 1,
            Status::Failed => 2,
            Status::Refused => 3,
            Status::BadInput => 4,
            Status::Usage => 5,
            Status::Io => 6,
            Status::Auth => 7,
            Status::Interrupted | Status::Terminated => 8,
        };
        if rank(other) > rank(self) {
            other
        } else {
            self
        }
    }
}

/// An error with an exit status.
#[derive(Debug)]
pub struct Failure {
    status: Status,
    text: String,
    narrow: bool,
}

impl Failure {
    /// A failure with its exit status, to return as an `anyhow::Error`.
    pub fn new(status: Status, text: impl Into<String>) -> Failure {
        Failure {
            status,
            text: text.into(),
            narrow: matches!(status, Status::Refused | Status::BadInput),
        }
    }

    /// The same failure, but it stops the whole run, because all other pieces of the work would
    /// fail, too.
    #[must_use]
    pub fn wide(mut self) -> Failure {
        self.narrow = false;
        self
    }

    /// The same failure with another exit status.
    #[must_use]
    pub fn with_status(mut self, status: Status) -> Failure {
        self.status = status;
        self
    }

    /// The same failure, but it stops only one piece of the work: the other pieces continue.
    #[must_use]
    pub fn narrow(mut self) -> Failure {
        self.narrow = true;
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

/// Returns an error with status 2, for a mistake on the command line or in the configuration.
pub fn usage(text: impl Into<String>) -> anyhow::Error {
    Failure::new(Status::Usage, text).into()
}

/// Returns an error with status 65, for input that is not in the expected form.
pub fn bad_input(text: impl Into<String>) -> anyhow::Error {
    Failure::new(Status::BadInput, text).into()
}

/// Returns an error with status 69: the service refused, and a retry does not help.
pub fn refused(text: impl Into<String>) -> anyhow::Error {
    Failure::new(Status::Refused, text).into()
}

/// Returns an error with status 69 that stops the whole run: the API is not as the configuration
/// describes it.
pub fn misspelled(text: impl Into<String>) -> anyhow::Error {
    Failure::new(Status::Refused, text).wide().into()
}

/// Returns an error with status 75, for a failure that a later run can overcome.
pub fn try_later(text: impl Into<String>) -> anyhow::Error {
    Failure::new(Status::TryLater, text).into()
}

/// Returns an error with status 77: the service does not accept the credentials or the role.
pub fn auth(text: impl Into<String>) -> anyhow::Error {
    Failure::new(Status::Auth, text).into()
}

/// Whether an error stops only one piece of the work, so that the other pieces continue.
/// [`Failure::new`] sets this for a refusal and for bad input; [`Failure::narrow`] and
/// [`Failure::wide`] change it.
pub fn is_narrow(error: &anyhow::Error) -> bool {
    let mut failures = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<Failure>());
    failures.next().is_some_and(|failure| failure.narrow)
}

/// Whether the reader of the output left early (`| head`). An `io::Error` of the kind `BrokenPipe`
/// in the chain of the error has this meaning, because `net::http` has its own type for errors of
/// the network.
pub fn reader_left(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn context_keeps_the_status() {
        let error = Err::<(), _>(try_later("lock held"))
            .context("ledger.ndjson")
            .unwrap_err();
        assert_eq!(Status::of(&error), Status::TryLater);
        assert_eq!(format!("{error:#}"), "ledger.ndjson: lock held");
    }

    #[test]
    fn an_io_error_is_local() {
        let error = anyhow::Error::from(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(Status::of(&error.context("writing x")), Status::Io);
        assert_eq!(Status::of(&anyhow::anyhow!("what")), Status::Failed);
        let error = anyhow::Error::from(io::Error::from(io::ErrorKind::InvalidData));
        assert_eq!(Status::of(&error.context("stdin")), Status::BadInput);
    }

    #[test]
    fn some_failures_stop_only_their_own_piece() {
        assert!(is_narrow(&refused("no").context("x")));
        assert!(!is_narrow(&auth("no")));
        assert!(is_narrow(&Failure::new(Status::Auth, "no").narrow().into()));
        assert!(!is_narrow(&anyhow::anyhow!("no")));
    }

    #[test]
    fn a_permanent_failure_outranks_a_retry() {
        assert_eq!(Status::TryLater.worse(Status::Refused), Status::Refused);
        assert_eq!(Status::Refused.worse(Status::TryLater), Status::Refused);
        assert_eq!(Status::Done.worse(Status::TryLater), Status::TryLater);
    }
}
