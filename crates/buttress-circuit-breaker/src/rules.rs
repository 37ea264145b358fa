use std::{
    error::Error,
    fmt,
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use http::StatusCode;

use crate::{
    Cancelled, HalfOpenEnd, JudgeAt, OpenTime, Policy, State, TrialRule, Verdict,
    classify::Statuses,
    count_window::CountWindow,
    policy::{Hook, Kind},
    time_window::TimeWindow,
    window::{Nanos, Results},
};

/// A policy that was found sane, in the form that calls need.
pub(crate) struct Rules {
    pub(crate) failure_rate: Option<Rate>,
    pub(crate) slow_rate: Option<Rate>,
    pub(crate) slow_after: Option<Nanos>,
    pub(crate) failures_in_a_row: Option<u32>,
    pub(crate) minimum_calls: u64,
    pub(crate) open_for: OpenTime,
    pub(crate) trials: u32,
    pub(crate) trial_rule: TrialRule,
    pub(crate) trial_lease: Nanos,
    pub(crate) half_open_for: Option<(Nanos, HalfOpenEnd)>,
    pub(crate) statuses: Statuses,
    /// After how long a dropped call is a failure; `None` if never.
    pub(crate) cancelled_after: Option<Nanos>,
    pub(crate) bodies: JudgeAt,
    pub(crate) event_streams: JudgeAt,
    pub(crate) early_drop: Verdict,
    pub(crate) initial: State,
    pub(crate) hook: Option<Hook>,
    /// How long a bucket of the window lasts; `None` if it counts calls.
    pub(crate) bucket: Option<Nanos>,
    size: usize,
    seed: Option<u64>,
}

impl Rules {
    pub(crate) fn new(policy: Policy) -> Result<Self, InvalidPolicy> {
        let (bucket, size) = window(policy.window.0)?;
        let smallest = if bucket.is_some() { u64::MAX } else { size as u64 };
        let rules = Self {
            failure_rate: policy.failure_rate.map(|rate| Rate::new("failure_rate", rate)).transpose()?,
            slow_rate: policy.slow_calls.map(|(_, rate)| Rate::new("slow_calls", rate)).transpose()?,
            slow_after: policy.slow_calls.map(|(limit, _)| nanos("slow_calls", limit)).transpose()?,
            failures_in_a_row: policy.failures_in_a_row,
            minimum_calls: policy.minimum_calls.map_or(smallest.min(20), u64::from),
            open_for: open_time(policy.open_for)?,
            trials: policy.trials,
            trial_rule: policy.trial_rule,
            trial_lease: nanos("trial_lease", policy.trial_lease)?,
            half_open_for: match policy.half_open_for {
                Some((time, then)) => Some((nanos("half_open_for", time)?, then)),
                None => None,
            },
            statuses: policy.statuses,
            cancelled_after: match policy.cancelled {
                Cancelled::Ignored => None,
                Cancelled::FailureAfter(time) => Some(saturating(time)),
            },
            bodies: policy.bodies,
            event_streams: policy.event_streams,
            early_drop: policy.early_drop,
            initial: policy.initial,
            hook: policy.hook,
            bucket,
            size,
            seed: policy.seed,
        };
        rules.check(smallest)?;
        Ok(rules)
    }

    fn check(&self, most_calls: u64) -> Result<(), InvalidPolicy> {
        let rules = self.failure_rate.is_some() || self.slow_rate.is_some() || self.failures_in_a_row.is_some();
        demand(rules, "failure_rate", "without it, slow_calls or failures_in_a_row must be set: else nothing opens")?;
        demand(self.failures_in_a_row != Some(0), "failures_in_a_row", "must be at least 1")?;
        demand(self.minimum_calls > 0, "minimum_calls", "must be at least 1")?;
        demand(self.minimum_calls <= most_calls, "minimum_calls", "must be at most the size of the window")?;
        demand((1..=1_000).contains(&self.trials), "trials", "must be from 1 to 1000")
    }

    pub(crate) fn results(&self) -> Results {
        match self.bucket {
            Some(_) => Results::Time(TimeWindow::new(self.size)),
            None => Results::Calls(CountWindow::new(self.size)),
        }
    }

    pub(crate) fn usual(&self) -> Usual {
        let successes = u64::from(self.statuses.successes_below());
        let by_status = if self.slow_after.is_none() && self.bodies == JudgeAt::End { successes } else { 0 };
        let flag = |flag, set| if set { flag } else { 0 };
        let flags = flag(Usual::BY_HEAD, self.bodies == JudgeAt::Head)
            | flag(Usual::STREAMS, self.bodies != self.event_streams)
            | flag(Usual::CANCELLED, self.cancelled_after.is_some());
        Usual(by_status | successes << 16 | flags)
    }

    /// Circuits of the same policy do not share their jitter, but with a seed.
    pub(crate) fn seed(&self) -> u64 {
        self.seed.unwrap_or_else(|| RandomState::new().hash_one(0))
    }

    /// The bucket of this moment; 0 of calls.
    pub(crate) fn bucket_at(&self, now: Nanos) -> u64 {
        self.bucket.map_or(0, |length| now / length)
    }
}

/// What rules say of most calls, in one word.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usual(pub(crate) u64);

impl Usual {
    /// Nothing counts, whatever the status.
    pub(crate) const NOTHING: Self = Self(1_000);
    /// Answers are judged by their head.
    pub(crate) const BY_HEAD: u64 = 1 << 33;
    /// It makes a difference whether an answer is an event stream.
    pub(crate) const STREAMS: u64 = 1 << 34;
    /// Calls that are dropped may count.
    pub(crate) const CANCELLED: u64 = 1 << 35;

    #[inline]
    pub(crate) fn is(self, flag: u64) -> bool {
        self.0 & flag != 0
    }

    /// Whether this is a success as soon as its body comes to its end, and nothing more has to be known.
    #[inline]
    pub(crate) fn is_plain_success(self, status: StatusCode) -> bool {
        status.as_u16() < self.0 as u16
    }

    /// Whether this is a success by its status.
    #[inline]
    pub(crate) fn is_success(self, status: StatusCode) -> bool {
        status.as_u16() < (self.0 >> 16) as u16
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules").field("minimum_calls", &self.minimum_calls).finish_non_exhaustive()
    }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The length of a bucket, and how many there are of it, or else of calls.
fn window(kind: Kind) -> Result<(Option<Nanos>, usize), InvalidPolicy> {
    match kind {
        Kind::Calls(calls) => {
            demand((1..=100_000).contains(&calls), "window", "must be from 1 to 100000 calls")?;
            Ok((None, calls as usize))
        }
        Kind::Time(time) => {
            let sane = (Duration::from_millis(100)..=DAY).contains(&time);
            demand(sane, "window", "must be from 100 ms to a day")?;
            let (length, buckets) = buckets(time);
            Ok((Some(saturating(length)), buckets))
        }
    }
}

fn buckets(time: Duration) -> (Duration, usize) {
    const SECOND: Duration = Duration::from_secs(1);
    match time.as_secs_f64() {
        ..10.0 => (time / 10, 10),
        // At most 60, so that nothing is cut off.
        seconds @ ..=60.0 => (SECOND, seconds.ceil() as usize),
        _ => (time / 60, 60),
    }
}

fn open_time(time: OpenTime) -> Result<OpenTime, InvalidPolicy> {
    let OpenTime { first, most, factor, jitter } = time;
    nanos("open_for", first)?;
    nanos("open_for", most)?;
    demand(first <= most, "open_for", "must not be longer at first than at most")?;
    demand((1.0..=100.0).contains(&factor), "open_for", "must grow by a factor from 1 to 100")?;
    demand((0.0..1.0).contains(&jitter), "open_for", "must have a jitter from 0 up to, and without, 1")?;
    Ok(time)
}

fn nanos(setting: &'static str, time: Duration) -> Result<Nanos, InvalidPolicy> {
    demand((Duration::from_millis(1)..=DAY).contains(&time), setting, "must be from 1 ms to a day")?;
    Ok(saturating(time))
}

#[inline]
pub(crate) fn saturating(time: Duration) -> Nanos {
    time.as_secs().saturating_mul(1_000_000_000).saturating_add(time.subsec_nanos().into())
}

fn demand(sane: bool, setting: &'static str, problem: &'static str) -> Result<(), InvalidPolicy> {
    if sane { Ok(()) } else { Err(InvalidPolicy { setting, problem }) }
}

/// A share of calls, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate(u64);

const WHOLE: u64 = 1_000_000;

impl Rate {
    fn new(setting: &'static str, rate: f64) -> Result<Self, InvalidPolicy> {
        demand(rate > 0.0 && rate <= 1.0, setting, "must be a share above 0 and at most 1")?;
        // Downwards, so that 2 of 3 reach two thirds.
        Ok(Self(((rate * WHOLE as f64) as u64).max(1)))
    }

    pub(crate) fn is_reached(self, some: u64, all: u64) -> bool {
        some > 0 && some.saturating_mul(WHOLE) >= all.saturating_mul(self.0)
    }
}

/// A setting of a policy that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidPolicy {
    pub(crate) setting: &'static str,
    pub(crate) problem: &'static str,
}

impl InvalidPolicy {
    /// The name of the setting, as a method of [`Policy`] or of [`Keys`](crate::Keys).
    #[must_use]
    pub fn setting(&self) -> &'static str {
        self.setting
    }
}

