use std::{
    pin::Pin,
    task::{Context, Poll, ready},
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
                this.call.run(|| kind.set(Kind::Done));
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
    pub(crate) fn called(inner: F, call: Call) -> Self {
        Self { kind: Kind::Called { inner }, call }
    }

    pub(crate) fn refused(call: Call) -> Self {
        Self { kind: Kind::Refused, call }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<Body<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (mut kind, call) = (this.kind, this.call);
        let mut result = match kind.as_mut().project() {
            KindProj::Called { .. } => {
                ready!(call.run(|| poll_inner(kind, cx))).map(|response| response.map(Body::inner))
            }
            KindProj::Refused => Ok(refusal(call)),
            KindProj::Done => panic!("polled after it was ready"),
        };
        match &mut result {
            Ok(response) => call.answer(response),
            Err(_) => call.tell(Cause::Failed),
        }
        Poll::Ready(result)
    }
}

/// Polls the service below and drops it once it is ready: what it leaves behind goes within its scope, too.
fn poll_inner<F: Future>(mut kind: Pin<&mut Kind<F>>, cx: &mut Context<'_>) -> Poll<F::Output> {
    let KindProj::Called { inner } = kind.as_mut().project() else { unreachable!("only a call is polled") };
    let output = ready!(inner.poll(cx));
    kind.set(Kind::Done);
    Poll::Ready(output)
}

fn refusal<B>(call: &Call) -> Response<Body<B>> {
    // Not a word of what came: it may hold anything (COR-7).
    Problem::new(StatusCode::BAD_REQUEST, BAD_REQUEST, "the correlation id is not 1 to 128 of A-Z a-z 0-9 . _ -, once")
        .refused_by("correlation_id")
        .into_response(Some(call.id()))
}
