//! Telling the store how a run ended.

use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::{Sleep, sleep};

use crate::{
    EventKind, IdempotencyStore, Kept, RecordKey, Settled, Settlement, Token,
    budget::Share,
    contain::{Panicked, contained},
    detach,
    settings::Shared,
    sync::Owned,
    telemetry,
};

/// A settlement on its way.
#[derive(Debug)]
pub(crate) struct Settling<St: IdempotencyStore> {
    shared: Arc<Shared<St>>,
    key: RecordKey,
    kind: EventKind,
    // None: the store panicked before there was any.
    settle: Owned<Option<St::Settle>>,
    patience: Patience,
    /// The room of the answer that is on its way to the store.
    share: Share,
}

impl<St: IdempotencyStore> Settling<St> {
    /// It does not panic: it is also called where something is dropped, and where an answer is on its way.
    pub(crate) fn start(shared: &Arc<Shared<St>>, key: RecordKey, token: Token, settlement: Settlement) -> Self {
        let kind = match &settlement {
            Settlement::Complete(Kept::Whole(_)) => EventKind::Recorded,
            Settlement::Complete(_) => EventKind::RecordedBare,
            Settlement::Release => EventKind::Released,
            Settlement::Doubt => EventKind::Doubted,
        };
        let settle = contained("settle", || shared.store.settle(&key, token, settlement)).ok();
        let (settle, patience, share) = (Owned::new(settle), Patience::default(), Share::default());
        Self { shared: shared.clone(), key, kind, settle, patience, share }
    }

    /// Gives this back once it is over.
    pub(crate) fn holding(self, share: Share) -> Self {
        Self { share, ..self }
    }

    /// Resolves when the store has answered, has failed or took too long: whoever waits for it is not held up (IDM-20).
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let settings = &self.shared.settings;
        let polled = match self.settle.get() {
            Some(settle) => contained("settle", || Pin::new(settle).poll(cx)),
            None => Err(Panicked),
        };
        let kind = match polled {
            Ok(Poll::Ready(Ok(Settled::Now))) => self.kind,
            Ok(Poll::Ready(Ok(Settled::Before))) => EventKind::Recorded,
            Ok(Poll::Ready(Ok(Settled::Lost))) => EventKind::Lost,
            Ok(Poll::Ready(Err(error))) => {
                telemetry::failed("settle", &error);
                EventKind::Weakened
            }
            Ok(Poll::Pending) if self.patience.is_over(settings.patience, cx) => EventKind::Weakened,
            Ok(Poll::Pending) => return Poll::Pending,
            // It costs the record, and not the answer.
            Err(Panicked) => EventKind::Weakened,
        };
        settings.tell(Some(self.key), kind);
        drop(mem::take(&mut self.share));
        Poll::Ready(())
    }

    /// Lets it end by itself: at once if the store can, else in a task. Where there is no runtime the lease lapses.
    pub(crate) fn dispatch(mut self) {
        if self.first_poll().is_ready() {
            return;
        }
        let (shared, key) = (self.shared.clone(), self.key);
        if !detach::tell(&shared.settings, std::future::poll_fn(move |cx| self.poll(cx))) {
            shared.settings.tell(Some(key), EventKind::Weakened);
        }
    }

    /// Without a timer, which may not be there.
    fn first_poll(&mut self) -> Poll<()> {
        self.patience.suspended = true;
        let polled = self.poll(&mut Context::from_waker(Waker::noop()));
        self.patience.suspended = false;
        polled
    }
}

/// A limit on waiting, whose timer is made only when there is something to wait for.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    timer: Option<Pin<Box<Sleep>>>,
    suspended: bool,
}

impl Patience {
    pub(crate) fn is_over(&mut self, limit: Duration, cx: &mut Context<'_>) -> bool {
        if self.suspended {
            return false;
        }
        self.timer.get_or_insert_with(|| Box::pin(sleep(limit))).as_mut().poll(cx).is_ready()
    }
}
