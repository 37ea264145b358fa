use std::{
    io::{self, IsTerminal},
    sync::OnceLock,
    time::Duration,
};

use buttress_provider::Job;
use metrics::counter;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::LogFormat;

/// Sends log lines to stderr, filtered by `RUST_LOG` (`info` if unset).
pub fn init_logs(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let set = match format {
        LogFormat::Pretty => lines.with_target(false).with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    drop(set); // Whoever embeds a gateway may have set up logs of its own.
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
