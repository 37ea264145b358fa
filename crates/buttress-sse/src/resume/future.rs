use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use buttress_core::Body as Answer;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    EventLog, ResumeBody,
    resume::{
        visit::Visit,
        visiting::{Call, Visiting},
    },
};

pin_project! {
    /// The future of a [`ResumeService`](crate::ResumeService).
    ///
    /// # Panics
    ///
    /// When a stream begins outside of a Tokio runtime with time.
    ///
    /// # Cancel safety
    ///
    /// Dropped before the inner service has answered, it gives the stream up that it was about to
    /// begin.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResumeFuture<S, ReqB, F, L: EventLog> {
        #[pin]
        kind: Kind<S, ReqB, F, L>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<S, ReqB, F, L: EventLog> {
        Passing { #[pin] future: F },
        Visiting { #[pin] visiting: Visiting<S, ReqB, F, L> },
    }
}

impl<S, ReqB, F, L: EventLog> ResumeFuture<S, ReqB, F, L> {
    pub(crate) fn passing(future: F) -> Self {
        Self { kind: Kind::Passing { future } }
    }

    pub(crate) fn visiting(call: Call<S, ReqB>, visit: Visit<L>) -> Self {
        Self { kind: Kind::Visiting { visiting: Visiting::new(call, visit) } }
    }
}

impl<S, ReqB, ResB, L> Future for ResumeFuture<S, ReqB, S::Future, L>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    L: EventLog,
    ResB: Body + Send + 'static,
    ResB::Data: From<Bytes> + Send,
{
    type Output = Result<Response<ResumeBody<ResB, L>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProj::Passing { future } => {
                future.poll(cx).map_ok(|response| response.map(|body| ResumeBody::answer(Answer::inner(body))))
            }
            KindProj::Visiting { visiting } => visiting.poll(cx),
        }
    }
}

impl<S, ReqB, F, L: EventLog> fmt::Debug for ResumeFuture<S, ReqB, F, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if matches!(self.kind, Kind::Passing { .. }) { "passing" } else { "visiting" };
        f.debug_struct("ResumeFuture").field("kind", &kind).finish_non_exhaustive()
    }
}
