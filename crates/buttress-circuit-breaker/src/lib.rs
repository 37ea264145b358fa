#![doc = include_str!("../README.md")]

mod body;
mod circuit;
mod classify;
mod clock;
mod count_window;
mod entry;
mod event;
mod exceeded;
mod future;
mod gate;
mod handle;
mod keys;
mod lane;
mod layer;
#[cfg(feature = "metrics")]
mod meter;
#[cfg(not(feature = "metrics"))]
#[path = "no_meter.rs"]
mod meter;
mod open_time;
mod permit;
mod policy;
mod reading;
mod refusal;
mod registry;
mod rules;
mod service;
mod shared;
mod snapshot;
mod state;
mod sync;
mod telemetry;
mod time_window;
mod trials;
mod trips;
mod window;

pub use body::ResponseBody;
pub use classify::{ByStatus, Classify, Verdict};
pub use event::{Cause, Event, EventKind, Origin};
pub use future::ResponseFuture;
pub use handle::{Circuit, Circuits};
pub use keys::{Keys, by_host};
pub use layer::BreakerLayer;
pub use open_time::OpenTime;
pub use policy::{Cancelled, HalfOpenEnd, JudgeAt, Policy, TrialRule, Window};
pub use refusal::{CIRCUIT_OPEN, Refusal};
pub use rules::InvalidPolicy;
pub use service::Breaker;
pub use snapshot::Snapshot;
pub use state::{InvalidTransition, State};
