//! Tells whether a read returns at once.

use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Whether a read now returns data, the end or an error at once.
pub(crate) fn is_ready(file: impl AsFd) -> bool {
    let mut polled = [PollFd::new(&file, PollFlags::IN)];
    !matches!(poll(&mut polled, Some(&Timespec::default())), Ok(0))
}

/// Waits until `file` is ready or the other end of `stop` is closed. Returns true if `stop` is
/// closed.
pub(crate) fn is_stopped(file: impl AsFd, stop: impl AsFd) -> bool {
    let mut polled = [
        PollFd::new(&file, PollFlags::IN),
        PollFd::new(&stop, PollFlags::IN),
    ];
    let waited = poll(&mut polled, None);
    waited.is_ok() && !polled[1].revents().is_empty()
}
