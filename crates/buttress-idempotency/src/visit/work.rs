//! Running what has won its key.

use std::{
    any::Any,
    mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{Next, Stage, StageProj, Turn, Visit};
use crate::{
    EventKind, IdempotencyStore, RequestBody, ResponseBody, Settlement, Token,
    capture::{self, Ended},
    keeper::Keeper,
    run::Run,
    telemetry::Place,
};

impl<S, ReqB, ResB, St> Visit<S, ReqB, ResB, St>
where
    S: Service<Request<RequestBody<ReqB>>, Response = Response<ResB>> + Clone,
    ReqB: Body,
    ResB: Body + Send + 'static,
    ResB::Data: From<Bytes> + Send,
    ResB::Error: Send,
    St: IdempotencyStore,
{
    /// The key is won: the request runs as soon as the inner service can take it.
    pub(super) fn begin(self: Pin<&mut Self>, token: Token) -> Poll<Turn<ResB, St, S::Error>> {
        let mut this = self.project();
        let key = this.name.key();
        *this.keeper = Some(Keeper::new(this.shared.clone(), key, token));
        *this.place = Some(Place::here());
        let parts = this.parts.as_mut().expect("the request is here until it runs");
        parts.extensions.insert(Run::new(key, token));
        this.shared.settings.told(parts, Some(key), EventKind::First);
        this.stage.set(Stage::Readying);
        Poll::Ready(Next::Go)
    }

    pub(super) fn run_unprotected(self: Pin<&mut Self>) -> Poll<Turn<ResB, St, S::Error>> {
        let mut this = self.project();
        let parts = this.parts.as_ref().expect("the request is here until it runs");
        this.shared.settings.told(parts, Some(this.name.key()), EventKind::Unprotected);
        this.stage.set(Stage::Readying);
        Poll::Ready(Next::Go)
    }

    /// Readying → (Running | Settling)
    pub(super) fn ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Turn<ResB, St, S::Error>> {
        let this = self.as_mut().project();
        let inner = this.inner.as_mut().expect("it was not called yet");
        if !*this.readied {
            match inner.poll_ready(cx) {
                Poll::Ready(Ok(())) => *this.readied = true,
                Poll::Ready(Err(error)) => return self.not_ready(error),
                Poll::Pending => {
                    if let Some(keeper) = this.keeper {
                        keeper.poll(cx);
                    }
                    return Poll::Pending;
                }
            }
        }
        let parts = this.parts.take().expect("the request is here until it runs");
        let body = RequestBody::read(mem::take(this.gathered));
        let mut inner = this.inner.take().expect("it was not called yet");
        match catch_unwind(AssertUnwindSafe(|| inner.call(Request::from_parts(parts, body)))) {
            Ok(future) => self.project().stage.set(Stage::Running { future }),
            Err(panic) => self.panicked(panic),
        }
        Poll::Ready(Next::Go)
    }

    /// It never ran: its key is free again.
    fn not_ready(self: Pin<&mut Self>, error: S::Error) -> Poll<Turn<ResB, St, S::Error>> {
        let this = self.project();
        let Some(keeper) = this.keeper.take() else { return Poll::Ready(Next::Done(Err(error))) };
        this.stage.settle(keeper.settle(Settlement::Release), Err(error));
        Poll::Ready(Next::Go)
    }

    /// Running → (Settling | answered)
    pub(super) fn run(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Turn<ResB, St, S::Error>> {
        let mut this = self.as_mut().project();
        let StageProj::Running { future } = this.stage.as_mut().project() else { unreachable!("it runs") };
        let outcome = match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(Poll::Ready(outcome)) => outcome,
            Ok(Poll::Pending) => {
                if let Some(keeper) = this.keeper {
                    keeper.poll(cx);
                }
                return Poll::Pending;
            }
            Err(panic) => self.panicked(panic),
        };
        let Some(keeper) = this.keeper.take() else {
            return Poll::Ready(Next::Done(outcome.map(|response| response.map(ResponseBody::passed))));
        };
        let (settling, then) = match outcome {
            Ok(response) => match capture::end(response, keeper, this.place.take()) {
                Ended::Now(response) => return Poll::Ready(Next::Done(Ok(response))),
                Ended::After(settling, response) => (settling, Ok(response)),
            },
            Err(error) => (keeper.unseen(), Err(error)),
        };
        this.stage.settle(settling, then);
        Poll::Ready(Next::Go)
    }

    /// Settles what nobody will see the end of, and lets the panic go on.
    fn panicked(self: Pin<&mut Self>, panic: Box<dyn Any + Send>) -> ! {
        let mut this = self.project();
        // Dropped before the key is free: what runs in there shall not overlap with another run.
        this.stage.set(Stage::Over);
        if let Some(keeper) = this.keeper.take() {
            keeper.unseen().dispatch();
        }
        resume_unwind(panic)
    }
}
