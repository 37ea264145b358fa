use std::{num::NonZeroU32, sync::Arc, time::Duration};

use http::HeaderName;
use tower_layer::Layer;

use crate::{
    Backoff, GaveUp, InvalidSetting, NeverLeft, Retry, Retrying, Standard,
    budgets::Budgets,
    random::Random,
    settings::{Common, Settings},
};

/// Tries calls again, exactly when that is safe and useful.
///
/// | setting | default |
/// |---|---|
/// | [`attempts`](Self::attempts) | 3, the first among them |
/// | [`backoff`](Self::backoff) | full jitter, 100 ms up to 5 s |
/// | [`throttled_backoff`](Self::throttled_backoff) | full jitter, 1 s up to 20 s, after a 429 that names no time |
/// | [`longest_wait`](Self::longest_wait) | 60 s, where there is no deadline |
/// | [`attempt_timeout`](Self::attempt_timeout), [`deadline`](Self::deadline) | none but the request's `Deadline` |
/// | [`budget`](Self::budget) | one for all calls: 20 %, and 10 a second |
/// | [`replay_limit`](Self::replay_limit) | 64 KiB of a request's body |
/// | [`drain`](Self::drain) | 64 KiB of a failed answer, 1 s |
/// | [`attempt_header`](Self::attempt_header) | none |
/// | [`policy`](Self::policy) | [`Standard`] |
///
/// Clones, and all services that they make, share budget and chance.
///
/// # Examples
///
/// ```
/// use std::{num::NonZeroU32, time::Duration};
/// use buttress_retry::{Backoff, RetryLayer};
///
/// let layer = RetryLayer::new()
///     .attempts(NonZeroU32::new(5).expect("not zero"))
///     .backoff(Backoff::full(Duration::from_millis(200), Duration::from_secs(5))?)
///     .attempt_timeout(Duration::from_secs(10))?
///     .deadline(Duration::from_secs(30))?
///     .on_give_up(|gave_up| eprintln!("{}", gave_up.why.as_str()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
#[derive(Clone, Debug)]
pub struct RetryLayer<P = Standard> {
    settings: Settings<P>,
}

impl RetryLayer {
    /// A layer with the defaults.
    pub fn new() -> Self {
        Self { settings: Settings { policy: Standard, common: Common::default() } }
    }

    /// Knows by which errors a request provably never left: then a request that may not be sent twice is tried again as
    /// well, a `POST` without an idempotency key for instance (RTY-1). So it is when a layer on this side refused to
    /// send it.
    ///
    /// A marked request keeps its mark. Every request is kept for another try then, which costs a copy of its head.
    ///
    /// ```
    /// use buttress_retry::RetryLayer;
    /// use std::io;
    ///
    /// let layer = RetryLayer::new().never_left(|error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused);
    /// ```
    pub fn never_left<E, F: Fn(&E) -> bool>(self, proves: F) -> RetryLayer<NeverLeft<F>> {
        self.policy(NeverLeft::new(proves))
    }
}

impl<P> RetryLayer<P> {
    /// Decides by this policy what is tried again.
    pub fn policy<Q>(self, policy: Q) -> RetryLayer<Q> {
        RetryLayer { settings: Settings { policy, common: self.settings.common } }
    }

    /// How many tries there are at most, the first among them (RTY-4).
    pub fn attempts(self, attempts: NonZeroU32) -> Self {
        self.with(|common| common.attempts = attempts)
    }

    /// The wait before another try, where the server does not say.
    ///
    /// Where it does, the wait is the longer of the two, with up to half of the server's on top, so that not all come
    /// back at once (RTY-9).
    pub fn backoff(self, backoff: Backoff) -> Self {
        self.with(|common| common.backoff = backoff)
    }

    /// The same after an answer of 429, which means that there is too much to do already (RTY-13).
    pub fn throttled_backoff(self, backoff: Backoff) -> Self {
        self.with(|common| common.throttled = backoff)
    }

