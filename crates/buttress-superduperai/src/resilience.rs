use std::{num::NonZeroU32, time::Duration};

use buttress_circuit_breaker::{BreakerLayer, Circuits, Policy, Window};
use buttress_retry::{Backoff, Budget};

use crate::InvalidSetting;

/// How a [`Stack`](crate::Stack) deals with a provider that fails.
///
/// | | default | |
/// |---|---|---|
/// | [`attempts`](Self::attempts) | 3 | tries of a call, the first among them |
/// | [`backoff`](Self::backoff) | 200 ms up to 5 s | before another try, with full jitter |
/// | [`attempt_timeout`](Self::attempt_timeout) | 10 s | one try |
/// | [`budget`](Self::budget) | 20 %, and 10 a second | retries for all calls |
/// | [`breaker`](Self::breaker) | half of at least 20 calls in 30 s | opens the circuit, for 10 s and then 3 trials |
///
/// A clone has the same budget and the same circuit.
///
/// All tries of a call share the time that the adapter has for it: see
/// [`SuperDuperAi::timeouts`](crate::SuperDuperAi::timeouts).
#[derive(Clone, Debug)]
#[must_use]
pub struct Resilience {
    pub(crate) attempts: NonZeroU32,
    pub(crate) base: Duration,
    pub(crate) cap: Duration,
    pub(crate) attempt: Duration,
    pub(crate) budget: Budget,
    pub(crate) breaker: BreakerLayer,
}

impl Default for Resilience {
    fn default() -> Self {
        Self {
            attempts: NonZeroU32::new(3).expect("three is not zero"),
            base: Duration::from_millis(200),
            cap: Duration::from_secs(5),
            attempt: Duration::from_secs(10),
            budget: Budget::default(),
            breaker: usual_breaker(),
        }
    }
}

impl Resilience {
    /// How many tries there are of a call, the first among them; one for no retries.
    pub fn attempts(self, attempts: NonZeroU32) -> Self {
        Self { attempts, ..self }
    }

    /// The first and the longest wait before another try, where the provider names none.
    ///
    /// # Errors
    ///
    /// When the first is zero, or longer than the longest.
    pub fn backoff(self, base: Duration, cap: Duration) -> Result<Self, InvalidSetting> {
        Backoff::full(base, cap)
            .map_err(|_| InvalidSetting("the first backoff is more than zero, and not longer than the longest"))?;
        Ok(Self { base, cap, ..self })
    }

    /// The time of one try, up to the last byte of its answer.
    ///
    /// # Errors
    ///
    /// When it is zero.
    pub fn attempt_timeout(self, time: Duration) -> Result<Self, InvalidSetting> {
        if time.is_zero() {
            return Err(InvalidSetting("a try takes some time"));
        }
        Ok(Self { attempt: time, ..self })
    }

    /// What bounds the retries of all calls; share one between all stacks that call the same account.
    pub fn budget(self, budget: Budget) -> Self {
        Self { budget, ..self }
    }

    /// When calls are not made at all. [`BreakerLayer::off`] for never.
    ///
    /// ```
    /// use std::time::Duration;
    /// use buttress_circuit_breaker::{BreakerLayer, Policy, Window};
    /// use buttress_superduperai::Resilience;
    ///
    /// let policy = Policy::new(Window::time(Duration::from_secs(60))).failure_rate(0.8);
    /// let resilience = Resilience::default().breaker(BreakerLayer::new("superduperai", policy)?);
    /// // For /healthz:
    /// let circuits = resilience.circuits();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn breaker(self, breaker: BreakerLayer) -> Self {
        Self { breaker, ..self }
    }

    /// The circuits of the breaker, to look at and to switch by hand.
    #[must_use]
    pub fn circuits(&self) -> Circuits {
        self.breaker.circuits()
    }

    pub(crate) fn full(&self) -> Backoff {
        Backoff::full(self.base, self.cap).expect("checked when it was set")
    }

    /// Where the provider says that there is too much to do: from a second on, if that is not beyond the longest wait.
    pub(crate) fn throttled(&self) -> Backoff {
        let base = Duration::from_secs(1).clamp(self.base, self.cap);
        Backoff::full(base, self.cap).expect("checked when it was set")
    }
}

fn usual_breaker() -> BreakerLayer {
    let policy = Policy::new(Window::time(Duration::from_secs(30))).minimum_calls(20);
    BreakerLayer::new("superduperai", policy).expect("the usual settings make sense")
}