impl fmt::Display for InvalidPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.setting, self.problem)
    }
}

impl Error for InvalidPolicy {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Window;

    fn buckets(millis: u64) -> (u64, usize) {
        let rules = Rules::new(Policy::new(Window::time(Duration::from_millis(millis)))).unwrap();
        (rules.bucket.unwrap() / 1_000_000, rules.size)
    }

    // CBK-3
    #[test]
    fn buckets_are_of_a_second_where_that_makes_ten_to_sixty() {
        assert_eq!(
            [10_000, 10_500, 30_000, 59_900, 60_000].map(buckets),
            [(1_000, 10), (1_000, 11), (1_000, 30), (1_000, 60), (1_000, 60)]
        );
        assert_eq!([100, 5_000, 120_000, 86_400_000].map(buckets), [(10, 10), (500, 10), (2_000, 60), (1_440_000, 60)]);
    }

    // CBK-2
    #[test]
    fn a_rate_is_reached_exactly() {
        let rate = |rate| Rate::new("failure_rate", rate).unwrap();
        assert!(rate(0.5).is_reached(5, 10) && !rate(0.5).is_reached(4, 9));
        assert!(rate(2.0 / 3.0).is_reached(2, 3) && rate(1.0 / 3.0).is_reached(1, 3) && rate(0.7).is_reached(7, 10));
        assert!(rate(1.0).is_reached(3, 3) && !rate(1.0).is_reached(2, 3));
        assert!(!rate(1e-9).is_reached(0, 0));
    }
}
