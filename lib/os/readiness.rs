//! Tells whether a read would return at once.

use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Whether a read would return at once: with data, at the end of the file, or with an error.
pub(crate) fn is_ready(file: impl AsFd) -> bool {
    let mut polled = [PollFd::new(&file, PollFlags::IN)];
    !matches!(poll(&mut polled, Some(&Timespec::default())), Ok(0))
}

/// Waits until `file` is ready or the other end of `stop` is closed. Returns true if the other end
/// of `stop` is closed.
pub(crate) fn is_stopped(file: impl AsFd, stop: impl AsFd) -> bool {
    let mut polled = [
        PollFd::new(&file, PollFlags::IN),
        PollFd::new(&stop, PollFlags::IN),
    ];
    let waited = poll(&mut polled, None);
    waited.is_ok() && !polled[1].revents().is_empty()
}
