//! Locks that nobody holds across anything that can fail.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks; what a panic left behind is whole, because nothing under these locks can be left half done.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
