//! Locks whose holder may have died.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex, also after a thread died with the lock: in this project no data is half-changed
/// under a lock.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
