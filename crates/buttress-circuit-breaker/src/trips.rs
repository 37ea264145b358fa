use std::time::Duration;

use crate::{OpenTime, open_time::Random, rules::saturating, window::Nanos};

/// How often a circuit has opened in a row, and until when it is open (CBK-11).
#[derive(Debug)]
pub(crate) struct Trips {
    in_a_row: u32,
    last: Nanos,
    until: Nanos,
    random: Random,
}

impl Trips {
    pub(crate) fn new(seed: u64) -> Self {
        Self { in_a_row: 0, last: 0, until: 0, random: Random::new(seed) }
    }

    /// It opens: for how long.
    pub(crate) fn open(&mut self, now: Nanos, time: &OpenTime) -> Duration {
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.last = saturating(time.of(self.in_a_row, self.random.next())).max(1);
        self.until = now.saturating_add(self.last);
        Duration::from_nanos(self.last)
    }

    /// It was closed for so long: as long as it was open last is long enough to begin anew.
    pub(crate) fn rest(&mut self, closed: Nanos) {
        if closed >= self.last {
            self.forget();
        }
    }

    pub(crate) fn forget(&mut self) {
        (self.in_a_row, self.last) = (0, 0);
    }

    pub(crate) fn until(&self) -> Nanos {
        self.until
    }
}
