use std::{error::Error, fmt, num::NonZeroU32, str::FromStr, time::Duration};

/// How much may pass: so many units in a time, and how many of them at once.
///
/// A bucket of `burst` units that fills up evenly: `60/min burst 20` lets 20 pass at once, and one more each second.
/// Without a burst, a bucket holds as much as one period brings. The time of one unit is counted in whole nanoseconds,
/// rounded up, so that never more passes than is written here; at the fastest rate that is taken, one unit a
/// microsecond, a thousandth less may pass.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use buttress_rate_limit::Quota;
///
/// let quota: Quota = "60/min burst 20".parse()?;
/// assert_eq!(quota, Quota::new(60, Duration::from_secs(60))?.burst(20)?);
/// assert_eq!(quota.interval(), Duration::from_secs(1));
/// assert_eq!(quota.to_string(), "60/min burst 20");
/// assert_eq!("10/30s".parse::<Quota>()?.to_string(), "10/30s");
/// # Ok::<(), buttress_rate_limit::InvalidQuota>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Quota {
    count: u32,
    burst: u32,
    /// Nanoseconds.
    period: u64,
    /// The time of one unit: nanoseconds, rounded up.
    interval: u64,
}

/// The longest time that a bucket may take to fill up: 366 days.
const LONGEST: u64 = 366 * 24 * 3_600 * SECOND;
const SECOND: u64 = 1_000_000_000;
/// The shortest time of one unit.
const SHORTEST: u64 = 1_000;

impl Quota {
    /// One a second, where there has to be some quota.
    pub(crate) const ONE: Self = Self { count: 1, burst: 1, period: SECOND, interval: SECOND };

    /// So many units in this time, all of them at once if need be.
    ///
    /// # Errors
    ///
    /// When either is zero, when a unit takes less than a microsecond, or when `count` units take longer than 366 days.
    pub const fn new(count: u32, period: Duration) -> Result<Self, InvalidQuota> {
        Self::of(count, period, count)
    }

    const fn of(count: u32, period: Duration, burst: u32) -> Result<Self, InvalidQuota> {
        let nanos = period.as_nanos();
        if nanos > u64::MAX as u128 {
            return Err(InvalidQuota(Why::TooSlow));
        }
        #[expect(clippy::cast_possible_truncation, reason = "it was just compared")]
        Self { count, burst, period: nanos as u64, interval: 0 }.checked()
    }

    /// With so many units at once, instead of as many as a period brings.
    ///
    /// # Errors
    ///
    /// When it is zero, or when so many units take longer than 366 days.
    pub const fn burst(self, burst: u32) -> Result<Self, InvalidQuota> {
        Self { burst, ..self }.checked()
    }

    const fn checked(mut self) -> Result<Self, InvalidQuota> {
        if self.count == 0 || self.burst == 0 || self.period == 0 {
            return Err(InvalidQuota(Why::Zero));
        }
        if self.period < SHORTEST * self.count as u64 {
            return Err(InvalidQuota(Why::TooFast));
        }
        self.interval = self.period.div_ceil(self.count as u64);
        match self.interval.checked_mul(self.burst as u64) {
            Some(full) if full <= LONGEST => Ok(self),
            _ => Err(InvalidQuota(Why::TooSlow)),
        }
    }

    /// The part of it that each of so many replicas may let pass, where each counts for itself (RLM-20).
    ///
    /// Units take that many times as long, and the burst is divided, rounded down, at least 1. Where replicas share a
    /// store, nothing is to be divided.
    ///
    /// # Errors
    ///
    /// When so slow a quota takes longer than 366 days.
    pub const fn split(self, replicas: NonZeroU32) -> Result<Self, InvalidQuota> {
        let Some(period) = self.period.checked_mul(replicas.get() as u64) else {
            return Err(InvalidQuota(Why::TooSlow));
        };
        let burst = self.burst / replicas.get();
        Self { burst: if burst == 0 { 1 } else { burst }, period, ..self }.checked()
    }

    /// Units in a period.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The period.
    #[must_use]
    pub const fn period(&self) -> Duration {
        Duration::from_nanos(self.period)
    }

    /// Units at once.
    #[must_use]
    pub const fn size(&self) -> u32 {
        self.burst
    }

    /// The time in which one unit comes back, rounded up to a nanosecond.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        Duration::from_nanos(self.interval)
    }

    /// The time in which an empty bucket fills up.
    #[must_use]
    pub const fn fills_in(&self) -> Duration {
        Duration::from_nanos(self.full())
    }

    pub(crate) const fn step(&self) -> u64 {
        self.interval
    }

    pub(crate) const fn full(&self) -> u64 {
        self.interval * self.burst as u64
    }

    /// Whole seconds of the period, rounded up, at least 1.
    pub(crate) const fn window(&self) -> u64 {
        self.period.div_ceil(SECOND)
    }
}

/// `COUNT/PERIOD`, perhaps followed by `burst COUNT`. A period is a unit, or a number and a unit: `s`, `min`, `h`, `day`,
/// `ms`, `us`, and their longer names.
///
/// # Errors
///
/// When it is none, and as for [`Quota::new`] and [`Quota::burst`].
impl FromStr for Quota {
    type Err = InvalidQuota;

