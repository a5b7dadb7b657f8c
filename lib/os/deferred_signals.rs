//! Defers SIGINT and SIGTERM during a few steps.
//!
//! This module is for programs that SIGINT and SIGTERM may end at any other time. Programs that
//! must save a state before they end use [`crate::os::signals::Stop`].

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

use crate::os::signals;

/// Delays SIGINT and SIGTERM while a few steps run.
#[derive(Debug)]
pub struct DeferredSignals {
    /// True while signals are not deferred: a signal then ends the process at once.
    is_down: Arc<AtomicBool>,
    came: [(i32, Arc<AtomicBool>); 2],
}

impl DeferredSignals {
    /// Handles SIGINT and SIGTERM from now on. They still end the process at once unless they are
    /// [deferred](DeferredSignals::hold).
    pub fn on_signals() -> io::Result<DeferredSignals> {
        let is_down = Arc::new(AtomicBool::new(true));
        let came = [SIGINT, SIGTERM].map(|signal| (signal, Arc::default()));
        for (signal, came) in &came {
            let ends = Arc::clone(&is_down);
            match signals::is_process_one() {
                true => flag::register_conditional_shutdown(*signal, 128 + signal, ends)?,
                false => flag::register_conditional_default(*signal, ends)?,
            };
            flag::register(*signal, Arc::clone(came))?;
        }
        signals::take_over();
        Ok(DeferredSignals { is_down, came })
    }

    /// Runs `steps`. A signal that arrives during the steps ends the process after the steps.
    pub fn hold<T>(&self, steps: impl FnOnce() -> T) -> T {
        self.is_down.store(false, Ordering::SeqCst);
        let result = steps();
        self.is_down.store(true, Ordering::SeqCst);
        for (signal, came) in &self.came {
            if came.load(Ordering::SeqCst) {
                if signals::is_process_one() {
                    low_level::exit(128 + signal);
                }
                // This call cannot fail for SIGINT and SIGTERM.
                let _ = low_level::emulate_default_handler(*signal);
            }
        }
        result
    }
}
