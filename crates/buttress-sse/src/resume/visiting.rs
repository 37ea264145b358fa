use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    Cursor, EventLog, ResumeBody, StreamState,
    resume::{
        follow::MOST,
        tenure::{LEASE, Tenure},
        vigil::Vigil,
        visit::{Turn, Visit},
    },
};

pin_project! {
    /// The way of one request to its stream.
    pub(crate) struct Visiting<S, ReqB, F, L: EventLog> {
        #[pin]
        step: Step<F, L>,
        // Until the service is called.
        call: Option<Call<S, ReqB>>,
        visit: Visit<L>,
    }
}

pin_project! {
    #[project = StepProj]
    enum Step<F, L: EventLog> {
        Arriving,
        Reading { #[pin] read: L::Read },
        Claiming { #[pin] claim: L::Claim, start: Cursor },
        Waiting { #[pin] tail: L::Tail },
        Calling { #[pin] future: F, tenure: Option<Tenure<L>>, #[pin] vigil: Vigil<L> },
    }
}

/// The readied service and what it is to be called with.
pub(crate) struct Call<S, ReqB> {
    pub(crate) service: S,
    pub(crate) request: Request<ReqB>,
}

impl<S, ReqB, F, L: EventLog> Visiting<S, ReqB, F, L> {
    pub(crate) fn new(call: Call<S, ReqB>, visit: Visit<L>) -> Self {
        Self { step: Step::Arriving, call: Some(call), visit }
    }
}

impl<S, ReqB, ResB, L> Future for Visiting<S, ReqB, S::Future, L>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    L: EventLog,
    ResB: Body + Send + 'static,
    ResB::Data: From<Bytes> + Send,
{
    type Output = Result<Response<ResumeBody<ResB, L>>, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let this = self.as_mut().project();
            let turn = match this.step.project() {
                StepProj::Arriving => this.visit.arrive(),
                StepProj::Reading { read } => this.visit.read(ready!(read.poll(cx))),
                StepProj::Claiming { claim, start } => this.visit.claimed(ready!(claim.poll(cx)), start),
                StepProj::Waiting { tail } => this.visit.waited(ready!(tail.poll_next(cx))),
                StepProj::Calling { future, tenure, vigil } => {
                    let Poll::Ready(answered) = future.poll(cx) else {
                        if let Some(tenure) = tenure {
                            vigil.poll(tenure, cx);
                        }
                        return Poll::Pending;
                    };
                    let tenure = tenure.take().expect("a future is not polled after it was ready");
                    return Poll::Ready(this.visit.called(answered, tenure));
                }
            };
            if let Some(response) = self.as_mut().turn(turn) {
                return Poll::Ready(Ok(response));
            }
        }
    }
}

impl<S, ReqB, L> Visiting<S, ReqB, S::Future, L>
where
    S: Service<Request<ReqB>>,
    L: EventLog,
{
    /// Goes on to the next step, or answers.
    fn turn<ResB>(self: Pin<&mut Self>, turn: Turn<ResB, L>) -> Option<Response<ResumeBody<ResB, L>>> {
        let mut this = self.project();
        let visit = &*this.visit;
        let Visit { key, shared, .. } = visit;
        let log = &shared.log;
        let step = match turn {
            Turn::Answer(response) => return Some(response),
            Turn::Read => Step::Reading { read: log.read(key, visit.cursor(), MOST) },
            Turn::Wait(from) => Step::Waiting { tail: log.tail(key, &from, StreamState::Starting, 1) },
            Turn::Claim => match Cursor::random() {
                Ok(start) => Step::Claiming { claim: log.claim(key, &start, LEASE), start },
                Err(error) => {
                    visit.settings.report(&error);
                    return Some(visit.later());
                }
            },
            Turn::Call(start) => {
                let tenure = visit.tenure(start);
                let Call { mut service, request } = this.call.take().expect("a stream is won once");
                Step::Calling { future: service.call(request), tenure: Some(tenure), vigil: Vigil::new() }
            }
        };
        this.step.set(step);
        None
    }
}
