//! What an error of a service means, by the sources that it has.

use std::error::Error;

use buttress_core::Problem;

use crate::{Code, codes};

/// The problem that an error stands for: the first of it and its sources that is known, else `internal`.
///
/// Known are the errors of tower's `timeout`, `load_shed` and `buffer`, of Tokio's timeouts, of `http_body_util::Limited`
/// and of `std::io` with the kind `TimedOut`. Those of tower and `http_body_util` are known by what they say, so that
/// this crate depends on neither; nothing of what an error says is shown.
///
/// # Examples
///
/// ```
/// use buttress_envelope::problem_of;
///
/// let error = std::io::Error::from(std::io::ErrorKind::TimedOut);
/// assert_eq!(problem_of(&error).status(), 504);
/// ```
#[must_use]
pub fn problem_of(error: &(dyn Error + 'static)) -> Problem {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some((code, message)) = known(error) {
            return code.problem(message);
        }
        next = error.source();
    }
    codes::INTERNAL.problem("something went wrong on our side")
}

fn known(error: &(dyn Error + 'static)) -> Option<(Code, &'static str)> {
    let timed_out = Some((codes::TIMEOUT, "the answer took too long"));
    let busy = Some((codes::UNAVAILABLE, "the server is too busy"));
    if is_time(error) {
        return timed_out;
    }
    // Errors of other crates say short, constant texts.
    match error.to_string().as_str() {
        "request timed out" | "deadline has elapsed" => timed_out,
        "service overloaded" | "buffer's worker closed unexpectedly" => busy,
        "length limit exceeded" => Some((codes::PAYLOAD_TOO_LARGE, "the body is too long")),
        _ => None,
    }
}

fn is_time(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::TimedOut)
}
