//! A circuit for each key.

use std::time::Duration;

use buttress_circuit_breaker::{BreakerLayer, Keys, State, by_host};
use http::{Request, Response, StatusCode};
use tokio::time::advance;
use tower::{Layer, ServiceExt, service_fn};

use crate::common::{Broken, S, Script, policy};

/// Asks a host that answers by its name: `down…` with 503.
async fn ask(layer: &BreakerLayer, host: &str) -> StatusCode {
    let provider = service_fn(async |request: Request<()>| {
        let down = request.uri().host().is_some_and(|host| host.to_lowercase().starts_with("down"));
        let status = if down { 502 } else { 200 };
        Ok::<_, Broken>(
            Response::builder().status(status).body(Script { tells_its_end: true, ..Script::default() }).unwrap(),
        )
    });
    let request = Request::get(format!("https://{host}/x")).body(()).unwrap();
    layer.layer(provider).oneshot(request).await.unwrap().status()
}

fn layer(keys: Keys) -> BreakerLayer {
    BreakerLayer::keyed("hooks", policy(), keys).unwrap()
}

fn known(layer: &BreakerLayer) -> Vec<String> {
    layer.circuits().snapshots().into_iter().filter_map(|snapshot| snapshot.key).map(|key| key.to_string()).collect()
}

// CBK-15
#[tokio::test]
async fn one_bad_host_does_not_open_all() {
    let layer = layer(Keys::hosts());
    for _ in 0..4 {
        assert_eq!(ask(&layer, "down").await, 502);
        assert_eq!(ask(&layer, "up").await, 200);
    }
    assert_eq!(ask(&layer, "DOWN").await, 503);
    assert_eq!(ask(&layer, "up").await, 200);
    assert_eq!(ask(&layer, "down:8443").await, 502);
    let circuits = layer.circuits();
    assert_eq!(circuits.get("down").unwrap().state(), State::Open);
    assert_eq!(circuits.get("up").unwrap().snapshot().calls, 5);
    assert!(circuits.get("elsewhere").is_none());
    let keys: Vec<_> =
        circuits.snapshots().into_iter().map(|snapshot| snapshot.key.map(|key| key.to_string())).collect();
    assert_eq!(keys, [None, Some("down".into()), Some("down:8443".into()), Some("up".into())]);
}

// CBK-15
#[tokio::test]
async fn calls_without_a_key_share_a_circuit() {
    let layer = layer(Keys::new(|_| None));
    for _ in 0..4 {
        let _ = ask(&layer, "down").await;
    }
    assert_eq!(ask(&layer, "up").await, 503);
    assert_eq!(layer.circuit().unwrap().state(), State::Open);
}

// CBK-15
#[tokio::test(start_paused = true)]
async fn their_number_is_bounded_and_the_least_used_closed_ones_go_first() {
    let layer = layer(Keys::hosts().at_most(16));
    for host in 0..16 {
        let _ = ask(&layer, &format!("h{host}")).await;
        advance(Duration::from_millis(10)).await;
    }
    let _ = ask(&layer, "h0").await;
    let _ = ask(&layer, "new").await;
    let left = known(&layer);
    assert_eq!(left.len(), 15);
    assert!(left.contains(&"h0".to_owned()) && left.contains(&"new".to_owned()));
    assert!(!left.contains(&"h1".to_owned()) && !left.contains(&"h2".to_owned()));
    for host in 0..1_000 {
        let _ = ask(&layer, &format!("x{host}")).await;
        assert!(known(&layer).len() <= 16);
    }
}

// CBK-15
#[tokio::test(start_paused = true)]
async fn open_circuits_stay_and_new_keys_share_one_when_there_is_no_room() {
    let layer = layer(Keys::hosts().at_most(4).idle_after(600 * S));
    for host in 0..4 {
        for _ in 0..4 {
            let _ = ask(&layer, &format!("down{host}")).await;
        }
    }
    assert_eq!(ask(&layer, "up").await, 200);
    assert!(!known(&layer).contains(&"up".to_owned()));
    assert_eq!(layer.circuit().unwrap().snapshot().calls, 1);
    for host in 0..4 {
        assert_eq!(ask(&layer, &format!("down{host}")).await, 503);
    }
    // Until they are idle.
    advance(600 * S).await;
    let _ = ask(&layer, "up").await;
    assert_eq!(known(&layer), ["up"]);
}

// CBK-15
#[tokio::test(start_paused = true)]
async fn idle_circuits_go_but_not_those_held_by_hand() {
    let layer = layer(Keys::hosts().idle_after(60 * S));
    let _ = (ask(&layer, "a").await, ask(&layer, "b").await, ask(&layer, "c").await);
    layer.circuits().get("a").unwrap().become_state(State::ForcedOpen).unwrap();
    advance(59 * S).await;
    let _ = ask(&layer, "b").await;
    advance(S).await;
    let _ = ask(&layer, "new").await;
    assert_eq!(known(&layer), ["a", "b", "new"]);
}

#[test]
fn a_host_is_without_credentials_and_in_lower_case() {
    let host = |uri: &str, header: Option<&str>| {
        let mut request = Request::get(uri);
        if let Some(header) = header {
            request = request.header("host", header);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        by_host(&parts).map(|host| host.into_owned())
    };
    assert_eq!(host("https://User:Secret@API.Example:8443/x", None).unwrap(), "api.example:8443");
    assert_eq!(host("/x", Some("Api.example")).unwrap(), "api.example");
    assert_eq!(host("https://a/", Some("b")).unwrap(), "a");
    assert_eq!(host("/x", None), None);
    assert_eq!(host("https://[::1]:80/", None).unwrap(), "[::1]:80");
}

#[tokio::test]
async fn many_threads_get_one_circuit_for_one_key() {
    let layer = layer(Keys::hosts());
    let asking = (0..8).map(|_| {
        let layer = layer.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                for call in 0..50 {
                    let _ = ask(&layer, &format!("h{}", call % 5)).await;
                }
            });
        })
    });
    asking.collect::<Vec<_>>().into_iter().for_each(|asking| asking.join().unwrap());
    let snapshots = layer.circuits().snapshots();
    assert_eq!(snapshots.len(), 6);
    assert!(snapshots[1..].iter().all(|snapshot| snapshot.calls == 10), "{snapshots:?}");
}
