//! What a request with a key gets of its key.

use std::{
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
    contain::{Panicked, contained},
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
    /// Gathering → (Claiming | as that)
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
        *this.bid = Some(Bid { fingerprint, effect: settings.effect, lease: settings.lease, retention });
        self.ask(cx);
        Poll::Ready(())
    }

    /// Claims its key. Most stores in memory have their answer at once.
    #[inline]
    fn ask(mut self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let mut this = self.as_mut().project();
        let (key, bid) = (this.name.key(), this.bid.as_ref().expect("its body has come"));
        // In place, as what a closure returns is copied on its way out.
        let (mut claim, mut polled) = (None, Poll::Pending);
        let asked = contained("claim", || {
            let claim = claim.insert(this.shared.store.claim(&key, bid));
            polled = Pin::new(claim).poll(cx);
        });
        match (asked, polled) {
            (Ok(()), Poll::Ready(claimed)) => self.claimed(claimed),
            (Ok(()), Poll::Pending) => this.stage.set(Stage::Claiming { claim, patience: Patience::default() }),
            (Err(Panicked), _) => self.not_claimed(),
        }
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

    /// The store has no word on the key, or no room for it. Who has waited for a run knows that there was one.
    fn not_claimed(self: Pin<&mut Self>) {
        if self.shared.settings.fail_open && self.follow_until.is_none() {
            return self.run_unprotected();
        }
        self.refuse(Refusal::StoreDown);
    }

    pub(crate) fn refuse(mut self: Pin<&mut Self>, refusal: Refusal) {
        let this = self.as_mut().project();
        let parts = this.parts.take().expect("the request is here until it runs");
        let answer = refusal.answer(&this.shared.settings, parts, this.name.operation());
        self.end_without_run(answer);
    }

    /// Its body, and its place in the service below, are of no more use: they are for others, however long the future is
    /// kept.
    fn end_without_run(mut self: Pin<&mut Self>, answer: Response<ResponseBody<ResB, St>>) {
        let this = self.as_mut().project();
        (*this.gathered, *this.inner) = (Gathered::default(), None);
        self.end(Ok(answer));
    }

    /// Answers with the recorded answer; `None` if it cannot be read.
    #[inline]
    fn replay(mut self: Pin<&mut Self>, answer: Bytes) -> Option<()> {
        let key = self.name.key();
        let opened = match &self.shared.settings.seal {
            None => answer,
            Some(seal) => {
                let opened = contained("open", || seal.open(&key, answer)).ok()?;
                opened.map_err(|error| telemetry::failed("open", &*error)).ok()?
            }
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
        // If it was waited for, that was for nothing: the store is left alone for a while, and not asked over and over.
        let wait = match this.followed.take() {
            Some(followed) if followed == token => None,
            _ => {
                *this.followed = Some(token);
                contained("wait", || this.shared.store.wait(&this.name.key(), token)).ok()
            }
        };
        let most = if wait.is_some() { left } else { left.min(PAUSE) };
        this.stage.set(Stage::Following { wait, until: Box::pin(sleep_until(until.min(now + most))) });
        Ok(())
    }

    /// Following → (Claiming | as that)
    pub(super) fn follow(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.as_mut().project();
        let StageProj::Following { wait, until } = this.stage.project() else { unreachable!("it follows") };
        let waited = match wait {
            Some(wait) => contained("wait", || Pin::new(wait).poll(cx)),
            None => Ok(Poll::Pending),
        };
        match waited {
            Ok(Poll::Pending) => ready!(until.as_mut().poll(cx)),
            Ok(Poll::Ready(Err(error))) => telemetry::failed("wait", &error),
            Ok(Poll::Ready(Ok(()))) | Err(Panicked) => {}
        }
        self.ask(cx);
        Poll::Ready(())
    }
}

/// What the store says to a claim.
#[inline]
pub(super) fn asked<St: IdempotencyStore>(
    claim: &mut St::Claim,
    cx: &mut Context<'_>,
) -> Result<Poll<Result<Claim, St::Error>>, Panicked> {
    // In place, as what a closure returns is copied on its way out.
    let mut polled = Poll::Pending;
    contained("claim", || polled = Pin::new(claim).poll(cx)).map(|()| polled)
}

/// Longer than any run; an instant can be told for it.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3_600);

/// How long until a store is asked again that did not say when a run ended.
const PAUSE: Duration = Duration::from_millis(100);
