use std::{
    io::{self, IsTerminal},
    sync::OnceLock,
    time::Duration,
};

use buttress_provider::Job;
use metrics::counter;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{EnvFilter, Layer, fmt, layer::SubscriberExt, registry, util::SubscriberInitExt};

use crate::{LogFormat, Reports, Settings, reports};

/// Sends log lines to stderr, filtered by `RUST_LOG` (`info` if unset), and errors to Sentry, if there is a `SENTRY_DSN`.
///
/// Keep what it gives for as long as the process runs.
pub fn init_logs(settings: &Settings) -> Reports {
    let reports = Reports::start(settings.sentry_dsn.as_ref());
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = fmt::layer().with_writer(io::stderr);
    let lines = match settings.log {
        LogFormat::Pretty => lines.with_target(false).with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let sent = settings.sentry_dsn.as_ref().map(|_| reports::layer());
    let set = registry().with(lines.with_filter(filter)).with(sent).try_init();
    drop(set); // Whoever embeds a gateway may have set up logs of its own.
    reports
}

/// Collects metrics in this process and gives the handle that prints them as Prometheus text.
pub fn init_metrics() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        drop(metrics::set_global_recorder(recorder)); // As for logs.
        handle
    })
}

/// Keeps metrics small while nobody fetches them. Never ends.
pub async fn keep_metrics_small() {
    let mut ticks = tokio::time::interval(Duration::from_secs(5));
    loop {
        ticks.tick().await;
        init_metrics().run_upkeep();
    }
}

pub(crate) fn job_started(job: &Job) {
    counter!("gateway_jobs_started_total", "kind" => job.kind.as_str()).increment(1);
}

pub(crate) fn job_finished(job: &Job) {
    let status = job.status.as_str().to_owned();
    counter!("gateway_jobs_finished_total", "kind" => job.kind.as_str(), "status" => status).increment(1);
}

pub(crate) fn event_stream_opened() {
    counter!("gateway_event_streams_total").increment(1);
}
