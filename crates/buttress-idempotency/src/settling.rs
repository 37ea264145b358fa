//! Telling the store how a run ended.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::{Sleep, sleep};

use crate::{
    EventKind, IdempotencyStore, Kept, RecordKey, Settled, Settlement, Token, detach, settings::Shared, sync::Owned,
    telemetry,
};

/// A settlement on its way.
#[derive(Debug)]
pub(crate) struct Settling<St: IdempotencyStore> {
    shared: Arc<Shared<St>>,
    key: RecordKey,
    kind: EventKind,
    settle: Owned<St::Settle>,
    patience: Patience,
}

impl<St: IdempotencyStore> Settling<St> {
    pub(crate) fn start(shared: &Arc<Shared<St>>, key: RecordKey, token: Token, settlement: Settlement) -> Self {
        let kind = match &settlement {
            Settlement::Complete(Kept::Whole(_)) => EventKind::Recorded,
            Settlement::Complete(_) => EventKind::RecordedBare,
            Settlement::Release => EventKind::Released,
            Settlement::Doubt => EventKind::Doubted,
        };
        let settle = Owned::new(shared.store.settle(&key, token, settlement));
        Self { shared: shared.clone(), key, kind, settle, patience: Patience::default() }
    }

    /// Resolves when the store has answered, has failed or took too long: whoever waits for it is not held up (IDM-20).
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let settings = &self.shared.settings;
        let settle = self.settle.get();
        let kind = match catch_unwind(AssertUnwindSafe(|| Pin::new(settle).poll(cx))) {
            Ok(Poll::Ready(Ok(Settled::Now))) => self.kind,
            Ok(Poll::Ready(Ok(Settled::Before))) => EventKind::Recorded,
            Ok(Poll::Ready(Ok(Settled::Lost))) => EventKind::Lost,
            Ok(Poll::Ready(Err(error))) => {
                telemetry::failed("settle", &error);
                EventKind::Weakened
            }
            Ok(Poll::Pending) if self.patience.is_over(settings.patience, cx) => EventKind::Weakened,
            Ok(Poll::Pending) => return Poll::Pending,
            // One that panics is one that fails: it costs the record, and not the answer.
            Err(_) => {
                telemetry::store_panicked("settle");
                EventKind::Weakened
            }
        };
        settings.tell(Some(self.key), kind);
        Poll::Ready(())
    }

    /// Lets it end by itself: at once if the store can, else in a task. Where there is no runtime the lease lapses.
    pub(crate) fn dispatch(mut self) {
        if self.first_poll().is_ready() {
            return;
        }
        let (shared, key) = (self.shared.clone(), self.key);
        if !detach::spawn(std::future::poll_fn(move |cx| self.poll(cx))) {
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