    /// The longest wait that a server is granted where there is no deadline. An answer that asks for more is handed on
    /// now (RTY-8).
    pub fn longest_wait(self, wait: Duration) -> Self {
        self.with(|common| common.longest_wait = wait)
    }

    /// The time of one try, from asking whether the service is ready to the head of its answer (RTY-5).
    ///
    /// A try that takes longer is dropped, and counts as failed. After the last one the answer is a 504 with a `Problem`
    /// of the code `upstream_timeout`. It holds for requests that are sent once, too.
    ///
    /// # Errors
    ///
    /// When it is zero.
    pub fn attempt_timeout(self, time: Duration) -> Result<Self, InvalidSetting> {
        let time = InvalidSetting::unless_positive(time, "a try takes more than no time")?;
        Ok(self.with(|common| common.attempt_timeout = Some(time)))
    }

    /// The time of a call with all its tries and waits, up to the head of the answer that is handed on (RTY-4).
    ///
    /// An earlier `Deadline` in the request's extensions goes before it; else it is put there, for the layers below. No
    /// wait is begun that would not end before it: the answer that is there is handed on instead. A try that is under
    /// way is dropped at the deadline, and answered as by [`attempt_timeout`](Self::attempt_timeout).
    ///
    /// # Errors
    ///
    /// When it is zero.
    pub fn deadline(self, time: Duration) -> Result<Self, InvalidSetting> {
        let time = InvalidSetting::unless_positive(time, "a call takes more than no time")?;
        Ok(self.with(|common| common.deadline = Some(time)))
    }

    /// What bounds retries: a [`Budget`](crate::Budget), or one by key with [`BudgetByKey`](crate::BudgetByKey).
    pub fn budget(self, budget: impl Into<Budgets>) -> Self {
        let budgets = budget.into();
        self.with(|common| common.budgets = Some(budgets))
    }

    /// Lets nothing but the number of tries bound retries: up to as many times the load, on a server that fails.
    pub fn without_budget(self) -> Self {
        self.with(|common| common.budgets = None)
    }

    /// The most bytes of a request's body that are kept for another try; a frame counts as 64 at least. A larger body
    /// is passed on, and sent once (RTY-2).
    pub fn replay_limit(self, bytes: usize) -> Self {
        self.with(|common| common.replay_limit = bytes)
    }

    /// How much of a failed answer is read before the next try, in bytes and time, so that its connection lives on. One
    /// that is longer is dropped.
    ///
    /// It also bounds what is read of a failure in JSON to find out whether it says that it can be retried.
    pub fn drain(self, bytes: usize, time: Duration) -> Self {
        self.with(|common| (common.drain_bytes, common.drain_time) = (bytes, time))
    }

    /// Sends the number of each try in a field of this name, 1 for the first (RTY-17).
    pub fn attempt_header(self, name: HeaderName) -> Self {
        self.with(|common| common.header = Some(name))
    }

    /// Draws the same waits each time, in the order of the retries (RTY-24).
    pub fn seed(self, seed: u64) -> Self {
        self.with(|common| common.random = Arc::new(Random::seeded(seed)))
    }

    /// Is told of every retry, before its wait. A second hook takes the place of the first; let it be short.
    pub fn on_retry(self, hook: impl Fn(&Retrying) + Send + Sync + 'static) -> Self {
        self.with(|common| common.on_retry = Some(Arc::new(hook)))
    }

    /// Is told when a failure is handed on although another try might have done better.
    pub fn on_give_up(self, hook: impl Fn(&GaveUp) + Send + Sync + 'static) -> Self {
        self.with(|common| common.on_give_up = Some(Arc::new(hook)))
    }

    fn with(mut self, set: impl FnOnce(&mut Common)) -> Self {
        set(&mut self.settings.common);
        self
    }
}

impl Default for RetryLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, P: Clone> Layer<S> for RetryLayer<P> {
    type Service = Retry<S, P>;

    fn layer(&self, inner: S) -> Retry<S, P> {
        Retry::new(inner, Arc::new(self.settings.clone()))
    }
}
