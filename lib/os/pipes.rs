//! Enlarges pipes.
//!
//! Through a pipe of the default size, 64 KiB, a filter spends as much time on wake-ups and system
//! calls as on the records. A user without privileges may enlarge a pipe to 1 MiB.

use std::os::fd::AsFd;

/// Enlarges a pipe to 1 MiB, if that is allowed. Returns whether the pipe now has at least 1 MiB;
/// false for a file that is not a pipe.
pub fn grow(fd: impl AsFd) -> bool {
    #[cfg(target_os = "linux")]
    {
        const SIZE: usize = 1024 * 1024;
        match rustix::pipe::fcntl_getpipe_size(&fd) {
            Ok(size) if size >= SIZE => true,
            // A failure is harmless. The kernel refuses if all pipes of the user together are over
            // a limit.
            Ok(_) => match rustix::pipe::fcntl_setpipe_size(&fd, SIZE) {
                Ok(_) => true,
                Err(e) => {
                    log::debug!("cannot enlarge a pipe: {e}");
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
