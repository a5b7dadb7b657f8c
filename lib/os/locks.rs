//! Exclusive locks on files, by `flock`. A lock ends with the process that holds it.

use std::fs::{File, TryLockError};
use std::io;
use std::thread;
use std::time::Duration;

use rustix::io::Errno;

use crate::error::{self, Failure, Status};

/// The number of attempts to lock a file. The pauses between them are 1, 2, 4 … ms: half a second
/// in all. There are several attempts, because a lock can stay for a few milliseconds after its
/// holder ended: if the holder starts a child process, the child also holds the lock until its
/// `exec`.
const TRIES: u32 = 10;

/// The result of an attempt to lock a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockOutcome {
    /// This process has the lock until it closes the file.
    Locked,
    /// Another process holds the lock.
    Held,
    /// The file system has no locks.
    Unsupported,
}

/// Tries once to lock `file`.
pub fn try_lock(file: &File) -> io::Result<LockOutcome> {
    outcome(file.try_lock())
}

fn outcome(tried: Result<(), TryLockError>) -> io::Result<LockOutcome> {
    match tried {
        Ok(()) => Ok(LockOutcome::Locked),
        Err(TryLockError::WouldBlock) => Ok(LockOutcome::Held),
        Err(TryLockError::Error(e)) if is_unsupported(&e) => Ok(LockOutcome::Unsupported),
        Err(TryLockError::Error(e)) => Err(e),
    }
}

/// Locks `file`, or returns an error: status 75 if another run holds the lock for half a
/// second, 74 if the file system has no locks.
pub fn require(file: &File) -> anyhow::Result<()> {
    require_with(file, thread::sleep)
}

fn require_with(file: &File, sleep: impl Fn(Duration)) -> anyhow::Result<()> {
    for attempt in 0..TRIES {
        match try_lock(file)? {
            LockOutcome::Locked => return Ok(()),
            LockOutcome::Unsupported => {
                let text = "the file system has no locks (flock), and two runs need them: put the \
                    file on another file system";
                return Err(Failure::new(Status::Io, text).into());
            }
            LockOutcome::Held if attempt + 1 < TRIES => {
                sleep(Duration::from_millis(1 << attempt));
            }
            LockOutcome::Held => {}
        }
    }
    Err(error::try_later("another run holds it"))
}

fn is_unsupported(e: &io::Error) -> bool {
    let unsupported = [Errno::OPNOTSUPP, Errno::NOTSUP, Errno::NOLCK, Errno::NOSYS];
    Errno::from_io_error(e).is_some_and(|code| unsupported.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn a_file_system_without_locks_is_known_by_its_error() {
        for (code, known) in [(95, true), (37, true), (38, true), (5, false)] {
            let error = io::Error::from_raw_os_error(code);
            let outcome = outcome(Err(TryLockError::Error(error)));
            assert_eq!(outcome.ok(), known.then_some(LockOutcome::Unsupported));
        }
    }

    #[test]
    fn a_lock_that_is_let_go_of_in_a_moment_is_waited_for() {
        let held = tempfile::NamedTempFile::new().unwrap();
        let (first, second) = (held.reopen().unwrap(), held.reopen().unwrap());
        require(&first).unwrap();
        let error = require_with(&second, |_| {}).unwrap_err();
        assert_eq!(Status::of(&error), Status::TryLater);
        let first = RefCell::new(Some(first));
        require_with(&second, |_| drop(first.take())).unwrap();
    }
}
