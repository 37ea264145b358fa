use std::{borrow::Cow, fmt, mem, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    Extensions, HeaderMap, HeaderValue, Request, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Body, CorrelationId, RetryAfter,
    problem_json::{self, Text},
};

/// Why a request was refused or failed, in a form that programs can act on.
///
/// A layer that refuses answers with [`Problem::answer`] or [`Problem::into_response`]: a short
/// `application/problem+json` body (RFC 9457), and the problem itself as an extension of the response, so that an outer
/// layer can render it in its own shape.
///
/// A clone shares all but the wait. What is told to many is best made once, [`prepared`](Self::prepared), and cloned.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use buttress_core::{Body, Problem, ProblemCode};
/// use http::{Response, StatusCode};
///
/// const RATE_LIMITED: ProblemCode = ProblemCode::new("rate_limited");
///
/// let response: Response<Body<String>> = Problem::new(StatusCode::TOO_MANY_REQUESTS, RATE_LIMITED, "slow down")
///     .retry_after(Duration::from_millis(1_500))
///     .into_response(None);
/// assert_eq!(response.status(), 429);
/// assert_eq!(response.headers()["retry-after"], "2");
/// assert!(response.extensions().get::<Problem>().is_some_and(Problem::retryable));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    shared: Arc<Shared>,
    retry_after: Option<Duration>,
}

/// What clones have in common.
#[derive(Clone)]
struct Shared {
    said: Said,
    /// The same as text, if it was prepared.
    text: Option<Text>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Said {
    pub(crate) status: StatusCode,
    pub(crate) code: ProblemCode,
    pub(crate) message: Cow<'static, str>,
    pub(crate) details: Option<Value>,
    pub(crate) retryable: bool,
    layer: Option<&'static str>,
    /// `None` is `about:blank`.
    pub(crate) kind: Option<&'static str>,
}

impl Problem {
    /// A problem that a caller cannot cure by trying again; see [`Problem::retryable`] to say otherwise.
    ///
    /// `message` is for people and may change freely; programs go by the code (ENV-2, ENV-12). It is shown to the
    /// caller, so it holds no internals (ENV-4).
    #[must_use]
    pub fn new(status: StatusCode, code: ProblemCode, message: impl Into<Cow<'static, str>>) -> Self {
        let message = message.into();
        let said = Said { status, code, message, details: None, retryable: false, layer: None, kind: None };
        Self { shared: Arc::new(Shared { said, text: None }), retry_after: None }
    }

    /// Adds what programs may want to know beside the code.
    #[must_use]
    pub fn details(self, details: Value) -> Self {
        self.saying(|said| said.details = Some(details))
    }

    /// Adds one named thing that programs may want to know. Details that are not an object make room for one.
    #[must_use]
    pub fn detail(self, name: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        self.saying(|said| {
            let details = said.details.get_or_insert_default();
            if !details.is_object() {
                *details = Value::Object(Map::new());
            }
            details[name] = value;
        })
    }

    /// Adds the fields at fault as details: a list of `{field, problem}` (ENV-8).
    #[must_use]
    pub fn fields(self, fields: &[FieldProblem]) -> Self {
        let list = fields.iter().map(FieldProblem::to_value).collect();
        self.details(Value::Array(list))
    }

    /// Says that the same request may succeed later.
    #[must_use]
    pub fn may_retry(self) -> Self {
        if self.retryable() { self } else { self.saying(|said| said.retryable = true) }
    }

    /// Says that the same request may succeed after a wait, which the answer tells in `Retry-After`.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self.may_retry()
    }

    /// Says which layer refused the request, `rate_limit` for instance: for logs, not for callers.
    #[must_use]
    pub fn refused_by(self, layer: &'static str) -> Self {
        self.saying(|said| said.layer = Some(layer))
    }

    /// Gives it a problem type of its own: a URI, which RFC 9457 calls `type`, without quotes and backslashes. Details that are an object then stand beside
    /// the other members of problem details as well, where the definition of the type looks for them, but for those of the
    /// same name.
    #[must_use]
    pub fn kind(self, uri: &'static str) -> Self {
        debug_assert!(!uri.contains(['"', '\\']), "a URI has neither quotes nor backslashes");
        self.saying(|said| said.kind = Some(uri).filter(|uri| *uri != problem_json::NO_TYPE))
    }

