//! A lock of one byte, so that it fits into the line of a cache with what it guards.
//!
//! For a few dozen instructions that neither wait nor allocate nor panic. Whoever finds it taken looks again: at once at
//! first, then each time others had their turn, then after a sleep. So one who was interrupted with it in hand holds up
//! others no longer than the system holds up him, whatever the priorities of both.

use std::sync::atomic::Ordering;

use crate::sync::AtomicU8;

#[derive(Debug)]
pub(crate) struct Latch(AtomicU8);

const FREE: u8 = 0;
const TAKEN: u8 = 1;

impl Latch {
    pub(crate) fn new() -> Self {
        Self(AtomicU8::new(FREE))
    }

    /// Takes it. All that was written before the last [`release`](Self::release) can be seen then.
    #[inline]
    pub(crate) fn take(&self) {
        if !self.try_take() {
            self.wait();
        }
    }

    #[inline]
    fn try_take(&self) -> bool {
        self.0.compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    #[inline]
    pub(crate) fn release(&self) {
        self.0.store(FREE, Ordering::Release);
    }

    /// To look first does not take the line of the cache away from who has it.
    #[cold]
    fn wait(&self) {
        for looks in 0.. {
            pause(looks);
            if self.0.load(Ordering::Relaxed) == FREE && self.try_take() {
                return;
            }
        }
    }
}

/// Longer with each look.
#[cfg(not(loom))]
#[expect(
    clippy::disallowed_methods,
    reason = "whoever has it was interrupted, and no timer wakes who waits for so short"
)]
fn pause(looks: u32) {
    use std::{hint::spin_loop, thread, time::Duration};
    match looks {
        // Far longer than anybody has it who is not interrupted.
        0..64 => spin_loop(),
        64..128 => thread::yield_now(),
        _ => thread::sleep(Duration::from_micros(50)),
    }
}

#[cfg(loom)]
fn pause(_: u32) {
    loom::thread::yield_now();
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{
        sync::atomic::AtomicU64,
        thread::{scope, yield_now},
    };

    use super::*;

    #[test]
    fn one_at_a_time_has_it_also_if_it_is_interrupted() {
        let (latch, count) = (Latch::new(), AtomicU64::new(0));
        scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for round in 0..2_000 {
                        latch.take();
                        let seen = count.load(Ordering::Relaxed);
                        if round % 100 == 0 {
                            // So long that others come to all stages of waiting.
                            (0..300).for_each(|_| yield_now());
                        }
                        count.store(seen + 1, Ordering::Relaxed);
                        latch.release();
                    }
                });
            }
        });
        assert_eq!(count.load(Ordering::Relaxed), 8_000);
    }
}
