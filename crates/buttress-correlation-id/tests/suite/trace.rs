//! From what comes in to what leaves: trace, id and baggage on outgoing calls.

use std::convert::Infallible;

use buttress_core::{CorrelationId, PeerAddr};
use buttress_correlation_id::{
    Baggage, CorrelationExt, CorrelationLayer, MakeCorrelationId, OutboundLayer, OuterTrace, TraceContext, UuidV7,
    current_baggage, current_trace, scope,
};
use http::{HeaderMap, HeaderValue, Request, Response};
use tower::{Layer, ServiceExt};

use crate::support::{id, service, through};

const TRACE: &str = "12345678901234567890123456789012";
const PARENT: &str = "00-12345678901234567890123456789012-1234567890123456-01";

fn request(pairs: &[(&str, &str)]) -> Request<()> {
    pairs.iter().fold(Request::builder(), |builder, (name, value)| builder.header(*name, *value)).body(()).unwrap()
}

/// What a client sends with this request, through the layer.
async fn sent<M>(layer: &OutboundLayer<M>, request: Request<()>) -> HeaderMap
where
    M: MakeCorrelationId + Clone,
{
    layer.layer(service(crate::support::echo)).oneshot(request).await.unwrap().into_body().headers
}

/// What the calls of a handler carry that gets this request.
async fn forwarded(inbound: &CorrelationLayer, outbound: &OutboundLayer, request: Request<()>) -> [HeaderMap; 3] {
    let outbound = outbound.clone();
    let handler = service(move |_| {
        let outbound = outbound.clone();
        async move {
            let calls = [sent(&outbound, Request::new(())).await, sent(&outbound, Request::new(())).await];
            let spawned = async move { sent(&outbound, Request::new(())).await }.in_current_correlation();
            let [one, two] = calls;
            let mut response = Response::new(());
            response.extensions_mut().insert([one, two, tokio::spawn(spawned).await.unwrap()]);
            Ok::<_, Infallible>(response)
        }
    });
    inbound.layer(handler).oneshot(request).await.unwrap().extensions_mut().remove().unwrap()
}

async fn calls(pairs: &[(&str, &str)]) -> [HeaderMap; 3] {
    forwarded(&CorrelationLayer::new(), &OutboundLayer::new(), request(pairs)).await
}

fn parent(headers: &HeaderMap) -> [String; 4] {
    let text = headers["traceparent"].to_str().unwrap();
    assert_eq!(headers.get_all("traceparent").iter().count(), 1);
    let parts: Vec<_> = text.split('-').map(str::to_owned).collect();
    parts.try_into().unwrap()
}

// COR-2, COR-13
#[tokio::test]
async fn each_call_has_the_trace_a_parent_id_of_its_own_and_the_id() {
    for flags in ["00", "01", "02", "03"] {
        let given = format!("00-{TRACE}-1234567890123456-{flags}");
        let calls = calls(&[("traceparent", &given), ("x-request-id", "order-42")]).await;
        let parents = calls.each_ref().map(parent);
        for [version, trace, own, sent_flags] in &parents {
            assert_eq!((version.as_str(), trace.as_str(), sent_flags.as_str()), ("00", TRACE, flags));
            assert!(own != "1234567890123456" && own != "0000000000000000");
        }
        assert!(parents[0][2] != parents[1][2] && parents[1][2] != parents[2][2]);
        assert!(calls.iter().all(|call| call["x-correlation-id"] == "order-42" && !call.contains_key("tracestate")));
    }
}

// COR-1, COR-2
#[tokio::test]
async fn without_a_valid_traceparent_a_new_trace_begins_that_all_calls_share() {
    let zeros = format!("00-{}-1234567890123456-01", "0".repeat(32));
    let doubled = [("traceparent", PARENT), ("traceparent", PARENT), ("tracestate", "foo=1")];
    for pairs in [&[][..], &doubled, &[("traceparent", &zeros), ("tracestate", "foo=1")], &[("tracestate", "foo=1")]] {
        let calls = calls(pairs).await;
        let [one, two, spawned] = calls.each_ref().map(parent);
        assert!(one[1] != TRACE && one[1] != "0".repeat(32) && one[1] == two[1] && two[1] == spawned[1]);
        assert!(one[2] != two[2] && two[2] != spawned[2]);
        // Random ids, said to be random, and sampled on nobody's word.
        assert_eq!(one[3], "02");
        assert!(calls.iter().all(|call| !call.contains_key("tracestate")), "{pairs:?}");
    }
}

// COR-3
#[tokio::test]
async fn tracestate_goes_on_as_one_line_and_a_bad_one_does_not() {
    let lines = [("traceparent", PARENT), ("tracestate", "foo=1 , bar=2"), ("tracestate", ""), ("tracestate", "@=1")];
    let good = calls(&lines[..3]).await;
    assert_eq!(good[2].get_all("tracestate").iter().collect::<Vec<_>>(), ["foo=1,bar=2"]);
    let bad = calls(&lines).await;
    assert_eq!((parent(&bad[0])[1].as_str(), bad[0].get("tracestate")), (TRACE, None));
    let forty: Vec<_> = (0..40).map(|i| format!("k{i}=v")).collect();
    let many = calls(&[("traceparent", PARENT), ("tracestate", &forty.join(","))]).await;
    assert_eq!((parent(&many[0])[1].as_str(), many[0].get("tracestate")), (TRACE, None));
}

