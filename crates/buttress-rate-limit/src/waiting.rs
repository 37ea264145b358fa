//! What a request waits for when its store is elsewhere.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::Request;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower_service::Service;

use crate::{
    RateStore, ResponseFuture,
    core::Core,
    judge::{Judge, Pending},
    settings::Settings,
    telemetry,
    undecided::Undecided,
};

pin_project! {
    /// Until a store elsewhere has decided. In a box, which costs little beside the way there.
    pub(crate) struct Waiting<S, ReqB, St: RateStore> {
        #[pin]
        deciding: St::Deciding,
        #[pin]
        timer: Sleep,
        held: Option<Held<S, ReqB, St>>,
    }
}

/// What goes on after the decision.
struct Held<S, ReqB, St: RateStore> {
    inner: S,
    request: Request<ReqB>,
    pending: Box<Pending<St>>,
    core: Arc<Core<St>>,
    settings: Arc<Settings>,
}

pin_project! {
    /// Until a store elsewhere has changed what was taken.
    pub(crate) struct Settling<St: RateStore> {
        #[pin]
        deciding: St::Deciding,
        #[pin]
        timer: Sleep,
    }
}

impl<S, ReqB, St: RateStore> Waiting<S, ReqB, St> {
    pub(crate) fn new(
        inner: S,
        request: Request<ReqB>,
        mut pending: Box<Pending<St>>,
        core: Arc<Core<St>>,
        settings: Arc<Settings>,
    ) -> Self {
        let deciding = pending.deciding.take().expect("it was not taken before");
        let timer = sleep(pending.time_out);
        Self { deciding, timer, held: Some(Held { inner, request, pending, core, settings }) }
    }
}

impl<S, ReqB, St> Waiting<S, ReqB, St>
where
    S: Service<Request<ReqB>>,
    St: RateStore,
{
    /// The state after the decision, or after its time.
    pub(crate) fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ResponseFuture<S, ReqB, St>> {
        let this = self.project();
        // A decision that is there beats a timer that has run out.
        let deciding = this.deciding;
        let outcome = match catch_unwind(AssertUnwindSafe(|| deciding.poll(cx))) {
            Ok(Poll::Ready(outcome)) => outcome.map_err(Undecided::Failed),
            Ok(Poll::Pending) => {
                ready!(this.timer.poll(cx));
                Err(Undecided::Late)
            }
            Err(_) => Err(Undecided::Panicked),
        };
        let Held { mut inner, mut request, pending, core, settings } =
            this.held.take().expect("polled after completion");
        let judge = Judge { core: &core, settings: &settings };
        Poll::Ready(match judge.decided(outcome, *pending) {
            Ok(pass) => {
                pass.open_tab(&mut request, settings.tab);
                ResponseFuture::called(inner.call(request), Some(pass))
            }
            Err(refusal) => ResponseFuture::refused(judge.refuse(&refusal.why, &mut request), refusal.written),
        })
    }
}

impl<St: RateStore> Settling<St> {
    pub(crate) fn new(deciding: St::Deciding, time: Duration) -> Self {
        Self { deciding, timer: sleep(time) }
    }

    /// Done, or given up: the answer goes out either way.
    pub(crate) fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let deciding = this.deciding;
        let why = match catch_unwind(AssertUnwindSafe(|| deciding.poll(cx))) {
            Ok(Poll::Ready(Ok(_))) => return Poll::Ready(()),
            Ok(Poll::Ready(Err(error))) => Undecided::Failed(error),
            Ok(Poll::Pending) => {
                ready!(this.timer.poll(cx));
                Undecided::Late
            }
            Err(_) => Undecided::Panicked,
        };
        telemetry::undecided(&why);
        Poll::Ready(())
    }
}
