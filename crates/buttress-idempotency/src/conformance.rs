//! The law of stores as code: what [`IdempotencyStore`] says in words, each sentence run against a store (IDM-25).
//!
//! Every store, of this crate or of any other, proves itself by one test:
//!
//! ```
//! use std::time::Duration;
//!
//! use buttress_idempotency::{Lease, MemoryStore, Retention, conformance::{Terms, check}};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let second = Duration::from_secs(1);
//! let terms = Terms { lease: Lease::new(2 * second)?, retention: Retention::new(4 * second, 8 * second)? };
//! check(&MemoryStore::default(), terms, async |time| tokio::time::advance(time).await).await;
//! # Ok(())
//! # }
//! ```

mod claims;
mod ends;
mod time;

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use bytes::Bytes;

use crate::{
    Bid, Claim, Effect, Fingerprint, Held, IdempotencyStore, Kept, Lease, Record, RecordKey, Retention, Settled,
    Settlement, Token,
};

/// With which times the law is run.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "each test names all of them")]
pub struct Terms {
    /// Of the runs of the test.
    pub lease: Lease,
    /// Of its records: answers shorter than keys, and both longer than the lease.
    pub retention: Retention,
}

/// Runs the whole law against `store`, which may hold other keys too, and has room for a hundred more.
///
/// `advance` lets that much time pass as the store sees it: with a paused clock at once, with a store of real time by
/// sleeping, and then with short terms.
///
/// # Panics
///
/// When the law is broken, or the store fails.
pub async fn check<St: IdempotencyStore>(store: &St, terms: Terms, mut advance: impl AsyncFnMut(Duration)) {
    let law = Law { store, terms };
    law.of_one_winner().await;
    law.of_fingerprints().await;
    law.of_separate_keys().await;
    law.of_tokens().await;
    law.of_answers().await;
    law.of_release().await;
    law.of_doubt().await;
    law.of_settling_twice().await;
    law.of_purging().await;
    law.of_waiting().await;
    law.of_leases(&mut advance).await;
    law.of_renewal(&mut advance).await;
    law.of_late_ends(&mut advance).await;
    law.of_retention(&mut advance).await;
    law.of_forgotten_doubt(&mut advance).await;
}

struct Law<'a, St> {
    store: &'a St,
    terms: Terms,
}

impl<St: IdempotencyStore> Law<'_, St> {
    fn bid(&self, request: u8, effect: Effect) -> Bid {
        let fingerprint = Fingerprint::from_bytes([request; 32]);
        Bid { fingerprint, effect, lease: self.terms.lease, retention: self.terms.retention }
    }

    async fn claim(&self, key: &RecordKey, request: u8, effect: Effect) -> Claim {
        self.store.claim(key, &self.bid(request, effect)).await.expect("the store answers")
    }

    async fn win(&self, key: &RecordKey, effect: Effect) -> Token {
        match self.claim(key, 1, effect).await {
            Claim::Won(token) => token,
            other => panic!("a free key is won, not {other:?}"),
        }
    }

    /// What the same request gets now.
    async fn again(&self, key: &RecordKey) -> Claim {
        self.claim(key, 1, Effect::Outside).await
    }

    async fn settle(&self, key: &RecordKey, token: Token, settlement: Settlement) -> Settled {
        self.store.settle(key, token, settlement).await.expect("the store answers")
    }

    async fn complete(&self, key: &RecordKey, token: Token) -> Settled {
        self.settle(key, token, Settlement::Complete(Kept::Whole(answer()))).await
    }

    async fn renew(&self, key: &RecordKey, token: Token) -> Held {
        self.store.renew(key, token, self.terms.lease).await.expect("the store answers")
    }

    async fn look(&self, key: &RecordKey) -> Option<Record> {
        self.store.look(key).await.expect("the store answers")
    }
}

fn answer() -> Bytes {
    Bytes::from_static(b"\x00an answer\xff")
}

/// A key that no store has seen.
fn fresh_key() -> RecordKey {
    let mut bytes = [0; 32];
    for (i, part) in bytes.chunks_mut(8).enumerate() {
        part.copy_from_slice(&RandomState::new().hash_one(i).to_le_bytes());
    }
    RecordKey::from_bytes(bytes)
}