// COR-3
#[tokio::test]
async fn an_own_member_stands_at_the_left_of_what_leaves() {
    let outbound = OutboundLayer::new().trace_state_member("ours", "1").unwrap();
    assert!(OutboundLayer::new().trace_state_member("Ours", "1").is_err());
    let pairs = [("traceparent", PARENT), ("tracestate", "foo=1,ours=0")];
    let with = forwarded(&CorrelationLayer::new(), &outbound, request(&pairs)).await;
    assert_eq!(with[0]["tracestate"], "ours=1,foo=1");
    let without = forwarded(&CorrelationLayer::new(), &outbound, request(&pairs[..1])).await;
    assert_eq!(without[0]["tracestate"], "ours=1");
}

// COR-2, COR-13
#[tokio::test]
async fn what_the_outgoing_request_carries_wins_over_the_scope_and_replaces_its_headers() {
    let own = TraceContext::begin();
    let mut outgoing = request(&[("x-correlation-id", "old"), ("traceparent", PARENT), ("tracestate", "old=1")]);
    outgoing.headers_mut().append("x-correlation-id", HeaderValue::from_static("older"));
    outgoing.extensions_mut().insert(id("extension"));
    outgoing.extensions_mut().insert(own.clone());
    let headers = scope(id("scope"), sent(&OutboundLayer::new(), outgoing)).await;
    assert_eq!(headers.get_all("x-correlation-id").iter().collect::<Vec<_>>(), ["extension"]);
    assert_eq!(parent(&headers)[1], own.parent().trace_id().to_string());
    assert_ne!(headers["traceparent"], own.parent().to_header_value());
    assert!(!headers.contains_key("tracestate"));
}

// COR-2
#[tokio::test]
async fn a_call_outside_of_any_scope_is_left_alone_unless_a_new_id_is_wanted() {
    let outgoing = [("x-correlation-id", "by-hand"), ("traceparent", PARENT)];
    let alone = sent(&OutboundLayer::new(), request(&outgoing)).await;
    assert_eq!(
        (&alone["x-correlation-id"], &alone["traceparent"]),
        (&"by-hand".parse().unwrap(), &PARENT.parse().unwrap())
    );
    assert!(sent(&OutboundLayer::new(), request(&[])).await.is_empty());
    let made = sent(&OutboundLayer::new().or_make(UuidV7), request(&[])).await;
    assert_eq!((made["x-correlation-id"].len(), parent(&made)[3].as_str()), (36, "02"));
    let named = OutboundLayer::new().header("x-request-id".parse().unwrap()).or_make(|| id("made"));
    assert_eq!(sent(&named, request(&[])).await["x-request-id"], "made");
}

// COR-13
#[tokio::test]
async fn a_retry_gets_a_new_parent_id_in_the_same_trace() {
    let client = OutboundLayer::new().layer(service(crate::support::echo));
    let attempts = scope(id("job"), async {
        let mut parents = Vec::new();
        for _ in 0..3 {
            parents.push(parent(&client.clone().oneshot(Request::new(())).await.unwrap().into_body().headers));
        }
        parents
    })
    .await;
    assert!(attempts.iter().all(|attempt| attempt[1] == attempts[0][1]));
    assert!(attempts[0][2] != attempts[1][2] && attempts[1][2] != attempts[2][2]);
}

// COR-14
#[tokio::test]
async fn an_untrusted_caller_cannot_force_sampling() {
    let pairs = [("traceparent", PARENT), ("tracestate", "foo=1")];
    let outside = CorrelationLayer::new().trusted_when(|_| false);
    let cases = [
        (outside.clone(), Some(TRACE), "00", Some("foo=1")),
        (outside.clone().outer_trace(OuterTrace::Keep), Some(TRACE), "01", Some("foo=1")),
        (outside.clone().outer_trace(OuterTrace::Restart), None, "02", None),
        (CorrelationLayer::new(), Some(TRACE), "01", Some("foo=1")),
    ];
    for (layer, trace, flags, state) in cases {
        let [call, ..] = forwarded(&layer, &OutboundLayer::new(), request(&pairs)).await;
        let sent = parent(&call);
        assert_eq!((sent[1] == TRACE, sent[3].as_str()), (trace.is_some(), flags));
        assert_eq!(call.get("tracestate").map(|value| value.to_str().unwrap()), state);

        // Who reads the headers itself is told the same.
        let (seen, _) = through(&layer, request(&pairs)).await;
        let own = seen.headers.get("traceparent").map(|value| value.to_str().unwrap());
        assert_eq!(own.is_some(), trace.is_some());
        assert!(own.is_none_or(|own| own.ends_with(&format!("-{flags}"))));
        assert_eq!(seen.extensions.get::<TraceContext>().is_some(), trace.is_some());
        assert_eq!(seen.headers.get("tracestate").is_some(), state.is_some());
    }
}

