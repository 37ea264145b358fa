use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    task::{Context, Wake},
    thread,
    time::Duration,
};

use buttress_idempotency::{
    Bid, Capacity, Claim, Effect, Fingerprint, IdempotencyStore, Kept, Lease, MemoryStore, RecordKey, Retention,
    Settlement, Token,
};
use tokio::time::advance;

const SECOND: Duration = Duration::from_secs(1);

fn key(number: u32) -> RecordKey {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    bytes[28..].copy_from_slice(&number.to_be_bytes());
    RecordKey::from_bytes(bytes)
}

fn bid(effect: Effect) -> Bid {
    let fingerprint = Fingerprint::from_bytes([1; 32]);
    let retention = Retention::new(100 * SECOND, 200 * SECOND).unwrap();
    Bid { fingerprint, effect, lease: Lease::new(10 * SECOND).unwrap(), retention }
}

fn store(records: usize, bytes: usize) -> MemoryStore {
    MemoryStore::new(Capacity { records: records.try_into().unwrap(), bytes: bytes.try_into().unwrap() })
}

async fn claim(store: &MemoryStore, number: u32, effect: Effect) -> Claim {
    store.claim(&key(number), &bid(effect)).await.unwrap()
}

async fn win(store: &MemoryStore, number: u32) -> Token {
    match claim(store, number, Effect::Outside).await {
        Claim::Won(token) => token,
        other => panic!("{number}: {other:?}"),
    }
}

async fn done(store: &MemoryStore, number: u32, bytes: usize) {
    let token = win(store, number).await;
    let settlement = Settlement::Complete(Kept::Whole(vec![0; bytes].into()));
    store.settle(&key(number), token, settlement).await.unwrap();
}

// IDM-23
#[tokio::test(start_paused = true)]
async fn the_oldest_that_is_done_makes_room_and_what_runs_or_is_uncertain_never() {
    let store = store(4, 1_000);
    let running = win(&store, 0).await;
    let doubted = win(&store, 1).await;
    store.settle(&key(1), doubted, Settlement::Doubt).await.unwrap();
    for number in 2..50 {
        done(&store, number, 1).await;
        assert!(store.len() <= 4);
        assert!(matches!(claim(&store, 0, Effect::Outside).await, Claim::Running { token, .. } if token == running));
        assert_eq!(claim(&store, 1, Effect::Outside).await, Claim::Uncertain);
    }
    assert!(matches!(claim(&store, 49, Effect::Outside).await, Claim::Replay(_)));
    assert!(matches!(claim(&store, 48, Effect::Outside).await, Claim::Replay(_)));
    win(&store, 47).await;
}

// IDM-23
#[tokio::test(start_paused = true)]
async fn where_all_run_or_are_uncertain_there_is_no_room_until_something_ends() {
    let store = store(2, 1_000);
    let first = win(&store, 0).await;
    win(&store, 1).await;
    assert_eq!(claim(&store, 2, Effect::Outside).await, Claim::Full);
    store.settle(&key(0), first, Settlement::Release).await.unwrap();
    win(&store, 2).await;
    assert_eq!(claim(&store, 3, Effect::Outside).await, Claim::Full);
    // The leases lapse, and then what they left uncertain is forgotten.
    advance(10 * SECOND).await;
    assert_eq!(claim(&store, 3, Effect::Outside).await, Claim::Full);
    advance(200 * SECOND).await;
    win(&store, 3).await;
    assert_eq!(store.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn runs_without_an_effect_that_died_make_room() {
    let store = store(2, 1_000);
    for number in 0..2 {
        assert!(matches!(claim(&store, number, Effect::None).await, Claim::Won(_)));
    }
    assert_eq!(claim(&store, 2, Effect::None).await, Claim::Full);
    advance(10 * SECOND).await;
    assert!(matches!(claim(&store, 2, Effect::None).await, Claim::Won(_)));
}

/// Whoever is woken may ask the store at once.
struct Asks {
    store: MemoryStore,
    answered: AtomicBool,
}

impl Wake for Asks {
    fn wake(self: Arc<Self>) {
        let (store, (tell, told)) = (self.store.clone(), mpsc::channel());
        thread::spawn(move || tell.send(store.len()));
        self.answered.store(told.recv_timeout(SECOND).is_ok(), Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn who_waited_for_a_run_that_died_is_woken_outside_of_the_lock() {
    let store = store(1, 1_000);
    let Claim::Won(token) = claim(&store, 0, Effect::None).await else { panic!("it is free") };
    let asks = Arc::new(Asks { store: store.clone(), answered: AtomicBool::new(false) });
    let mut wait = store.wait(&key(0), token);
    assert!(Pin::new(&mut wait).poll(&mut Context::from_waker(&asks.clone().into())).is_pending());
    advance(10 * SECOND).await;
    assert!(matches!(claim(&store, 1, Effect::None).await, Claim::Won(_)));
    assert!(asks.answered.load(Ordering::SeqCst));
}

// IDM-23
#[tokio::test(start_paused = true)]
async fn the_oldest_answers_are_dropped_for_new_ones_and_their_keys_stay_known() {
    let store = store(100, 1_000);
    for number in 0..10 {
        done(&store, number, 300).await;
        assert!(store.bytes() <= 1_000);
    }
    for number in 0..7 {
        assert_eq!(claim(&store, number, Effect::Outside).await, Claim::Expired, "{number}");
    }
    for number in 7..10 {
        assert!(matches!(claim(&store, number, Effect::Outside).await, Claim::Replay(_)), "{number}");
    }
    done(&store, 10, 1_001).await;
    assert_eq!(claim(&store, 10, Effect::Outside).await, Claim::NotReplayable, "larger than all the room");
    assert!(matches!(claim(&store, 7, Effect::Outside).await, Claim::Replay(_)), "and it dropped nothing");
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_goes_as_others_come() {
    let store = store(100_000, 64 << 20);
    for number in 0..2_000 {
        done(&store, number, 10).await;
    }
    assert_eq!((store.len(), store.bytes()), (2_000, 20_000));
    // One for each shard: answers go first, then the keys.
    advance(100 * SECOND).await;
    for number in 10_000..10_016 {
        done(&store, number, 10).await;
    }
    assert_eq!((store.len(), store.bytes()), (2_016, 160));
    advance(100 * SECOND).await;
    for number in 20_000..20_016 {
        done(&store, number, 10).await;
    }
    assert_eq!((store.len(), store.bytes()), (32, 160));
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_purged_and_used_again_leave_nothing_behind() {
    let store = store(10, 1_000);
    for _ in 0..10_000 {
        done(&store, 1, 10).await;
        assert!(store.purge(&key(1)).await.unwrap());
    }
    assert_eq!((store.len(), store.bytes()), (0, 0));
    assert!(format!("{store:?}").len() < 100);
}

#[tokio::test(start_paused = true)]
async fn many_who_wait_and_leave_leave_nothing_behind_and_those_who_stay_are_woken() {
    let store = store(10, 1_000);
    let token = win(&store, 1).await;
    let stays = tokio::spawn(store.wait(&key(1), token));
    for _ in 0..1_000 {
        let mut wait = store.wait(&key(1), token);
        std::future::poll_fn(|cx| {
            assert!(std::pin::Pin::new(&mut wait).poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
    }
    tokio::task::yield_now().await;
    store.purge(&key(1)).await.unwrap();
    stays.await.unwrap().unwrap();
}