    /// Writes its text now, for itself and all clones. To answer with one of them then costs little more than a look at
    /// the text. What is said after this is not prepared, but for the wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{sync::LazyLock, time::Duration};
    /// use buttress_core::{Problem, ProblemCode};
    /// use http::StatusCode;
    ///
    /// const BUSY: ProblemCode = ProblemCode::new("busy");
    /// static PROBLEM: LazyLock<Problem> =
    ///     LazyLock::new(|| Problem::new(StatusCode::SERVICE_UNAVAILABLE, BUSY, "busy").may_retry().prepared());
    ///
    /// let told = PROBLEM.clone().retry_after(Duration::from_secs(3));
    /// assert_eq!(told.delay(), Some(Duration::from_secs(3)));
    /// ```
    #[must_use]
    pub fn prepared(mut self) -> Self {
        let shared = Arc::make_mut(&mut self.shared);
        shared.text = Some(Text::of(&shared.said));
        self
    }

    fn saying(mut self, say: impl FnOnce(&mut Said)) -> Self {
        let shared = Arc::make_mut(&mut self.shared);
        say(&mut shared.said);
        shared.text = None;
        self
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.shared.said.status
    }

    /// The stable code that programs go by.
    #[must_use]
    pub fn code(&self) -> ProblemCode {
        self.shared.said.code
    }

    /// What to tell a person.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.shared.said.message
    }

    /// What programs may want to know beside the code.
    #[must_use]
    pub fn details_value(&self) -> Option<&Value> {
        self.shared.said.details.as_ref()
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn retryable(&self) -> bool {
        self.shared.said.retryable
    }

    /// How long to wait before that, if known.
    #[must_use]
    pub fn delay(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The layer that refused the request; `None` when it came as far as its handler.
    #[must_use]
    pub fn layer(&self) -> Option<&'static str> {
        self.shared.said.layer
    }

    /// The problem as RFC 9457 problem details, with the code, the retry hint and the correlation id as extension members.
    ///
    /// `message` says the same as `detail`, for clients that read both this form and an envelope.
    #[must_use]
    pub fn to_problem_json(&self, correlation_id: Option<&CorrelationId>) -> Bytes {
        match &self.shared.text {
            Some(text) => text.with(correlation_id),
            None => Text::of(&self.shared.said).with(correlation_id),
        }
    }

    /// The problem that [`to_problem_json`](Self::to_problem_json) told, for who kept that text; `None` if it is none.
    ///
    /// `code` finds the code of a name. How long to wait, and who refused, is not in the text: the problem says neither. Nor
    /// does it have a type of its own.
    #[must_use]
    pub fn from_problem_json(json: &[u8], code: impl FnOnce(&str) -> Option<ProblemCode>) -> Option<Self> {
        let mut told: Value = serde_json::from_slice(json).ok()?;
        let status = u16::try_from(told["status"].as_u64()?).ok()?;
        let status = StatusCode::from_u16(status).ok()?;
        let problem = Self::new(status, code(told["code"].as_str()?)?, told["message"].as_str()?.to_owned());
        let problem = if told["retryable"].as_bool()? { problem.may_retry() } else { problem };
        Some(match told["details"].take() {
            Value::Null => problem,
            details => problem.details(details),
        })
    }

    /// The answer of a layer that refuses: status, `Retry-After`, a problem+json body, and `self` as an extension.
    ///
    /// Hand in the request's correlation id where there is one, so that the body carries it (ENV-5). Where the request
    /// itself is at hand, [`answer`](Self::answer) takes it from there.
    #[must_use]
    pub fn into_response<B>(self, correlation_id: Option<&CorrelationId>) -> Response<Body<B>> {
        let text = self.to_problem_json(correlation_id);
        self.respond(text, &mut HeaderMap::new(), Extensions::new())
    }

    /// The same in place of what would have answered this request, whose head is needed no more: the answer takes its
    /// header fields and extensions away, for their memory. Nothing that was in them is in the answer, but for the
    /// correlation id.
    ///
    /// # Examples
    ///
    /// ```
    /// use buttress_core::{Body, Problem, ProblemCode};
    /// use http::{Request, Response, StatusCode};
    ///
    /// const CLOSED: ProblemCode = ProblemCode::new("closed");
    ///
    /// let mut request = Request::new("a body");
    /// let response: Response<Body<String>> = Problem::new(StatusCode::FORBIDDEN, CLOSED, "closed").answer(&mut request);
    /// assert_eq!(response.headers()["content-type"], "application/problem+json");
    /// ```
    #[must_use]
    pub fn answer<B>(self, request: &mut Request<impl Sized>) -> Response<Body<B>> {
        let text = self.to_problem_json(request.extensions().get());
        request.headers_mut().clear();
        request.extensions_mut().clear();
        let extensions = mem::take(request.extensions_mut());
        self.respond(text, request.headers_mut(), extensions)
    }

    /// With headers and extensions that are empty.
    fn respond<B>(self, text: Bytes, headers: &mut HeaderMap, mut extensions: Extensions) -> Response<Body<B>> {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(delay) = self.retry_after {
            headers.insert(RETRY_AFTER, RetryAfter::header_value(delay));
        }
        let status = self.status();
        extensions.insert(self);
        // Put together of what is done: an answer that changes once more is moved once more.
        let (mut head, ()) = Response::new(()).into_parts();
        head.status = status;
        mem::swap(&mut head.headers, headers);
        head.extensions = extensions;
        Response::from_parts(head, Body::full(text))
    }
}

