use std::borrow::Cow;

/// The pattern of the route that a request took, `/api/jobs/{id}` for instance: never the path, which has no bound.
///
/// An extension of the request or of the answer, put there by whoever knows the route. It chooses the
/// [`Mode`](crate::Mode) and labels what is counted. Without it, the route of
/// [`Notes`](buttress_core::Notes) is taken.
///
/// # Examples
///
/// ```
/// use buttress_envelope::Route;
///
/// let mut answer = http::Response::new(());
/// answer.extensions_mut().insert(Route::new("/api/jobs/{id}"));
/// assert_eq!(answer.extensions().get::<Route>().map(Route::as_str), Some("/api/jobs/{id}"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route(Cow<'static, str>);

impl Route {
    /// A route by its pattern.
    #[must_use]
    pub fn new(pattern: impl Into<Cow<'static, str>>) -> Self {
        Self(pattern.into())
    }

    /// The pattern as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn pattern(&self) -> Cow<'static, str> {
        self.0.clone()
    }
}

/// An extension of an answer that shall go out as it is, failures included.
///
/// # Examples
///
/// ```
/// use buttress_envelope::Raw;
///
/// let mut answer = http::Response::new("up 1\n");
/// answer.extensions_mut().insert(Raw);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Raw;

/// An extension of an answer whose body is an envelope already: it is not wrapped again.
///
/// Handlers that write envelopes themselves put it on their answers. The layer puts it on every failure that it
/// rendered, and on successes with [`EnvelopeLayer::mark_success`](crate::EnvelopeLayer::mark_success). Bodies are never looked at
/// to find out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Enveloped;
