use std::{pin::Pin, task::Poll};

use crate::{Claim, Effect, Held, IdempotencyStore, Kept, Settled, Settlement, State};

use super::{Law, answer, fresh_key};

impl<St: IdempotencyStore> Law<'_, St> {
    /// What is recorded comes back as it was (IDM-6), or is known to be missing (IDM-17).
    pub(super) async fn of_answers(&self) {
        let key = fresh_key();
        let token = self.win(&key, Effect::Outside).await;
        assert_eq!(self.complete(&key, token).await, Settled::Now);
        assert_eq!(self.again(&key).await, Claim::Replay(answer()), "the answer, byte by byte");
        assert_eq!(self.renew(&key, token).await, Held::Lost, "what is done does not run");
        let key = fresh_key();
        let token = self.win(&key, Effect::Outside).await;
        self.settle(&key, token, Settlement::Complete(Kept::Nothing)).await;
        assert_eq!(self.again(&key).await, Claim::NotReplayable);
    }

    /// What took no effect leaves nothing (IDM-13).
    pub(super) async fn of_release(&self) {
        let key = fresh_key();
        let token = self.win(&key, Effect::Outside).await;
        assert_eq!(self.settle(&key, token, Settlement::Release).await, Settled::Now);
        assert_eq!(self.look(&key).await, None);
        assert!(matches!(self.claim(&key, 2, Effect::Outside).await, Claim::Won(_)), "also for another request");
    }

    /// What is uncertain does not run again, until somebody says what it was (IDM-12).
    pub(super) async fn of_doubt(&self) {
        let key = fresh_key();
        let token = self.win(&key, Effect::Outside).await;
        assert_eq!(self.settle(&key, token, Settlement::Doubt).await, Settled::Now);
        assert_eq!(self.again(&key).await, Claim::Uncertain);
        assert_eq!(self.claim(&key, 2, Effect::Outside).await, Claim::Mismatch);
        let record = self.look(&key).await.expect("what is uncertain can be looked at");
        assert_eq!((record.token, &record.state), (token, &State::Uncertain));
        assert_eq!(self.complete(&key, record.token).await, Settled::Now, "who knows its token settles it");
        assert_eq!(self.again(&key).await, Claim::Replay(answer()));
    }

    /// The first word counts (IDM-26).
    pub(super) async fn of_settling_twice(&self) {
        let key = fresh_key();
        let token = self.win(&key, Effect::Outside).await;
        self.complete(&key, token).await;
        for later in [Settlement::Complete(Kept::Nothing), Settlement::Release, Settlement::Doubt] {
            assert_eq!(self.settle(&key, token, later).await, Settled::Before);
        }
        assert_eq!(self.again(&key).await, Claim::Replay(answer()));
    }

    pub(super) async fn of_purging(&self) {
        let key = fresh_key();
        assert!(!self.store.purge(&key).await.expect("the store answers"), "there is nothing to forget");
        let token = self.win(&key, Effect::Outside).await;
        assert!(self.store.purge(&key).await.expect("the store answers"), "there was something to forget");
        assert_eq!(self.complete(&key, token).await, Settled::Lost, "a run that was forgotten");
        let token = self.win(&key, Effect::Outside).await;
        self.complete(&key, token).await;
        assert!(self.store.purge(&key).await.expect("the store answers"), "what is done can be forgotten, too");
        self.win(&key, Effect::Outside).await;
    }

    /// Who waits hears of the end.
    pub(super) async fn of_waiting(&self) {
        for settlement in [Settlement::Complete(Kept::Whole(answer())), Settlement::Release, Settlement::Doubt] {
            let key = fresh_key();
            let token = self.win(&key, Effect::Outside).await;
            let mut waits: Vec<_> = (0..3).map(|_| Box::pin(self.store.wait(&key, token))).collect();
            for wait in &mut waits {
                assert!(poll_once(wait.as_mut()).await.is_none(), "it runs still");
            }
            drop(waits.pop());
            self.settle(&key, token, settlement).await;
            for wait in waits {
                wait.await.expect("the store answers");
            }
            self.store.wait(&key, token).await.expect("what has ended is not waited for");
        }
    }
}

async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
