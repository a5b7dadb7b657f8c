//! The reason why this process waits, for its progress line.

use std::sync::Mutex;

use crate::os::mutex::lock;

static REASON: Mutex<Option<&'static str>> = Mutex::new(None);

/// A wait in progress; dropping it ends the wait.
#[derive(Debug)]
pub(crate) struct WaitNote(());

/// Notes that this process waits for `reason`, for example `the rate limit`.
pub(crate) fn wait_for(reason: &'static str) -> WaitNote {
    *lock(&REASON) = Some(reason);
    WaitNote(())
}

/// The reason of the current wait; `None` if this process does not wait.
pub(crate) fn reason() -> Option<&'static str> {
    *lock(&REASON)
}

impl Drop for WaitNote {
    fn drop(&mut self) {
        *lock(&REASON) = None;
    }
}
