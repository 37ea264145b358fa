#![doc = include_str!("../README.md")]

mod attempt;
mod body;
mod correlation;
mod deadline;
mod notes;
mod peer;
mod problem;
mod problem_json;
mod retry_after;
mod told;

pub use attempt::Attempt;
pub use body::Body;
pub use correlation::{CorrelationId, InvalidCorrelationId};
pub use deadline::Deadline;
pub use notes::{Noted, Notes};
pub use peer::PeerAddr;
pub use problem::{FieldProblem, Problem, ProblemCode};
pub use retry_after::RetryAfter;
