use serde_json::Value;

use crate::Problem;

impl Problem {
    /// What the body of somebody's failure says about trying the same request again, where it is in a shape of the kit:
    /// problem details with the member `retryable`, or an envelope of a failure with `error.retryable`.
    ///
    /// `None` for everything else. How much of a body is read is the caller's to bound.
    ///
    /// # Examples
    ///
    /// ```
    /// use buttress_core::Problem;
    ///
    /// let envelope = br#"{"ok":false,"error":{"code":"circuit_open","message":"later","retryable":true}}"#;
    /// assert_eq!(Problem::retryable_in(envelope), Some(true));
    /// assert_eq!(Problem::retryable_in(br#"{"type":"about:blank","status":422,"retryable":false}"#), Some(false));
    /// assert_eq!(Problem::retryable_in(b"<html>"), None);
    /// ```
    #[must_use]
    pub fn retryable_in(body: &[u8]) -> Option<bool> {
        let value: Value = serde_json::from_slice(body).ok()?;
        if value.get("ok").and_then(Value::as_bool) == Some(false) {
            return value.get("error")?.get("retryable")?.as_bool();
        }
        value.get("retryable")?.as_bool()
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use crate::{Problem, ProblemCode};

    #[test]
    fn what_is_written_is_read_back() {
        let problem = Problem::new(StatusCode::CONFLICT, ProblemCode::new("busy"), "busy");
        assert_eq!(Problem::retryable_in(&problem.to_problem_json(None)), Some(false));
        assert_eq!(Problem::retryable_in(&problem.may_retry().to_problem_json(None)), Some(true));
    }

    #[test]
    fn other_bodies_say_nothing() {
        for body in [
            "",
            "null",
            "[true]",
            "{",
            r#"{"error":"retryable"}"#,
            r#"{"ok":false,"error":"x"}"#,
            r#"{"retryable":"yes"}"#,
            r#"{"ok":true,"data":{"retryable":true}}"#,
        ] {
            assert_eq!(Problem::retryable_in(body.as_bytes()), None, "{body}");
        }
    }
}