// COR-13
#[tokio::test]
async fn an_id_can_be_the_trace_id() {
    let layer = CorrelationLayer::new().id_from_trace(true);
    let id = |headers: &HeaderMap| headers["x-correlation-id"].to_str().unwrap().to_owned();
    let (seen, answer) = through(&layer, request(&[("traceparent", PARENT)])).await;
    assert_eq!((id(&seen.headers), id(&answer)), (TRACE.to_owned(), TRACE.to_owned()));
    // A trace that begins here gives its id as well.
    let [call, ..] = forwarded(&layer, &OutboundLayer::new(), request(&[])).await;
    assert_eq!(id(&call), parent(&call)[1]);
    // An id that is kept stays, and nobody outside chooses ours.
    let (seen, _) = through(&layer, request(&[("traceparent", PARENT), ("x-correlation-id", "kept")])).await;
    assert_eq!(id(&seen.headers), "kept");
    let (seen, _) = through(&layer.trusted_when(|_| false), request(&[("traceparent", PARENT)])).await;
    assert_eq!(id(&seen.headers).len(), 36);
}

#[tokio::test]
async fn the_callers_context_is_an_extension_and_current() {
    let handler = service(async |request: Request<()>| {
        let given = request.extensions().get::<TraceContext>().cloned();
        assert!(given.is_some() && given == current_trace());
        Ok::<_, Infallible>(Response::new(()))
    });
    CorrelationLayer::new().layer(handler).oneshot(request(&[("traceparent", PARENT)])).await.unwrap();
}

// COR-6
#[tokio::test]
async fn baggage_comes_and_leaves_only_where_both_sides_say_so() {
    let pairs = [("baggage", "a=1, b=2"), ("baggage", "bad member"), ("baggage", "c=3")];
    let (takes, gives) = (CorrelationLayer::new().baggage(true), OutboundLayer::new().baggage(true));
    let carried = forwarded(&takes, &gives, request(&pairs)).await;
    assert!(carried.iter().all(|call| call["baggage"] == "a=1,b=2,c=3"));
    for (inbound, outbound) in [
        (&takes, &OutboundLayer::new()),
        (&CorrelationLayer::new(), &gives),
        (&takes.clone().trusted_when(|_| false), &gives),
    ] {
        let [call, ..] = forwarded(inbound, outbound, request(&pairs)).await;
        assert!(!call.contains_key("baggage"));
    }
    let (seen, _) = through(&takes, request(&pairs)).await;
    assert_eq!(seen.extensions.get::<Baggage>().unwrap().get("b").as_deref(), Some("2"));
    assert_eq!(current_baggage(), None);
}

/// What axum's `Router::layer`, hyper's services and warp's requests ask of a layer, its service and its future.
mod hosts {
    use super::*;

    fn router_layer<L, S, B>(_: L)
    where
        L: Layer<S> + Clone + Send + Sync + 'static,
        L::Service: tower::Service<Request<B>, Error: Into<Infallible> + 'static> + Clone + Send + Sync + 'static,
        <L::Service as tower::Service<Request<B>>>::Response: 'static,
        <L::Service as tower::Service<Request<B>>>::Future: Send + 'static,
    {
    }

    fn body<B>()
    where
        B: http_body::Body<Data = hyper::body::Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
        B: Send + Sync + 'static,
    {
    }

    type Full = http_body_util::Full<hyper::body::Bytes>;
    type Unsync = http_body_util::combinators::UnsyncBoxBody<hyper::body::Bytes, Infallible>;
    type Inner = tower::util::BoxCloneSyncService<Request<Unsync>, Response<Unsync>, Infallible>;
    type Served = tower::util::BoxCloneSyncService<Request<hyper::body::Incoming>, Response<Full>, Infallible>;

    #[test]
    fn the_layers_fit_routers_servers_and_clients() {
        router_layer::<_, Inner, Unsync>(CorrelationLayer::new());
        router_layer::<_, Inner, Unsync>(OutboundLayer::new());
        body::<buttress_core::Body<Full>>();
        fn hyper_service<S: hyper::service::Service<Request<hyper::body::Incoming>>>() {}
        hyper_service::<hyper_util::service::TowerToHyperService<buttress_correlation_id::Correlation<Served>>>();
    }

    #[test]
    fn futures_are_send_and_sync_where_what_is_below_is() {
        fn shared<T: Send + Sync>() {}
        shared::<buttress_correlation_id::ResponseFuture<std::future::Ready<()>>>();
        shared::<buttress_correlation_id::Scope<std::future::Ready<()>>>();
        shared::<CorrelationId>();
        shared::<PeerAddr>();
    }
}
