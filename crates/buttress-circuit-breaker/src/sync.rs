//! The locks and atomics of the crate: loom's when its model checker runs, else the standard ones.

use std::sync::PoisonError;

#[cfg(not(loom))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

#[cfg(loom)]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

/// Locks, also after a panic elsewhere: no critical section here leaves its data half changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// However many processors there are.
pub(crate) const MOST_LANES: usize = 32;

/// How many threads can be told apart: a power of two.
#[cfg(not(loom))]
pub(crate) fn lanes() -> usize {
    let threads = std::thread::available_parallelism().map_or(8, usize::from);
    // Threads are numbered as they come: some more lanes, and fewer of the busy ones share one.
    (2 * threads).next_power_of_two().clamp(4, MOST_LANES)
}

#[cfg(loom)]
pub(crate) fn lanes() -> usize {
    2
}

/// The number of this thread.
#[cfg(not(loom))]
#[inline]
pub(crate) fn thread() -> usize {
    use std::{cell::Cell, sync::atomic::AtomicUsize};

    static NEXT: AtomicUsize = AtomicUsize::new(0);
    const UNKNOWN: usize = usize::MAX;
    thread_local! {
        static THREAD: Cell<usize> = const { Cell::new(UNKNOWN) };
    }
    // A thread that is ending has lost its number, and can do with any.
    let known = THREAD.try_with(Cell::get).unwrap_or(0);
    #[cold]
    #[inline(never)]
    fn assign() -> usize {
        let number = NEXT.fetch_add(1, Ordering::Relaxed) % UNKNOWN;
        let _ = THREAD.try_with(|thread| thread.set(number));
        number
    }
    if known == UNKNOWN { assign() } else { known }
}

#[cfg(loom)]
pub(crate) fn thread() -> usize {
    use loom::sync::atomic::AtomicUsize;

    // Loom's own, which begin anew with each run of the model.
    loom::lazy_static! {
        static ref NEXT: AtomicUsize = AtomicUsize::new(0);
    }
    loom::thread_local! {
        static THREAD: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    THREAD.with(|thread| *thread)
}
