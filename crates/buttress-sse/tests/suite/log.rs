use std::time::Duration;

use buttress_sse::{
    Claim, Cursor, EventLog, MemoryLog, Retention, StreamKey,
    conformance::{Terms, check},
};
use tokio::time::advance;

// SSE-46, SSE-47, SSE-48, SSE-49, SSE-50, SSE-58, SSE-60, SSE-61
#[tokio::test(start_paused = true)]
async fn the_memory_obeys_the_law_of_logs() {
    let terms = Terms { events: 5, age: Duration::from_secs(60), lease: Duration::from_secs(10) };
    let log = MemoryLog::new(Retention::default().events(5).age(terms.age)).unwrap();
    check(&log, terms, async |time| advance(time).await).await;
}

// SSE-58
#[tokio::test(start_paused = true)]
async fn a_full_memory_makes_room_where_a_producer_has_vanished() {
    let log = MemoryLog::new(Retention::default().streams(1)).unwrap();
    let lease = Duration::from_secs(10);
    let claim = |name| log.claim(&StreamKey::unscoped(name), &Cursor::random().unwrap(), lease);
    let start = Cursor::random().unwrap();
    log.claim(&StreamKey::unscoped("a"), &start, lease).await.unwrap();
    log.append(&StreamKey::unscoped("a"), &start.at(1), "data: x\n\n".into()).await.unwrap();
    assert_eq!(claim("b").await, Ok(Claim::Full));
    advance(lease).await;
    assert_eq!(claim("b").await, Ok(Claim::Won));
    assert_eq!(log.read(&StreamKey::unscoped("a"), None, 1).await, Ok(None));
}
