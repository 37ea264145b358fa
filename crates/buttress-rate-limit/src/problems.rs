//! What those are told whom limits refuse. It depends on the limits alone, and many are told: each problem is made when it
//! is first needed, and kept.

use std::sync::OnceLock;

use buttress_core::{Problem, ProblemCode};
use http::StatusCode;

use crate::{
    Reason,
    core::Armed,
    refusal::LAYER,
    which::{Names, Which},
};

/// One for each set of limits.
pub(crate) struct Problems(Box<[OnceLock<Problem>]>);

impl Problems {
    pub(crate) fn new(limits: usize) -> Self {
        Self((0..1_usize << limits).map(|_| OnceLock::new()).collect())
    }

    /// What is told when these limits are violated.
    pub(crate) fn of<L>(&self, violated: Which, limits: &[Armed<L>]) -> Problem {
        self.0[violated.number()].get_or_init(|| problem(violated, limits).prepared()).clone()
    }
}

/// The first of them decides what it is called.
fn problem<L>(violated: Which, limits: &[Armed<L>]) -> Problem {
    let reason = violated.of(limits).next().map_or(Reason::Quota, |armed| armed.limit.reason);
    named(said(reason), violated, limits).may_retry().refused_by(LAYER)
}

/// With the names of the limits that are violated.
pub(crate) fn named<L>(problem: Problem, violated: Which, limits: &[Armed<L>]) -> Problem {
    problem.detail("violated-policies", Names::of(violated, limits).list())
}

const RATE_LIMITED: ProblemCode = ProblemCode::new("rate_limited");
const OVERLOADED: ProblemCode = ProblemCode::new("overloaded");

const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";
const ABNORMAL_USAGE: &str = "https://iana.org/assignments/http-problem-types#abnormal-usage-detected";
const REDUCED_CAPACITY: &str = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity";

/// The problem types of draft-ietf-httpapi-ratelimit-headers-10, section 5 (RLM-8).
fn said(reason: Reason) -> Problem {
    let (status, code, kind, message) = match reason {
        Reason::Quota => (StatusCode::TOO_MANY_REQUESTS, RATE_LIMITED, QUOTA_EXCEEDED, "too many requests"),
        Reason::Abuse => {
            (StatusCode::TOO_MANY_REQUESTS, RATE_LIMITED, ABNORMAL_USAGE, "too many requests of an unusual kind")
        }
        Reason::Capacity => (StatusCode::SERVICE_UNAVAILABLE, OVERLOADED, REDUCED_CAPACITY, "the server is busy"),
    };
    Problem::new(status, code, message).kind(kind)
}
