//! Running what has won its key.

use std::{
    any::Any,
    mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use http::Request;
use http_body::Body;

use super::{Stage, StageProj, Visit};
use crate::{
    EventKind, IdempotencyStore, RequestBody, ResponseBody, Settlement, Token,
    bounds::{Below, Recordable},
    capture::{self, Ended},
    keeper::Keeper,
    run::Run,
    telemetry::Place,
};

impl<S, ReqB, ResB, St> Visit<S, ReqB, ResB, St>
where
    S: Below<ReqB, ResB>,
    ReqB: Body + Send + 'static,
    ResB: Recordable,
    St: IdempotencyStore,
{
    /// The key is won: the request runs as soon as the inner service can take it.
    pub(super) fn begin(self: Pin<&mut Self>, token: Token) {
        let mut this = self.project();
        let key = this.name.key();
        *this.keeper = Some(Keeper::new(this.shared.clone(), key, token));
        *this.place = Some(Place::here());
        let parts = this.parts.as_mut().expect("the request is here until it runs");
        parts.extensions.insert(Run::new(key, token));
        // First, so that the key is given back if somebody who is told panics.
        this.stage.set(Stage::Readying);
        this.shared.settings.told(parts, Some(key), EventKind::First);
    }

    pub(super) fn run_unprotected(self: Pin<&mut Self>) {
        let mut this = self.project();
        let parts = this.parts.as_ref().expect("the request is here until it runs");
        this.shared.settings.told(parts, Some(this.name.key()), EventKind::Unprotected);
        this.stage.set(Stage::Readying);
    }

    /// Readying → (Running | Settling)
    pub(super) fn ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.as_mut().project();
        let inner = this.inner.as_mut().expect("it was not called yet");
        if !*this.readied {
            match inner.poll_ready(cx) {
                Poll::Ready(Ok(())) => *this.readied = true,
                Poll::Ready(Err(error)) => {
                    self.not_ready(error);
                    return Poll::Ready(());
                }
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
        Poll::Ready(())
    }

    /// It never ran: its key is free again.
    fn not_ready(mut self: Pin<&mut Self>, error: S::Error) {
        match self.as_mut().project().keeper.take() {
            None => self.end(Err(error)),
            Some(keeper) => self.settle(keeper.settle(Settlement::Release), Err(error)),
        }
    }

    /// Running → (Settling | answered)
    pub(super) fn run(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
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
        let (keeper, place) = (this.keeper.take(), this.place.take());
        match (outcome, keeper) {
            (Ok(response), Some(keeper)) => match capture::end(response, keeper, place) {
                Ended::Now(response) => self.end(Ok(response)),
                Ended::After(settling, response) => self.settle(settling, Ok(response)),
            },
            (Err(error), Some(keeper)) => self.settle(keeper.unseen(), Err(error)),
            (outcome, None) => self.end(outcome.map(|response| response.map(ResponseBody::passed))),
        }
        Poll::Ready(())
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
