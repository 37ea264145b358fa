mod create;
mod events;
mod look;

use std::{sync::Arc, time::Duration};

use buttress_circuit_breaker::{CIRCUIT_OPEN, Circuits};
use buttress_core::{Notes, Problem};
use buttress_idempotency::{CallKey, Run};
use buttress_provider::{Cost, JobId, ProviderError};
use buttress_rate_limit::RateLimitLayer;
use buttress_sse::{Drain, Heartbeat, HeartbeatLayer, MemoryLog, Retention};
use buttress_superduperai::LocalRefusal;
use http::{HeaderMap, Request, request::Parts};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::info;

use crate::{
    Context, JobView, Settings, User, codes, idempotency,
    jobs::{Jobs, Record},
    limits,
    once::OnceLayer,
    provider::{self, Connected, Provider, Simulated},
    telemetry,
    users::{Caller, Known, Users},
};

/// How long a client waits before it comes back to an event stream.
const RECONNECT: Duration = Duration::from_secs(2);

/// What the gateway does, apart from how it is hosted. A clone is the same gateway.
#[derive(Clone, Debug)]
pub struct Gateway(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    provider: Provider,
    circuits: Circuits,
    simulated: Option<Simulated>,
    users: Users,
    limits: RateLimitLayer,
    jobs: Arc<Jobs>,
    log: MemoryLog,
    heartbeat: Heartbeat,
    drain: Drain,
    idempotency: OnceLayer,
    tasks: TaskTracker,
    stopped: CancellationToken,
}

impl Gateway {
    /// Builds a gateway, and starts the simulator if no provider is set.
    ///
    /// # Errors
    ///
    /// When a setting cannot work after all, or the simulator cannot listen.
    pub async fn start(settings: Settings) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let Connected { provider, circuits, simulated } = provider::connect(&settings).await?;
        let retention = Retention::default().events(settings.retain_events).age(settings.retain);
        let inner = Inner {
            provider,
            circuits,
            simulated,
            users: Users::new(&settings.api_keys, settings.guests, settings.session_secret.as_ref()),
            limits: limits::layer(&settings)?,
            jobs: Arc::default(),
            log: MemoryLog::new(retention)?,
            // A tenth of jitter, so that many lines do not beat together.
            heartbeat: Heartbeat::every(settings.heartbeat)?.jitter(settings.heartbeat / 10),
            drain: Drain::new(),
            idempotency: OnceLayer::new(idempotency::layer(&settings)?)?,
            tasks: TaskTracker::new(),
            stopped: CancellationToken::new(),
            settings,
        };
        Ok(Self(Arc::new(inner)))
    }

    /// Its settings.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The layer that keeps its event streams alive, and ends them when it [drains](Self::drain).
    pub fn heartbeats(&self) -> HeartbeatLayer {
        let layer = HeartbeatLayer::new(self.0.heartbeat.clone()).retry(RECONNECT).drained_by(&self.0.drain);
        // `no-store`, as the contract says.
        layer.keep_cache_control()
    }

    /// The simulator, when no provider is set.
    pub fn simulator(&self) -> Option<&Simulated> {
        self.0.simulated.as_ref()
    }

    /// Finds out who sent a request, for all who come after: limits, idempotency keys and [`context`](Self::context).
    pub fn identify<B>(&self, mut request: Request<B>) -> Request<B> {
        let known = self.known(request.headers());
        // Also for the log lines of requests that no handler sees.
        if let (Some(user), Some(notes)) = (known.user(), Notes::of(request.extensions())) {
            notes.write(|noted| noted.user_id = Some(user.as_str().to_owned().into()));
        }
        request.extensions_mut().insert(known);
        request
    }

    /// The limits of users and addresses. It stands below [`identify`](Self::identify).
    pub fn limits(&self) -> RateLimitLayer {
        self.0.limits.clone()
    }

    /// What is known of a request that came through the stack.
    ///
    /// # Errors
    ///
    /// 401 for unknown credentials, and for none where guests are not let in.
    ///
    /// # Panics
    ///
    /// When no layer gave the request a correlation id.
    pub fn context(&self, parts: &Parts) -> Result<Context, Problem> {
        let Known(caller) = parts.extensions.get().cloned().unwrap_or_else(|| self.known(&parts.headers));
        let Caller { user, cookie } = caller?;
        let correlation_id = parts.extensions.get().cloned().expect("the correlation layer stands above the routes");
        let notes: Notes = parts.extensions.get().cloned().unwrap_or_default();
        notes.write(|noted| noted.user_id = Some(user.as_str().to_owned().into()));
        let call_key = parts.extensions.get::<Run>().map_or_else(CallKey::random, Run::call_key);
        Ok(Context { user, cookie, correlation_id, notes, call_key })
    }

    fn known(&self, headers: &HeaderMap) -> Known {
        Known(self.0.users.identify(headers))
    }

    /// The layer that lets a request with an idempotency key start its job once. It stands below [`Self::identify`].
    pub fn idempotency(&self) -> OnceLayer {
        self.0.idempotency.clone()
    }

    /// `GET /healthz`: that the gateway lives, and what it stands in front of.
    pub fn health(&self) -> serde_json::Value {
        let provider = if self.0.simulated.is_some() { "simulator" } else { "superduperai" };
        let states = self.0.circuits.snapshots().into_iter();
        let breakers: serde_json::Map<_, _> =
            states.map(|circuit| (circuit.name.to_string(), circuit.state.as_str().into())).collect();
        serde_json::json!({ "status": "ok", "provider": provider, "breakers": breakers })
    }

    /// `GET /metrics`: Prometheus text.
    pub fn metrics(&self) -> String {
        // Brings what the breakers have counted up to date.
        drop(self.0.circuits.snapshots());
        telemetry::init_metrics().render()
    }

    /// Ends every event stream at the border of an event, so that its client comes back elsewhere.
    pub fn drain(&self) {
        self.0.drain.drain();
    }

    /// Ends all work. Jobs that run still are told as failed here; the provider goes on with them.
    pub async fn stop(&self) {
        self.0.idempotency.detached().idle().await;
        self.0.stopped.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    fn find(&self, user: &User, id: &str) -> Result<Record, Problem> {
        let id = id.parse::<JobId>().ok();
        let record = id.and_then(|id| self.0.jobs.find(user, &id));
        record.ok_or_else(|| codes::not_found("there is no such job"))
    }
}

fn note_provider(notes: &Notes) {
    notes.write(|noted| noted.provider = Some("superduperai".into()));
}

fn note_cost(notes: &Notes, cost: Option<&Cost>) {
    notes.write(|noted| noted.cost = cost.map(|cost| (cost.amount, cost.currency.clone())));
}

fn view(record: &Record) -> JobView {
    JobView::new(&record.job, record.created_at, &record.correlation_id)
}

/// The problem for the caller; the cause goes to the log.
fn told(error: &ProviderError) -> Problem {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    info!(error = %error, kind = ?error.kind(), cause, "provider_error");
    let refusal = std::error::Error::source(error).and_then(|source| source.downcast_ref::<LocalRefusal>());
    match refusal.map(LocalRefusal::problem).filter(|problem| problem.code() == CIRCUIT_OPEN) {
        Some(problem) => codes::circuit_open(problem.delay()),
        None => error.to_problem(),
    }
}
