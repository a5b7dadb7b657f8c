//! Stops programs that keep state, on SIGINT and SIGTERM.
//!
//! Programs wait with [`Stop::sleep`], which a signal ends at once. A hook ([`Stop::on_stop`]) ends
//! other waits, for example on a socket. If the program still does not end, the process exits after
//! a grace period. An exit is safe at any time, because every step is on disk before the next step
//! begins.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use crate::error::{Failure, Status};
use crate::os::mutex::lock;

/// Whether SIGINT and SIGTERM end this process at once. Only used in process 1, such as the program
/// of a container, because the kernel has no default action for signals to process 1.
static ENDS_AT_ONCE: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// Makes a write beyond `ulimit -f` an error; otherwise the kernel would kill the process. In
/// process 1, also makes SIGINT and SIGTERM end the process.
pub fn prepare() -> io::Result<()> {
    flag::register(SIGXFSZ, Arc::default())?;
    if is_process_one() {
        ENDS_AT_ONCE.store(true, Ordering::SeqCst);
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(signal, 128 + signal, ENDS_AT_ONCE.clone())?;
        }
    }
    Ok(())
}

/// From now on, SIGINT and SIGTERM do not end process 1 at once: the caller handles them.
pub(super) fn take_over() {
    ENDS_AT_ONCE.store(false, Ordering::SeqCst);
}

pub(super) fn is_process_one() -> bool {
    rustix::process::getpid().is_init()
}

/// Calls `hook` on each SIGHUP from now on, so that the program can read its files again.
pub(crate) fn on_hangup(hook: impl Fn() + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGHUP])?;
    let listen = move || signals.forever().for_each(|_| hook());
    let named = thread::Builder::new().name("hangup".to_owned());
    named.spawn(listen).map(drop)
}

/// The default time between a request to stop and the forced exit. Airflow kills a process after
/// about 60 s, and a person waits less.
const GRACE: Duration = Duration::from_secs(4);

/// A request to stop, shared by all threads.
#[derive(Clone, Default)]
pub struct Stop {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    state: Mutex<StopState>,
    changed: Condvar,
}

#[derive(Default)]
struct StopState {
    requested: Option<Status>,
    hooks: Vec<Box<dyn Fn() + Send>>,
    /// The time from the request to the forced exit of the process; `None` if there is no forced
    /// exit.
    grace: Option<Duration>,
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stop({:?})", self.state().requested)
    }
}

impl Stop {
    /// Begins to listen for SIGINT and SIGTERM. Each of these signals requests a stop.
    pub fn on_signals() -> io::Result<Stop> {
        Stop::on_signals_within(GRACE)
    }

    /// Like [`Stop::on_signals`], for a program whose orderly end takes up to `grace`.
    pub(crate) fn on_signals_within(grace: Duration) -> io::Result<Stop> {
        let stop = Stop::default();
        stop.state().grace = Some(grace);
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let listener = stop.clone();
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                for signal in signals.forever() {
                    let status = if signal == SIGINT {
                        Status::Interrupted
                    } else {
                        Status::Terminated
                    };
                    if listener.state().requested.is_some() {
                        leave(status);
                    }
                    listener.request(status);
                }
            })?;
        take_over();
        Ok(stop)
    }

    /// Starts a thread that requests a stop with status 75 after `length`.
    pub fn request_after(&self, length: Duration) -> io::Result<()> {
        let stop = self.clone();
        let wait = move || {
            if stop.sleep(length).is_ok() {
                stop.request(Status::TryLater);
            }
        };
        thread::Builder::new().spawn(wait).map(drop)
    }

    /// Requests a stop. If a stop is requested several times, only the first status counts.
    pub fn request(&self, status: Status) {
        let mut state = self.state();
        if let (None, Some(grace)) = (state.requested, state.grace) {
            let end = move || {
                thread::sleep(grace);
                leave(status);
            };
            // If no thread can start, there is no forced exit.
            let _ = thread::Builder::new().spawn(end);
        }
        state.requested.get_or_insert(status);
        for hook in &state.hooks {
            hook();
        }
        drop(state);
        self.inner.changed.notify_all();
    }

    /// Registers `hook`: each later request to stop calls it. If a stop is requested already, also
    /// calls `hook` now. The hook must not block.
    pub fn on_stop(&self, hook: impl Fn() + Send + 'static) {
        let mut state = self.state();
        if state.requested.is_some() {
            hook();
        }
        state.hooks.push(Box::new(hook));
    }

    /// The exit status of the requested stop; `None` if no stop is requested.
    pub(crate) fn requested(&self) -> Option<Status> {
        self.state().requested
    }

    /// Returns an error if a stop is requested, so that the caller returns with `?`.
    pub fn check(&self) -> anyhow::Result<()> {
        match self.requested() {
            None => Ok(()),
            Some(status) => Err(stopped(status)),
        }
    }

    /// Waits for `length`. Ends early, with an error, when a stop is requested.
    pub fn sleep(&self, length: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + length;
        let mut state = self.state();
        loop {
            if let Some(status) = state.requested {
                return Err(stopped(status));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            state = self
                .inner
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn state(&self) -> MutexGuard<'_, StopState> {
        lock(&self.inner.state)
    }
}

fn stopped(status: Status) -> anyhow::Error {
    let word = match status {
        Status::Interrupted => "interrupted",
        Status::TryLater => "the deadline has passed",
        _ => "terminated",
    };
    Failure::new(status, format!("{word}: run the same command again")).into()
}

/// Ends the process without unwinding, because something did not stop, for example a helper program
/// that hangs.
#[allow(clippy::exit)]
fn leave(status: Status) {
    die_of(status);
    std::process::exit(i32::from(status.code()));
}

/// If `status` is [`Status::Interrupted`], ends the process by the signal SIGINT. The caller saves
/// the state before. The signal is needed because a shell continues its loop if its child only
/// exits with 130. After the signal, the shell shows the status 130, too.
pub fn die_of(status: Status) {
    if status == Status::Interrupted && !is_process_one() {
        let _ = signal_hook::low_level::emulate_default_handler(SIGINT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_ends_a_sleep_at_once() {
        let stop = Stop::default();
        let sleeper = {
            let stop = stop.clone();
            thread::spawn(move || stop.sleep(Duration::from_secs(600)))
        };
        stop.request(Status::Terminated);
        let error = sleeper.join().unwrap().unwrap_err();
        assert_eq!(Status::of(&error), Status::Terminated);
        assert!(stop.check().is_err());
    }

    #[test]
    fn a_hook_that_comes_late_is_called_too() {
        let stop = Stop::default();
        stop.request(Status::Interrupted);
        let (tx, rx) = std::sync::mpsc::channel();
        stop.on_stop(move || tx.send(()).unwrap());
        assert_eq!(rx.try_recv(), Ok(()));
    }
}
