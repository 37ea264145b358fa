use std::time::Duration;

use http::{Method, StatusCode};

use crate::Outcome;

/// What is counted of a request.
#[cfg_attr(not(feature = "metrics"), allow(dead_code))]
pub(crate) struct Counted<'a> {
    pub(crate) route: &'a str,
    pub(crate) method: &'a Method,
    pub(crate) status: Option<StatusCode>,
    pub(crate) outcome: Outcome,
    pub(crate) duration: Duration,
    pub(crate) time_to_first_byte: Option<Duration>,
    pub(crate) request_bytes: Option<u64>,
    pub(crate) response_bytes: u64,
}
