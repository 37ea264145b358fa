use std::{fmt, sync::Arc, time::Duration};

use tower_layer::Layer;

use crate::{Head, Quota, Throttle, throttle::line::Line};

/// Paces calls that leave: at most so many, each in its turn, whoever makes them.
///
/// A call that has to wait does so if it comes to no more than what is left until the
/// [`Deadline`](buttress_core::Deadline) in its extensions, and no more than [`most_wait`](Self::most_wait). Otherwise it
/// is refused at once: 429 with the time that it would have taken in `Retry-After`. One that is held up
/// meanwhile, by what the other side asked for ([`heed`](Self::heed)), by late timers or by a call before it that is not
/// polled, is refused when that time has passed. A call that costs more than the burst is refused with 413.
///
/// | setting | default |
/// |---|---|
/// | [`most_wait`](Self::most_wait) | 30 s |
/// | [`most_waiting`](Self::most_waiting) | 1 024 calls |
/// | [`cost`](Self::cost) | 1 for each call |
/// | [`heed`](Self::heed) | answers are not looked at |
///
/// Timers are good to a millisecond. A burst of some units makes up for a call that leaves late; with a burst of 1 that time
/// is lost, so that never more than 1 000 a second leave then.
///
/// A clone, and every service made by it, is the same line. Each process has its own: where several call the same
/// provider, [`Quota::split`] divides what it takes.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use buttress_rate_limit::ThrottleLayer;
///
/// // The provider takes 20 calls a second, 40 at once; when it says to wait, all wait, a minute at most.
/// let layer = ThrottleLayer::new("20/s burst 40".parse()?).heed(Duration::from_secs(60));
/// # Ok::<(), buttress_rate_limit::InvalidQuota>(())
/// ```
#[must_use]
#[derive(Clone)]
pub struct ThrottleLayer {
    line: Arc<Line>,
    settings: Arc<Settings>,
}

/// What a layer was told beside its quota.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) most_wait: Duration,
    pub(crate) most_waiting: usize,
    pub(crate) cost: Option<Arc<Cost>>,
    pub(crate) heed: Option<Duration>,
}

pub(crate) type Cost = dyn Fn(&Head<'_>) -> u32 + Send + Sync;

impl ThrottleLayer {
    /// A line of its own.
    pub fn new(quota: Quota) -> Self {
        let settings = Settings { most_wait: Duration::from_secs(30), most_waiting: 1_024, cost: None, heed: None };
        Self { line: Arc::new(Line::new(quota)), settings: Arc::new(settings) }
    }

    /// The longest wait of a call without an earlier deadline. With zero, no call ever waits.
    pub fn most_wait(self, most: Duration) -> Self {
        self.with(|settings| settings.most_wait = most)
    }

    /// The most calls that wait at the same time.
    pub fn most_waiting(self, most: usize) -> Self {
        self.with(|settings| settings.most_waiting = most)
    }

    /// What a call costs, in units. One if the closure panics.
    pub fn cost(self, cost: impl Fn(&Head<'_>) -> u32 + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.cost = Some(Arc::new(cost)))
    }

    /// When an answer is 429 or 503 and says how long to wait, lets no call leave for that long, and never longer than
    /// `most`.
    pub fn heed(self, most: Duration) -> Self {
        self.with(|settings| settings.heed = Some(most))
    }

    fn with(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(Arc::make_mut(&mut self.settings));
        self
    }
}

impl<S> Layer<S> for ThrottleLayer {
    type Service = Throttle<S>;

    fn layer(&self, inner: S) -> Throttle<S> {
        Throttle::new(inner, Arc::clone(&self.line), Arc::clone(&self.settings))
    }
}

impl fmt::Debug for ThrottleLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThrottleLayer").field("line", &self.line).field("settings", &self.settings).finish()
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { most_wait, most_waiting, cost, heed } = self;
        f.debug_struct("Settings")
            .field("most_wait", most_wait)
            .field("most_waiting", most_waiting)
            .field("cost", &cost.is_some())
            .field("heed", heed)
            .finish()
    }
}
