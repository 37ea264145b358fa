//! The shape on the wire.

use buttress_core::{CorrelationId, Problem};
use bytes::Bytes;
use serde_json::Value;

/// What comes before the data.
pub(crate) const PREFIX: &[u8] = br#"{"ok":true,"data":"#;
/// What comes after the data.
pub(crate) const SUFFIX: &[u8] = b"}";
/// What comes after the prefix where there is no data.
pub(crate) const NO_DATA: &[u8] = b"null}";

/// How long data of this length becomes.
pub(crate) fn wrapped_len(data: u64) -> u64 {
    let end = if data == 0 { NO_DATA } else { SUFFIX };
    data.saturating_add((PREFIX.len() + end.len()) as u64)
}

/// A failure as an envelope: `{"ok":false,"error":{…}}`.
///
/// # Examples
///
/// ```
/// use buttress_envelope::{NOT_FOUND, failure_json};
///
/// let id = "abc".parse()?;
/// assert_eq!(
///     failure_json(&NOT_FOUND.problem("no such job"), Some(&id)),
///     r#"{"ok":false,"error":{"code":"not_found","message":"no such job","retryable":false,"correlationId":"abc"}}"#,
/// );
/// # Ok::<(), buttress_core::InvalidCorrelationId>(())
/// ```
#[must_use]
pub fn failure_json(problem: &Problem, correlation_id: Option<&CorrelationId>) -> Bytes {
    let mut text = Vec::with_capacity(ROOM);
    text.extend_from_slice(br#"{"ok":false,"error":"#);
    write_error(&mut text, problem, correlation_id);
    text.push(b'}');
    text.into()
}

/// What is in the member `error` of an envelope, for those who tell a failure elsewhere: in an event of a stream that
/// has begun (ENV-13), or in the state of a job.
#[must_use]
pub fn error_json(problem: &Problem, correlation_id: Option<&CorrelationId>) -> Bytes {
    let mut text = Vec::with_capacity(ROOM);
    write_error(&mut text, problem, correlation_id);
    text.into()
}

/// A failure in the most frequent of the old shapes: `{"error", "details"?}`.
pub(crate) fn legacy_json(problem: &Problem) -> Bytes {
    let mut text = Vec::with_capacity(ROOM);
    text.extend_from_slice(br#"{"error":"#);
    write_str(&mut text, problem.message());
    write_details(&mut text, problem.details_value());
    text.push(b'}');
    text.into()
}

fn write_error(text: &mut Vec<u8>, problem: &Problem, correlation_id: Option<&CorrelationId>) {
    text.extend_from_slice(br#"{"code":""#);
    text.extend_from_slice(problem.code().as_str().as_bytes());
    text.extend_from_slice(br#"","message":"#);
    write_str(text, problem.message());
    write_details(text, problem.details_value());
    text.extend_from_slice(if problem.retryable() { br#","retryable":true"# } else { br#","retryable":false"# });
    if let Some(id) = correlation_id {
        // Codes and ids have alphabets that need no escape.
        text.extend_from_slice(br#","correlationId":""#);
        text.extend_from_slice(id.as_str().as_bytes());
        text.push(b'"');
    }
    text.push(b'}');
}

fn write_details(text: &mut Vec<u8>, details: Option<&Value>) {
    if let Some(details) = details {
        text.extend_from_slice(br#","details":"#);
        serde_json::to_writer(text, details).expect("JSON values always serialise into memory");
    }
}

fn write_str(text: &mut Vec<u8>, string: &str) {
    serde_json::to_writer(text, string).expect("strings always serialise into memory");
}

/// Room for most failures at the first try.
const ROOM: usize = 256;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{RATE_LIMITED, VALIDATION_FAILED};

    // ENV-1, ENV-2, ENV-5
    #[test]
    fn both_forms_carry_the_same_members() {
        let id: CorrelationId = "abc".parse().unwrap();
        let problem = VALIDATION_FAILED.problem("no \"good\"\n\u{1}").details(json!([{ "field": "prompt" }]));
        let envelope: Value = serde_json::from_slice(&failure_json(&problem, Some(&id))).unwrap();
        let details: Value = serde_json::from_slice(&problem.to_problem_json(Some(&id))).unwrap();
        assert_eq!(envelope["ok"], false);
        for member in ["code", "message", "details", "retryable", "correlationId"] {
            assert_eq!(envelope["error"][member], details[member], "{member}");
        }
        assert_eq!(envelope["error"].as_object().unwrap().len(), 5);
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let envelope: Value = serde_json::from_slice(&failure_json(&RATE_LIMITED.problem("slow"), None)).unwrap();
        let error = json!({ "code": "rate_limited", "message": "slow", "retryable": true });
        assert_eq!(envelope, json!({ "ok": false, "error": error }));
        assert_eq!(serde_json::from_slice::<Value>(&error_json(&RATE_LIMITED.problem("slow"), None)).unwrap(), error);
    }

    #[test]
    fn the_old_shape_has_error_and_details() {
        let problem = VALIDATION_FAILED.problem("bad").details(json!(["x"]));
        assert_eq!(legacy_json(&problem), r#"{"error":"bad","details":["x"]}"#);
    }
}
