use std::{fmt, sync::Arc, time::Duration};

use http::StatusCode;

use crate::{Event, OpenTime, State, Verdict, classify::Statuses};

pub(crate) type Hook = Arc<dyn Fn(&Event<'_>) + Send + Sync>;

/// When a circuit opens, how long it stays open, and what closes it again.
///
/// | setting | default | bounds |
/// |---|---|---|
/// | [`failure_rate`](Self::failure_rate) | 0.5 | above 0, at most 1 |
/// | [`slow_calls`](Self::slow_calls) | off | |
/// | [`failures_in_a_row`](Self::failures_in_a_row) | off | from 1 |
/// | [`minimum_calls`](Self::minimum_calls) | 20, or all of a smaller window of calls | from 1 up to the window's size |
/// | [`open_for`](Self::open_for) | 10 s, up to a tenth less | 1 ms to a day |
/// | [`trials`](Self::trials) | 3 | 1 to 1 000 |
/// | [`trial_rule`](Self::trial_rule) | [`TrialRule::Every`] | |
/// | [`trial_lease`](Self::trial_lease) | 30 s | 1 ms to a day |
/// | [`half_open_for`](Self::half_open_for) | without end | 1 ms to a day |
/// | [`statuses`](Self::statuses) | 5xx is a failure, but 501 and 505 | |
/// | [`cancelled`](Self::cancelled) | a failure after 5 s, else ignored | |
/// | [`bodies`](Self::bodies), [`event_streams`](Self::event_streams) | judged at their end, by their head | |
/// | [`early_drop`](Self::early_drop) | a success | |
/// | [`initial`](Self::initial) | closed | |
///
/// It is checked when a layer is made of it.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use buttress_circuit_breaker::{OpenTime, Policy, Window};
///
/// let policy = Policy::new(Window::time(Duration::from_secs(30)))
///     .failure_rate(0.5)
///     .slow_calls(Duration::from_secs(5), 0.8)
///     .minimum_calls(20)
///     .open_for(OpenTime::growing(Duration::from_secs(10), Duration::from_secs(300)).jitter(0.1))
///     .trials(3);
/// ```
#[must_use]
#[derive(Clone)]
pub struct Policy {
    pub(crate) window: Window,
    pub(crate) failure_rate: Option<f64>,
    pub(crate) slow_calls: Option<(Duration, f64)>,
    pub(crate) failures_in_a_row: Option<u32>,
    pub(crate) minimum_calls: Option<u32>,
    pub(crate) open_for: OpenTime,
    pub(crate) trials: u32,
    pub(crate) trial_rule: TrialRule,
    pub(crate) trial_lease: Duration,
    pub(crate) half_open_for: Option<(Duration, HalfOpenEnd)>,
    pub(crate) statuses: Statuses,
    pub(crate) cancelled: Cancelled,
    pub(crate) bodies: JudgeAt,
    pub(crate) event_streams: JudgeAt,
    pub(crate) early_drop: Verdict,
    pub(crate) initial: State,
    pub(crate) seed: Option<u64>,
    pub(crate) hook: Option<Hook>,
}

impl Policy {
    /// The defaults over this window.
    pub fn new(window: Window) -> Self {
        const SECOND: Duration = Duration::from_secs(1);
        Self {
            window,
            failure_rate: Some(0.5),
            slow_calls: None,
            failures_in_a_row: None,
            minimum_calls: None,
            open_for: OpenTime::fixed(SECOND.saturating_mul(10)).jitter(0.1),
            trials: 3,
            trial_rule: TrialRule::Every,
            trial_lease: SECOND.saturating_mul(30),
            half_open_for: None,
            statuses: Statuses::default(),
            cancelled: Cancelled::FailureAfter(SECOND.saturating_mul(5)),
            bodies: JudgeAt::End,
            event_streams: JudgeAt::Head,
            early_drop: Verdict::Success,
            initial: State::Closed,
            seed: None,
            hook: None,
        }
    }

    /// Opens when this share of the calls in the window are failures (CBK-2).
    pub fn failure_rate(self, rate: f64) -> Self {
        Self { failure_rate: Some(rate), ..self }
    }

    /// Looks at no share of failures: then another rule must be set.
    pub fn without_failure_rate(self) -> Self {
        Self { failure_rate: None, ..self }
    }

    /// Opens when this share of the calls in the window took longer than `limit` until the head of their answer (CBK-4).
    ///
    /// A slow call may be a success or a failure beside that.
    pub fn slow_calls(self, limit: Duration, rate: f64) -> Self {
        Self { slow_calls: Some((limit, rate)), ..self }
    }

    /// Opens when so many calls in a row are failures, whatever the window and the minimum of calls say.
    pub fn failures_in_a_row(self, failures: u32) -> Self {
        Self { failures_in_a_row: Some(failures), ..self }
    }

    /// Judges no share of the calls before the window holds so many (CBK-2).
    pub fn minimum_calls(self, calls: u32) -> Self {
        Self { minimum_calls: Some(calls), ..self }
    }

    /// How long it stays open before calls may try (CBK-11).
    pub fn open_for(self, time: impl Into<OpenTime>) -> Self {
        Self { open_for: time.into(), ..self }
    }

    /// How many trial calls a half-open circuit lets through, at once or one after another (CBK-5).
    pub fn trials(self, trials: u32) -> Self {
        Self { trials, ..self }
    }

    /// What closes the circuit again.
    pub fn trial_rule(self, rule: TrialRule) -> Self {
        Self { trial_rule: rule, ..self }
    }

    /// A trial call that takes longer than this loses its place to another call, and its result no longer counts (CBK-6).
    pub fn trial_lease(self, lease: Duration) -> Self {
        Self { trial_lease: lease, ..self }
    }

    /// How long it stays half open at most, and what comes then (CBK-10).
    ///
    /// It cannot get stuck without, since trials that hang lose their places; but few calls may take long to end it. No
    /// timer runs for it: the circuit is what it would be by then when the next call or result comes.
    pub fn half_open_for(self, time: Duration, then: HalfOpenEnd) -> Self {
        Self { half_open_for: Some((time, then)), ..self }
    }

    /// What each status says about the service (CBK-13). `judge` is asked now, once for each from 100 to 999.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use buttress_circuit_breaker::{Policy, Verdict, Window};
    /// use http::StatusCode;
    ///
    /// let policy = Policy::new(Window::calls(100)).statuses(|status| match status {
    ///     StatusCode::TOO_MANY_REQUESTS => Verdict::Failure,
    ///     StatusCode::NOT_FOUND => Verdict::Ignore,
    ///     status if status.is_server_error() => Verdict::Failure,
    ///     _ => Verdict::Success,
    /// });
    /// ```
    pub fn statuses(self, judge: impl Fn(StatusCode) -> Verdict) -> Self {
        Self { statuses: Statuses::ask(judge), ..self }
    }

    /// What a call is that was dropped before the head of its answer came: by a caller who left, or by a time-out
    /// further out.
    pub fn cancelled(self, cancelled: Cancelled) -> Self {
        Self { cancelled, ..self }
    }

    /// When a call is judged whose head says success.
    pub fn bodies(self, at: JudgeAt) -> Self {
        Self { bodies: at, ..self }
    }

    /// The same for `text/event-stream`, whose end says little: such streams are cut all the time.
    pub fn event_streams(self, at: JudgeAt) -> Self {
        Self { event_streams: at, ..self }
    }

    /// What a call is whose head said success, and whose body was dropped before its end.
    pub fn early_drop(self, verdict: Verdict) -> Self {
        Self { early_drop: verdict, ..self }
    }

    /// How a circuit stands at first (CBK-16).
    pub fn initial(self, state: State) -> Self {
        Self { initial: state, ..self }
    }

    /// Makes jitter repeat, for tests.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed: Some(seed), ..self }
    }

    /// Calls this at every event, on the thread where it happened and without a lock. A panic in it is contained.
    ///
    /// With a hook, each call takes a lock: it has to be told.
    pub fn on_event(self, hook: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        Self { hook: Some(Arc::new(hook)), ..self }
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("window", &self.window)
            .field("failure_rate", &self.failure_rate)
            .field("slow_calls", &self.slow_calls)
            .field("failures_in_a_row", &self.failures_in_a_row)
            .field("minimum_calls", &self.minimum_calls)
            .field("open_for", &self.open_for)
            .field("trials", &self.trials)
            .finish_non_exhaustive()
    }
}

