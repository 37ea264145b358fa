//! One atomic decision about several buckets of the memory store: all their sets are held, in one order for everybody.
//!
//! The sets are found first, and asked for. To read the clock takes about as long as their way from memory.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use crate::{
    Act, Ask, Asks, Decision, MOST_LIMITS, Quota, Table,
    gcra::{self, debt},
    slots::{Held, Place},
    store::act,
    sync::AtomicU64,
    table::Spot,
};

type MemoryAsk<'a> = Ask<'a, Arc<Table>>;

/// Decides about all asks at the moment that the clock tells.
#[inline(always)]
pub(crate) fn decide(asks: &Asks<'_, Arc<Table>>, clock: impl FnOnce() -> u64) -> Decision {
    match asks.as_slice() {
        [only] => one(only, clock),
        [first, second] => two(first, second, clock),
        _ => many(asks, clock),
    }
}

#[inline]
fn one(ask: &MemoryAsk<'_>, clock: impl FnOnce() -> u64) -> Decision {
    let spot = fetch(ask);
    let now = clock();
    let held = spot.hold();
    let (Act::Take { cost, enforced }, Some(bucket)) = (ask.act, held.known(spot.tag)) else {
        return settle_one(Wish::of(ask, &spot), held, now);
    };
    let full_at = bucket.load(Relaxed);
    let mut decision;
    match gcra::take(full_at, now, &ask.quota, cost) {
        Some(next) => {
            bucket.store(next, Relaxed);
            decision = Decision::new(true);
            decision.tell(debt(next, now), true);
        }
        None => {
            decision = Decision::new(!enforced);
            decision.tell(debt(full_at, now), false);
        }
    }
    decision
}

/// What nearly every request asks, without the bookkeeping of [`settle`] as long as there is enough.
#[inline(always)]
fn two(first: &MemoryAsk<'_>, second: &MemoryAsk<'_>, clock: impl FnOnce() -> u64) -> Decision {
    let (spot, other) = (fetch(first), fetch(second));
    let now = clock();
    if spot.order() == other.order() {
        return settle_in_one_set([Wish::of(first, &spot), Wish::of(second, &other)], spot, now);
    }
    let (held, others) = hold_both(&spot, &other);
    if let Some(taken) = take(first, &spot, &held, now)
        && let Some(others_taken) = take(second, &other, &others, now)
    {
        taken.keep();
        others_taken.keep();
        let mut decision = Decision::new(true);
        decision.tell(taken.debt, true);
        decision.tell(others_taken.debt, true);
        return decision;
    }
    settle_two(Wish::of(first, &spot), Wish::of(second, &other), [held, others], now)
}

/// Finds the set of an ask, and has it brought here.
#[inline(always)]
fn fetch<'a>(ask: &MemoryAsk<'a>) -> Spot<'a> {
    let spot = ask.limit.spot(&ask.key);
    spot.fetch();
    spot
}

#[inline]
fn hold_both<'a>(spot: &Spot<'a>, other: &Spot<'a>) -> (Held<'a>, Held<'a>) {
    if spot.order() < other.order() {
        let held = spot.hold();
        (held, other.hold())
    } else {
        let others = other.hold();
        (spot.hold(), others)
    }
}

/// Units that are there, of a key that has a place: nothing else changes than when its bucket is full again.
struct Taken<'a> {
    bucket: &'a AtomicU64,
    next: u64,
    debt: u64,
}

#[inline]
fn take<'a>(ask: &MemoryAsk<'_>, spot: &Spot<'_>, held: &'a Held<'_>, now: u64) -> Option<Taken<'a>> {
    let Act::Take { cost, .. } = ask.act else { return None };
    // Nothing, and more than there ever is, are rare.
    if cost.wrapping_sub(1) >= ask.quota.size() {
        return None;
    }
    let bucket = held.known(spot.tag)?;
    let next = gcra::take(bucket.load(Relaxed), now, &ask.quota, cost)?;
    Some(Taken { bucket, next, debt: next.wrapping_sub(now) })
}

impl Taken<'_> {
    #[inline]
    fn keep(&self) {
        self.bucket.store(self.next, Relaxed);
    }
}

/// What an ask comes to once the place of its key is known.
#[derive(Clone, Copy)]
struct Wish {
    tag: u32,
    act: Act,
    quota: Quota,
}

impl Wish {
    #[inline]
    fn of(ask: &MemoryAsk<'_>, spot: &Spot<'_>) -> Self {
        Self { tag: spot.tag, act: ask.act, quota: ask.quota }
    }
}

