use std::time::Duration;

/// How long a circuit stays open.
///
/// The same each time, or growing with each time that it opens again before it has stayed closed for as long as it was
/// open last. A jitter takes up to that share off, so that many clients of one service do not try it at the same moment.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use buttress_circuit_breaker::OpenTime;
///
/// // 10 s, 20 s, 40 s, … 5 min, each up to a fifth shorter.
/// let growing = OpenTime::growing(Duration::from_secs(10), Duration::from_secs(300)).jitter(0.2);
/// let fixed = OpenTime::fixed(Duration::from_secs(10));
/// assert_ne!(growing, fixed);
/// ```
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OpenTime {
    pub(crate) first: Duration,
    pub(crate) most: Duration,
    pub(crate) factor: f64,
    pub(crate) jitter: f64,
}

impl OpenTime {
    /// The same each time, without jitter. From 1 ms to a day.
    pub const fn fixed(time: Duration) -> Self {
        Self { first: time, most: time, factor: 1.0, jitter: 0.0 }
    }

    /// Doubles each time, from `first` up to `most`, without jitter. Both from 1 ms to a day.
    pub const fn growing(first: Duration, most: Duration) -> Self {
        Self { first, most, factor: 2.0, jitter: 0.0 }
    }

    /// Grows by another factor, from 1 to 100.
    pub const fn factor(self, factor: f64) -> Self {
        Self { factor, ..self }
    }

    /// Takes up to this share off each time, from 0 up to, and without, 1.
    pub const fn jitter(self, jitter: f64) -> Self {
        Self { jitter, ..self }
    }

    /// The time when it opens for the `trips`th time in a row, with `random` from 0 to 1.
    pub(crate) fn of(&self, trips: u32, random: f64) -> Duration {
        let power = i32::try_from(trips.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = self.first.as_secs_f64() * self.factor.powi(power);
        let whole = grown.min(self.most.as_secs_f64());
        Duration::from_secs_f64(whole * (1.0 - self.jitter * random))
    }
}

impl From<Duration> for OpenTime {
    fn from(time: Duration) -> Self {
        Self::fixed(time)
    }
}

/// SplitMix64: enough for jitter, and a seed makes tests repeat.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From 0 up to, and without, 1.
    pub(crate) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    // CBK-11
    #[test]
    fn it_doubles_up_to_its_cap_and_never_overflows() {
        let time = OpenTime::growing(10 * S, 300 * S);
        let times = [1, 2, 3, 5, 6, 7, 2_000, u32::MAX].map(|trips| time.of(trips, 0.5).as_secs());
        assert_eq!(times, [10, 20, 40, 160, 300, 300, 300, 300]);
    }

    // CBK-11
    #[test]
    fn jitter_takes_off_at_most_its_share() {
        let time = OpenTime::fixed(10 * S).jitter(0.2);
        let mut random = Random::new(7);
        let times: Vec<_> = (0..1_000).map(|_| time.of(1, random.next())).collect();
        assert!(times.iter().all(|time| *time > 8 * S && *time <= 10 * S));
        let (low, high) = (times.iter().min().unwrap(), times.iter().max().unwrap());
        assert!(*high - *low > S, "{low:?} to {high:?} is hardly spread");
    }
}
