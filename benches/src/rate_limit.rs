use std::{
    convert::Infallible,
    future::{Ready, ready},
    hash::Hash,
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
    num::NonZeroU32,
    pin::pin,
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use buttress_core::PeerAddr;
use buttress_rate_limit::{
    Act, Asks, ClientAddr, Fields, Key, Limit, MemoryStore, Quota, RateLimitLayer, RateStore, Reply, by_extension,
};
use governor::{DefaultKeyedRateLimiter, RateLimiter};
use http::{Request, Response};
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_governor::{GovernorError, GovernorLayer, governor::GovernorConfigBuilder, key_extractor::KeyExtractor};
use tower_resilience_ratelimiter::RateLimiterLayer;

use crate::{
    BARE, Case, Group, Operation,
    http::{Asked, bare, json, operation, request},
};

pub(super) fn groups() -> Vec<Group> {
    let groups = alone_and_beside();
    #[cfg(tower_rate_limiter)]
    let groups = crate::tower_rate_limiter::beside(groups);
    groups
}

fn alone_and_beside() -> Vec<Group> {
    vec![
        Group::new(
            "rate limit, user and address",
            [
                Case::new(BARE, alone),
                Case::new("buttress", || ours(Fields::None, plenty())),
                Case::new("tower_governor, twice", || twice(plenty_of_theirs())),
            ],
        ),
        Group::new(
            "rate limit, user and address, told",
            [
                Case::new(BARE, alone),
                Case::new("buttress", || ours(Fields::Draft, plenty())),
                Case::new("tower_governor, twice", || twice_told(plenty_of_theirs())),
            ],
        ),
        Group::new(
            "rate limit, refused",
            [
                Case::new("a request alone", || Box::new(|| drop(black_box(asked())))),
                Case::new("buttress", || refused_by_ours(Fields::None)),
                Case::new("buttress, told", || refused_by_ours(Fields::Draft)),
                Case::new("tower_governor", refused_by_theirs),
            ],
        ),
        Group::new(
            "rate limit, the decision about user and address",
            [
                Case::new("buttress", || both(store(FEW))),
                Case::new("buttress, the processor's clock", || both(quick_store(FEW))),
                Case::new("governor, twice", both_of_governor),
            ],
        ),
        Group::new(
            "rate limit, the decision to refuse",
            [
                Case::new("buttress", || decisions(store(FEW), 1, hardly_any())),
                Case::new("governor", || governor(1, 1)),
            ],
        ),
        decided::<1>("rate limit, the decision, 1 key"),
        decided::<10_000>("rate limit, the decision, 10 000 keys"),
        decided_by_random("rate limit, the decision, 1 000 000 keys").heavy(),
        Group::new(
            "rate limit, 10 000 decisions about one key in each of two threads",
            [
                Case::new("buttress", || hot(store(FEW))),
                Case::new("buttress, the processor's clock", || hot(quick_store(FEW))),
                Case::new("governor", hot_governor),
            ],
        )
        .heavy(),
        Group::new(
            "rate limit, everybody, without HTTP",
            [
                Case::new("buttress", || decisions(store(FEW), 1, plenty())),
                Case::new("tower-resilience-ratelimiter", resilience),
            ],
        ),
    ]
}

fn decided<const KEYS: u64>(name: &'static str) -> Group {
    Group::new(
        name,
        [
            Case::new("buttress", || decisions(store(KEYS), KEYS, plenty())),
            Case::new("buttress, the processor's clock", || decisions(quick_store(KEYS), KEYS, plenty())),
            Case::new("governor", || governor(KEYS, 1_000_000_000)),
        ],
    )
}

/// As by default.
const FEW: u64 = 1 << 16;
const MANY: u64 = 1_000_000;

/// Each operation is a thousand decisions: the keys have to be random for the caches, and not for the measure.
fn decided_by_random(name: &'static str) -> Group {
    Group::new(
        name,
        [
            Case::new("buttress, 1 000", || a_thousand(decisions(store(MANY), MANY, plenty()))),
            Case::new("buttress, the processor's clock, 1 000", || {
                a_thousand(decisions(quick_store(MANY), MANY, plenty()))
            }),
            Case::new("governor, 1 000", || a_thousand(governor(MANY, 1_000_000_000))),
        ],
    )
}

fn a_thousand(mut operation: Operation) -> Operation {
    // Every key is known before it counts.
    (0..4 * MANY).for_each(|_| operation());
    Box::new(move || (0..1_000).for_each(|_| operation()))
}

#[derive(Clone)]
pub(super) struct User(pub(super) &'static str);

const ALICE: &str = "key:alice-of-the-editors";

/// So much that no run ever uses it up.
fn plenty() -> Quota {
    "1000000/s burst 4000000000".parse().expect("a quota")
}

fn hardly_any() -> Quota {
    "1/min".parse().expect("a quota")
}

pub(super) fn asked() -> Asked {
    let mut request = request();
    request.extensions_mut().insert(User(ALICE));
    request
}

fn alone() -> Operation {
    operation(bare(json(200)), asked)
}

fn layer(fields: Fields, quota: Quota) -> RateLimitLayer {
    let user = Limit::new("user", quota, by_extension(|user: &User| Key::text(user.0)));
    let address = Limit::new("address", quota, ClientAddr::peer());
    RateLimitLayer::new([user, address]).expect("good limits").fields(fields)
}

fn ours(fields: Fields, quota: Quota) -> Operation {
    operation(ServiceBuilder::new().layer(layer(fields, quota)).service(bare(json(200))), asked)
}

fn refused_by_ours(fields: Fields) -> Operation {
    let mut operation = ours(fields, hardly_any());
    operation();
    operation
}

#[derive(Clone, Debug)]
struct ByPeer;

impl KeyExtractor for ByPeer {
    type Key = IpAddr;

    fn extract<T>(&self, request: &Request<T>) -> Result<IpAddr, GovernorError> {
        request.extensions().get::<PeerAddr>().map(|peer| peer.0.ip()).ok_or(GovernorError::UnableToExtractKey)
    }
}

#[derive(Clone, Debug)]
struct ByUser;

impl KeyExtractor for ByUser {
    type Key = String;

    fn extract<T>(&self, request: &Request<T>) -> Result<String, GovernorError> {
        request.extensions().get::<User>().map(|user| user.0.to_owned()).ok_or(GovernorError::UnableToExtractKey)
    }
}

/// A unit each nanosecond, and as many at once as there can be.
fn plenty_of_theirs() -> (Duration, u32) {
    (Duration::from_nanos(1), 1_000_000_000)
}

macro_rules! their_layer {
    ($key:expr, $quota:expr $(, $headers:ident)?) => {{
        let (period, burst) = $quota;
        let mut config = GovernorConfigBuilder::default().key_extractor($key);
        config.period(period).burst_size(burst);
        GovernorLayer::new(config $(.$headers())? .finish().expect("a quota"))
    }};
}

fn twice(quota: (Duration, u32)) -> Operation {
    let layers = ServiceBuilder::new().layer(their_layer!(ByUser, quota)).layer(their_layer!(ByPeer, quota));
    operation(layers.service(of_text()), asked)
}

fn twice_told(quota: (Duration, u32)) -> Operation {
    let layers = ServiceBuilder::new().layer(their_layer!(ByUser, quota, use_headers)).layer(their_layer!(
        ByPeer,
        quota,
        use_headers
    ));
    operation(layers.service(of_text()), asked)
}

/// Theirs takes no other body.
fn of_text() -> impl Service<Asked, Response = Response<axum::body::Body>, Error = Infallible> + Clone {
    bare(json(200)).map_response(|answer| answer.map(|_| axum::body::Body::empty()))
}

fn refused_by_theirs() -> Operation {
    let mut operation = twice((Duration::from_secs(60), 1));
    operation();
    operation
}

/// With room for so many keys, and not too few.
fn store(keys: u64) -> MemoryStore {
    MemoryStore::new(room(keys)).expect("a size")
}

/// The same by the clock that governor goes by.
fn quick_store(keys: u64) -> MemoryStore {
    MemoryStore::with_processor_clock(room(keys)).expect("a size")
}

fn room(keys: u64) -> usize {
    usize::try_from(keys).expect("a size").max(1_000)
}

/// Decides about one key after another, in an order that caches cannot foresee.
fn decisions(store: MemoryStore, keys: u64, quota: Quota) -> Operation {
    let (limit, mut random) = (store.open("address"), Random(1));
    Box::new(move || decide(&store, &limit, random.below(keys), quota))
}

fn decide(store: &MemoryStore, limit: &<MemoryStore as RateStore>::Limit, number: u64, quota: Quota) {
    let mut asks = Asks::new();
    asks.push(limit, Key::network(addr(number), 64), quota, Act::Take { cost: 1, enforced: true });
    let Reply::Now(decision) = store.decide(&asks) else { panic!("memory answers at once") };
    black_box(&decision);
}

/// What the layer asks of its store for a user at an address: two keys, one clock, one decision.
fn both(store: MemoryStore) -> Operation {
    let (user, address, quota) = (store.open("user"), store.open("address"), plenty());
    Box::new(move || {
        let take = Act::Take { cost: 1, enforced: true };
        let mut asks = Asks::new();
        asks.push(&user, Key::text(black_box(ALICE)), quota, take);
        asks.push(&address, Key::network(black_box(addr(7)), 64), quota, take);
        let Reply::Now(decision) = store.decide(&asks) else { panic!("memory answers at once") };
        black_box(&decision);
    })
}

/// Two limiters, the second of which takes even if the first refuses.
fn both_of_governor() -> Operation {
    let (users, addresses) = (limiter::<String>(1_000_000_000), limiter::<IpAddr>(1_000_000_000));
    Box::new(move || {
        let _ = black_box(users.check_key(&black_box(ALICE).to_owned()));
        let _ = black_box(addresses.check_key(&black_box(addr(7))));
    })
}

fn addr(number: u64) -> IpAddr {
    Ipv4Addr::from_bits(u32::try_from(number).expect("an address")).into()
}

fn limiter<K: Clone + Eq + Hash>(burst: u32) -> DefaultKeyedRateLimiter<K> {
    let quota = if burst == 1 {
        governor::Quota::with_period(Duration::from_secs(60)).expect("a quota")
    } else {
        governor::Quota::with_period(Duration::from_nanos(1))
            .expect("a quota")
            .allow_burst(NonZeroU32::new(burst).expect("some"))
    };
    RateLimiter::keyed(quota)
}

fn governor(keys: u64, burst: u32) -> Operation {
    let (limiter, mut random) = (limiter(burst), Random(1));
    Box::new(move || {
        let _ = black_box(limiter.check_key(&addr(random.below(keys))));
    })
}

/// Splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % end
    }
}

fn hot(store: MemoryStore) -> Operation {
    let limit = store.open("address");
    let quota = plenty();
    in_two_threads(move || decide(&store, &limit, 1, quota))
}

fn hot_governor() -> Operation {
    let limiter = limiter(1_000_000_000);
    in_two_threads(move || {
        let _ = black_box(limiter.check_key(&addr(1)));
    })
}

fn in_two_threads(decide: impl Fn() + Sync + 'static) -> Operation {
    Box::new(move || {
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..10_000).for_each(|_| decide()));
            }
        });
    })
}

fn resilience() -> Operation {
    let layer = RateLimiterLayer::builder()
        .limit_for_period(1_000_000_000)
        .refresh_period(Duration::from_secs(1))
        .build()
        .expect("a quota");
    let inner = tower::service_fn(|number: u64| -> Ready<Result<u64, Infallible>> { ready(Ok(number)) });
    let mut service = ServiceBuilder::new().layer(layer).service(inner);
    Box::new(move || {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(service.poll_ready(&mut cx), Poll::Ready(Ok(()))));
        assert!(matches!(pin!(service.call(1)).poll(&mut cx), Poll::Ready(Ok(1))));
    })
}
