#![doc = include_str!("../README.md")]

mod body;
mod correlation;
mod notes;
mod peer;
mod problem;
mod retry_after;

pub use body::Body;
pub use correlation::{CorrelationId, InvalidCorrelationId};
pub use notes::{Noted, Notes};
pub use peer::PeerAddr;
pub use problem::{FieldProblem, Problem, ProblemCode};
pub use retry_after::RetryAfter;
