use std::time::Duration;

use crate::{Claim, Effect, Held, IdempotencyStore, Settled, Settlement};

use super::{Law, answer, fresh_key};

impl<St: IdempotencyStore> Law<'_, St> {
    fn lease(&self) -> Duration {
        self.terms.lease.duration()
    }

    /// A run that is not heard of is uncertain if it had an effect (IDM-12), else its key is free (IDM-9).
    pub(super) async fn of_leases(&self, advance: &mut impl AsyncFnMut(Duration)) {
        let (outside, none) = (fresh_key(), fresh_key());
        self.win(&outside, Effect::Outside).await;
        let dead = self.win(&none, Effect::None).await;
        advance(self.lease()).await;
        assert_eq!(self.again(&outside).await, Claim::Uncertain);
        assert_eq!(self.look(&none).await, None, "a record is judged by its own time (IDM-11)");
        let alive = self.win(&none, Effect::None).await;
        assert!(alive > dead);
        for settlement in [Settlement::Release, Settlement::Doubt] {
            assert_eq!(self.settle(&none, dead, settlement).await, Settled::Lost, "a run that lost its key");
        }
        assert_eq!(self.complete(&none, dead).await, Settled::Lost, "a run that lost its key");
        assert_eq!(self.complete(&none, alive).await, Settled::Now, "and did not disturb who has it");
    }

    /// A run that is heard of has its key as long as it likes (IDM-10).
    pub(super) async fn of_renewal(&self, advance: &mut impl AsyncFnMut(Duration)) {
        let key = fresh_key();
        let token = self.win(&key, Effect::None).await;
        for _ in 0..4 {
            advance(self.lease() / 2).await;
            assert_eq!(self.renew(&key, token).await, Held::Held);
            assert!(matches!(self.again(&key).await, Claim::Running { .. }));
        }
        assert_eq!(self.complete(&key, token).await, Settled::Now);
    }

    /// Who comes late may still say how it ended, if nobody took its place.
    pub(super) async fn of_late_ends(&self, advance: &mut impl AsyncFnMut(Duration)) {
        let key = fresh_key();
        let token = self.win(&key, Effect::Outside).await;
        advance(self.lease()).await;
        assert_eq!(self.again(&key).await, Claim::Uncertain);
        assert_eq!(self.complete(&key, token).await, Settled::Now);
        assert_eq!(self.again(&key).await, Claim::Replay(answer()));
    }

    /// An answer expires before its key does (IDM-18).
    pub(super) async fn of_retention(&self, advance: &mut impl AsyncFnMut(Duration)) {
        let retention = self.terms.retention;
        let key = fresh_key();
        let token = self.win(&key, Effect::Outside).await;
        self.complete(&key, token).await;
        advance(retention.answer()).await;
        assert_eq!(self.again(&key).await, Claim::Expired);
        assert_eq!(self.claim(&key, 2, Effect::Outside).await, Claim::Mismatch);
        advance(retention.key() - retention.answer()).await;
        assert_eq!(self.look(&key).await, None, "a record is judged by its own time (IDM-11)");
        assert!(matches!(self.claim(&key, 2, Effect::Outside).await, Claim::Won(_)), "also for another request");
    }

    /// What is uncertain is remembered as long as a key is, from the lapse of its lease.
    pub(super) async fn of_forgotten_doubt(&self, advance: &mut impl AsyncFnMut(Duration)) {
        let key = fresh_key();
        self.win(&key, Effect::Outside).await;
        advance(self.terms.retention.key()).await;
        assert_eq!(self.again(&key).await, Claim::Uncertain, "its lease comes on top");
        advance(self.lease()).await;
        self.win(&key, Effect::Outside).await;
    }
}
