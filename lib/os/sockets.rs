//! Sockets of a server: the limit of open files, keep-alive, and sockets that systemd opened.

use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::time::Duration;

use listenfd::ListenFd;
use rustix::net::sockopt;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// If no byte arrives for this time, the kernel checks whether the other side is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// The descriptor number of the first socket that systemd passes to a service.
const FIRST_PASSED: usize = 3;

/// Raises this process's limit of open files as far as the system allows. Returns the limit; `None`
/// if there is no limit.
pub(crate) fn raise_open_files() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
}

/// Turns on keep-alive, so that the kernel notices when the other side is gone. Errors are ignored.
pub(crate) fn keep_alive(socket: impl AsFd) {
    if sockopt::set_socket_keepalive(&socket, true).is_ok() {
        let _ = sockopt::set_tcp_keepidle(&socket, KEEP_ALIVE);
    }
}

/// The listening socket with descriptor `number`, which the service manager opened (`LISTEN_FDS`,
/// as systemd and `systemd-socket-activate` set it).
pub(crate) fn passed_listener(number: usize) -> io::Result<TcpListener> {
    let missing = || {
        let text = format!(
            "the service manager passed no socket {number} (LISTEN_FDS, \
            LISTEN_PID)"
        );
        io::Error::new(io::ErrorKind::NotFound, text)
    };
    let index = number.checked_sub(FIRST_PASSED).ok_or_else(missing)?;
    ListenFd::from_env()
        .take_tcp_listener(index)?
        .ok_or_else(missing)
}
