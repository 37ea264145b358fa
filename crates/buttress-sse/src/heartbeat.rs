use std::{
    error::Error,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use pin_project_lite::pin_project;
use tokio::time::Instant;

use crate::{Event, alarm::Alarm};

/// What a reader is sent when there has been nothing to send for a while.
///
/// It goes out only between two events, only when the interval has passed since the last bytes
/// written to this reader, and never after the last event (SSE-43).
///
/// | setting | default |
/// |---|---|
/// | [`every`](Self::every) | 15 s |
/// | [`jitter`](Self::jitter) | none |
/// | [`event`](Self::event) | a comment |
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use buttress_sse::{Event, EventName, Heartbeat};
///
/// const HEARTBEAT: EventName = EventName::from_static("heartbeat");
///
/// let heartbeat = Heartbeat::every(Duration::from_secs(10))?
///     .jitter(Duration::from_secs(1))
///     .event(|| Event::data(r#"{"type":"heartbeat"}"#).name(HEARTBEAT));
/// # Ok::<(), buttress_sse::InvalidHeartbeat>(())
/// ```
#[must_use]
#[derive(Clone)]
pub struct Heartbeat {
    interval: Option<Duration>,
    jitter: Duration,
    event: Option<Make>,
}

/// Makes an event each time one is needed.
pub(crate) type Make = Arc<dyn Fn() -> Event + Send + Sync>;

impl Heartbeat {
    /// A comment, after this long without a byte.
    ///
    /// # Errors
    ///
    /// When the interval is zero.
    pub fn every(interval: Duration) -> Result<Self, InvalidHeartbeat> {
        if interval.is_zero() {
            return Err(InvalidHeartbeat(()));
        }
        Ok(Self { interval: Some(interval), ..Self::never() })
    }

    /// No heartbeat at all.
    pub fn never() -> Self {
        Self { interval: None, jitter: Duration::ZERO, event: None }
    }

    /// Waits up to this much longer, drawn anew for each heartbeat, so that many readers of one
    /// stream do not tick together (SSE-44).
    pub fn jitter(self, most: Duration) -> Self {
        Self { jitter: most, ..self }
    }

    /// Sends an event, made for each heartbeat, instead of a comment: one that a page can see.
    ///
    /// It goes out without an id, so that it moves no cursor. Give it a name of its own, or a
    /// page takes it for a message.
    pub fn event(self, make: impl Fn() -> Event + Send + Sync + 'static) -> Self {
        Self { event: Some(Arc::new(make)), ..self }
    }

    fn beat(&self) -> Bytes {
        match &self.event {
            Some(make) => make().encode_unnumbered(),
            None => Bytes::from_static(b":\n\n"),
        }
    }

    /// How long the next silence may last.
    fn draw(&self) -> Option<Duration> {
        self.interval.map(|interval| interval.saturating_add(up_to(self.jitter)))
    }
}

impl Default for Heartbeat {
    /// A comment every 15 seconds, the interval that WHATWG suggests.
    fn default() -> Self {
        Self { interval: Some(Duration::from_secs(15)), ..Self::never() }
    }
}

impl fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { interval, jitter, event } = self;
        let kind = if event.is_some() { "event" } else { "comment" };
        f.debug_struct("Heartbeat").field("interval", interval).field("jitter", jitter).field("kind", &kind).finish()
    }
}

/// A [`Heartbeat`] with an interval of zero, which would never stop sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidHeartbeat(());

impl fmt::Display for InvalidHeartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the interval of a heartbeat is zero")
    }
}

impl Error for InvalidHeartbeat {}

pin_project! {
    /// Measures the silence of one reader.
    #[derive(Debug)]
    pub(crate) struct Silence {
        // How long this silence may last; none for ever.
        limit: Option<Duration>,
        since: Option<Instant>,
        #[pin]
        alarm: Alarm,
    }
}

impl Silence {
    pub(crate) fn new(heartbeat: &Heartbeat) -> Self {
        Self { limit: heartbeat.draw(), since: None, alarm: Alarm::default() }
    }

    /// Notes that something has been written.
    pub(crate) fn end(self: Pin<&mut Self>) {
        let this = self.project();
        if this.limit.is_some() {
            *this.since = Some(Instant::now());
        }
    }

    /// Has whoever waits here called from now on. Whether it is another than before.
    #[cfg(any(feature = "layer", feature = "resume"))]
    #[inline]
    pub(crate) fn hand_over(self: Pin<&mut Self>, cx: &Context<'_>) -> bool {
        self.project().alarm.hand_over(cx.waker())
    }

    /// The heartbeat, once the silence has lasted too long. With it the next silence begins.
    #[inline]
    pub(crate) fn poll(self: Pin<&mut Self>, heartbeat: &Heartbeat, cx: &mut Context<'_>) -> Poll<Bytes> {
        if self.alarm.is_set(cx.waker()) { Poll::Pending } else { self.poll_alarm(heartbeat, cx) }
    }

    fn poll_alarm(self: Pin<&mut Self>, heartbeat: &Heartbeat, cx: &mut Context<'_>) -> Poll<Bytes> {
        let mut this = self.project();
        // Without an interval, or with one that no clock reaches, it lasts for ever.
        let Some(due) = this.since.zip(*this.limit).and_then(|(since, limit)| since.checked_add(limit)) else {
            return Poll::Pending;
        };
        let now = ready!(this.alarm.as_mut().poll(due, cx));
        (*this.since, *this.limit) = (Some(now), heartbeat.draw());
        if let Some(next) = this.limit.and_then(|limit| now.checked_add(limit)) {
            this.alarm.put_off(next);
        }
        Poll::Ready(heartbeat.beat())
    }
}

/// A random part of `most`. Without a source of randomness, none of it: nothing is lost by that
/// but the spread.
pub(crate) fn up_to(most: Duration) -> Duration {
    if most.is_zero() {
        return most;
    }
    // 32 random bits are a fraction of one.
    let part = getrandom::u32().unwrap_or(0);
    most.mul_f64(f64::from(part) / f64::from(u32::MAX))
}
