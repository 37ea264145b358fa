//! The log lines: one test in a binary of its own, since whether a line is wanted is settled once for a process.

#![expect(clippy::unwrap_used, reason = "a test ends where its ground is not firm")]

use std::{
    fmt::{Debug, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use buttress_provider::{ImageRequest, ProviderAdapter};
use buttress_superduperai::{SuperDuperAi, Token};
use futures_util::StreamExt;
use http::{Method, StatusCode};
use superduperai_sim::{Fault, Settings, Simulator, TOKEN, Then};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// Keeps every event as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("buttress_superduperai")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push_str(&(line.0 + "\n"));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
async fn log_lines_have_stable_names_and_no_secrets() {
    let log = Log::default();
    tracing::subscriber::set_global_default(log.clone()).unwrap();
    let sim = Simulator::start(Settings::default().step(Duration::from_millis(5))).await.unwrap();
    sim.add_fault(Fault::new(Method::POST, "/api/v1/file/generate-image", Then::DropBefore));
    sim.add_fault(Fault::new(Method::GET, "/api/v1/generation-config", StatusCode::INTERNAL_SERVER_ERROR));

    let provider = SuperDuperAi::connect(sim.url().parse().unwrap(), Token::new(TOKEN).unwrap()).unwrap();
    let provider = provider.lookup_pause(Duration::from_millis(1));
    let boat = ImageRequest::new("comfyui/flux", "a paper boat");
    provider.create_image_job(boat.clone()).await.unwrap_err();
    let job = provider.create_image_job(boat).await.unwrap();
    provider.watch(job).for_each(|_| std::future::ready(())).await;

    let text = log.0.lock().unwrap().clone();
    for expected in [
        "DEBUG message=provider_refused operation=models",
        "status=500",
        "message=provider_gave_no_answer operation=create_image",
        "WARN message=create_in_doubt operation=create_image kind=Unavailable",
        "WARN message=create_adopted operation=create_image job_id=",
        "message=provider_answered operation=status",
        "message=events_connected job_id=",
    ] {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
    assert!(!text.contains(TOKEN) && !text.contains("paper boat"), "{text}");
}
