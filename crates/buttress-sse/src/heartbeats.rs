//! A layer that keeps any event stream alive, and ends it in good order.

mod body;
mod follower;
mod future;
mod head;
mod layer;
mod lead;
mod service;
mod unfinished;

pub use body::HeartbeatBody;
pub use future::HeartbeatFuture;
pub use layer::HeartbeatLayer;
pub use service::Heartbeats;
pub use unfinished::UnfinishedEvent;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
