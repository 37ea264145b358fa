use std::{error::Error, fmt, sync::Arc, time::Duration};

use http::request::Parts;
use tower_layer::Layer;

use crate::{
    Event, EventLog, Heartbeat, ResumeService, StreamKey,
    resume::settings::{Settings, Shared},
};

/// Lets readers of any event stream come back where they were cut off.
///
/// Requests that the `key` closure finds a stream for are answered from the log if it has the
/// stream; only the first one reaches the service, whose `text/event-stream` is read into the log
/// by a task of its own. Everything else passes untouched: requests without a key and `HEAD`,
/// and answers of another status, another media type, or with a content encoding.
///
/// | setting | default |
/// |---|---|
/// | [`cancel_after`](Self::cancel_after) | never: a stream goes on without readers (SSE-59) |
/// | [`retry`](Self::retry) | 3 s, what browsers wait by themselves |
/// | [`heartbeat`](Self::heartbeat) | a comment after 15 s of silence |
/// | [`reset`](Self::reset) | `{"type":"reset"}` |
/// | [`max_event`](Self::max_event) | 1 MiB |
/// | [`on_log_error`](Self::on_log_error) | nothing |
///
/// How much is kept, and of how many streams, is set at the log.
///
/// Clones share their producers. These are aborted when the last clone, its services and their
/// bodies are gone; the streams then end with an `error` event.
///
/// # Examples
///
/// ```
/// use buttress_sse::{MemoryLog, ResumeLayer, Retention, StreamKey};
///
/// /// Left in the request by the layer that checks who is asking.
/// #[derive(Clone)]
/// struct User(String);
///
/// let log = MemoryLog::new(Retention::default())?;
/// let layer = ResumeLayer::new(log, |request| {
///     let user = request.extensions.get::<User>()?;
///     Some(StreamKey::scoped(&user.0, request.uri.path()))
/// });
/// # Ok::<(), buttress_sse::InvalidRetention>(())
/// ```
#[must_use]
pub struct ResumeLayer<L> {
    settings: Arc<Settings>,
    shared: Arc<Shared<L>>,
}

impl<L: EventLog> ResumeLayer<L> {
    /// Keeps streams in `log`, each under the key that the closure finds in the request.
    ///
    /// The closure is asked at every request but `HEAD`, reconnects included: what it goes by must
    /// be known before the service runs, such as a user that an outer layer has checked (SSE-49).
    /// Where an address takes other requests than those for its stream, such as a `DELETE`, it has
    /// to look at the method, and find nothing for them.
    pub fn new(log: L, key: impl Fn(&Parts) -> Option<StreamKey> + Send + Sync + 'static) -> Self {
        let settings = Settings {
            key: Arc::new(key),
            grace: None,
            retry: Duration::from_secs(3),
            heartbeat: Heartbeat::default(),
            reset: None,
            max_event: 1 << 20,
            hook: None,
        };
        Self { settings: Arc::new(settings), shared: Arc::new(Shared::new(log)) }
    }

    /// Cancels a stream when nobody in this process has read it for this long. It then ends with
    /// an `error` event of the code `stream_cancelled`, for those who come back too late.
    pub fn cancel_after(self, grace: Duration) -> Self {
        self.with(|settings| settings.grace = Some(grace))
    }

    /// How long readers are to wait before they reconnect, in whole milliseconds; after a
    /// [`drain`](Self::drain) up to twice as long.
    pub fn retry(self, wait: Duration) -> Self {
        self.with(|settings| settings.retry = wait)
    }

    /// What is sent in silence. Comments of the inner stream are not kept.
    pub fn heartbeat(self, heartbeat: Heartbeat) -> Self {
        self.with(|settings| settings.heartbeat = heartbeat)
    }

    /// What a reader is told when events after its cursor are lost. The event is named
    /// [`RESET`](crate::RESET) whatever its own name, and goes out without an id.
    pub fn reset(self, make: impl Fn() -> Event + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.reset = Some(Arc::new(make)))
    }

    /// The most bytes of one event of the inner stream; a longer one ends the stream as a failure.
    pub fn max_event(self, bytes: usize) -> Self {
        self.with(|settings| settings.max_event = bytes)
    }

    /// Is told of every failure of the log. Readers are sent away with a `retry:` in that case,
    /// and lose nothing; producers try again for some seconds.
    pub fn on_log_error(self, hook: impl Fn(&(dyn Error + 'static)) + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.hook = Some(Arc::new(hook)))
    }

    /// Sends every reader away, for a shutdown: each body ends between two events, after a
    /// `retry:` with a random part in it. Readers that come later are sent away at once.
    ///
    /// Producers go on. It cannot be undone.
    pub fn drain(&self) {
        self.shared.drain.drain();
    }

    fn with(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(Arc::make_mut(&mut self.settings));
        self
    }
}

impl<S, L: EventLog> Layer<S> for ResumeLayer<L> {
    type Service = ResumeService<S, L>;

    fn layer(&self, inner: S) -> ResumeService<S, L> {
        ResumeService::new(inner, self.settings.clone(), self.shared.clone())
    }
}

impl<L> Clone for ResumeLayer<L> {
    fn clone(&self) -> Self {
        Self { settings: self.settings.clone(), shared: self.shared.clone() }
    }
}

impl<L> fmt::Debug for ResumeLayer<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { grace, retry, heartbeat, max_event, .. } = &*self.settings;
        let mut out = f.debug_struct("ResumeLayer");
        out.field("cancel_after", grace).field("retry", retry).field("heartbeat", heartbeat);
        out.field("max_event", max_event).finish_non_exhaustive()
    }
}