    fn from_str(text: &str) -> Result<Self, InvalidQuota> {
        let syntax = InvalidQuota(Why::Syntax);
        let (rate, burst) = match text.split_once("burst") {
            Some((rate, burst)) => (rate, Some(burst.trim())),
            None => (text, None),
        };
        let (count, period) = rate.split_once('/').ok_or(syntax)?;
        let count = number(count.trim()).ok_or(syntax)?;
        let burst = burst.map_or(Some(count), number).ok_or(syntax)?;
        // A period may be longer than a bucket may take to fill up, as that of a part may be.
        Self::of(count, parse_period(period.trim()).ok_or(syntax)?, burst)
    }
}

fn number(text: &str) -> Option<u32> {
    // `parse` would take a sign as well.
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Units by their names; the first of each is the one that is printed.
const UNITS: [(&[&str], u64); 7] = [
    (&["day", "d", "days"], 86_400 * SECOND),
    (&["h", "hour", "hours"], 3_600 * SECOND),
    (&["min", "m", "minute", "minutes"], 60 * SECOND),
    (&["s", "sec", "second", "seconds"], SECOND),
    (&["ms"], SECOND / 1_000),
    (&["us"], SECOND / 1_000_000),
    (&["ns"], 1),
];

fn parse_period(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at(digits);
    let count = if count.is_empty() { 1 } else { count.parse::<u64>().ok()? };
    let (_, nanos) = UNITS.iter().find(|(names, _)| names.contains(&unit.trim()))?;
    // What is too long for nanoseconds is too long in any case.
    Some(Duration::from_nanos(count.saturating_mul(*nanos)))
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (names, unit) =
            UNITS.iter().find(|(_, unit)| self.period.is_multiple_of(*unit)).expect("nanoseconds divide all of them");
        write!(f, "{}/", self.count)?;
        if self.period != *unit {
            write!(f, "{}", self.period / unit)?;
        }
        f.write_str(names[0])?;
        if self.burst == self.count { Ok(()) } else { write!(f, " burst {}", self.burst) }
    }
}

impl fmt::Debug for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Quota({self})")
    }
}

/// A quota that cannot be, or a text that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidQuota(Why);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Zero,
    TooFast,
    TooSlow,
    Syntax,
}

impl fmt::Display for InvalidQuota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Why::Zero => "count, period and burst of a quota are at least 1",
            Why::TooFast => "a quota is at most 1 000 000 a second",
            Why::TooSlow => "a quota fills up within 366 days",
            Why::Syntax => "a quota looks like 60/min burst 20",
        })
    }
}

impl Error for InvalidQuota {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Quota, String> {
        text.parse::<Quota>().map_err(|error| error.to_string())
    }

    #[test]
    fn quotas_are_read_and_printed() {
        for (text, printed) in [
            ("60/min burst 20", "60/min burst 20"),
            ("60/60s", "60/min"),
            ("20/s burst 40", "20/s burst 40"),
            (" 5 / 100 ms  burst  7 ", "5/100ms burst 7"),
            ("1000/hour burst 1000", "1000/h"),
            ("2/2d", "2/2day"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), printed, "{text}");
        }
    }

    #[test]
    fn zero_overflowing_and_absurd_quotas_are_refused() {
        for bad in ["0/s", "1/0s", "1/s burst 0"] {
            assert!(parse(bad).unwrap_err().contains("at least 1"), "{bad}");
        }
        assert!(parse("1000001/s").unwrap_err().contains("1 000 000 a second"));
        for bad in [
            "1/400day",
            "4294967295/h burst 4294967295",
            "1/day burst 367",
            "1/99999999999999999999s",
            "1/18446744073709551615s",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(Quota::new(1, Duration::MAX).is_err());
    }

    #[test]
    fn what_is_no_quota_says_what_would_be_one() {
        for bad in [
            "",
            "60",
            "60/",
            "/min",
            "-1/s",
            "+1/s",
            "1.5/s",
            "60/fortnight",
            "60/min burst",
            "60/min burst x",
            "60/min 20",
        ] {
            assert!(parse(bad).unwrap_err().contains("60/min burst 20"), "{bad}");
        }
    }

    // RLM-20
    #[test]
    fn replicas_together_let_no_more_pass_than_one() {
        let split = parse("60/min burst 20").unwrap().split(NonZeroU32::new(3).unwrap()).unwrap();
        assert_eq!((split.to_string().as_str(), split.interval()), ("60/3min burst 6", Duration::from_secs(3)));
        assert!(parse("1/day").unwrap().split(NonZeroU32::MAX).is_err());
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(count: u32, nanos: u64, burst: u32) {
            if let Ok(quota) = Quota::new(count, Duration::from_nanos(nanos)).and_then(|quota| quota.burst(burst)) {
                prop_assert_eq!(quota.to_string().parse::<Quota>(), Ok(quota));
            }
        }

        #[test]
        fn so_is_the_part_of_a_replica(count in 1_u32..1_000, days in 1_u64..366, replicas in 1_u32..1_000) {
            let quota = Quota::new(count, Duration::from_secs(days * 86_400)).unwrap();
            if let Ok(part) = quota.split(NonZeroU32::new(replicas).unwrap()) {
                prop_assert_eq!(part.to_string().parse::<Quota>(), Ok(part));
            }
        }

        #[test]
        fn any_text_is_read_without_a_panic(text: String) {
            let _ = text.parse::<Quota>();
        }
    }
}
