use std::{error::Error, iter, mem, time::Duration};

use arrayvec::ArrayVec;

use crate::{Key, Quota, Standing, gcra};

/// The most limits that one request can draw from.
pub const MOST_LIMITS: usize = 8;

/// Keeps buckets, and decides about all limits of a request at once.
///
/// [`MemoryStore`](crate::MemoryStore) is the one that comes with this crate. What a store has to do is said here, and as
/// code in `conformance` (feature `conformance`), which every store's own test runs.
///
/// - A bucket is one moment, at which it will be full again, by the store's own clock: callers send no time (D37). It
///   may be forgotten once that has passed, and not before.
/// - One call of [`decide`](Self::decide) is one atomic step, in one round trip: no other decision comes between its
///   asks. They are looked at in order, and a later one sees what an earlier one took.
/// - If an [`Act::Take`] that is enforced does not fit, nothing changes at all (RLM-2, RLM-3). Shadows that do not fit
///   change nothing themselves.
/// - Clocks that step back grant nothing (RLM-19).
///
/// # Cancel safety
///
/// A future that is dropped may have decided or not; it never decides for some asks and not for others.
pub trait RateStore: Send + Sync + 'static {
    /// One limit within this store: where its buckets are.
    type Limit: Send + Sync + 'static;
    /// Why there is no decision.
    type Error: Error + Send + Sync + 'static;
    /// A decision under way.
    type Deciding: Future<Output = Result<Decision, Self::Error>> + Send + 'static;

    /// Finds or makes the limit of this name. The same name is the same limit, also from other layers.
    fn open(&self, name: &str) -> Self::Limit;

    /// Decides. What can be said at once is [`Reply::Now`], without a future.
    fn decide(&self, asks: &Asks<'_, Self::Limit>) -> Reply<Self::Deciding>;
}

/// What a store says: at once, or after a while.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "there is no third answer")]
pub enum Reply<F: Future> {
    /// Decided already.
    Now(F::Output),
    /// To be waited for.
    Later(F),
}

/// What a request asks of a store: of each limit one thing, in order.
#[derive(Debug)]
pub struct Asks<'a, L>(List<'a, L>);

type List<'a, L> = ArrayVec<Ask<'a, L>, MOST_LIMITS>;

/// An ask whose key has yet to be found. If it is not, or if looking for it panics, it is forgotten.
struct Half<'b, 'a, L>(&'b mut List<'a, L>);

/// What a request asks of one limit.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ask<'a, L> {
    /// The limit.
    pub limit: &'a L,
    /// Whose bucket.
    pub key: Key<'a>,
    /// How big it is, and how fast it fills up.
    pub quota: Quota,
    /// What to do with it.
    pub act: Act,
}

/// What to do with a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a store has to know all of them")]
pub enum Act {
    /// Takes so many units if they are there. None are always there: that is a look.
    Take {
        /// Units.
        cost: u32,
        /// Whether the request is refused if they are not there; otherwise it is only told.
        enforced: bool,
    },
    /// Takes so many units, whether they are there or not: the cost is known only now.
    Charge(u32),
    /// Gives so many units back. A bucket is never fuller than full, and one that is forgotten is full.
    Refund(u32),
}

impl<'a, L> Asks<'a, L> {
    /// Nothing so far.
    #[must_use]
    #[inline]
    pub fn new() -> Self {
        Self(ArrayVec::new())
    }

    /// Adds one.
    ///
    /// # Panics
    ///
    /// When there are [`MOST_LIMITS`] already.
    #[inline]
    pub fn push(&mut self, limit: &'a L, key: Key<'a>, quota: Quota, act: Act) {
        self.0.push(Ask { limit, key, quota, act });
    }

