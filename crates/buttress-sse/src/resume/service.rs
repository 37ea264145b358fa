use std::{
    fmt, mem,
    sync::Arc,
    task::{Context, Poll},
};

use buttress_core::CorrelationId;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::{
    EventLog, ResumeBody, ResumeFuture, last_event_id,
    resume::{
        settings::{Settings, Shared},
        visit::Visit,
        visiting::Call,
    },
};

/// The service of a [`ResumeLayer`](crate::ResumeLayer).
///
/// It is ready when the inner service is, also for requests that the log answers: who begins a
/// stream holds the inner service's readiness before it claims the stream, so nobody who waits
/// for the outcome can stand in its way.
///
/// # Cancel safety
///
/// A future that is dropped before its service has answered gives the stream up, and the next
/// that waits for it calls the service; readers who wait in an open stream, as they do after 10 s,
/// see it end and come back. From the answer on the stream goes on by itself.
pub struct ResumeService<S, L> {
    inner: S,
    settings: Arc<Settings>,
    shared: Arc<Shared<L>>,
}

impl<S, L> ResumeService<S, L> {
    pub(crate) fn new(inner: S, settings: Arc<Settings>, shared: Arc<Shared<L>>) -> Self {
        Self { inner, settings, shared }
    }
}

impl<S, L: EventLog> ResumeService<S, L> {
    /// What is known of a request that wants a stream.
    fn visit<B>(&self, request: Request<B>) -> (Request<B>, Option<Visit<L>>) {
        let (head, body) = request.into_parts();
        let key = if head.method == Method::HEAD { None } else { (self.settings.key)(&head) };
        let visit = key.filter(crate::StreamKey::fits).map(|key| Visit {
            key,
            asked: last_event_id(&head.headers, head.uri.query()),
            correlation_id: head.extensions.get::<CorrelationId>().cloned(),
            settings: self.settings.clone(),
            shared: self.shared.clone(),
        });
        (Request::from_parts(head, body), visit)
    }
}

impl<S, L, ReqB, ResB> Service<Request<ReqB>> for ResumeService<S, L>
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    L: EventLog,
    ResB: Body + Send + 'static,
    ResB::Data: From<Bytes> + Send,
{
    type Response = Response<ResumeBody<ResB, L>>;
    type Error = S::Error;
    type Future = ResumeFuture<S, ReqB, S::Future, L>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let (request, visit) = self.visit(request);
        let Some(visit) = visit else {
            return ResumeFuture::passing(self.inner.call(request));
        };
        // The instance that was polled goes, the clone stays.
        let fresh = self.inner.clone();
        let readied = mem::replace(&mut self.inner, fresh);
        ResumeFuture::visiting(Call { service: readied, request }, visit)
    }
}

impl<S: Clone, L> Clone for ResumeService<S, L> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), settings: self.settings.clone(), shared: self.shared.clone() }
    }
}

impl<S: fmt::Debug, L> fmt::Debug for ResumeService<S, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResumeService").field("inner", &self.inner).finish_non_exhaustive()
    }
}
