//! Locks whose holder may have died.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks. What a thread that died left behind is as it left it: here, nothing is
/// ever half-changed while a lock is held.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
