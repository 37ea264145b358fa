use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

/// Runs that go on without their callers. A clone counts the same ones.
///
/// # Examples
///
/// Waits for them before the process ends:
///
/// ```
/// # use std::time::Duration;
/// # async fn stop(layer: buttress_idempotency::IdempotencyLayer<buttress_idempotency::MemoryStore>) {
/// let detached = layer.detached();
/// let in_time = tokio::time::timeout(Duration::from_secs(10), detached.idle()).await;
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Detached(Arc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    running: AtomicUsize,
    /// Words to the store that nobody waits for.
    words: AtomicUsize,
    changed: Notify,
}

impl Detached {
    /// How many there are.
    #[must_use]
    pub fn running(&self) -> usize {
        self.0.running.load(Ordering::Acquire)
    }

    /// Resolves as soon as there is none, and the store has heard of all that ended without its caller.
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves nothing behind.
    pub async fn idle(&self) {
        loop {
            let mut changed = std::pin::pin!(self.0.changed.notified());
            changed.as_mut().enable();
            if self.running() == 0 && self.0.words.load(Ordering::Acquire) == 0 {
                return;
            }
            changed.await;
        }
    }

    /// A place among at most so many, which is given back when it is dropped.
    pub(crate) fn enter(&self, most: usize) -> Option<Place> {
        let within = |running| (running < most).then_some(running + 1);
        let entered = self.0.running.fetch_update(Ordering::AcqRel, Ordering::Acquire, within);
        entered.is_ok().then(|| Place { of: self.clone(), count: |counted| &counted.running })
    }

    /// The place of a word to the store. They are short, and take the place of no run.
    pub(crate) fn send(&self) -> Place {
        self.0.words.fetch_add(1, Ordering::AcqRel);
        Place { of: self.clone(), count: |counted| &counted.words }
    }
}

/// One that goes on without its caller.
#[derive(Debug)]
pub(crate) struct Place {
    of: Detached,
    count: fn(&Counted) -> &AtomicUsize,
}

impl Drop for Place {
    fn drop(&mut self) {
        let counted = &*self.of.0;
        (self.count)(counted).fetch_sub(1, Ordering::AcqRel);
        counted.changed.notify_waiters();
    }
}