#[inline(never)]
fn settle_one(wish: Wish, held: Held<'_>, now: u64) -> Decision {
    let change = Change::of(&wish, &held, now);
    change.make();
    let granted = change.is_granted();
    let mut decision = Decision::new(granted);
    decision.tell(change.debt(granted, now), change.fits);
    decision
}

#[inline(never)]
fn settle_two(wish: Wish, other: Wish, [held, others]: [Held<'_>; 2], now: u64) -> Decision {
    let (change, other_change) = (Change::of(&wish, &held, now), Change::of(&other, &others, now));
    let granted = change.is_granted() && other_change.is_granted();
    if granted {
        change.make();
        other_change.make();
    }
    let mut decision = Decision::new(granted);
    decision.tell(change.debt(granted, now), change.fits);
    decision.tell(other_change.debt(granted, now), other_change.fits);
    decision
}

#[cold]
#[inline(never)]
fn settle_in_one_set(wishes: [Wish; 2], spot: Spot<'_>, now: u64) -> Decision {
    let held = spot.hold();
    settle(wishes.into_iter().map(|wish| (wish, &held)), now)
}

#[cold]
#[inline(never)]
fn many(asks: &Asks<'_, Arc<Table>>, clock: impl FnOnce() -> u64) -> Decision {
    let spots: [Option<Spot<'_>>; MOST_LIMITS] = {
        let mut all = asks.iter();
        std::array::from_fn(|_| all.next().map(fetch))
    };
    let now = clock();
    let spot = |i: usize| spots[i].expect("each ask has one");
    let mut order: [usize; MOST_LIMITS] = std::array::from_fn(|i| i);
    let order = &mut order[..asks.len()];
    order.sort_unstable_by_key(|i| spot(*i).order());
    let mut guards: [Option<Held<'_>>; MOST_LIMITS] = [const { None }; MOST_LIMITS];
    let mut guard_of = [0; MOST_LIMITS];
    for (nth, i) in order.iter().enumerate() {
        match nth.checked_sub(1).map(|before| order[before]).filter(|before| spot(*before).order() == spot(*i).order())
        {
            Some(same) => guard_of[*i] = guard_of[same],
            None => {
                guards[nth] = Some(spot(*i).hold());
                guard_of[*i] = nth;
            }
        }
    }
    let held = |i: usize| guards[guard_of[i]].as_ref().expect("its set is held");
    settle(asks.iter().enumerate().map(|(i, ask)| (Wish::of(ask, &spot(i)), held(i))), now)
}

/// Makes all changes in order, since a later ask sees what an earlier one took, and undoes them in reverse if one that is
/// enforced did not fit.
fn settle<'a>(wishes: impl Iterator<Item = (Wish, &'a Held<'a>)>, now: u64) -> Decision {
    let mut changes: [Option<Change<'_>>; MOST_LIMITS] = [None; MOST_LIMITS];
    let mut granted = true;
    for ((wish, held), kept) in wishes.zip(&mut changes) {
        let change = Change::of(&wish, held, now);
        change.make();
        granted &= change.is_granted();
        *kept = Some(change);
    }
    let mut decision = Decision::new(granted);
    if !granted {
        changes.iter().rev().flatten().for_each(Change::undo);
    }
    for change in changes.iter().flatten() {
        decision.tell(change.debt(granted, now), change.fits);
    }
    decision
}

/// What is to be done to one bucket.
#[derive(Clone, Copy)]
struct Change<'a> {
    place: Place<'a>,
    tag: u32,
    next: u64,
    fits: bool,
    changes: bool,
    enforced: bool,
}

impl<'a> Change<'a> {
    #[inline]
    fn of(wish: &Wish, held: &'a Held<'_>, now: u64) -> Self {
        let place = held.find(wish.tag);
        let (next, fits) = act(wish.act, place.full_at, now, &wish.quota);
        // A look leaves everything as it is, and what is forgotten needs nothing back.
        let idle =
            matches!(wish.act, Act::Take { cost: 0, .. }) || (!place.known && matches!(wish.act, Act::Refund(_)));
        let changes = fits && !idle;
        let next = if changes { next } else { place.full_at };
        Self { place, tag: wish.tag, next, fits, changes, enforced: wish.act.is_enforced() }
    }

    #[inline]
    fn is_granted(&self) -> bool {
        self.fits || !self.enforced
    }

    #[inline]
    fn make(&self) {
        if self.changes {
            self.place.put(self.tag, self.next);
        }
    }

    fn undo(&self) {
        if self.changes {
            self.place.restore();
        }
    }

    /// What is missing in the bucket, after a decision that was granted or undone.
    #[inline]
    fn debt(&self, granted: bool, now: u64) -> u64 {
        debt(if granted { self.next } else { self.place.full_at }, now)
    }
}
