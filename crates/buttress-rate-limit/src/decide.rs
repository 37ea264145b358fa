//! One atomic decision about several buckets of the memory store: all their sets are held, in one order for everybody.

use std::{cmp::Ordering, sync::Arc};

use crate::{
    Act, Ask, Asks, Decision, MOST_LIMITS, Table,
    gcra::debt,
    slots::{Held, Place},
    store::act,
    table::Spot,
};

type MemoryAsk<'a> = Ask<'a, Arc<Table>>;

/// Decides about all asks at this moment.
#[inline]
pub(crate) fn decide(asks: &Asks<'_, Arc<Table>>, now: u64) -> Decision {
    match asks.list() {
        [Some(only), None, ..] => one(only, now),
        [Some(first), Some(second), None, ..] => two(first, second, now),
        _ => many(asks, now),
    }
}

#[inline]
fn one(ask: &MemoryAsk<'_>, now: u64) -> Decision {
    let spot = ask.limit.spot(&ask.key);
    let held = spot.hold();
    let change = Change::of(ask, &held, spot.tag, now);
    change.make(&held, spot.tag);
    let granted = change.is_granted(ask);
    let mut decision = Decision::new(granted);
    decision.tell(change.debt(granted, now), change.fits);
    decision
}

/// What nearly every request asks, without the bookkeeping of [`many`].
#[inline]
fn two(first: &MemoryAsk<'_>, second: &MemoryAsk<'_>, now: u64) -> Decision {
    let (spot, other) = (first.limit.spot(&first.key), second.limit.spot(&second.key));
    let (held, others);
    match spot.order().cmp(&other.order()) {
        Ordering::Less => {
            held = spot.hold();
            others = other.hold();
        }
        Ordering::Greater => {
            others = other.hold();
            held = spot.hold();
        }
        Ordering::Equal => return both_in_one(first, second, [spot, other], now),
    }
    let change = Change::of(first, &held, spot.tag, now);
    let other_change = Change::of(second, &others, other.tag, now);
    let granted = change.is_granted(first) && other_change.is_granted(second);
    if granted {
        change.make(&held, spot.tag);
        other_change.make(&others, other.tag);
    }
    let mut decision = Decision::new(granted);
    decision.tell(change.debt(granted, now), change.fits);
    decision.tell(other_change.debt(granted, now), other_change.fits);
    decision
}

#[cold]
#[inline(never)]
fn both_in_one(first: &MemoryAsk<'_>, second: &MemoryAsk<'_>, spots: [Spot<'_>; 2], now: u64) -> Decision {
    let guards = [Some(spots[0].hold())];
    settle([(first, spots[0], 0), (second, spots[1], 0)].into_iter(), &guards, now)
}

#[cold]
#[inline(never)]
fn many(asks: &Asks<'_, Arc<Table>>, now: u64) -> Decision {
    let spots: [Option<Spot<'_>>; MOST_LIMITS] = {
        let mut all = asks.iter();
        std::array::from_fn(|_| all.next().map(|ask| ask.limit.spot(&ask.key)))
    };
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
    settle(asks.iter().enumerate().map(|(i, ask)| (ask, spot(i), guard_of[i])), &guards, now)
}

/// Makes all changes in order, since a later ask sees what an earlier one took, and undoes them in reverse if one that is
/// enforced did not fit.
fn settle<'a>(
    asks: impl Iterator<Item = (&'a MemoryAsk<'a>, Spot<'a>, usize)>,
    guards: &[Option<Held<'_>>],
    now: u64,
) -> Decision {
    let held = |guard: usize| guards[guard].as_ref().expect("its set is held");
    let mut changes: [Option<(Change, usize)>; MOST_LIMITS] = [None; MOST_LIMITS];
    let mut granted = true;
    for ((ask, spot, guard), kept) in asks.zip(&mut changes) {
        let change = Change::of(ask, held(guard), spot.tag, now);
        change.make(held(guard), spot.tag);
        granted &= change.is_granted(ask);
        *kept = Some((change, guard));
    }
    let mut decision = Decision::new(granted);
    if !granted {
        changes.iter().rev().flatten().for_each(|(change, guard)| change.undo(held(*guard)));
    }
    for (change, _) in changes.iter().flatten() {
        decision.tell(change.debt(granted, now), change.fits);
    }
    decision
}

/// What is to be done to one bucket.
#[derive(Clone, Copy)]
struct Change {
    place: Place,
    next: u64,
    fits: bool,
    changes: bool,
}

impl Change {
    #[inline]
    fn of(ask: &MemoryAsk<'_>, held: &Held<'_>, tag: u32, now: u64) -> Self {
        let place = held.find(tag);
        let (next, fits) = act(ask.act, place.full_at, now, &ask.quota);
        // A look leaves everything as it is, and what is forgotten needs nothing back.
        let idle = matches!(ask.act, Act::Take { cost: 0, .. }) || (!place.known && matches!(ask.act, Act::Refund(_)));
        let changes = fits && !idle;
        Self { place, next: if changes { next } else { place.full_at }, fits, changes }
    }

    #[inline]
    fn is_granted(&self, ask: &MemoryAsk<'_>) -> bool {
        self.fits || !ask.act.is_enforced()
    }

    #[inline]
    fn make(&self, held: &Held<'_>, tag: u32) {
        if self.changes {
            held.put(self.place, tag, self.next);
        }
    }

    fn undo(&self, held: &Held<'_>) {
        if self.changes {
            held.restore(self.place);
        }
    }

    /// What is missing in the bucket, after a decision that was granted or undone.
    #[inline]
    fn debt(&self, granted: bool, now: u64) -> u64 {
        debt(if granted { self.next } else { self.place.full_at }, now)
    }
}
