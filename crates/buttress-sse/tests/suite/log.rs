use std::time::Duration;

use buttress_sse::{
    MemoryLog, Retention,
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
