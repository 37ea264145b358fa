use std::{
    pin::Pin,
    task::{Context, Poll},
};

use buttress_core::{Body, Problem, ProblemCode};
use http::{Response, StatusCode};
use pin_project_lite::pin_project;

use crate::{call::Call, unanswered::Cause};

const BAD_REQUEST: ProblemCode = ProblemCode::new("bad_request");

pin_project! {
    /// The answer to come, with its id: the future of [`Correlation`](crate::Correlation).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        kind: Kind<F>,
        call: Call,
    }

    impl<F> PinnedDrop for ResponseFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.call.tell(Cause::Cancelled);
            let mut kind = this.kind;
            if let KindProj::Called { .. } = kind.as_mut().project() {
                let running = this.call.run();
                kind.set(Kind::Done);
                running.ended();
            }
        }
    }
}

pin_project! {
    #[project = KindProj]
    #[derive(Debug)]
    enum Kind<F> {
        Called { #[pin] inner: F },
        Refused,
        Done,
    }
}

impl<F> ResponseFuture<F> {
    #[inline]
    pub(crate) fn called(inner: F, call: Call) -> Self {
        Self { kind: Kind::Called { inner }, call }
    }

    #[cold]
    pub(crate) fn refused(call: Call) -> Self {
        Self { kind: Kind::Refused, call }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<Body<B>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (mut kind, call) = (this.kind, this.call);
        let KindProj::Called { inner } = kind.as_mut().project() else {
            return Poll::Ready(Ok(uncalled(&kind, call)));
        };
        let running = call.run();
        let mut polled = inner.poll(cx);
        if polled.is_ready() {
            // What it leaves behind goes within its scope, too.
            kind.set(Kind::Done);
        }
        running.ended();
        // In place, as to take it out would move it once more.
        match &mut polled {
            Poll::Ready(Ok(response)) => call.answer(response.headers_mut()),
            Poll::Ready(Err(_)) => call.tell(Cause::Failed),
            Poll::Pending => {}
        }
        polled.map_ok(|response| response.map(Body::inner))
    }
}

/// Refused → answered, once.
#[cold]
fn uncalled<F, B>(kind: &Kind<F>, call: &mut Call) -> Response<Body<B>> {
    assert!(matches!(kind, Kind::Refused), "polled after it was ready");
    refusal(call)
}

fn refusal<B>(call: &mut Call) -> Response<Body<B>> {
    // Not a word of what came: it may hold anything (COR-7).
    let mut response = Problem::new(
        StatusCode::BAD_REQUEST,
        BAD_REQUEST,
        "the correlation id is not 1 to 128 of A-Z a-z 0-9 . _ -, once",
    )
    .refused_by("correlation_id")
    .into_response(Some(call.id()));
    call.answer(response.headers_mut());
    response
}
