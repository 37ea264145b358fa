use buttress_core::{CorrelationId, Problem, RetryAfter};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde::Serialize;

use crate::codes;

/// `{"ok":true,"data":…}`.
pub fn success<T: Serialize>(status: StatusCode, data: &T) -> Response<Bytes> {
    #[derive(Serialize)]
    struct Success<'a, T> {
        ok: bool,
        data: &'a T,
    }
    let body = serde_json::to_vec(&Success { ok: true, data });
    json(status, "application/json", body.expect("the gateway's own answers serialise").into())
}

/// `{"ok":false,"error":{…}}`, or RFC 9457 problem details where the caller prefers them.
pub fn failure(problem: &Problem, correlation_id: &CorrelationId, request: &HeaderMap) -> Response<Bytes> {
    let mut response = if prefers_problem_details(request) {
        json(problem.status(), "application/problem+json", problem.to_problem_json(Some(correlation_id)))
    } else {
        json(problem.status(), "application/json", envelope(problem, correlation_id))
    };
    if let Some(delay) = problem.delay() {
        response.headers_mut().insert(RETRY_AFTER, RetryAfter::header_value(delay));
    }
    if problem.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// The same for an answer that has no more than a status.
pub fn failure_of_status(status: StatusCode, correlation_id: &CorrelationId, request: &HeaderMap) -> Response<Bytes> {
    failure(&codes::of_status(status), correlation_id, request)
}

fn envelope(problem: &Problem, correlation_id: &CorrelationId) -> Bytes {
    #[derive(Serialize)]
    struct Failure<'a> {
        ok: bool,
        error: ErrorView<'a>,
    }
    let error = ErrorView {
        code: problem.code().as_str(),
        message: problem.message(),
        details: problem.details_value(),
        retryable: problem.retryable(),
        correlation_id: correlation_id.as_str(),
    };
    serde_json::to_vec(&Failure { ok: false, error }).expect("strings and JSON values serialise").into()
}

/// What went wrong, as callers see it: in an answer, in a job and in an event.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorView<'a> {
    pub(crate) code: &'a str,
    pub(crate) message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) details: Option<&'a serde_json::Value>,
    pub(crate) retryable: bool,
    pub(crate) correlation_id: &'a str,
}

fn json(status: StatusCode, media_type: &'static str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    // What a user may see changes from moment to moment and from user to user.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Whether `application/problem+json` is asked for by name, and not less than `application/json`.
fn prefers_problem_details(request: &HeaderMap) -> bool {
    let weight = |wanted: &str| {
        let lines = request.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
        let ranges = lines.flat_map(|line| line.split(','));
        ranges.filter_map(|range| range_weight(range, wanted)).fold(0.0, f32::max)
    };
    let details = weight("application/problem+json");
    details > 0.0 && details >= weight("application/json")
}

fn range_weight(range: &str, wanted: &str) -> Option<f32> {
    let mut parts = range.split(';').map(str::trim);
    parts.next().filter(|media_type| media_type.eq_ignore_ascii_case(wanted))?;
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    Some(weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(value: &str) -> bool {
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_str(value).unwrap())]);
        prefers_problem_details(&headers)
    }

    #[test]
    fn problem_details_are_sent_only_on_request() {
        for yes in [
            "application/problem+json",
            "text/html, Application/Problem+JSON;q=0.5",
            "application/problem+json, application/json;q=0.9",
        ] {
            assert!(accept(yes), "{yes}");
        }
        for no in [
            "*/*",
            "application/json",
            "application/*",
            "application/problem+json;q=0",
            "application/json, application/problem+json;q=0.9",
            "application/problem+json;q=x",
        ] {
            assert!(!accept(no), "{no}");
        }
        assert!(!prefers_problem_details(&HeaderMap::new()));
    }

    #[test]
    fn both_forms_carry_the_same_members() {
        let id: CorrelationId = "abc".parse().unwrap();
        let problem = codes::validation_failed(&[buttress_core::FieldProblem::new("prompt", "is empty")]);
        let parse = |response: &Response<Bytes>| serde_json::from_slice::<serde_json::Value>(response.body()).unwrap();
        let plain = parse(&failure(&problem, &id, &HeaderMap::new()));
        let accept = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/problem+json"))]);
        let details = parse(&failure(&problem, &id, &accept));
        assert_eq!(plain["ok"], false);
        for member in ["code", "message", "details", "retryable", "correlationId"] {
            assert_eq!(plain["error"][member], details[member], "{member}");
        }
        assert_eq!(details["status"], 422);
    }
}
