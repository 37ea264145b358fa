use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http::{Response, response::Parts};
use pin_project_lite::pin_project;

use crate::{Classify, ResponseBody, Verdict, permit::Permit, reading::Reading, refusal::Refused};

pin_project! {
    /// The future of a [`Breaker`](crate::Breaker).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, polled or not, the call is counted by
    /// [`Policy::cancelled`](crate::Policy::cancelled), and a trial gives its place back.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, C> {
        #[pin]
        pub(crate) call: Call<F>,
        pub(crate) permit: Permit,
        pub(crate) classify: C,
    }
}

pin_project! {
    #[project = CallProj]
    #[derive(Debug)]
    pub(crate) enum Call<F> {
        LetIn { #[pin] future: F },
        Refused { refused: Option<Box<Refused>> },
    }
}

impl<F, C> ResponseFuture<F, C> {
    pub(crate) fn refused(refused: Box<Refused>, classify: C) -> Self {
        Self { call: Call::Refused { refused: Some(refused) }, permit: Permit::default(), classify }
    }
}

impl<F, C, B, E> Future for ResponseFuture<F, C>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: http_body::Body,
    C: Classify<E>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let future = match this.call.project() {
            CallProj::LetIn { future } => future,
            CallProj::Refused { refused } => {
                let (head, body) = refuse(refused.take());
                return Poll::Ready(Ok(Response::from_parts(head, ResponseBody::refusal(body))));
            }
        };
        let classify = this.classify;
        let usual = this.permit.usual();
        let mut running = this.permit.run();
        let polled = future.poll(cx);
        let mut permit = running.come_back(this.permit.start());
        let answer = match polled {
            Poll::Ready(Ok(answer)) => answer,
            Poll::Ready(Err(error)) => {
                permit.error(classify.error(&error));
                return Poll::Ready(Err(error));
            }
            Poll::Pending => {
                *this.permit = permit.wait(usual);
                return Poll::Pending;
            }
        };
        let verdict = classify.answer(&answer);
        if let Some(reading) = permit.read_on(usual, verdict, &answer) {
            return Poll::Ready(Ok(answer.map(|body| ResponseBody::passed(body, reading))));
        }
        let (head, body) = answer.into_parts();
        let (head, body, reading) = judge(permit, verdict, head, body);
        Poll::Ready(Ok(Response::from_parts(head, ResponseBody::passed(body, reading))))
    }
}

/// Judges what is not the usual case. It takes the answer in pieces, so that the usual one need not have an address.
#[inline(never)]
fn judge<B: http_body::Body>(permit: Permit, verdict: Option<Verdict>, head: Parts, body: B) -> (Parts, B, Reading) {
    let reading = permit.answer(verdict, &head, &body);
    (head, body, reading)
}

/// Answers in place of the inner service.
#[cold]
#[inline(never)]
fn refuse<B>(refused: Option<Box<Refused>>) -> (Parts, buttress_core::Body<B>) {
    let refused = refused.expect("a future is not polled again once it is done");
    refused.into_response().into_parts()
}
