#![doc = include_str!("../README.md")]

mod baggage;
mod call;
mod current;
mod future;
mod generate;
mod hex;
mod inbound;
mod layer;
mod outbound;
mod random;
mod scope;
mod seen;
mod service;
mod settings;
mod trace_context;
mod trace_parent;
mod trace_state;
mod unanswered;
mod uuid;

pub use baggage::Baggage;
pub use current::{current, current_baggage, current_trace};
pub use future::ResponseFuture;
pub use generate::{MakeCorrelationId, UuidV7};
pub use inbound::OuterCorrelationId;
pub use layer::CorrelationLayer;
pub use outbound::{Outbound, OutboundLayer};
pub use scope::{CorrelationExt, Scope, scope};
pub use service::Correlation;
pub use settings::{OuterTrace, Policy};
pub use trace_context::TraceContext;
pub use trace_parent::{InvalidTraceParent, TraceId, TraceParent};
pub use trace_state::{InvalidTraceState, TraceState};
pub use unanswered::{Cause, Unanswered};
