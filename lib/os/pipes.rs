//! Pipes that hold more.
//!
//! A pipe of 64 KiB, the default, costs a filter as much time in waking up and in
//! system calls as it spends on the records. What a user without privileges may
//! ask for is 1 MiB.

use std::os::fd::AsFd;

/// Makes a pipe as large as is worth it and allowed, and says whether it is now;
/// anything else stays as it is.
pub fn grow(fd: impl AsFd) -> bool {
    #[cfg(target_os = "linux")]
    {
        const SIZE: usize = 1024 * 1024;
        match rustix::pipe::fcntl_getpipe_size(&fd) {
            Ok(size) if size >= SIZE => true,
            // Nothing depends on it. A user over the limit for all of their pipes has this refused.
            Ok(_) => match rustix::pipe::fcntl_setpipe_size(&fd, SIZE) {
                Ok(_) => true,
                Err(e) => {
                    log::debug!("a pipe keeps its size: {e}");
                    false
                }
            },
            Err(_) => false,
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = fd;
        false
    }
}
