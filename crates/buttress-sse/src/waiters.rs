//! The wakers of readers that wait, each in a slot that its reader gives back (pure).

use std::{mem, task::Waker};

/// Slots are used again, so there are never more of them than readers at one time. That these are fewer than 2³² spares
/// each of them some bytes.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    slots: Vec<Option<Waker>>,
    free: Vec<u32>,
    /// Slots with a waker in them.
    waiting: usize,
}

/// Wakers taken in one go, to be woken when no lock is held.
#[must_use]
#[derive(Debug)]
pub(crate) struct Woken {
    /// Apart, so that a stream with one reader allocates nothing.
    first: Waker,
    rest: Vec<Waker>,
}

impl Waiters {
    /// Makes `waker` the one of the reader that owns `slot`, which is filled if need be. The
    /// waker it replaces is handed back, to be dropped when no lock is held.
    pub(crate) fn wait(&mut self, slot: &mut Option<u32>, waker: &Waker) -> Option<Waker> {
        let index = *slot.get_or_insert_with(|| {
            self.free.pop().unwrap_or_else(|| {
                self.slots.push(None);
                (self.slots.len() - 1) as u32
            })
        }) as usize;
        match &self.slots[index] {
            Some(old) if old.will_wake(waker) => return None,
            Some(_) => {}
            None => self.waiting += 1,
        }
        self.slots[index].replace(waker.clone())
    }

    /// Gives a slot back.
    pub(crate) fn leave(&mut self, slot: u32) -> Option<Waker> {
        self.free.push(slot);
        let waker = self.slots[slot as usize].take();
        self.waiting -= usize::from(waker.is_some());
        waker
    }

    /// Takes the wakers of all who wait, if there are any.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<Woken> {
        if self.waiting == 0 { None } else { self.take_some() }
    }

    fn take_some(&mut self) -> Option<Woken> {
        let mut wakers = self.slots.iter_mut().filter_map(Option::take);
        let first = wakers.next()?;
        let mut rest = Vec::with_capacity(mem::take(&mut self.waiting) - 1);
        rest.extend(wakers);
        Some(Woken { first, rest })
    }

    #[cfg(test)]
    pub(crate) fn readers(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

impl Woken {
    pub(crate) fn wake(self) {
        self.first.wake();
        self.rest.into_iter().for_each(Waker::wake);
    }
}

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

    #[test]
    fn every_waiter_is_woken_once_however_many_there_are() {
        let mut waiters = Waiters::default();
        let counts: Vec<_> = (0..5).map(|_| Arc::<Count>::default()).collect();
        for count in &counts {
            assert!(waiters.wait(&mut None, &count.clone().into()).is_none());
        }
        waiters.take().unwrap().wake();
        assert!(waiters.take().is_none());
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
        assert_eq!((waiters.slots.len(), waiters.readers(), waiters.waiting), (1, 0, 0));
    }

    #[test]
    fn only_the_latest_waker_of_a_reader_is_woken() {
        let mut waiters = Waiters::default();
        let counts: [Arc<Count>; 2] = Default::default();
        let mut slot = None;
        assert!(waiters.wait(&mut slot, &counts[0].clone().into()).is_none());
        assert!(waiters.wait(&mut slot, &counts[1].clone().into()).is_some());
        waiters.take().unwrap().wake();
        assert_eq!(counts.map(|count| count.0.load(Ordering::Relaxed)), [0, 1]);
    }
}
