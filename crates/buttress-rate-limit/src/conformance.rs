//! The law of stores as code: what [`RateStore`] says in words, each sentence run against a store.
//!
//! Every store, of this crate or of any other, proves itself by one test:
//!
//! ```
//! use buttress_rate_limit::{MemoryStore, conformance};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! conformance::check(&MemoryStore::default(), async |time| tokio::time::advance(time).await).await;
//! # }
//! ```
//!
//! A store need not know the algorithm: [`Standing`] says of a bucket that is full again after some time whether units are
//! there. Taking them makes that time longer by as many [intervals](Quota::interval) of the quota, giving them back shorter.

use std::{
    future::poll_fn,
    task::Poll,
    time::{Duration, SystemTime},
};

use crate::{Act, Asks, Decision, Key, MOST_LIMITS, Quota, RateStore, Reply, Standing, Wait};

/// Runs the whole law against `store`, which may hold other limits too.
///
/// `advance` lets at least that much time pass as the store sees it: with a paused clock at once, with a store of real
/// time by sleeping, about a second in all.
///
/// # Panics
///
/// When the law is broken, or the store fails.
pub async fn check<St: RateStore>(store: &St, mut advance: impl AsyncFnMut(Duration)) {
    let run = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let law = Law { store, name: format!("conformance-{run}") };
    law.of_fresh_buckets().await;
    law.of_taking().await;
    law.of_all_or_nothing().await;
    law.of_shadows().await;
    law.of_order().await;
    law.of_what_comes_later().await;
    law.of_what_is_too_much().await;
    law.of_what_never_fits().await;
    law.of_quotas_that_change().await;
    law.of_separate_buckets().await;
    law.of_many_asks().await;
    law.of_one_at_a_time().await;
    law.of_time(&mut advance).await;
}

struct Law<'s, St> {
    store: &'s St,
    name: String,
}

const ONE: Act = Act::Take { cost: 1, enforced: true };
const LOOK: Act = Act::Take { cost: 0, enforced: true };

/// So slow that nothing comes back while a law runs.
fn slow(burst: u32) -> Quota {
    Quota::new(1, Duration::from_secs(3_600)).and_then(|quota| quota.burst(burst)).expect("a quota")
}

