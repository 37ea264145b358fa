//! The codes of the problems that this layer answers with. They are stable.

use buttress_core::ProblemCode;

/// 400: the key is malformed, too long, or there are two (IDM-1, IDM-2).
pub const IDEMPOTENCY_KEY_INVALID: ProblemCode = ProblemCode::new("idempotency_key_invalid");
/// 400: a key is required here and there is none (IDM-3).
pub const IDEMPOTENCY_KEY_MISSING: ProblemCode = ProblemCode::new("idempotency_key_missing");
/// 422: the key was used for another request (IDM-4).
pub const IDEMPOTENCY_MISMATCH: ProblemCode = ProblemCode::new("idempotency_mismatch");
/// 409, retryable: the first request with this key runs still (IDM-5).
pub const IDEMPOTENCY_IN_PROGRESS: ProblemCode = ProblemCode::new("idempotency_in_progress");
/// 409: the request may have taken effect, and nobody knows (IDM-12).
pub const OPERATION_UNCERTAIN: ProblemCode = ProblemCode::new("operation_uncertain");
/// 409: the request has run, and its answer is kept no longer (IDM-18).
pub const RESULT_EXPIRED: ProblemCode = ProblemCode::new("result_expired");
/// 409: the request has run, and its answer was too long to be kept or found no room, was a stream, or broke off (IDM-17).
pub const RESULT_UNAVAILABLE: ProblemCode = ProblemCode::new("result_unavailable");
/// 413: the body is longer than what can be compared (IDM-17).
pub const PAYLOAD_TOO_LARGE: ProblemCode = ProblemCode::new("payload_too_large");
/// 408, retryable: the body did not arrive in time.
pub const REQUEST_TIMEOUT: ProblemCode = ProblemCode::new("request_timeout");
/// 400: the body broke off.
pub const BAD_REQUEST: ProblemCode = ProblemCode::new("bad_request");
/// 503, retryable: the bodies of other requests take all the room that there is for them.
pub const UNAVAILABLE: ProblemCode = ProblemCode::new("unavailable");
/// 503, retryable: the store cannot be asked, or has no room (IDM-19).
pub const STORE_UNAVAILABLE: ProblemCode = ProblemCode::new("store_unavailable");
