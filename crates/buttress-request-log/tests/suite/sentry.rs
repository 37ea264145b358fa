//! What arrives at Sentry, through its test transport.

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use buttress_core::{CorrelationId, Notes};
use buttress_request_log::{Record, RequestLogLayer};
use http::{Request, Response};
use http_body_util::Full;
use sentry::{
    Hub, Level, SentryFutureExt,
    protocol::{Breadcrumb, Context, Event},
};
use serde_json::{Value, json};
use tokio::{runtime, task::yield_now};
use tower::{Layer, ServiceExt, service_fn};
use tracing::{Instrument, error, info, info_span, warn};
use tracing_subscriber::layer::SubscriberExt;

use crate::common::{drain, subscribe};

type Answer = Result<Response<Full<&'static [u8]>>, &'static str>;

/// What the client layers of the kit emit while a call is tried again, over several polls.
async fn troubled_call(request: &Request<()>) {
    info!(target: "buttress_retry", attempt = 2, delay_ms = 250, status = 503, "retry_scheduled");
    request.extensions().get::<Notes>().unwrap().write(|noted| noted.retries = 1);
    yield_now().await;
    warn!(target: "buttress_circuit_breaker", from = "closed", to = "open", "breaker_transition");
    yield_now().await;
}

/// Runs a request in a span and with a hub of its own, as a server does that uses Sentry, and gives what arrived.
fn captured(level_by: fn(&Record) -> tracing::Level, answer: fn() -> Answer) -> Vec<Event<'static>> {
    let layer = RequestLogLayer::new().level_by(level_by);
    let handler = service_fn(move |request: Request<()>| async move {
        troubled_call(&request).await;
        answer()
    });
    let mut request = Request::post("/api/images").body(()).unwrap();
    request.extensions_mut().insert::<CorrelationId>("abc-1".parse().unwrap());
    // Sentry's spans would throw away at each poll what breadcrumbs came since the last one.
    let subscriber = tracing_subscriber::registry().with(sentry_tracing::layer().span_filter(|_| false));
    sentry::test::with_captured_events(|| {
        let _guard = subscribe(subscriber);
        let hub = Arc::new(Hub::new_from_top(Hub::current()));
        hub.configure_scope(|scope| scope.set_tag("correlation_id", "abc-1"));
        let asked = layer.layer(handler).oneshot(request).instrument(info_span!("request"));
        let run = runtime::Builder::new_current_thread().build().unwrap();
        let asked = run_to_its_end(|| run.block_on(async { asked.bind_hub(hub.clone()).await }));
        asked.into_iter().for_each(|response| Hub::run(hub.clone(), || drain(&mut response.into_body())));
    })
}

/// An answer, unless there was an error or a panic.
fn run_to_its_end<T, E>(ask: impl FnOnce() -> Result<T, E>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(ask)).ok()?.ok()
}

#[track_caller]
fn one(events: Vec<Event<'static>>) -> Event<'static> {
    let [event] = <[_; 1]>::try_from(events).unwrap();
    event
}

fn field<'a>(event: &'a Event<'_>, name: &str) -> Option<&'a Value> {
    match event.contexts.get("Rust Tracing Fields") {
        Some(Context::Other(fields)) => fields.get(name),
        _ => None,
    }
}

#[track_caller]
fn crumb<'a>(event: &'a Event<'_>, message: &str) -> &'a Breadcrumb {
    let found = event.breadcrumbs.iter().find(|crumb| crumb.message.as_deref() == Some(message));
    found.unwrap_or_else(|| panic!("{message} is missing in {:?}", event.breadcrumbs))
}

#[track_caller]
fn assert_breadcrumbs(event: &Event<'_>) {
    let retry = crumb(event, "retry_scheduled");
    assert_eq!((retry.level, retry.category.as_deref()), (Level::Info, Some("buttress_retry")));
    assert_eq!((&retry.data["attempt"], &retry.data["delay_ms"]), (&json!(2), &json!(250)));
    let transition = crumb(event, "breaker_transition");
    assert_eq!((transition.level, transition.category.as_deref()), (Level::Warning, Some("buttress_circuit_breaker")));
    assert_eq!((&transition.data["from"], &transition.data["to"]), (&json!("closed"), &json!("open")));
    assert_eq!(event.tags["correlation_id"], "abc-1");
}

#[test]
fn retries_and_breaker_transitions_are_breadcrumbs_of_an_error_that_a_handler_logs() {
    let answer = || {
        error!(job_id = 7, "job_failed");
        Ok(Response::new(Full::new(&b"sorry"[..])))
    };
    let event = one(captured(|_| tracing::Level::INFO, answer));
    assert_eq!((event.level, event.message.as_deref()), (Level::Error, Some("job_failed")));
    assert_breadcrumbs(&event);
}

#[test]
fn the_line_of_a_failure_is_an_error_with_its_fields_and_breadcrumbs() {
    let broken = || Ok(Response::builder().status(500).body(Full::new(&b"broken"[..])).unwrap());
    let cases: [(fn() -> Answer, _, _); 3] = [
        (broken, "answered", Some(json!(500))),
        (|| Err("no route to host"), "failed", None),
        (|| panic!("on purpose"), "panicked", None),
    ];
    for (answer, outcome, status) in cases {
        let event = one(captured(Record::severity, answer));
        assert_eq!((event.level, event.message.as_deref()), (Level::Error, Some("request_finished")));
        assert_eq!(event.logger.as_deref(), Some("buttress_request_log"));
        assert_eq!(field(&event, "outcome"), Some(&json!(outcome)));
        assert_eq!(field(&event, "status"), status.as_ref());
        assert_eq!(field(&event, "correlation_id"), Some(&json!("abc-1")));
        assert_eq!(field(&event, "retry_count"), Some(&json!(1)));
        assert_breadcrumbs(&event);
    }
}

#[test]
fn the_line_of_a_calm_request_is_a_breadcrumb_of_what_comes_next() {
    let events = sentry::test::with_captured_events(|| {
        let subscriber = tracing_subscriber::registry().with(sentry_tracing::layer());
        let _guard = subscribe(subscriber);
        let calm = service_fn(|_| async { Ok::<_, Infallible>(Response::new(Full::new(&b"fine"[..]))) });
        let mut request = Request::new(());
        request.extensions_mut().insert::<CorrelationId>("abc-1".parse().unwrap());
        let run = runtime::Builder::new_current_thread().build().unwrap();
        drain(&mut run.block_on(RequestLogLayer::new().layer(calm).oneshot(request)).unwrap().into_body());
        error!("job_failed");
    });
    let event = one(events);
    let line = crumb(&event, "request_finished");
    assert_eq!((line.level, &line.data["correlation_id"]), (Level::Info, &json!("abc-1")));
}
