use std::{array, sync::Arc};

use crate::{
    entry::Ticket,
    rules::Rules,
    shared::Shared,
    stripe::Stripe,
    sync::{MOST_LANES, thread},
    window::{Nanos, Sample},
};

/// A circuit as one lane of threads holds on to it, so that its reference count is theirs alone.
// With the counts before it, two cache lines, of which only the first is written to: those of two lanes are 128 bytes
// apart, which is enough for processors that fetch lines in pairs.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Lane {
    stripe: Arc<Stripe>,
    rules: Arc<Rules>,
    shared: Arc<Shared>,
}

impl Lane {
    #[inline]
    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    #[inline]
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// How the circuit stands.
    #[inline]
    pub(crate) fn standing(&self) -> Ticket {
        self.stripe.standing()
    }

    /// Takes a success that was not slow: the usual case, which writes to nothing that other threads write to.
    ///
    /// `now` is the clock, if it has been read already.
    #[inline]
    pub(crate) fn succeed(&self, ticket: Ticket, mut now: Option<Nanos>) {
        let mut bucket = 0;
        if let Some(length) = self.rules.bucket {
            let at = now.unwrap_or_else(|| self.shared.now());
            (now, bucket) = (Some(at), at / length);
        }
        if !self.stripe.add(ticket, bucket) {
            self.shared.settle(ticket, Some(Sample::SUCCESS), now);
        }
    }
}

/// A circuit with its lanes.
#[derive(Debug)]
pub(crate) struct Lanes {
    shared: Arc<Shared>,
    /// Each of them as often as it takes, so that any thread finds its own without a look at how many there are.
    lanes: [Arc<Lane>; MOST_LANES],
}

impl Lanes {
    pub(crate) fn new(shared: Shared) -> Self {
        let shared = Arc::new(shared);
        let lane = |stripe: &Arc<Stripe>| {
            let (stripe, rules) = (stripe.clone(), shared.rules().clone());
            Arc::new(Lane { stripe, rules, shared: shared.clone() })
        };
        let lanes: Vec<_> = shared.stripes().iter().map(lane).collect();
        Self { lanes: array::from_fn(|thread| lanes[thread % lanes.len()].clone()), shared }
    }

    #[inline]
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The lane of this thread.
    #[inline]
    pub(crate) fn lane(&self) -> &Arc<Lane> {
        &self.lanes[thread() % MOST_LANES]
    }
}
