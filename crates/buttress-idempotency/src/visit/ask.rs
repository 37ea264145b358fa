//! What a request with a key gets of its key.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::Response;
use http_body::Body;
use tokio::time::{Instant, sleep_until};

use super::{Name, Stage, StageProj, Visit, leave};
use crate::{
    Bid, Claim, EventKind, Fingerprint, Followers, IdempotencyStore, ResponseBody, Token,
    bounds::{Below, Recordable},
    capture,
    gather::{Gathered, Unread},
    refusal::Refusal,
    settling::Patience,
    telemetry,
};

impl<S, ReqB, ResB, St> Visit<S, ReqB, ResB, St>
where
    S: Below<ReqB, ResB>,
    ReqB: Body + Send + 'static,
    ResB: Recordable,
    St: IdempotencyStore,
{
    /// Gathering → (Claiming | refused)
    #[inline]
    pub(super) fn gather(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.as_mut().project();
        let StageProj::Gathering { body, patience } = this.stage.as_mut().project() else {
            unreachable!("it is gathering")
        };
        let settings = &this.shared.settings;
        let parts = this.parts.as_ref().expect("the request is here until it runs");
        let gathered = match this.gathered.poll(body, cx, settings.body_limit, &settings.body_budget) {
            Poll::Ready(gathered) => gathered,
            Poll::Pending if patience.is_over(settings.body_time, cx) => Err(Unread::TooSlow),
            Poll::Pending => return Poll::Pending,
        };
        if let Err(unread) = gathered {
            let refusal = Refusal::Unread(unread, settings.body_limit);
            self.refuse(refusal);
            return Poll::Ready(());
        }
        let uri = settings.uri(parts);
        let fingerprint = Fingerprint::of(&settings.secret, settings.canonical, parts, uri, &this.gathered.chunks);
        let mut retention = settings.retention;
        if let Name::Made(scope) = *this.name {
            *this.name = Name::Sent(scope.asking(&settings.secret, &fingerprint));
            retention = settings.made.unwrap_or(retention);
        }
        let bid = this.bid.insert(Bid { fingerprint, effect: settings.effect, lease: settings.lease, retention });
        let mut claim = this.shared.store.claim(&this.name.key(), bid);
        // Most stores in memory have their answer at once.
        match asked::<St>(&mut claim, cx) {
            Ok(Poll::Ready(claimed)) => {
                self.claimed(claimed);
                return Poll::Ready(());
            }
            Ok(Poll::Pending) => {}
            Err(Panicked) => {
                self.not_claimed();
                return Poll::Ready(());
            }
        }
        this.stage.set(Stage::Claiming { claim: Some(claim), patience: Patience::default() });
        Poll::Ready(())
    }

    /// Claiming → (Readying | Running | Following | replayed | refused)
    #[inline]
    pub(super) fn claim(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.as_mut().project();
        let StageProj::Claiming { claim, patience } = this.stage.project() else { unreachable!("it is claiming") };
        let settings = &this.shared.settings;
        match asked::<St>(claim.as_mut().expect("it is there until the future is dropped"), cx) {
            Ok(Poll::Ready(claimed)) => self.claimed(claimed),
            Ok(Poll::Pending) if patience.is_over(settings.patience, cx) => {
                leave::give_back(claim.take(), this.shared, this.name.key());
                self.not_claimed();
            }
            Ok(Poll::Pending) => return Poll::Pending,
            Err(Panicked) => {
                // It is not asked again, not even to give back what it wins.
                *claim = None;
                self.not_claimed();
            }
        }
        Poll::Ready(())
    }

    /// The store has answered, or has failed.
    #[inline]
    fn claimed(mut self: Pin<&mut Self>, claimed: Result<Claim, St::Error>) {
        let refusal = match claimed {
            Ok(Claim::Won(token)) => return self.begin(token),
            Ok(Claim::Replay(answer)) => match self.as_mut().replay(answer) {
                Some(()) => return,
                None => Refusal::NotReplayable,
            },
            Ok(Claim::Running { token, left }) => match self.as_mut().wait(token, left) {
                Ok(()) => return,
                Err(refusal) => refusal,
            },
            Ok(Claim::NotReplayable) => Refusal::NotReplayable,
            Ok(Claim::Expired) => Refusal::Expired,
            Ok(Claim::Uncertain) => Refusal::Uncertain,
            Ok(Claim::Mismatch) => Refusal::Mismatch,
            Ok(Claim::Full) => return self.not_claimed(),
            Err(error) => {
                telemetry::failed("claim", &error);
                return self.not_claimed();
            }
        };
        self.refuse(refusal);
    }

    /// The store has no word on the key, or no room for it.
    fn not_claimed(self: Pin<&mut Self>) {
        if self.shared.settings.fail_open {
            return self.run_unprotected();
        }
        self.refuse(Refusal::StoreDown);
    }

    pub(crate) fn refuse(self: Pin<&mut Self>, refusal: Refusal) {
        let answer = refusal.answer(&self.shared.settings, self.parts(), self.name.operation());
        self.end_without_run(answer);
    }

    /// Its body is of no more use: its room is for others, however long the future is kept.
    fn end_without_run(mut self: Pin<&mut Self>, answer: Response<ResponseBody<ResB, St>>) {
        *self.as_mut().project().gathered = Gathered::default();
        self.end(Ok(answer));
    }

    /// Answers with the recorded answer; `None` if it cannot be read.
    #[inline]
    fn replay(mut self: Pin<&mut Self>, answer: Bytes) -> Option<()> {
        let key = self.name.key();
        let opened = match &self.shared.settings.seal {
            None => answer,
            Some(seal) => seal.open(&key, answer).map_err(|error| telemetry::failed("open", &*error)).ok()?,
        };
        match capture::replayed(opened) {
            Ok(response) => self.as_mut().end_without_run(response),
            Err(error) => {
                telemetry::failed("decode", &error);
                return None;
            }
        }
        self.shared.settings.told(self.parts(), Some(key), EventKind::Replayed);
        Some(())
    }

    /// Waits for the run that has this token, as long as that is wanted.
    fn wait(self: Pin<&mut Self>, token: Token, left: Duration) -> Result<(), Refusal> {
        let mut this = self.project();
        let Followers::Wait(limit) = this.shared.settings.followers else { return Err(Refusal::InProgress(left)) };
        let now = Instant::now();
        let until = *this.follow_until.get_or_insert_with(|| now + limit.min(LONGEST));
        if until <= now {
            return Err(Refusal::InProgress(left));
        }
        // Who waits gives back what was reserved for it.
        if *this.readied {
            *this.readied = false;
            *this.inner = this.inner.as_ref().cloned();
        }
        let wait = this.shared.store.wait(&this.name.key(), token);
        this.stage.set(Stage::Following { wait, until: Box::pin(sleep_until(until.min(now + left))) });
        Ok(())
    }

    /// Following → Claiming
    pub(super) fn follow(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let StageProj::Following { wait, until } = this.stage.as_mut().project() else { unreachable!("it follows") };
        match Pin::new(wait).poll(cx) {
            Poll::Ready(Err(error)) => telemetry::failed("wait", &error),
            Poll::Ready(Ok(())) => {}
            Poll::Pending => ready!(until.as_mut().poll(cx)),
        }
        let bid = this.bid.expect("it has claimed before");
        this.stage.claim(this.shared, *this.name, bid);
        Poll::Ready(())
    }
}

/// A store panicked, which has been told.
pub(super) struct Panicked;

/// What the store says to a claim. One that panics is one that fails (IDM-19).
#[inline]
pub(super) fn asked<St: IdempotencyStore>(
    claim: &mut St::Claim,
    cx: &mut Context<'_>,
) -> Result<Poll<Result<Claim, St::Error>>, Panicked> {
    // In place, as what a closure returns is copied on its way out.
    let mut polled = Poll::Pending;
    match catch_unwind(AssertUnwindSafe(|| polled = Pin::new(claim).poll(cx))) {
        Ok(()) => Ok(polled),
        Err(_) => {
            telemetry::store_panicked("claim");
            Err(Panicked)
        }
    }
}

/// Longer than any run; an instant can be told for it.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3_600);
