//! What the example gateways share, whatever server hosts them: settings, users, requests, jobs, answers and the demo
//! page. A host adds routes, its own extractors, and its stack of layers.

mod answer;
mod body;
mod codes;
mod context;
mod gateway;
mod idempotency;
mod input;
mod jobs;
mod limits;
mod once;
mod openapi;
mod page;
mod provider;
mod reports;
mod resilience;
mod run;
mod server;
mod settings;
mod telemetry;
mod upload;
mod users;
mod view;

pub use answer::{Answer, accepted, empty, failed, health, json, metrics, not_allowed, streamed};
pub use body::read_json;
pub use codes::{CATALOGUE, GATEWAY_CODES, nothing_here};
pub use context::Context;
pub use gateway::Gateway;
pub use input::{BODY_LIMIT, BODY_TIMEOUT, NewImage, NewVideo, parse_json};
pub use once::{Once, OnceLayer};
pub use openapi::openapi;
pub use page::{asset, page};
pub use provider::Simulated;
pub use reports::{Report, ReportBody, ReportFuture, ReportLayer, Reports};
pub use resilience::{BreakerSettings, RetrySettings};
pub use server::{run, serve};
pub use settings::{LogFormat, ProviderAccess, Settings};
pub use telemetry::{init_logs, init_metrics, keep_metrics_small};
pub use upload::UPLOAD_LIMIT;
pub use users::User;
pub use view::JobView;
