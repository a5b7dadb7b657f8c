//! The publisher's lock: only one process publishes at a time.

use std::fs::File;
use std::time::Duration;

use anyhow::Context;

use crate::error::{self, Failure, Status};
use crate::os::clock::Clock;
use crate::os::locks::{LockOutcome, try_lock};
use crate::os::private;
use crate::os::signals::Stop;
use crate::receive::directory::ReceiveDirectory;

/// How long to wait for another publishing process.
const PATIENCE: Duration = Duration::from_secs(120);

const PAUSE: Duration = Duration::from_millis(50);

/// The lock. Dropping this releases the lock.
#[derive(Debug)]
pub(crate) struct PublisherLock {
    _file: File,
}

impl PublisherLock {
    /// Tries once to take the lock; `None` if another process publishes.
    pub(crate) fn try_take(directory: &ReceiveDirectory) -> anyhow::Result<Option<PublisherLock>> {
        let path = directory.lock();
        let place = || path.display().to_string();
        let file = private::open(&path).with_context(place)?;
        match try_lock(&file).with_context(place)? {
            LockOutcome::Locked => Ok(Some(PublisherLock { _file: file })),
            LockOutcome::Held => Ok(None),
            LockOutcome::Unsupported => {
                let text = "the file system has no locks (flock), and publishers need them: put \
                    the directory on another file system";
                Err(anyhow::Error::from(Failure::new(Status::Io, text)).context(place()))
            }
        }
    }

    /// Waits for the lock. An error with status 75 if another process still has it after two
    /// minutes.
    pub(crate) fn take(
        directory: &ReceiveDirectory,
        clock: &Clock,
        stop: &Stop,
    ) -> anyhow::Result<PublisherLock> {
        let began = clock.instant();
        loop {
            if let Some(lock) = PublisherLock::try_take(directory)? {
                return Ok(lock);
            }
            if clock.instant() - began > PATIENCE {
                let place = directory.lock().display().to_string();
                return Err(error::try_later("another process publishes").context(place));
            }
            clock.sleep(stop, PAUSE)?;
        }
    }
}