impl<St: RateStore> Law<'_, St> {
    fn open(&self, law: &str) -> St::Limit {
        self.store.open(&format!("{}-{law}", self.name))
    }

    async fn decide(&self, list: &[(&St::Limit, Key<'_>, Quota, Act)]) -> Decision {
        let reply = {
            let mut asks = Asks::new();
            for (limit, key, quota, act) in list {
                asks.push(*limit, *key, *quota, *act);
            }
            self.store.decide(&asks)
        };
        let decision = match reply {
            Reply::Now(decision) => decision,
            Reply::Later(deciding) => deciding.await,
        };
        decision.unwrap_or_else(|error| panic!("the store failed: {error}"))
    }

    async fn left(&self, limit: &St::Limit, key: Key<'_>, quota: Quota) -> Standing {
        let decision = self.decide(&[(limit, key, quota, LOOK)]).await;
        assert!(decision.granted() && decision.fits(0), "a look is always granted");
        decision.standing(0, quota)
    }

    async fn of_fresh_buckets(&self) {
        let (limit, quota) = (self.open("fresh"), slow(3));
        let standing = self.left(&limit, Key::text("a"), quota).await;
        assert_eq!((standing.remaining(), standing.full_in()), (3, Duration::ZERO), "an unknown key has a full bucket");
        assert!(self.decide(&[]).await.granted(), "to ask for nothing is granted");
    }

    /// RLM-2
    async fn of_taking(&self) {
        let (limit, quota, key) = (self.open("taking"), slow(3), Key::text("a"));
        for left in [2, 1, 0] {
            let decision = self.decide(&[(&limit, key, quota, ONE)]).await;
            assert!(decision.granted());
            assert_eq!(decision.standing(0, quota).remaining(), left, "a decision tells what is left after it");
        }
        for _ in 0..3 {
            let decision = self.decide(&[(&limit, key, quota, ONE)]).await;
            assert!(!decision.granted() && !decision.fits(0), "an empty bucket grants nothing");
            let Wait::For(wait) = decision.standing(0, quota).wait(1) else { panic!("a refusal tells a wait") };
            assert!(wait <= quota.interval(), "a refusal takes nothing");
        }
    }

    /// RLM-3
    async fn of_all_or_nothing(&self) {
        let (user, address, quota) = (self.open("user"), self.open("address"), slow(3));
        let (key, other) = (Key::text("alice"), Key::number(7));
        for _ in 0..3 {
            self.decide(&[(&address, other, quota, ONE)]).await;
        }
        let decision = self.decide(&[(&user, key, quota, ONE), (&address, other, quota, ONE)]).await;
        assert!(!decision.granted(), "one limit is enough to refuse");
        assert!(decision.fits(0) && !decision.fits(1), "only the one that is used up is violated");
        assert_eq!(decision.standing(0, quota).remaining(), 3, "a refusal tells what is there");
        assert_eq!(self.left(&user, key, quota).await.remaining(), 3, "a refusal takes from none");
        let decision = self.decide(&[(&address, other, quota, ONE), (&user, key, quota, ONE)]).await;
        assert!(!decision.granted() && decision.fits(1), "in any order");
        assert_eq!(self.left(&user, key, quota).await.remaining(), 3);
        for (act, left) in [(Act::Charge(2), 3), (Act::Refund(1), 2)] {
            self.decide(&[(&user, key, quota, act), (&address, other, quota, ONE)]).await;
            assert_eq!(self.left(&user, key, quota).await.remaining(), left, "nor is anything charged or given back");
            self.decide(&[(&user, key, quota, ONE)]).await;
        }
    }

    /// RLM-15
    async fn of_shadows(&self) {
        let (real, shadow, quota, key) = (self.open("real"), self.open("shadow"), slow(2), Key::text("a"));
        let ask = Act::Take { cost: 1, enforced: false };
        for granted in [true, true, false] {
            let decision = self.decide(&[(&real, key, quota, ONE), (&shadow, key, slow(1), ask)]).await;
            assert_eq!(decision.granted(), granted, "what is not enforced refuses nothing");
        }
        assert_eq!(self.left(&real, key, quota).await.remaining(), 0, "the others take nevertheless");
        let decision = self.decide(&[(&shadow, key, slow(1), ask)]).await;
        assert!(decision.granted() && !decision.fits(0), "what does not fit is told");
        let Wait::For(wait) = decision.standing(0, slow(1)).wait(1) else { panic!("its bucket is empty") };
        assert!(wait <= slow(1).interval(), "and takes nothing");
    }

    async fn of_order(&self) {
        let (limit, quota, key) = (self.open("order"), slow(3), Key::text("a"));
        let decision = self.decide(&[(&limit, key, quota, ONE), (&limit, key, quota, ONE)]).await;
        assert!(decision.granted());
        assert_eq!(decision.standing(1, quota).remaining(), 1, "a later ask sees what an earlier one took");
        let decision = self.decide(&[(&limit, key, quota, ONE), (&limit, key, quota, ONE)]).await;
        assert!(!decision.granted() && decision.fits(0) && !decision.fits(1));
        assert_eq!(self.left(&limit, key, quota).await.remaining(), 1, "both or none");
    }

    async fn of_what_comes_later(&self) {
        let (limit, quota, key) = (self.open("later"), slow(3), Key::text("a"));
        self.decide(&[(&limit, key, quota, Act::Charge(5))]).await;
        let standing = self.left(&limit, key, quota).await;
        let Wait::For(wait) = standing.wait(1) else { panic!("a charge takes what is not there") };
        assert!(wait > 2 * quota.interval() && wait <= 3 * quota.interval());
        self.decide(&[(&limit, key, quota, Act::Refund(3))]).await;
        assert_eq!(self.left(&limit, key, quota).await.remaining(), 1);
        self.decide(&[(&limit, key, quota, Act::Refund(u32::MAX))]).await;
        self.decide(&[(&limit, Key::text("unknown"), quota, Act::Refund(9))]).await;
        for key in [key, Key::text("unknown")] {
            assert_eq!(self.left(&limit, key, quota).await.remaining(), 3, "never fuller than full");
        }
    }

    async fn of_what_is_too_much(&self) {
        let (limit, quota, key) = (self.open("too-much"), slow(3), Key::text("a"));
        for _ in 0..3 {
            self.decide(&[(&limit, key, quota, Act::Charge(u32::MAX))]).await;
            let decision = self.decide(&[(&limit, key, quota, ONE)]).await;
            assert!(!decision.granted(), "a debt may reach its end, and does not begin anew");
        }
        for _ in 0..3 {
            self.decide(&[(&limit, key, quota, Act::Refund(u32::MAX))]).await;
        }
        assert_eq!(self.left(&limit, key, quota).await.remaining(), 3, "all of it can be given back");
    }

    /// A bucket is the moment at which it will be full, whatever the quota of the next ask.
    async fn of_quotas_that_change(&self) {
        let (limit, key) = (self.open("changing"), Key::text("a"));
        self.decide(&[(&limit, key, slow(3), Act::Take { cost: 2, enforced: true })]).await;
        let twice = Quota::new(2, Duration::from_secs(3_600)).and_then(|quota| quota.burst(10)).expect("a quota");
        let standing = self.left(&limit, key, twice).await;
        assert_eq!(standing.remaining(), 6, "two hours are missing, of five");
        let decision = self.decide(&[(&limit, key, slow(1), ONE)]).await;
        let Wait::For(wait) = decision.standing(0, slow(1)).wait(1) else { panic!("it has shrunk below its debt") };
        assert!(!decision.granted() && wait > slow(1).interval());
    }

    /// RLM-9
    async fn of_what_never_fits(&self) {
        let (limit, quota, key) = (self.open("never"), slow(3), Key::text("a"));
        for cost in [4, u32::MAX] {
            let decision = self.decide(&[(&limit, key, quota, Act::Take { cost, enforced: true })]).await;
            assert!(!decision.granted());
            assert_eq!(decision.standing(0, quota).wait(cost), Wait::Never);
        }
        assert_eq!(self.left(&limit, key, quota).await.remaining(), 3);
    }

    async fn of_separate_buckets(&self) {
        let (limit, again, other) = (self.open("separate"), self.open("separate"), self.open("other"));
        let (quota, long) = (slow(1), vec![0xff; 10_000]);
        let addr = "2001:db8::".parse().expect("an address");
        let keys = [
            Key::EVERYBODY,
            Key::text(""),
            Key::text("a"),
            Key::text("a").and(Key::text("b")),
            Key::text("ab"),
            Key::text("a\0\r\n{}:b"),
            Key::number(0),
            Key::number(u64::MAX),
            Key::network(addr, 64),
            Key::network(addr, 48),
            Key::network("0.0.0.0".parse().expect("an address"), 64),
            Key::bytes(&long),
            Key::bytes(&long[1..]),
        ];
        for key in keys {
            assert!(self.decide(&[(&limit, key, quota, ONE)]).await.granted(), "{key:?} has a bucket of its own");
        }
        for key in keys {
            assert!(!self.decide(&[(&again, key, quota, ONE)]).await.granted(), "the same name is the same limit");
            assert!(self.decide(&[(&other, key, quota, ONE)]).await.granted(), "another name is another limit");
        }
    }

    async fn of_many_asks(&self) {
        let limits: Vec<_> = (0..MOST_LIMITS).map(|i| self.open(&format!("many-{i}"))).collect();
        let (quota, key) = (slow(2), Key::text("a"));
        let asks: Vec<_> = limits.iter().map(|limit| (limit, key, quota, ONE)).collect();
        for granted in [true, true, false] {
            let decision = self.decide(&asks).await;
            assert_eq!(decision.granted(), granted);
            assert!((0..MOST_LIMITS).all(|i| decision.fits(i) == granted));
        }
    }

    /// RLM-4, D37: a store that reads and then writes grants more than there is.
    async fn of_one_at_a_time(&self) {
        let (limit, quota) = (self.open("at-once"), slow(10));
        let ask = [(&limit, Key::text("a"), quota, ONE)];
        let mut deciding: Vec<_> = (0..50).map(|_| Some(Box::pin(self.decide(&ask)))).collect();
        let mut granted = 0;
        poll_fn(|cx| {
            for one in &mut deciding {
                if let Some(Poll::Ready(decision)) = one.as_mut().map(|one| one.as_mut().poll(cx)) {
                    granted += u32::from(decision.granted());
                    *one = None;
                }
            }
            if deciding.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        assert_eq!(granted, 10, "decisions at the same time are one after another");
    }

    /// RLM-2: to come back when told is enough.
    async fn of_time(&self, advance: &mut impl AsyncFnMut(Duration)) {
        let (limit, key) = (self.open("time"), Key::text("a"));
        let quota = Quota::new(1, Duration::from_millis(250)).and_then(|quota| quota.burst(2)).expect("a quota");
        let two = Act::Take { cost: 2, enforced: true };
        assert!(self.decide(&[(&limit, key, quota, two)]).await.granted());
        let decision = self.decide(&[(&limit, key, quota, ONE)]).await;
        let Wait::For(wait) = decision.standing(0, quota).wait(1) else { panic!("nothing has come back yet") };
        assert!(wait <= quota.interval());
        advance(wait).await;
        assert!(self.decide(&[(&limit, key, quota, ONE)]).await.granted(), "the wait that was told is enough");
        advance(quota.fills_in()).await;
        assert_eq!(self.left(&limit, key, quota).await.remaining(), 2, "a bucket fills up, and no further");
        assert!(self.decide(&[(&limit, key, quota, two)]).await.granted());
        assert!(!self.decide(&[(&limit, key, quota, ONE)]).await.granted(), "what did not fit in is lost");
    }
}
