//! The notes of a request, on the calls that it causes.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use buttress_core::Notes;
use http::Request;
use pin_project_lite::pin_project;
use tokio::task::futures::TaskLocalFuture;
use tower_layer::Layer;
use tower_service::Service;

tokio::task_local! {
    static NOTES: Notes;
}

/// Lets the calls that a future makes know the notes of the request that it works for.
pub trait NotesExt: Future + Sized {
    /// For as long as the future runs, in a task of its own as well, an [`OutboundNotesLayer`] finds these notes.
    ///
    /// # Examples
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// use std::convert::Infallible;
    /// use buttress_core::Notes;
    /// use buttress_request_log::{NotesExt, OutboundNotesLayer};
    /// use http::{Request, Response};
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// // A client whose layers tell what they do: here, that it was tried again.
    /// let client = OutboundNotesLayer::new().layer(service_fn(async |call: Request<()>| {
    ///     Notes::of(call.extensions()).expect("of the request").write(|noted| noted.retries += 1);
    ///     Ok::<_, Infallible>(Response::new(()))
    /// }));
    ///
    /// let notes = Notes::default();
    /// let task = tokio::spawn(client.oneshot(Request::new(())).with_notes(notes.clone()));
    /// task.await.unwrap().unwrap();
    /// assert_eq!(notes.read(|noted| noted.retries), 1);
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn with_notes(self, notes: Notes) -> WithNotes<Self> {
        WithNotes { inner: NOTES.scope(notes, self) }
    }
}

impl<F: Future> NotesExt for F {}

pin_project! {
    /// The future of [`NotesExt::with_notes`].
    ///
    /// # Cancel safety
    ///
    /// That of the future within.
    #[must_use = "futures do nothing unless polled"]
    pub struct WithNotes<F> {
        #[pin]
        inner: TaskLocalFuture<Notes, F>,
    }
}

impl<F: Future> Future for WithNotes<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().inner.poll(cx)
    }
}

impl<F> fmt::Debug for WithNotes<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithNotes").finish_non_exhaustive()
    }
}

/// For clients: puts the notes of the current request on each call that leaves, so that layers below (retry, circuit
/// breaker) write what they do into the line of the request which they do it for.
///
/// Put it outermost. A call that has notes of its own keeps them; outside of [`NotesExt::with_notes`] it does nothing.
#[must_use]
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct OutboundNotesLayer;

impl OutboundNotesLayer {
    /// A layer.
    pub fn new() -> Self {
        Self
    }
}

impl<S> Layer<S> for OutboundNotesLayer {
    type Service = OutboundNotes<S>;

    fn layer(&self, inner: S) -> OutboundNotes<S> {
        OutboundNotes { inner }
    }
}

/// The service of an [`OutboundNotesLayer`]. It is ready when the inner one is, and its futures are the inner one's.
#[derive(Clone, Debug)]
pub struct OutboundNotes<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for OutboundNotes<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        if Notes::of(request.extensions()).is_none()
            && let Ok(notes) = NOTES.try_with(Notes::clone)
        {
            request.extensions_mut().insert(notes);
        }
        self.inner.call(request)
    }
}
