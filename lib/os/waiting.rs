//! The reason for which this process waits. The progress line shows it.

use std::sync::Mutex;

use crate::os::mutex::lock;

static REASON: Mutex<Option<&'static str>> = Mutex::new(None);

/// The note that this process waits. When this value is dropped, the note is removed.
#[derive(Debug)]
pub(crate) struct WaitNote(());

/// Notes that this process waits for `reason`, for example `the rate limit`.
pub(crate) fn wait_for(reason: &'static str) -> WaitNote {
    *lock(&REASON) = Some(reason);
    WaitNote(())
}

/// The reason for the current wait; `None` if this process does not wait.
pub(crate) fn reason() -> Option<&'static str> {
    *lock(&REASON)
}

impl Drop for WaitNote {
    fn drop(&mut self) {
        *lock(&REASON) = None;
    }
}
