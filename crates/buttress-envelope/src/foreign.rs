//! What the failures of others say, in the shapes that are known. Pure.

use std::time::Duration;

use buttress_core::ProblemCode;
use http::StatusCode;
use serde_json::{Map, Value};

use crate::{Code, codes, fields};

/// As much as could be understood.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Foreign {
    pub(crate) code: Option<ProblemCode>,
    pub(crate) message: Option<String>,
    pub(crate) details: Option<Value>,
    pub(crate) wait: Option<Duration>,
}

/// The longest message that is taken over, in bytes.
pub(crate) const LONGEST_MESSAGE: usize = 500;

/// Text on one line, without control characters, cut at a character's border; `None` when nothing is left.
pub(crate) fn clean(text: &str, longest: usize) -> Option<String> {
    let mut clean = String::with_capacity(text.len().min(longest + 4));
    for word in text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty()) {
        if !clean.is_empty() {
            clean.push(' ');
        }
        clean.push_str(word);
        if clean.len() > longest {
            let cut = (0..=longest).rev().find(|at| clean.is_char_boundary(*at));
            clean.truncate(cut.unwrap_or_default());
            clean.push('…');
            break;
        }
    }
    (!clean.is_empty()).then_some(clean)
}

/// A failure told in plain text.
pub(crate) fn of_text(body: &[u8]) -> Foreign {
    Foreign { message: clean(&String::from_utf8_lossy(body), LONGEST_MESSAGE), ..Foreign::default() }
}

/// A failure told in JSON. Of JSON in an unknown shape nothing is taken.
pub(crate) fn of_json(status: StatusCode, body: &[u8]) -> Foreign {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => of_object(status, object),
        Ok(Value::String(text)) => of_text(text.as_bytes()),
        _ => Foreign::default(),
    }
}

/// A success that says `{"success":false}`: what it stands for.
pub(crate) fn disguised(body: &[u8]) -> Option<(Code, Foreign)> {
    let Ok(Value::Object(object)) = serde_json::from_slice::<Value>(body) else { return None };
    if object.get("success") != Some(&Value::Bool(false)) {
        return None;
    }
    let kind = object.get("errorType").and_then(Value::as_str).unwrap_or_default();
    let unpaid = matches!(kind, "insufficient_balance" | "payment_required" | "quota_exceeded")
        || object.get("balanceError") == Some(&Value::Bool(true));
    let code = if unpaid { codes::PAYMENT_REQUIRED } else { codes::REQUEST_FAILED };
    Some((code, Foreign { code: Some(code.code()), ..of_object(code.status(), object) }))
}

fn of_object(status: StatusCode, mut object: Map<String, Value>) -> Foreign {
    let wait =
        object.remove("retryAfter").and_then(|wait| wait.as_f64()).and_then(|s| Duration::try_from_secs_f64(s).ok());
    let foreign = match object.remove("error") {
        Some(Value::Object(error)) => nested(error),
        Some(Value::String(error)) => flat(status, &error, object),
        _ => detailed(object),
    };
    Foreign { wait, ..foreign }
}

/// `{"error":{"code","message","details"}}`: envelopes, OpenAI, JSON-RPC.
fn nested(mut error: Map<String, Value>) -> Foreign {
    let details = ["details", "data"].iter().find_map(|name| error.remove(*name));
    Foreign {
        code: error.get("code").and_then(known),
        message: error.get("message").and_then(text),
        details: details.and_then(fields::normalise),
        wait: None,
    }
}

/// `{"error":"…", "details"?, …}`: the details, or all that programs may want to know.
fn flat(status: StatusCode, error: &str, mut rest: Map<String, Value>) -> Foreign {
    // `{"error":"Too Many Requests","message":"…"}`: the status says as much as the error.
    let repeats = status.canonical_reason().is_some_and(|reason| reason.eq_ignore_ascii_case(error));
    let better = if repeats { rest.remove("message").as_ref().and_then(text) } else { None };
    rest.retain(|name, value| !NOT_FOR_CALLERS.contains(&name.as_str()) && !value.is_null());
    let details = match rest.remove("details").and_then(fields::normalise) {
        Some(details) if rest.is_empty() => Some(details),
        Some(details) => {
            rest.insert("details".to_owned(), details);
            Some(Value::Object(rest))
        }
        None => (!rest.is_empty()).then_some(Value::Object(rest)),
    };
    Foreign { message: better.or_else(|| clean(error, LONGEST_MESSAGE)), details, ..Foreign::default() }
}

/// `{"detail":…}` of FastAPI, RFC 9457, or a bare `{"message":…}`.
fn detailed(mut object: Map<String, Value>) -> Foreign {
    let code = object.get("code").and_then(known);
    let details = ["details", "errors"].iter().find_map(|name| object.remove(*name));
    let details = details.and_then(fields::normalise);
    match object.remove("detail") {
        Some(Value::Array(list)) => Foreign { code, details: fields::faults(&list).or(details), ..Foreign::default() },
        detail => {
            let message = detail.as_ref().and_then(text);
            let message = message.or_else(|| ["message", "title"].iter().find_map(|name| text(object.get(*name)?)));
            // A shape that is not known may hold anything.
            let details = details.filter(|_| message.is_some());
            Foreign { code, message, details, wait: None }
        }
    }
}

fn text(value: &Value) -> Option<String> {
    clean(value.as_str()?, LONGEST_MESSAGE)
}

fn known(code: &Value) -> Option<ProblemCode> {
    let code = code.as_str()?;
    codes::HTTP_CODES.iter().map(|known| known.code()).find(|known| known.as_str() == code)
}

/// Told already, or not to be told.
const NOT_FOR_CALLERS: [&str; 7] = ["success", "ok", "status", "statusCode", "stack", "timestamp", "path"];