/// Which results count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window(pub(crate) Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Calls(u32),
    Time(Duration),
}

impl Window {
    /// Those of the last so many calls: from 1 to 100 000.
    #[must_use]
    pub const fn calls(calls: u32) -> Self {
        Self(Kind::Calls(calls))
    }

    /// Those of the last so long: from 100 ms to a day.
    ///
    /// It slides by buckets: of a second in windows from 10 s to a minute, else a tenth of a shorter window and a
    /// sixtieth of a longer one (CBK-3). The running bucket is the last of them.
    #[must_use]
    pub const fn time(time: Duration) -> Self {
        Self(Kind::Time(time))
    }
}

/// What closes a half-open circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TrialRule {
    /// Every trial has to go well: the first that fails, or is slow where slow calls count, opens the circuit again.
    Every,
    /// All trials run, and then the rates of the closed state decide.
    Rates,
}

/// What comes of a circuit that was half open for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HalfOpenEnd {
    /// It opens again.
    Open,
    /// It closes.
    Closed,
}

/// What a call is that was dropped before the head of its answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cancelled {
    /// Nothing: a trial gives its place back.
    Ignored,
    /// A failure, if it had waited at least this long since its first poll, else nothing.
    FailureAfter(Duration),
}

/// When a call is judged whose head says success. One whose head says otherwise is judged by it at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JudgeAt {
    /// When the head is there.
    Head,
    /// When the body has ended. One that breaks is a failure.
    End,
}
