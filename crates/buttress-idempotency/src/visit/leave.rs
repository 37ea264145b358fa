//! What becomes of a request whose caller leaves.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use http::Request;
use http_body::Body;
use tokio::time::timeout;
use tower_service::Service;

use super::{Stage, StageProj, Visit, ask::asked};
use crate::{
    Claim, IdempotencyStore, RecordKey, RequestBody, Settlement,
    bounds::{Below, Recordable},
    contain::Panicked,
    detach::{self, GiveUp},
    settings::Shared,
    settling::Settling,
};

impl<S, ReqB, ResB, St> Visit<S, ReqB, ResB, St>
where
    S: Below<ReqB, ResB>,
    ReqB: Body + Send + 'static,
    ResB: Recordable,
    St: IdempotencyStore,
{
    pub(crate) fn leave(mut visit: Pin<Box<Self>>) {
        let this = visit.as_mut().project();
        match this.stage.project() {
            // Nothing is recorded yet, or nothing is left to do.
            StageProj::Gathering { .. } | StageProj::Following { .. } | StageProj::Over => {}
            StageProj::Claiming { claim, .. } => give_back(claim.take(), this.shared, this.name.key()),
            StageProj::Readying => {
                if let Some(keeper) = this.keeper.take() {
                    keeper.settle(Settlement::Release).dispatch();
                }
            }
            StageProj::Running { .. } => Self::go_on(visit),
            StageProj::Settling { settling } => settling.take().map_or((), Settling::dispatch),
        }
    }

    fn go_on(mut visit: Pin<Box<Self>>) {
        let this = visit.as_mut().project();
        let (Some(keeper), place) = (&*this.keeper, this.place.take()) else { return };
        let (shared, key) = (keeper.shared.clone(), keeper.key);
        detach::go_on(&shared.settings, key, place, visit, |mut visit| async move {
            poll_fn(|cx| visit.get().poll(cx)).await;
            if let Ok(response) = visit.get().answer() {
                response.into_body().finish().await;
            }
        });
    }
}

impl<S, ReqB, ResB, St> GiveUp for Visit<S, ReqB, ResB, St>
where
    S: Service<Request<RequestBody<ReqB>>>,
    ResB: Body,
    St: IdempotencyStore,
{
    fn give_up(self: Pin<&mut Self>) {
        let mut this = self.project();
        // Dropped before the key is settled: what runs in there shall not overlap with another run.
        this.stage.set(Stage::Over);
        if let Some(keeper) = this.keeper.take() {
            keeper.unseen().dispatch();
        }
    }
}

/// A claim that nobody waits for any more: what it wins is given back. A store that says nothing for as long as a lease
/// lasts is left alone, as that has lapsed by then.
pub(super) fn give_back<St: IdempotencyStore>(claim: Option<St::Claim>, shared: &Arc<Shared<St>>, key: RecordKey) {
    let Some(mut claim) = claim else { return };
    let release = move |shared: &Arc<Shared<St>>, claimed| {
        if let Ok(Claim::Won(token)) = claimed {
            Settling::start(shared, key, token, Settlement::Release).dispatch();
        }
    };
    match asked::<St>(&mut claim, &mut Context::from_waker(Waker::noop())) {
        Ok(Poll::Ready(claimed)) => release(shared, claimed),
        Ok(Poll::Pending) => {
            let (lease, told) = (shared.settings.lease.duration(), shared.clone());
            detach::tell(&shared.settings, async move {
                if let Ok(claimed) = timeout(lease, claim).await {
                    release(&told, claimed);
                }
            });
        }
        Err(Panicked) => {}
    }
}
