//! Paces calls that leave.

mod future;
mod layer;
mod line;
mod refusal;
mod service;

pub use future::ThrottleFuture;
pub use layer::ThrottleLayer;
pub use service::Throttle;