/// What it says is what counts, prepared or not.
impl PartialEq for Shared {
    fn eq(&self, other: &Self) -> bool {
        self.said == other.said
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.said.fmt(f)
    }
}

/// The stable name of a kind of problem: lower snake_case, at most 63 characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProblemCode(&'static str);

impl ProblemCode {
    /// A code, checked where it is written: in a `const` a bad name does not compile.
    ///
    /// # Panics
    ///
    /// When the name is empty, longer than 63 bytes, does not start with a letter, or holds anything but `a-z0-9_`.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        let bytes = name.as_bytes();
        assert!(!bytes.is_empty() && bytes.len() <= 63, "a code has 1 to 63 characters");
        assert!(bytes[0].is_ascii_lowercase(), "a code starts with a lower-case letter");
        let mut i = 0;
        while i < bytes.len() {
            let fits = bytes[i].is_ascii_lowercase() || bytes[i].is_ascii_digit() || bytes[i] == b'_';
            assert!(fits, "a code is made of a-z, 0-9 and _");
            i += 1;
        }
        Self(name)
    }

    /// The code as text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for ProblemCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for ProblemCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// One field of a request and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FieldProblem {
    /// The field as the caller wrote it, with dots and brackets on the way down: `references[0].fileId`.
    pub field: Cow<'static, str>,
    /// What is wrong and what would be right.
    pub problem: Cow<'static, str>,
}

impl FieldProblem {
    /// One field at fault.
    #[must_use]
    pub fn new(field: impl Into<Cow<'static, str>>, problem: impl Into<Cow<'static, str>>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }

    fn to_value(&self) -> Value {
        serde_json::json!({ "field": self.field, "problem": self.problem })
    }
}

