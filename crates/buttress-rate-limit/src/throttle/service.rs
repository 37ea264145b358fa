use std::{
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use buttress_core::{Body, Deadline};
use http::{Request, Response};
use tokio::time::Instant;
use tower_service::Service;
use tracing::error;

use crate::{
    Head, ThrottleFuture,
    throttle::{
        layer::{Cost, Settings},
        line::{Joined, Line},
        refusal::Refusal,
    },
};

/// The service of a [`ThrottleLayer`](crate::ThrottleLayer).
///
/// It is ready when the inner service is, and joins the line when it is called. The instance that was ready is the one
/// that is called in the end: what it has reserved is held while the call waits. Let layers that reserve, such as a limit
/// of concurrency, stand outside of this one.
///
/// # Cancel safety
///
/// A call that is dropped while it waits gives its turn back: those behind move up. Units of a call that left are spent.
/// One that is kept without being polled keeps its turn, and those behind it wait.
#[derive(Clone)]
pub struct Throttle<S> {
    inner: S,
    line: Arc<Line>,
    settings: Arc<Settings>,
}

impl<S> Throttle<S> {
    pub(crate) fn new(inner: S, line: Arc<Line>, settings: Arc<Settings>) -> Self {
        Self { inner, line, settings }
    }

    fn patience(&self, head: &Head<'_>) -> Duration {
        let most = self.settings.most_wait;
        head.extensions().get::<Deadline>().map_or(most, |deadline| most.min(deadline.left(Instant::now().into_std())))
    }
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Throttle<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
{
    type Response = Response<Body<ResB>>;
    type Error = S::Error;
    type Future = ThrottleFuture<S, ReqB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let head = Head::of(&request);
        let cost = self.settings.cost.as_ref().map_or(1, |cost| calmly(cost.as_ref(), &head));
        let heed = self.settings.heed.map(|most| (Arc::clone(&self.line), most));
        match self.line.join(cost, self.patience(&head), self.settings.most_waiting) {
            Joined::Go => ThrottleFuture::called(self.inner.call(request), heed),
            Joined::TooLong(wait) => ThrottleFuture::refused(Refusal::of(&request, Some(wait))),
            Joined::Never => ThrottleFuture::refused(Refusal::of(&request, None)),
            Joined::Wait(turn) => {
                let fresh = self.inner.clone();
                let readied = mem::replace(&mut self.inner, fresh);
                ThrottleFuture::waiting(readied, request, turn, heed)
            }
        }
    }
}

/// What the call costs; one unit if that panics (RLM-16).
fn calmly(cost: &Cost, head: &Head<'_>) -> u32 {
    catch_unwind(AssertUnwindSafe(|| cost(head))).unwrap_or_else(|_| {
        error!("throttle_panicked");
        1
    })
}

impl<S: fmt::Debug> fmt::Debug for Throttle<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle").field("inner", &self.inner).field("line", &self.line).finish_non_exhaustive()
    }
}
