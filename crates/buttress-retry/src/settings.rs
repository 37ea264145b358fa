use std::{error::Error, fmt, num::NonZeroU32, sync::Arc, time::Duration};

use buttress_core::Attempt;
use http::{HeaderMap, HeaderName, HeaderValue, request::Parts};

use crate::{Backoff, Budget, GaveUp, Retrying, budgets::Budgets, random::Random};

/// What a layer was told, shared by its services.
#[derive(Clone, Debug)]
pub(crate) struct Settings<P> {
    pub(crate) policy: P,
    pub(crate) common: Common,
}

type Hook<T> = Arc<dyn Fn(&T) + Send + Sync>;

/// All but the policy.
#[derive(Clone)]
pub(crate) struct Common {
    pub(crate) attempts: NonZeroU32,
    pub(crate) backoff: Backoff,
    pub(crate) throttled: Backoff,
    pub(crate) longest_wait: Duration,
    pub(crate) attempt_timeout: Option<Duration>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) budgets: Option<Budgets>,
    pub(crate) replay_limit: usize,
    pub(crate) drain_bytes: usize,
    pub(crate) drain_time: Duration,
    pub(crate) header: Option<HeaderName>,
    pub(crate) random: Arc<Random>,
    pub(crate) on_retry: Option<Hook<Retrying>>,
    pub(crate) on_give_up: Option<Hook<GaveUp>>,
}

/// A setting that could not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidSetting(&'static str);

impl InvalidSetting {
    /// A time that has to be more than none.
    pub(crate) fn unless_positive(time: Duration, what: &'static str) -> Result<Duration, Self> {
        if time.is_zero() { Err(Self(what)) } else { Ok(time) }
    }
}

impl fmt::Display for InvalidSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for InvalidSetting {}

impl Common {
    /// Pays for a call. The budget, if it is not that of all calls.
    #[inline]
    pub(crate) fn pay_in(&self, parts: &Parts) -> Option<Budget> {
        match self.budgets.as_ref()? {
            Budgets::One(budget) => {
                budget.pay_in();
                None
            }
            Budgets::ByKey(budgets) => {
                let budget = budgets.of(parts);
                budget.pay_in();
                Some(budget)
            }
        }
    }

    /// Takes a retry out of the budget of a call.
    pub(crate) fn take(&self, of_call: Option<&Budget>) -> bool {
        match (of_call, &self.budgets) {
            (Some(budget), _) | (None, Some(Budgets::One(budget))) => budget.take(),
            (None, _) => true,
        }
    }

    /// Tells the server which try this is, if it is to be told.
    #[inline]
    pub(crate) fn number(&self, headers: &mut HeaderMap, attempt: Attempt) {
        if let Some(name) = &self.header {
            write_number(headers, name, attempt);
        }
    }

    /// The drawn wait before the retry that follows so many tries.
    pub(crate) fn wait(&self, throttled: bool, tries: u32, before: Duration) -> Duration {
        let backoff = if throttled { &self.throttled } else { &self.backoff };
        if *backoff == Backoff::NONE { Duration::ZERO } else { backoff.delay(tries, before, self.random.draw()) }
    }
}

fn write_number(headers: &mut HeaderMap, name: &HeaderName, attempt: Attempt) {
    headers.insert(name, HeaderValue::from(attempt.number()));
}

impl Default for Common {
    fn default() -> Self {
        let [ms100, s1, s5, s20, s60] = [100, 1_000, 5_000, 20_000, 60_000].map(Duration::from_millis);
        Self {
            attempts: NonZeroU32::new(3).expect("three is not zero"),
            backoff: Backoff::full(ms100, s5).expect("the base is below the cap"),
            throttled: Backoff::full(s1, s20).expect("the base is below the cap"),
            longest_wait: s60,
            attempt_timeout: None,
            deadline: None,
            budgets: Some(Budget::default().into()),
            replay_limit: 64 << 10,
            drain_bytes: 64 << 10,
            drain_time: s1,
            header: None,
            random: Arc::new(Random::unforeseen()),
            on_retry: None,
            on_give_up: None,
        }
    }
}

impl fmt::Debug for Common {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attempts, backoff, throttled, longest_wait, attempt_timeout, deadline, budgets, .. } = self;
        f.debug_struct("Common")
            .field("attempts", attempts)
            .field("backoff", backoff)
            .field("throttled", throttled)
            .field("longest_wait", longest_wait)
            .field("attempt_timeout", attempt_timeout)
            .field("deadline", deadline)
            .field("budget", budgets)
            .field("replay_limit", &self.replay_limit)
            .field("drain", &(self.drain_bytes, self.drain_time))
            .field("attempt_header", &self.header)
            .field("on_retry", &self.on_retry.is_some())
            .field("on_give_up", &self.on_give_up.is_some())
            .finish_non_exhaustive()
    }
}