    /// Adds one if `find` finds its key, and writes it where it stays.
    #[inline]
    pub(crate) fn push_found<E>(
        &mut self,
        limit: &'a L,
        quota: Quota,
        act: Act,
        find: impl FnOnce(&mut Key<'a>) -> Result<bool, E>,
    ) -> Result<(), E> {
        self.push(limit, Key::EVERYBODY, quota, act);
        let mut half = Half(&mut self.0);
        if find(half.key())? {
            mem::forget(half);
        }
        Ok(())
    }

    /// The same buckets, of which nothing is taken.
    pub(crate) fn looks(&self) -> Self {
        let mut looks = Self::new();
        for Ask { limit, key, quota, act: _ } in &self.0 {
            looks.push(limit, *key, *quota, Act::Take { cost: 0, enforced: false });
        }
        looks
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, in order.
    #[inline]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Ask<'a, L>> + ExactSizeIterator + Clone {
        self.0.iter()
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[Ask<'a, L>] {
        &self.0
    }
}

impl<'a, L> Half<'_, 'a, L> {
    #[inline]
    fn key(&mut self) -> &mut Key<'a> {
        &mut self.0.last_mut().expect("it was added just now").key
    }
}

impl<L> Drop for Half<'_, '_, L> {
    fn drop(&mut self) {
        self.0.pop();
    }
}

impl<L> Default for Asks<'_, L> {
    fn default() -> Self {
        Self::new()
    }
}

/// What a store decided about the asks of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    granted: bool,
    len: u8,
    /// A bit for each ask that did not fit.
    misfits: u8,
    /// When each bucket is full again, in nanoseconds from now.
    debts: [u64; MOST_LIMITS],
}

impl Decision {
    /// A decision about nothing so far: granted if every enforced ask fits.
    #[must_use]
    #[inline]
    pub fn new(granted: bool) -> Self {
        Self { granted, len: 0, misfits: 0, debts: [0; MOST_LIMITS] }
    }

    /// Tells of the next ask when its bucket is full again as it stands now, and whether the ask fits.
    ///
    /// # Panics
    ///
    /// When it tells of more than [`MOST_LIMITS`].
    pub fn push(&mut self, full_in: Duration, fits: bool) {
        self.tell(u64::try_from(full_in.as_nanos()).unwrap_or(u64::MAX), fits);
    }

    #[inline]
    pub(crate) fn tell(&mut self, debt: u64, fits: bool) {
        let at = usize::from(self.len);
        self.debts[at] = debt;
        self.misfits |= u8::from(!fits) << at;
        self.len += 1;
    }

    /// Whether the request may go on. If not, nothing was taken.
    #[must_use]
    pub fn granted(&self) -> bool {
        self.granted
    }

    /// Whether this ask fits, alone.
    #[must_use]
    #[inline]
    pub fn fits(&self, ask: usize) -> bool {
        ask >= usize::from(self.len) || self.misfits & 1 << ask == 0
    }

    /// Which asks do not fit.
    #[inline]
    pub(crate) fn misfits(&self) -> impl Iterator<Item = usize> {
        let mut left = self.misfits;
        iter::from_fn(move || {
            let next = (left != 0).then(|| left.trailing_zeros() as usize);
            left &= left.wrapping_sub(1);
            next
        })
    }

    #[inline]
    pub(crate) fn all_fit(&self) -> bool {
        self.misfits == 0
    }

    /// How the bucket of this ask stands after the decision; full if the store did not tell.
    #[must_use]
    #[inline]
    pub fn standing(&self, ask: usize, quota: Quota) -> Standing {
        Standing::of(quota, self.debts.get(ask).copied().unwrap_or(0))
    }
}

/// What becomes of the moment at which a bucket is full: the next one, and whether the ask fits. Pure.
#[inline]
pub(crate) fn act(act: Act, full_at: u64, now: u64, quota: &Quota) -> (u64, bool) {
    match act {
        Act::Take { cost, .. } => match gcra::take(full_at, now, quota, cost) {
            Some(next) => (next, true),
            None => (full_at, false),
        },
        Act::Charge(cost) => (gcra::charge(full_at, now, quota, cost), true),
        Act::Refund(cost) => (gcra::refund(full_at, now, quota, cost), true),
    }
}

impl Act {
    /// Whether a request is refused if this does not fit.
    #[must_use]
    #[inline]
    pub fn is_enforced(self) -> bool {
        matches!(self, Self::Take { enforced: true, .. })
    }
}
