//! Telling the store that a run lives.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::time::{Sleep, sleep};

use crate::{
    EventKind, Held, IdempotencyStore, RecordKey, Settlement, Token, Verdict,
    contain::{Panicked, contained},
    settings::Shared,
    settling::Settling,
    sync::Owned,
    telemetry,
};

/// The hold that a run has on its key.
#[derive(Debug)]
pub(crate) struct Keeper<St: IdempotencyStore> {
    pub(crate) shared: Arc<Shared<St>>,
    pub(crate) key: RecordKey,
    pub(crate) token: Token,
    lost: bool,
    timer: Option<Pin<Box<Sleep>>>,
    renewing: Owned<Option<St::Renew>>,
}

impl<St: IdempotencyStore> Keeper<St> {
    pub(crate) fn new(shared: Arc<Shared<St>>, key: RecordKey, token: Token) -> Self {
        Self { shared, key, token, lost: false, timer: None, renewing: Owned::new(None) }
    }

    /// Renews the lease when its time has come (IDM-10). To be polled whenever the run is: it wakes the run's task.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) {
        while !self.lost {
            if let Some(renewing) = self.renewing.get() {
                let renewed = match contained("renew", || Pin::new(renewing).poll(cx)) {
                    Ok(Poll::Ready(renewed)) => Ok(renewed),
                    Ok(Poll::Pending) => return,
                    Err(panicked) => Err(panicked),
                };
                *self.renewing.get() = None;
                self.renewed(renewed);
            }
            let lease = self.shared.settings.lease;
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(lease.renewal())));
            if timer.as_mut().poll(cx).is_pending() {
                return;
            }
            self.timer = None;
            match contained("renew", || self.shared.store.renew(&self.key, self.token, lease)) {
                Ok(renew) => *self.renewing.get() = Some(renew),
                Err(panicked) => self.renewed(Err(panicked)),
            }
        }
    }

    /// What the store said to a renewal, if it did not panic.
    fn renewed(&mut self, renewed: Result<Result<Held, St::Error>, Panicked>) {
        match renewed {
            Ok(Ok(Held::Held)) => return,
            Ok(Ok(Held::Lost)) => return self.lose(),
            Ok(Err(error)) => telemetry::failed("renew", &error),
            Err(Panicked) => {}
        }
        self.shared.settings.tell(Some(self.key), EventKind::Weakened);
    }

    /// Somebody else has the key: the end of this run will not count.
    fn lose(&mut self) {
        self.lost = true;
        self.shared.settings.tell(Some(self.key), EventKind::Lost);
    }

    /// Nobody will see how it ends.
    pub(crate) fn unseen(&self) -> Settling<St> {
        self.settle(match Verdict::unseen(self.shared.settings.effect) {
            Verdict::Release => Settlement::Release,
            Verdict::Keep | Verdict::Doubt => Settlement::Doubt,
        })
    }

    pub(crate) fn settle(&self, settlement: Settlement) -> Settling<St> {
        Settling::start(&self.shared, self.key, self.token, settlement)
    }
}
