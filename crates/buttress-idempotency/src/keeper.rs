//! Telling the store that a run lives.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use crate::{
    EventKind, Held, IdempotencyStore, RecordKey, Settlement, Token, Verdict,
    contain::{Panicked, contained},
    settings::{Settings, Shared},
    settling::{Patience, Settling},
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
    // Until the next renewal, or for how long the store may take for one.
    timer: Patience,
    renewing: Owned<Option<St::Renew>>,
}

impl<St: IdempotencyStore> Keeper<St> {
    pub(crate) fn new(shared: Arc<Shared<St>>, key: RecordKey, token: Token) -> Self {
        Self { shared, key, token, lost: false, timer: Patience::default(), renewing: Owned::new(None) }
    }

    /// Renews the lease when its time has come (IDM-10). To be polled whenever the run is: it wakes the run's task.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) {
        while !self.lost {
            let Settings { lease, patience, .. } = self.shared.settings;
            let renewed = match self.renewing.get() {
                Some(renewing) => match contained("renew", || Pin::new(renewing).poll(cx)) {
                    Ok(Poll::Ready(renewed)) => Some(renewed),
                    Ok(Poll::Pending) if !self.timer.is_over(patience, cx) => return,
                    Ok(Poll::Pending) | Err(Panicked) => None,
                },
                None if !self.timer.is_over(lease.renewal(), cx) => return,
                None => match contained("renew", || self.shared.store.renew(&self.key, self.token, lease)) {
                    Ok(renew) => {
                        (*self.renewing.get(), self.timer) = (Some(renew), Patience::default());
                        continue;
                    }
                    Err(Panicked) => None,
                },
            };
            (*self.renewing.get(), self.timer) = (None, Patience::default());
            self.renewed(renewed);
        }
    }

    /// What the store said to a renewal, if it did not panic or take too long.
    fn renewed(&mut self, renewed: Option<Result<Held, St::Error>>) {
        match renewed {
            Some(Ok(Held::Held)) => return,
            Some(Ok(Held::Lost)) => return self.lose(),
            Some(Err(error)) => telemetry::failed("renew", &error),
            None => {}
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
