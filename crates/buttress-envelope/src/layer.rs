use std::{num::NonZeroUsize, time::Duration};

use tower_layer::Layer;

use crate::{Envelope, EnvelopeHandle, Mode, asked::Settings};

/// Gives every answer of the services below one shape.
///
/// A clone has the same modes: what one of them sets counts for both.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use buttress_envelope::{EnvelopeLayer, Mode};
///
/// let layer = EnvelopeLayer::new()
///     .route("/metrics", Mode::Raw)
///     .look_into("/api/generate/video")
///     .foreign_time(Duration::from_secs(2));
/// let handle = layer.handle();
/// ```
#[must_use]
#[derive(Clone, Debug)]
pub struct EnvelopeLayer {
    handle: EnvelopeHandle,
    settings: Settings,
}

impl EnvelopeLayer {
    /// A layer that wraps everything that can be wrapped ([`Mode::New`]), and reads at most 64 KiB of a foreign failure
    /// for at most 5 seconds.
    pub fn new() -> Self {
        let settings = Settings { bytes: 64 * 1_024, time: Duration::from_secs(5), mark: false };
        Self { handle: EnvelopeHandle::new(), settings }
    }

    /// The mode of all routes that have none of their own.
    pub fn mode(self, mode: Mode) -> Self {
        self.handle.set_rest(mode);
        self
    }

    /// The mode of one route, by its [pattern](crate::Route). [`Mode::Raw`] is the opt-out.
    ///
    /// # Panics
    ///
    /// When more than [`EnvelopeHandle::MAX_ROUTES`] routes are named.
    pub fn route(self, pattern: &str, mode: Mode) -> Self {
        self.handle.set(pattern, mode).expect("no more routes than a handle has room for");
        self
    }

    /// Looks into the successes of one route for `{"success":false}`, and tells those as failures.
    ///
    /// They become 422 `request_failed`, or 402 `payment_required` where the body says so. A body is read as far as
    /// that of a foreign failure; what is longer or slower is wrapped as it comes, nothing of it lost. Successes of
    /// other routes are never read.
    ///
    /// # Panics
    ///
    /// When more than [`EnvelopeHandle::MAX_ROUTES`] routes are named.
    pub fn look_into(self, pattern: &str) -> Self {
        self.handle.look_into(pattern, true).expect("no more routes than a handle has room for");
        self
    }

    /// How many bytes of a foreign body are read at most; beyond them a JSON failure is told by its status alone.
    pub fn foreign_limit(mut self, bytes: NonZeroUsize) -> Self {
        self.settings.bytes = bytes.get();
        self
    }

    /// How long a foreign body is waited for at most. Without the feature `timeout` it is not waited for at all.
    pub fn foreign_time(mut self, time: Duration) -> Self {
        self.settings.time = time;
        self
    }

    /// Puts [`Enveloped`](crate::Enveloped) on successes as well, for the case that another envelope lies above this one.
    /// It costs two allocations an answer, so it is off by default.
    pub fn mark_success(mut self) -> Self {
        self.settings.mark = true;
        self
    }

    /// Switches the modes while the layer runs.
    #[must_use]
    pub fn handle(&self) -> EnvelopeHandle {
        self.handle.clone()
    }
}

impl Default for EnvelopeLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for EnvelopeLayer {
    type Service = Envelope<S>;

    fn layer(&self, inner: S) -> Envelope<S> {
        Envelope::new(inner, self.handle.clone(), self.settings)
    }
}
