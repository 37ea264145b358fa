//! The lock of the memory store: loom's when its model checker runs, else the standard one.

use std::sync::PoisonError;

#[cfg(not(loom))]
pub(crate) use std::sync::{Mutex, MutexGuard};

#[cfg(loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard};

/// Locks, also after a panic elsewhere: no critical section here leaves its data half changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What only its owner touches, and may lie in something that is shared: nobody ever locks it.
#[derive(Debug)]
pub(crate) struct Owned<T>(std::sync::Mutex<T>);

impl<T> Owned<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    pub(crate) fn get(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}
