use std::{sync::Arc, time::Duration};

use tower_layer::Layer;

use crate::{Drain, Heartbeat, Heartbeats};

/// Keeps the event streams of any service alive: of a handler, of a framework, of a reverse proxy.
///
/// An answer with status 200 and the media type `text/event-stream` is followed from border to border. Where it stands
/// on one and nothing was sent for the interval, it gets a heartbeat (SSE-43); its own frames go through as they are.
/// Every other answer goes through untouched, and so do those to HEAD, and those with a `Content-Encoding`: into
/// compressed bytes nothing can be put.
///
/// | setting | default |
/// |---|---|
/// | [`new`](Self::new) | `Heartbeat::default()`: a comment after 15 s |
/// | [`without_opening`](Self::without_opening) | a comment goes first where no event is ready (SSE-42) |
/// | [`drained_by`](Self::drained_by) | by nobody |
/// | [`retry`](Self::retry) | 3 s, and up to twice as long |
/// | [`grace`](Self::grace) | 5 s |
/// | [`keep_cache_control`](Self::keep_cache_control) | no |
///
/// An answer with a [`Heartbeat`] among its extensions gets that one instead of the layer's: one that tells of which
/// stream it is, for instance.
///
/// # Headers
///
/// `Content-Type` stays; `Cache-Control` becomes `no-cache, no-transform`, or gets `no-transform` besides what it says;
/// `X-Accel-Buffering` becomes `no`; `Content-Length` goes (SSE-41).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use buttress_sse::{Heartbeat, HeartbeatLayer};
///
/// let heartbeat = Heartbeat::every(Duration::from_secs(10))?.jitter(Duration::from_secs(2));
/// let layer = HeartbeatLayer::new(heartbeat).retry(Duration::from_secs(1));
/// # Ok::<(), buttress_sse::InvalidHeartbeat>(())
/// ```
#[must_use]
#[derive(Clone, Debug)]
pub struct HeartbeatLayer(Arc<Settings>);

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) heartbeat: Heartbeat,
    pub(super) opening: bool,
    pub(super) drain: Option<Drain>,
    pub(super) retry: Duration,
    pub(super) grace: Duration,
    pub(super) cache_control: CacheControl,
}

/// What becomes of a `Cache-Control` that an answer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CacheControl {
    Completed,
    Kept,
}

impl Settings {
    /// The same for an answer with a heartbeat of its own.
    pub(super) fn with(&self, heartbeat: Heartbeat) -> Self {
        Self { heartbeat, ..self.clone() }
    }
}

impl HeartbeatLayer {
    /// A layer that sends this heartbeat. With [`Heartbeat::never`] it sees to first bytes, headers and drain alone.
    pub fn new(heartbeat: Heartbeat) -> Self {
        let (retry, grace) = (Duration::from_secs(3), Duration::from_secs(5));
        let cache_control = CacheControl::Completed;
        Self(Arc::new(Settings { heartbeat, opening: true, drain: None, retry, grace, cache_control }))
    }

    /// Lets a stream that has nothing to say begin with silence.
    pub fn without_opening(self) -> Self {
        self.with(|settings| settings.opening = false)
    }

    /// Ends the streams when this handle is drained.
    pub fn drained_by(self, drain: &Drain) -> Self {
        self.with(|settings| settings.drain = Some(drain.clone()))
    }

    /// How long a reader who is sent away is to wait before it reconnects, in whole milliseconds. Each is told to wait
    /// up to twice as long.
    pub fn retry(self, wait: Duration) -> Self {
        self.with(|settings| settings.retry = wait)
    }

    /// How long a stream that is drained inside an event may take to end that event. After it the body ends with an
    /// [`UnfinishedEvent`](crate::UnfinishedEvent), so that no client takes a part for the whole.
    pub fn grace(self, wait: Duration) -> Self {
        self.with(|settings| settings.grace = wait)
    }

    /// Leaves a `Cache-Control` that an answer has as it is, without a `no-transform`: for services that know that nothing
    /// compresses on the way. An answer without one still gets it.
    pub fn keep_cache_control(self) -> Self {
        self.with(|settings| settings.cache_control = CacheControl::Kept)
    }

    fn with(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(Arc::make_mut(&mut self.0));
        self
    }
}

impl Default for HeartbeatLayer {
    fn default() -> Self {
        Self::new(Heartbeat::default())
    }
}

impl<S> Layer<S> for HeartbeatLayer {
    type Service = Heartbeats<S>;

    fn layer(&self, inner: S) -> Heartbeats<S> {
        Heartbeats::new(inner, self.0.clone())
    }
}
