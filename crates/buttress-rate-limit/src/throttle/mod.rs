//! Paces calls that leave.

mod future;
mod layer;
mod line;
#[cfg(loom)]
#[allow(missing_docs, reason = "not there outside of models")]
pub mod model;
mod refusal;
mod service;

pub use future::ThrottleFuture;
pub use layer::ThrottleLayer;
pub use service::Throttle;
