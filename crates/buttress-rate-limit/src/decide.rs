//! One atomic decision about several buckets of the memory store: all their sets are locked, in one order for everybody.

use std::sync::Arc;

use crate::{
    Ask, Asks, Decision, MOST_LIMITS,
    gcra::debt,
    memory::{Spot, Table},
    slots::{Place, Slots},
    store::act,
    sync::MutexGuard,
};

type MemoryAsk<'a> = Ask<'a, Arc<Table>>;

/// Decides about all asks at this moment.
#[inline]
pub(crate) fn decide(asks: &Asks<'_, Arc<Table>>, now: u64) -> Decision {
    let mut list = asks.iter();
    match (list.next(), list.next(), list.next()) {
        (None, ..) => Decision::new(true),
        (Some(only), None, _) => one(only, now),
        (Some(first), Some(second), None) => two(first, second, now),
        _ => many(asks, now),
    }
}

#[inline]
fn one(ask: &MemoryAsk<'_>, now: u64) -> Decision {
    let spot = ask.limit.spot(&ask.key);
    let mut slots = spot.lock();
    let (changed, fits) = Change::make(ask, &mut slots, spot.tag, now);
    let mut decision = Decision::new(fits || !ask.act.is_enforced());
    decision.tell(debt(changed.next, now), fits);
    decision
}

/// What nearly every request asks, without the bookkeeping of [`many`].
#[inline]
fn two(first: &MemoryAsk<'_>, second: &MemoryAsk<'_>, now: u64) -> Decision {
    let spots = [first.limit.spot(&first.key), second.limit.spot(&second.key)];
    let (mut slots, mut others);
    match spots[0].order().cmp(&spots[1].order()) {
        std::cmp::Ordering::Equal => return both_in_one(first, second, spots, now),
        std::cmp::Ordering::Less => {
            slots = spots[0].lock();
            others = spots[1].lock();
        }
        std::cmp::Ordering::Greater => {
            others = spots[1].lock();
            slots = spots[0].lock();
        }
    }
    let (change, fits) = Change::make(first, &mut slots, spots[0].tag, now);
    let (other, other_fits) = Change::make(second, &mut others, spots[1].tag, now);
    let granted = (fits || !first.act.is_enforced()) && (other_fits || !second.act.is_enforced());
    let mut decision = Decision::new(granted);
    if !granted {
        other.undo(&mut others);
        change.undo(&mut slots);
    }
    decision.tell(change.debt(granted, now), fits);
    decision.tell(other.debt(granted, now), other_fits);
    decision
}

#[cold]
fn both_in_one(first: &MemoryAsk<'_>, second: &MemoryAsk<'_>, spots: [Spot<'_>; 2], now: u64) -> Decision {
    let mut guards = [Some(spots[0].lock())];
    settle([(first, spots[0], 0), (second, spots[1], 0)].into_iter(), &mut guards, now)
}

#[cold]
fn many(asks: &Asks<'_, Arc<Table>>, now: u64) -> Decision {
    let spots: [Option<Spot<'_>>; MOST_LIMITS] = {
        let mut all = asks.iter();
        std::array::from_fn(|_| all.next().map(|ask| ask.limit.spot(&ask.key)))
    };
    let spot = |i: usize| spots[i].expect("each ask has one");
    let mut order: [usize; MOST_LIMITS] = std::array::from_fn(|i| i);
    let order = &mut order[..asks.len()];
    order.sort_unstable_by_key(|i| spot(*i).order());
    let mut guards: [Option<MutexGuard<'_, Slots>>; MOST_LIMITS] = [const { None }; MOST_LIMITS];
    let mut guard_of = [0; MOST_LIMITS];
    for (nth, i) in order.iter().enumerate() {
        match nth.checked_sub(1).map(|before| order[before]).filter(|before| spot(*before).order() == spot(*i).order())
        {
            Some(same) => guard_of[*i] = guard_of[same],
            None => {
                guards[nth] = Some(spot(*i).lock());
                guard_of[*i] = nth;
            }
        }
    }
    settle(asks.iter().enumerate().map(|(i, ask)| (ask, spot(i), guard_of[i])), &mut guards, now)
}

/// Makes all changes in order, and undoes them in reverse if one that is enforced did not fit.
fn settle<'a>(
    asks: impl Iterator<Item = (&'a MemoryAsk<'a>, Spot<'a>, usize)> + Clone,
    guards: &mut [Option<MutexGuard<'_, Slots>>],
    now: u64,
) -> Decision {
    let mut changes: [Option<(Change, bool)>; MOST_LIMITS] = [None; MOST_LIMITS];
    let mut granted = true;
    for ((ask, spot, guard), kept) in asks.clone().zip(&mut changes) {
        let slots = guards[guard].as_mut().expect("its set is locked");
        let (change, fits) = Change::make(ask, slots, spot.tag, now);
        granted &= fits || !ask.act.is_enforced();
        *kept = Some((change, fits));
    }
    let mut decision = Decision::new(granted);
    if !granted {
        let mut which = [0; MOST_LIMITS];
        asks.zip(&mut which).for_each(|((_, _, guard), kept)| *kept = guard);
        for ((change, _), guard) in
            changes.iter().zip(which).rev().filter_map(|(change, guard)| Some(((*change)?, guard)))
        {
            change.undo(guards[guard].as_mut().expect("its set is locked"));
        }
    }
    for (change, fits) in changes.iter().flatten() {
        decision.tell(change.debt(granted, now), *fits);
    }
    decision
}

/// What was done to one bucket.
#[derive(Clone, Copy)]
struct Change {
    place: Place,
    next: u64,
    made: bool,
}

impl Change {
    #[inline]
    fn make(ask: &MemoryAsk<'_>, slots: &mut Slots, tag: u64, now: u64) -> (Self, bool) {
        let place = slots.find(tag);
        let (next, fits) = act(ask.act, place.full_at, now, &ask.quota);
        // A look leaves everything as it is, and what is forgotten needs nothing back.
        let idle = matches!(ask.act, crate::Act::Take { cost: 0, .. })
            || (!place.known && matches!(ask.act, crate::Act::Refund(_)));
        let made = fits && !idle;
        if made {
            slots.put(place, tag, next);
        }
        (Self { place, next: if made { next } else { place.full_at }, made }, fits)
    }

    fn undo(&self, slots: &mut Slots) {
        if self.made {
            slots.restore(self.place);
        }
    }

    /// When the bucket is full, after a decision that was granted or undone.
    #[inline]
    fn debt(&self, granted: bool, now: u64) -> u64 {
        debt(if granted { self.next } else { self.place.full_at }, now)
    }
}
