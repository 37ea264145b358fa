//! The codes of HTTP itself: what any server may have to say. Other parts own theirs.

crate::codes! {
    /// The codes of this crate, one or more for each status that a server makes by itself.
    pub const HTTP_CODES;
    /// The request cannot be read.
    BAD_REQUEST = "bad_request", 400;
    /// Credentials are needed, or not valid.
    UNAUTHORIZED = "unauthorized", 401;
    /// There is not enough credit for this.
    PAYMENT_REQUIRED = "payment_required", 402;
    /// The caller may not do this.
    FORBIDDEN = "forbidden", 403;
    /// There is nothing here, or nothing that the caller may know of.
    NOT_FOUND = "not_found", 404;
    /// This address does not take that method.
    METHOD_NOT_ALLOWED = "method_not_allowed", 405;
    /// None of the types that the caller accepts can be made.
    NOT_ACCEPTABLE = "not_acceptable", 406;
    /// The request took too long to arrive.
    REQUEST_TIMEOUT = "request_timeout", 408, retryable;
    /// The request does not fit the present state.
    CONFLICT = "conflict", 409;
    /// What was here is gone for good.
    GONE = "gone", 410;
    /// A condition of the request does not hold, or one is demanded.
    PRECONDITION_FAILED = "precondition_failed", 412;
    /// The body is longer than what is taken.
    PAYLOAD_TOO_LARGE = "payload_too_large", 413;
    /// The body is of a type that is not taken.
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type", 415;
    /// The request can be read, and fields of it are wrong: `details` lists them.
    VALIDATION_FAILED = "validation_failed", 422;
    /// The request was taken, and its work failed.
    REQUEST_FAILED = "request_failed", 422;
    /// The request came too early to be safe.
    TOO_EARLY = "too_early", 425, retryable;
    /// Too many requests.
    RATE_LIMITED = "rate_limited", 429, retryable;
    /// Something went wrong on the server's side.
    INTERNAL = "internal", 500;
    /// The server cannot do this.
    NOT_IMPLEMENTED = "not_implemented", 501;
    /// The server, or one behind it, cannot answer now.
    UNAVAILABLE = "unavailable", 503, retryable;
    /// The answer took too long.
    TIMEOUT = "timeout", 504, retryable;
}
