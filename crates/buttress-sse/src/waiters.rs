//! The wakers of readers that wait, each in a slot that its reader gives back (pure).

use std::task::Waker;

/// Slots are used again, so there are never more of them than readers at one time.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    slots: Vec<Option<Waker>>,
    free: Vec<usize>,
}

/// Wakers taken in one go, to be woken when no lock is held.
#[derive(Debug, Default)]
pub(crate) struct Batch([Option<Waker>; BATCH]);

impl Waiters {
    /// Makes `waker` the one of the reader that owns `slot`, which is filled if need be. The
    /// waker it replaces is handed back, to be dropped when no lock is held.
    pub(crate) fn wait(&mut self, slot: &mut Option<usize>, waker: &Waker) -> Option<Waker> {
        let index = *slot.get_or_insert_with(|| {
            self.free.pop().unwrap_or_else(|| {
                self.slots.push(None);
                self.slots.len() - 1
            })
        });
        match &self.slots[index] {
            Some(old) if old.will_wake(waker) => None,
            _ => self.slots[index].replace(waker.clone()),
        }
    }

    /// Gives a slot back.
    pub(crate) fn leave(&mut self, slot: usize) -> Option<Waker> {
        self.free.push(slot);
        self.slots[slot].take()
    }

    /// Takes wakers from slot `from` on, and says where to go on if there may be more. A reader
    /// that waits again meanwhile saw what it was woken for and is not owed another call.
    pub(crate) fn take(&mut self, from: usize) -> (Batch, Option<usize>) {
        let mut batch = Batch::default();
        let mut room = batch.0.iter_mut();
        for (index, slot) in self.slots.iter_mut().enumerate().skip(from) {
            if slot.is_some() {
                let Some(place) = room.next() else {
                    return (batch, Some(index));
                };
                *place = slot.take();
            }
        }
        (batch, None)
    }

    #[cfg(test)]
    pub(crate) fn readers(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

impl Batch {
    pub(crate) fn wake(self) {
        self.0.into_iter().flatten().for_each(Waker::wake);
    }
}

const BATCH: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl std::task::Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn wake_all(waiters: &mut Waiters) {
        let mut from = Some(0);
        while let Some(index) = from {
            let (batch, next) = waiters.take(index);
            batch.wake();
            from = next;
        }
    }

    #[test]
    fn every_waiter_is_woken_once_however_many_there_are() {
        let mut waiters = Waiters::default();
        let counts: Vec<_> = (0..3 * BATCH + 1).map(|_| Arc::<Count>::default()).collect();
        for count in &counts {
            waiters.wait(&mut None, &count.clone().into());
        }
        wake_all(&mut waiters);
        wake_all(&mut waiters);
        assert!(counts.iter().all(|count| count.0.load(Ordering::Relaxed) == 1));
    }

    #[test]
    fn a_slot_that_was_given_back_is_used_again() {
        let mut waiters = Waiters::default();
        for _ in 0..10 {
            let mut slot = None;
            waiters.wait(&mut slot, Waker::noop());
            assert!(waiters.leave(slot.unwrap()).is_some());
        }
        assert_eq!((waiters.slots.len(), waiters.readers()), (1, 0));
    }
}
