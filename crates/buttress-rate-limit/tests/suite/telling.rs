use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use buttress_rate_limit::{ClientAddr, Limit, RateLimitLayer};
use tracing_subscriber::fmt::MakeWriter;

use super::common::{ask, by_address, from, of, quota, status};

/// What the hook of a layer heard: limits, shadow, wait.
type Heard = Arc<Mutex<Vec<(Vec<&'static str>, bool, Option<Duration>)>>>;

fn hooked(layer: RateLimitLayer) -> (RateLimitLayer, Heard) {
    let heard = Heard::default();
    let hook = heard.clone();
    let layer = layer.on_refused(move |refused| {
        hook.lock().unwrap().push((refused.limits().to_vec(), refused.shadow, refused.wait));
    });
    (layer, heard)
}

#[tokio::test(start_paused = true)]
async fn the_hook_hears_of_every_refusal() {
    let (layer, heard) = hooked(by_address("1/min"));
    ask(&layer, from("192.0.2.1")).await;
    assert!(heard.lock().unwrap().is_empty());
    ask(&layer, from("192.0.2.1")).await;
    assert_eq!(*heard.lock().unwrap(), [(vec!["address"], false, Some(Duration::from_secs(60)))]);
}

// RLM-15
#[tokio::test(start_paused = true)]
async fn a_shadow_is_told_and_refuses_nobody() {
    let limits = [
        Limit::new("new", quota("1/min"), ClientAddr::peer()).shadow(),
        Limit::new("old", quota("3/min"), ClientAddr::peer()),
    ];
    let (layer, heard) = hooked(RateLimitLayer::new(limits).unwrap());
    for expected in [200, 200, 200, 429] {
        assert_eq!(status(&layer, from("192.0.2.1")).await, expected);
    }
    let heard = heard.lock().unwrap();
    let shadows = heard.iter().filter(|(limits, shadow, _)| *shadow && limits == &["new"]).count();
    assert_eq!((shadows, heard.len()), (3, 4));
}

// RLM-15: the share that is enforced can be ramped up, and stays the same for a key.
#[tokio::test(start_paused = true)]
async fn a_share_of_keys_is_enforced() {
    let layer = |percent| {
        let limit = Limit::new("user", quota("1/h"), super::common::by_user()).enforce_for(percent);
        RateLimitLayer::new([limit]).unwrap()
    };
    let names: Vec<&'static str> = (0..400).map(|i| &*format!("user-{i}").leak()).collect();
    for (percent, range) in [(0, 0..=0), (30, 70..=170), (100, 400..=400)] {
        let (layer, mut refused) = (layer(percent), 0);
        for name in &names {
            ask(&layer, of(name, "192.0.2.1")).await;
            let twice = [status(&layer, of(name, "192.0.2.1")).await, status(&layer, of(name, "192.0.2.1")).await];
            assert_eq!(twice[0], twice[1]);
            refused += u32::from(twice[0] == 429);
        }
        assert!(range.contains(&refused), "{refused} at {percent} %");
    }
}

// RLM-11, RLM-15
#[cfg(feature = "metrics")]
#[test]
fn refusals_and_failures_are_counted_by_limit() {
    use buttress_rate_limit::Failure;
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};

    use super::common::{Far, Manner};

    let recorder = DebuggingRecorder::new();
    let counted = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let layer = by_address("1/min");
            for _ in 0..3 {
                ask(&layer, from("192.0.2.1")).await;
            }
            for failure in [Failure::Open, Failure::Closed, Failure::Local] {
                let limit = Limit::new("far", quota("1/min"), ClientAddr::peer()).on_failure(failure);
                ask(&RateLimitLayer::with_store(Far::new(Manner::Broken), [limit]).unwrap(), from("192.0.2.1")).await;
            }
        });
    });
    let mut found: Vec<_> = counted
        .snapshot()
        .into_vec()
        .into_iter()
        .map(|(key, _, _, value)| {
            let labels: Vec<_> = key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            let DebugValue::Counter(count) = value else { panic!("a counter") };
            format!("{}{{{}}} {count}", key.key().name(), labels.join(","))
        })
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            "buttress_rate_limit_refused_total{limit=address,shadow=false} 2",
            "buttress_rate_limit_store_failures_total{limit=far,outcome=closed} 1",
            "buttress_rate_limit_store_failures_total{limit=far,outcome=local} 1",
            "buttress_rate_limit_store_failures_total{limit=far,outcome=open} 1",
        ]
    );
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn each_is_a_line_in_the_log_without_any_key() {
    // Without one for all threads, a test in another one may be the first to come by an event, which is then off for all.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).without_time().with_writer(lines.clone());
    let guard = tracing::dispatcher::set_default(&subscriber.finish().into());
    let layer = by_address("1/min");
    ask(&layer, from("192.0.2.1")).await;
    ask(&layer, from("192.0.2.1")).await;
    ask(&layer, http::Request::new(())).await;
    let limit = Limit::new("tokens", quota("1/min"), ClientAddr::peer()).settle(|_| panic!("on purpose"));
    let broken = RateLimitLayer::new([limit]).unwrap().exempt(|_| panic!("on purpose"));
    ask(&broken, from("192.0.2.1")).await;
    drop(guard);
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let said: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (&said[0]["message"], &said[0]["limit"], &said[0]["wait_ms"]),
        (&"rate_limited".into(), &"address".into(), &60_000.into())
    );
    // IPA-9
    assert_eq!((&said[1]["message"], &said[1]["level"]), (&"rate_limit_misconfigured".into(), &"ERROR".into()));
    assert!(said[1]["error"].as_str().unwrap().contains("PeerAddr"));
    // RLM-16
    let panicked: Vec<_> = said[2..].iter().map(|line| (&line["message"], &line["level"], &line["limit"])).collect();
    let (message, level) = ("rate_limit_panicked".into(), "ERROR".into());
    assert_eq!(panicked, [(&message, &level, &serde_json::Value::Null), (&message, &level, &"tokens".into())]);
    assert!(!text.contains("192.0.2.1"), "{text}");
}