impl fmt::Display for FieldProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    const CODE: ProblemCode = ProblemCode::new("validation_failed");

    fn parse(bytes: &[u8]) -> Value {
        serde_json::from_slice(bytes).unwrap()
    }

    // ENV-1, ENV-5, ENV-8, ENV-14
    #[test]
    fn problem_details_carry_status_code_fields_and_correlation_id() {
        let id: CorrelationId = "abc".parse().unwrap();
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, CODE, "no \"good\"\n")
            .fields(&[FieldProblem::new("prompt", "is empty")]);
        assert_eq!(
            parse(&problem.to_problem_json(Some(&id))),
            serde_json::json!({
                "type": "about:blank", "title": "Unprocessable Entity", "status": 422, "detail": "no \"good\"\n",
                "code": "validation_failed", "message": "no \"good\"\n", "retryable": false, "correlationId": "abc",
                "details": [{ "field": "prompt", "problem": "is empty" }],
            })
        );
    }

    // RLM-8
    #[test]
    fn a_type_of_its_own_has_its_members_beside_the_others() {
        let details = serde_json::json!({ "violated-policies": ["user"] });
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, CODE, "no").details(details.clone());
        assert_eq!(parse(&problem.to_problem_json(None))["violated-policies"], Value::Null);
        let json = parse(&problem.kind("https://example.org/quota").to_problem_json(None));
        assert_eq!((&json["type"], &json["details"]), (&"https://example.org/quota".into(), &details));
        assert_eq!(json["violated-policies"], serde_json::json!(["user"]));
        let empty = Problem::new(StatusCode::CONFLICT, CODE, "no").details(serde_json::json!({}));
        assert_eq!(
            parse(&empty.kind("https://example.org/quota").to_problem_json(None))["details"],
            serde_json::json!({})
        );
    }

    // ENV-1, ENV-5
    #[test]
    fn a_detail_does_not_take_the_place_of_a_member_of_the_same_name() {
        let id: CorrelationId = "abc".parse().unwrap();
        let plain = Problem::new(StatusCode::CONFLICT, CODE, "no").kind("https://example.org/no");
        let expected = parse(&plain.to_problem_json(Some(&id)));
        let told = expected.as_object().unwrap().keys().fold(plain.clone(), |told, name| told.detail(name, "other"));
        let mut json = parse(&told.detail("more", 7).to_problem_json(Some(&id)));
        let details = json.as_object_mut().unwrap().remove("details").unwrap();
        assert_eq!((&details["status"], details["more"].as_u64()), (&"other".into(), Some(7)));
        assert_eq!(json.as_object_mut().unwrap().remove("more"), Some(7.into()));
        assert_eq!(json, expected);
    }

    #[test]
    fn what_was_told_is_read_back_and_anything_else_is_no_problem() {
        let problem = Problem::new(StatusCode::CONFLICT, CODE, "no \"good\"").detail("n", 7).may_retry();
        let json = problem.to_problem_json(None);
        let known = |name: &str| (name == CODE.as_str()).then_some(CODE);
        assert_eq!(Problem::from_problem_json(&json, known), Some(problem));
        let plain = Problem::new(StatusCode::CONFLICT, CODE, "");
        assert_eq!(Problem::from_problem_json(&plain.to_problem_json(None), known), Some(plain));
        assert_eq!(Problem::from_problem_json(&json, |_| None), None);
        for other in [&b""[..], b"[]", b"{}", br#"{"status":1,"code":"a","message":"","retryable":false}"#] {
            assert_eq!(Problem::from_problem_json(other, known), None);
        }
    }

    #[test]
    fn single_details_make_an_object() {
        let problem = Problem::new(StatusCode::CONFLICT, CODE, "no").detail("safe", false).detail("of", "7");
        assert_eq!(problem.details_value(), Some(&serde_json::json!({ "safe": false, "of": "7" })));
    }

    #[test]
    fn what_is_prepared_says_the_same_and_what_is_added_is_said_too() {
        let id: CorrelationId = "abc".parse().unwrap();
        let plain = || Problem::new(StatusCode::CONFLICT, CODE, "no").detail("n", 7).kind("https://example.org/no");
        let prepared = plain().prepared();
        assert_eq!(prepared, plain());
        for id in [None, Some(&id)] {
            assert_eq!(prepared.to_problem_json(id), plain().to_problem_json(id));
            assert_eq!(prepared.clone().may_retry().to_problem_json(id), plain().may_retry().to_problem_json(id),);
        }
        assert!(!prepared.retryable(), "a clone is another problem");
        assert_eq!(prepared.clone().retry_after(Duration::ZERO).delay(), Some(Duration::ZERO));
        assert_eq!(prepared.delay(), None);
    }

    // ENV-5
    #[test]
    fn an_answer_has_the_id_of_its_request_and_nothing_else_of_it() {
        let id: CorrelationId = "abc".parse().unwrap();
        let mut request = http::Request::new(());
        request.headers_mut().insert("cookie", HeaderValue::from_static("secret"));
        request.extensions_mut().insert(id.clone());
        let problem = Problem::new(StatusCode::CONFLICT, CODE, "no").retry_after(Duration::from_secs(1));
        let answer = problem.clone().answer::<String>(&mut request);
        let expected = problem.into_response::<()>(Some(&id));
        assert_eq!((answer.status(), answer.headers()), (expected.status(), expected.headers()));
        assert_eq!(answer.extensions().len(), 1);
        assert_eq!(answer.extensions().get::<Problem>(), expected.extensions().get());
        assert_eq!(parse(&poll_once(answer.into_body().collect()).to_bytes())["correlationId"], "abc");
    }

    // ENV-7
    #[test]
    fn a_wait_makes_a_problem_retryable_and_shows_in_the_header() {
        let response: Response<Body<String>> = Problem::new(StatusCode::SERVICE_UNAVAILABLE, CODE, "later")
            .retry_after(Duration::from_millis(2_001))
            .into_response(None);
        assert_eq!(response.headers()["retry-after"], "3");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let problem = response.extensions().get::<Problem>().unwrap();
        assert!(problem.retryable());
        assert_eq!(problem.delay(), Some(Duration::from_millis(2_001)));
    }

    #[test]
    fn without_a_wait_there_is_no_retry_after() {
        let response: Response<Body<String>> = Problem::new(StatusCode::NOT_FOUND, CODE, "no").into_response(None);
        assert!(!response.headers().contains_key("retry-after"));
        assert_eq!(response.status(), 404);
    }

    #[test]
    fn the_answer_has_an_exact_length() {
        let response: Response<Body<String>> = Problem::new(StatusCode::NOT_FOUND, CODE, "no").into_response(None);
        let exact = http_body::Body::size_hint(response.body()).exact().unwrap();
        let body = poll_once(response.into_body().collect()).to_bytes();
        assert_eq!(exact, body.len() as u64);
        assert_eq!(parse(&body)["code"], "validation_failed");
    }

    #[test]
    #[should_panic(expected = "a-z, 0-9 and _")]
    fn a_code_in_upper_case_is_refused() {
        let _ = ProblemCode::new("rateLimited");
    }

    fn poll_once<F: Future<Output = Result<T, E>>, T, E: fmt::Debug>(future: F) -> T {
        let mut future = std::pin::pin!(future);
        match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
            std::task::Poll::Ready(result) => result.unwrap(),
            std::task::Poll::Pending => panic!("a full body is never pending"),
        }
    }
}
