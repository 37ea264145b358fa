//! The line of calls that wait for units of one bucket: who came first goes first, and who leaves lets the others move up.

use std::{collections::BTreeMap, sync::Arc, task::Waker, time::Duration};

use tokio::time::Instant;

use crate::{
    Quota, Standing, Wait, gcra,
    sync::{Mutex, lock},
};

#[derive(Debug)]
pub(crate) struct Line {
    quota: Quota,
    start: Instant,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    full_at: u64,
    /// Nobody goes before this moment, because the other side said so.
    closed_until: u64,
    next: u64,
    waiting: BTreeMap<u64, Waiting>,
    /// The units that those who wait want together.
    wanted: u64,
}

#[derive(Debug)]
struct Waiting {
    cost: u32,
    waker: Option<Waker>,
}

/// What becomes of a call.
#[derive(Debug)]
pub(crate) enum Joined {
    /// It goes at once.
    Go,
    /// It waits for its turn.
    Wait(Turn),
    /// It would wait too long: this long.
    TooLong(Duration),
    /// It wants more units than there can ever be.
    Never,
}

/// A place in the line, which is given up when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    line: Arc<Line>,
    ticket: u64,
    /// When its patience ends.
    until: u64,
}

/// Whether it is somebody's turn.
#[derive(Debug, PartialEq)]
pub(crate) enum Called {
    Go,
    /// First in line. To be asked again after this time, when units are back or its patience ends.
    First(Duration),
    /// Others are before. To be asked again after this time, when its patience ends.
    Later(Duration),
    /// Its patience has ended, and it would have to wait for this long still.
    TooLong(Duration),
}

impl Line {
    pub(crate) fn new(quota: Quota) -> Self {
        Self { quota, start: Instant::now(), queue: Mutex::new(Queue::default()) }
    }

    fn now(&self) -> u64 {
        nanos(Instant::now().saturating_duration_since(self.start))
    }

    /// Goes at once if nobody waits and the units are there, else waits if it comes to no more than `patience` with fewer
    /// than `most` before.
    pub(crate) fn join(self: &Arc<Self>, cost: u32, patience: Duration, most: usize) -> Joined {
        let now = self.now();
        let mut queue = lock(&self.queue);
        let standing = Standing::of(self.quota, gcra::debt(queue.full_at, now));
        if standing.wait(cost) == Wait::Never {
            return Joined::Never;
        }
        if queue.waiting.is_empty() && queue.take(now, &self.quota, cost) {
            return Joined::Go;
        }
        let wait = Duration::from_nanos(queue.turn_after(now, &self.quota, queue.wanted + u64::from(cost)));
        if wait > patience || queue.waiting.len() >= most {
            return Joined::TooLong(wait);
        }
        let ticket = queue.next;
        queue.next += 1;
        queue.wanted += u64::from(cost);
        queue.waiting.insert(ticket, Waiting { cost, waker: None });
        Joined::Wait(Turn { line: Arc::clone(self), ticket, until: now.saturating_add(nanos(patience)) })
    }

    /// Lets nobody go for this long: the other side asked for it.
    pub(crate) fn close_for(&self, time: Duration) {
        let until = self.now().saturating_add(nanos(time));
        let mut queue = lock(&self.queue);
        queue.closed_until = queue.closed_until.max(until);
    }
}

impl Queue {
    fn take(&mut self, now: u64, quota: &Quota, cost: u32) -> bool {
        let taken = gcra::take(self.full_at, now, quota, cost).filter(|_| now >= self.closed_until);
        if let Some(full_at) = taken {
            self.full_at = full_at;
        }
        taken.is_some()
    }

    /// After which time so many units will have been there: exact, as units come back evenly.
    fn turn_after(&self, now: u64, quota: &Quota, units: u64) -> u64 {
        let closed = self.closed_until.saturating_sub(now);
        let price = quota.step().saturating_mul(units);
        // A bucket that waits for the line to open fills up meanwhile, and no further than to the top.
        let debt = gcra::debt(self.full_at, now.saturating_add(closed));
        closed.saturating_add(debt.saturating_add(price).saturating_sub(quota.full()))
    }

    fn leave(&mut self, ticket: u64) -> Option<Waker> {
        let was_first = self.waiting.keys().next() == Some(&ticket);
        let left = self.waiting.remove(&ticket)?;
        self.wanted -= u64::from(left.cost);
        // Whoever is first now has to look at the clock.
        let first = self.waiting.values_mut().next().filter(|_| was_first)?;
        first.waker.take()
    }
}

impl Turn {
    /// Whether it may go now. If not, `waker` is woken when it gets to the front.
    pub(crate) fn poll(&self, waker: &Waker) -> Called {
        let (now, quota) = (self.line.now(), &self.line.quota);
        let mut queue = lock(&self.line.queue);
        let Some((first, waiting)) = queue.waiting.iter().next() else { return Called::Go };
        let (is_first, cost) = (*first == self.ticket, waiting.cost);
        if is_first && queue.take(now, quota, cost) {
            let next = queue.leave(self.ticket);
            drop(queue);
            next.inspect(Waker::wake_by_ref);
            return Called::Go;
        }
        let left = self.until.saturating_sub(now);
        if left == 0 {
            let wanted = queue.waiting.range(..=self.ticket).map(|(_, waiting)| u64::from(waiting.cost)).sum();
            return Called::TooLong(Duration::from_nanos(queue.turn_after(now, quota, wanted)));
        }
        if is_first {
            return Called::First(Duration::from_nanos(queue.turn_after(now, quota, u64::from(cost)).min(left)));
        }
        if let Some(waiting) = queue.waiting.get_mut(&self.ticket) {
            waiting.waker = Some(waker.clone());
        }
        Called::Later(Duration::from_nanos(left))
    }
}

/// Gives the turn back: those behind move up.
impl Drop for Turn {
    fn drop(&mut self) {
        let next = lock(&self.line.queue).leave(self.ticket);
        next.inspect(Waker::wake_by_ref);
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
