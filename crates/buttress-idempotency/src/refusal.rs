//! What callers are told instead of an answer.

use std::{
    borrow::Cow,
    pin::pin,
    sync::LazyLock,
    task::{Context, Poll, Waker},
    time::Duration,
};

use buttress_core::{Problem, ProblemCode};
use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{HeaderName, LINK},
    request::Parts,
};
use http_body::Body;

use crate::{
    EventKind, IdempotencyStore, InvalidKey, RecordKey, ResponseBody, codes, gather::Unread, settings::Settings,
};

/// Says that a retry is of no use, as the clients of some APIs expect it.
pub(crate) const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Why a request is refused.
#[derive(Debug)]
pub(crate) enum Refusal {
    Invalid(InvalidKey),
    Missing,
    Scope(Problem),
    Unread(Unread, usize),
    Mismatch,
    InProgress(Duration),
    Uncertain,
    Expired,
    NotReplayable,
    StoreDown,
}

/// A store that cannot be asked may be back soon, and a body that is being read is gone soon.
const PAUSE: Duration = Duration::from_secs(2);

// When it comes to these, many are told so at once: they are written once.
static CROWDED: LazyLock<Problem> =
    LazyLock::new(|| unavailable(codes::UNAVAILABLE, "too many bodies are being read at once"));
static STORE_DOWN: LazyLock<Problem> =
    LazyLock::new(|| unavailable(codes::STORE_UNAVAILABLE, "idempotency keys cannot be checked now"));

fn unavailable(code: ProblemCode, message: &'static str) -> Problem {
    plain(StatusCode::SERVICE_UNAVAILABLE, code, message.into()).retry_after(PAUSE).prepared()
}

impl Refusal {
    pub(crate) fn kind(&self) -> EventKind {
        match self {
            Self::Invalid(_) => EventKind::InvalidKey,
            Self::Missing => EventKind::MissingKey,
            Self::Scope(_) => EventKind::NoScope,
            Self::Unread(Unread::Crowded, _) => EventKind::Crowded,
            Self::Unread(..) => EventKind::Unread,
            Self::Mismatch => EventKind::Mismatch,
            Self::InProgress(_) => EventKind::InProgress,
            Self::Uncertain => EventKind::Uncertain,
            Self::Expired => EventKind::Expired,
            Self::NotReplayable => EventKind::NotReplayable,
            Self::StoreDown => EventKind::StoreDown,
        }
    }

    /// The answer, and word of it to all who want to know.
    #[cold]
    pub(crate) fn answer<B, St>(
        self,
        settings: &Settings,
        parts: Parts,
        key: Option<RecordKey>,
    ) -> Response<ResponseBody<B, St>>
    where
        B: Body,
        St: IdempotencyStore,
    {
        self.told(settings, parts, key).map(|body| ResponseBody::told(data(body), None))
    }

    /// The same whatever the bodies are.
    fn told(self, settings: &Settings, parts: Parts, key: Option<RecordKey>) -> Response<buttress_core::Body<String>> {
        settings.told(&parts, key, self.kind());
        let (documented, final_) = (self.is_documented(), self.is_final());
        let mut response = self.problem(settings, key).answer(&mut Request::from_parts(parts, ()));
        let headers = response.headers_mut();
        if documented {
            headers.insert(LINK, settings.link.clone());
        }
        if final_ {
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        response
    }

    /// Whether it is about the rules of keys, which the documentation explains.
    fn is_documented(&self) -> bool {
        matches!(self, Self::Invalid(_) | Self::Missing | Self::Mismatch | Self::InProgress(_) | Self::Uncertain)
    }

    /// Whether the same request gets the same again, whatever it waits.
    fn is_final(&self) -> bool {
        matches!(self, Self::Mismatch | Self::Uncertain | Self::Expired | Self::NotReplayable)
    }

    fn problem(self, settings: &Settings, key: Option<RecordKey>) -> Problem {
        let said = |status, code, message: &'static str| new(status, code, message.into(), settings, key, false);
        let fresh = |status, code, message| new(status, code, message, settings, key, true);
        match self {
            Self::Invalid(error) => {
                fresh(StatusCode::BAD_REQUEST, codes::IDEMPOTENCY_KEY_INVALID, error.to_string().into())
            }
            Self::Missing => fresh(
                StatusCode::BAD_REQUEST,
                codes::IDEMPOTENCY_KEY_MISSING,
                "an Idempotency-Key is needed here".into(),
            ),
            Self::Scope(problem) => problem.refused_by(LAYER),
            Self::Unread(Unread::TooLong, limit) => {
                let message = format!("with an idempotency key, a body has at most {limit} bytes");
                plain(StatusCode::PAYLOAD_TOO_LARGE, codes::PAYLOAD_TOO_LARGE, message.into())
            }
            Self::Unread(Unread::TooSlow, _) => {
                let message = "the body did not arrive in time";
                plain(StatusCode::REQUEST_TIMEOUT, codes::REQUEST_TIMEOUT, message.into()).may_retry()
            }
            Self::Unread(Unread::BrokenOff, _) => {
                plain(StatusCode::BAD_REQUEST, codes::BAD_REQUEST, "the body broke off".into())
            }
            Self::Unread(Unread::Crowded, _) => CROWDED.clone(),
            Self::Mismatch => {
                let message = "this idempotency key was used for another request";
                fresh(StatusCode::UNPROCESSABLE_ENTITY, codes::IDEMPOTENCY_MISMATCH, message.into())
            }
            Self::InProgress(left) => {
                let message = "the first request with this idempotency key is still running";
                said(StatusCode::CONFLICT, codes::IDEMPOTENCY_IN_PROGRESS, message).retry_after(left)
            }
            Self::Uncertain => {
                let message = "it is not known whether the first request with this idempotency key took effect";
                said(StatusCode::CONFLICT, codes::OPERATION_UNCERTAIN, message)
            }
            Self::Expired => {
                let message = "the request with this idempotency key has run, and its answer is kept no longer";
                said(StatusCode::CONFLICT, codes::RESULT_EXPIRED, message)
            }
            Self::NotReplayable => {
                let message = "the request with this idempotency key has run, and its answer cannot be replayed";
                said(StatusCode::CONFLICT, codes::RESULT_UNAVAILABLE, message)
            }
            Self::StoreDown => STORE_DOWN.clone(),
        }
    }
}

/// The text of a problem, which is there at once.
fn data(body: buttress_core::Body<String>) -> Bytes {
    let frame = match pin!(body).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().ok(),
        _ => None,
    };
    frame.expect("a problem is one frame of data")
}

const LAYER: &str = "idempotency";

fn plain(status: StatusCode, code: ProblemCode, message: Cow<'static, str>) -> Problem {
    Problem::new(status, code, message).refused_by(LAYER)
}

/// With what programs may want to know: whether a new key is safe, and of which operation this is told (IDM-22).
fn new(
    status: StatusCode,
    code: ProblemCode,
    message: Cow<'static, str>,
    settings: &Settings,
    key: Option<RecordKey>,
    new_key: bool,
) -> Problem {
    let documentation = settings.documentation.to_str().unwrap_or_default();
    let problem = plain(status, code, message).detail("safeNewKey", new_key).detail("documentation", documentation);
    match key {
        Some(key) => problem.detail("operation", key.to_string()),
        None => problem,
    }
}

/// The field that leads there.
pub(crate) fn link(documentation: &HeaderValue) -> HeaderValue {
    let link = [b"<", documentation.as_bytes(), b">; rel=\"help\""].concat();
    HeaderValue::from_bytes(&link).expect("what is a header value is one in brackets, too")
}
