//! Pipes that hold more.
//!
//! A pipe of 64 KiB, the default, costs a filter as much time in waking up and in
//! system calls as it spends on the records. What a user without privileges may
//! ask for is 1 MiB.

use std::os::fd::AsFd;

/// Makes a pipe as large as is worth it and allowed; anything else stays as it is.
pub fn grow(fd: impl AsFd) {
    #[cfg(target_os = "linux")]
    {
        const SIZE: usize = 1024 * 1024;
        // Nothing depends on it. A user over the limit for all of their pipes has this refused.
        let smaller = rustix::pipe::fcntl_getpipe_size(&fd).is_ok_and(|size| size < SIZE);
        if smaller && let Err(e) = rustix::pipe::fcntl_setpipe_size(&fd, SIZE) {
            log::debug!("a pipe keeps its size: {e}");
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = fd;
}
