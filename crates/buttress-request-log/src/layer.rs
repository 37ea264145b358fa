use std::{borrow::Cow, sync::Arc};

use http::request::Parts;
use tower_layer::Layer;
use tracing::Level;

use crate::{
    Record, RequestLog,
    settings::{Settings, Severity},
    site::Sites,
};

/// Writes one line for every request, when its answer has ended.
///
/// | setting | default |
/// |---|---|
/// | [`target`](Self::target) | `buttress_request_log` |
/// | [`level`](Self::level), [`level_by`](Self::level_by) | `INFO` |
/// | [`route`](Self::route) | what a part below wrote into the request's notes, else `unmatched` |
/// | [`on_request`](Self::on_request) | nothing |
/// | [`announce_streams`](Self::announce_streams) | off |
///
/// A clone, and every service made by it, counts into the same table of routes.
///
/// # Examples
///
/// ```
/// use buttress_request_log::{Record, RequestLogLayer};
///
/// let layer = RequestLogLayer::new()
///     .target("access")
///     .level_by(Record::severity)
///     .route(|parts| parts.uri.path().starts_with("/jobs/").then_some("/jobs/{id}".into()));
/// ```
#[must_use]
#[derive(Clone, Debug, Default)]
pub struct RequestLogLayer {
    settings: Arc<Settings>,
}

impl RequestLogLayer {
    /// A layer with the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The `tracing` target of the lines, by which filters go.
    ///
    /// A target lasts as long as the process: each new one that is ever set takes a few hundred bytes for good.
    pub fn target(self, target: &'static str) -> Self {
        self.with(|settings| settings.sites = Sites::of(target))
    }

    /// The level of every line.
    pub fn level(self, level: Level) -> Self {
        self.with(|settings| settings.severity = Severity::Fixed(level))
    }

    /// Chooses the level of each line; [`Record::severity`] is a choice that is ready made.
    pub fn level_by(self, level: impl Fn(&Record) -> Level + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.severity = Severity::By(Arc::new(level)))
    }

    /// Finds the pattern of the route in the request as it arrives: never the raw path, which has no bound.
    ///
    /// It steps back before a route that a part below writes into the [`Notes`](buttress_core::Notes) of the request.
    /// Behind axum's `Router::layer`, for instance:
    ///
    /// ```text
    /// .route(|parts| parts.extensions.get::<MatchedPath>().map(|path| path.as_str().to_owned().into()))
    /// ```
    pub fn route(self, route: impl Fn(&Parts) -> Option<Cow<'static, str>> + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.route = Some(Arc::new(route)))
    }

    /// Hands every record to `hook` as well, whatever becomes of the line; a second hook takes the place of the first.
    ///
    /// It runs where the request ended, at times in a destructor: let it be short. If it panics, the answer goes on.
    pub fn on_request(self, hook: impl Fn(&Record) + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.hook = Some(Arc::new(hook)))
    }

    /// Writes a line `request_streaming` as well when an event stream begins, which may last for hours.
    ///
    /// It has the fields of the last line as far as they are known, and [`Outcome::Streaming`](crate::Outcome); it is
    /// neither counted nor handed to the hook.
    pub fn announce_streams(self) -> Self {
        self.with(|settings| settings.announce_streams = true)
    }

    fn with(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(Arc::make_mut(&mut self.settings));
        self
    }
}

impl<S> Layer<S> for RequestLogLayer {
    type Service = RequestLog<S>;

    fn layer(&self, inner: S) -> RequestLog<S> {
        RequestLog::new(inner, self.settings.clone())
    }
}
