use crate::{Claim, Effect, IdempotencyStore, Token};

use super::{Law, fresh_key};

impl<St: IdempotencyStore> Law<'_, St> {
    /// Of all who ask at once, one wins (IDM-7).
    pub(super) async fn of_one_winner(&self) {
        let key = fresh_key();
        let bid = self.bid(1, Effect::Outside);
        let mut won = 0;
        // Asked before any is answered.
        let claims: Vec<_> = (0..100).map(|_| self.store.claim(&key, &bid)).collect();
        for claim in claims {
            match claim.await.expect("the store answers") {
                Claim::Won(_) => won += 1,
                Claim::Running { left, .. } => {
                    assert!(left <= self.terms.lease.duration(), "what is left of a lease is no more than the lease");
                    assert!(!left.is_zero(), "a lease without time left has lapsed");
                }
                other => panic!("who asks while a run has the key is told so, not {other:?}"),
            }
        }
        assert_eq!(won, 1, "exactly one wins");
    }

    /// Another request never gets anything of the first one (IDM-4).
    pub(super) async fn of_fingerprints(&self) {
        let key = fresh_key();
        let token = self.win(&key, Effect::Outside).await;
        assert_eq!(self.claim(&key, 2, Effect::Outside).await, Claim::Mismatch, "while it runs");
        self.complete(&key, token).await;
        assert_eq!(self.claim(&key, 2, Effect::Outside).await, Claim::Mismatch, "when it is done");
    }

    pub(super) async fn of_separate_keys(&self) {
        let (a, b) = (fresh_key(), fresh_key());
        let token = self.win(&a, Effect::Outside).await;
        self.win(&b, Effect::Outside).await;
        self.complete(&a, token).await;
        assert!(matches!(self.again(&b).await, Claim::Running { .. }), "one key says nothing of another");
    }

    /// Later runs have greater tokens, and nobody else's token opens a record (IDM-9).
    pub(super) async fn of_tokens(&self) {
        let key = fresh_key();
        let first = self.win(&key, Effect::Outside).await;
        assert!(matches!(self.again(&key).await, Claim::Running { token, .. } if token == first), "whose run it is");
        let forged = Token::new(first.number() ^ 1);
        assert_eq!(self.complete(&key, forged).await, crate::Settled::Lost, "a token that was not given");
        assert_eq!(self.renew(&key, forged).await, crate::Held::Lost, "a token that was not given");
        self.settle(&key, first, crate::Settlement::Release).await;
        let second = self.win(&key, Effect::Outside).await;
        assert!(second > first, "tokens grow");
        assert_eq!(self.complete(&key, first).await, crate::Settled::Lost, "a run from before");
        assert_eq!(self.renew(&key, first).await, crate::Held::Lost, "a run from before");
        assert!(
            matches!(self.again(&key).await, Claim::Running { token, .. } if token == second),
            "and changes nothing"
        );
    }
}
