#![doc = include_str!("../README.md")]

mod body;
mod correlation;
mod peer;
mod problem;
mod retry_after;

pub use body::Body;
pub use correlation::{CorrelationId, InvalidCorrelationId};
pub use peer::PeerAddr;
pub use problem::{FieldProblem, Problem, ProblemCode};
pub use retry_after::RetryAfter;
