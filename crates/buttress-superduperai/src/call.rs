use std::{borrow::Cow, sync::Arc};

use buttress_core::Deadline;
use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT},
};
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use crate::{
    ApiUrl, HttpService, Operation, RequestBody, Token,
    answer::{Answer, Cause, NoAnswer},
    error::never_left,
};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const AGENT: HeaderValue = HeaderValue::from_static(concat!("buttress-superduperai/", env!("CARGO_PKG_VERSION")));

/// The provider's API: where it is, who we are, and what carries the calls.
#[derive(Clone)]
pub(crate) struct Api<S> {
    service: S,
    target: Arc<Target>,
}

struct Target {
    url: ApiUrl,
    token: Token,
}

/// One call to be made.
#[derive(Debug)]
pub(crate) struct Call {
    operation: Operation,
    method: Method,
    path: Cow<'static, str>,
    content_type: Option<HeaderValue>,
    body: RequestBody,
}

impl Call {
    pub(crate) fn get(operation: Operation, path: impl Into<Cow<'static, str>>) -> Self {
        Self { operation, method: Method::GET, path: path.into(), content_type: None, body: RequestBody::empty() }
    }

    pub(crate) fn post_json(operation: Operation, path: &'static str, json: Bytes) -> Self {
        Self::post(operation, path.into(), JSON, RequestBody::full(json))
    }

    pub(crate) fn post(
        operation: Operation,
        path: Cow<'static, str>,
        content_type: HeaderValue,
        body: RequestBody,
    ) -> Self {
        Self { operation, method: Method::POST, path, content_type: Some(content_type), body }
    }
}

impl<S: HttpService> Api<S> {
    pub(crate) fn new(url: ApiUrl, token: Token, service: S) -> Self {
        Self { service, target: Arc::new(Target { url, token }) }
    }

    pub(crate) fn url(&self) -> &ApiUrl {
        &self.target.url
    }

    pub(crate) fn service(&self) -> &S {
        &self.service
    }

    /// Makes a call and reads its answer, all of it by `by`.
    pub(crate) async fn call(&self, call: Call, by: Instant) -> Result<Answer, NoAnswer> {
        let operation = call.operation;
        let started = Instant::now();
        let answer = match self.open(self.request(call, JSON), by).await {
            Ok(response) => Ok(Answer::read(response, &self.target.token, by).await),
            Err(none) => Err(none),
        };
        told(operation, started, &answer);
        answer
    }

    pub(crate) fn request(&self, call: Call, accept: HeaderValue) -> Request<RequestBody> {
        let Call { operation, method, path, content_type, body } = call;
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = self.target.url.join(&path);
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.target.token.header());
        headers.insert(ACCEPT, accept);
        headers.insert(USER_AGENT, AGENT);
        if let Some(content_type) = content_type {
            headers.insert(CONTENT_TYPE, content_type);
        }
        request.extensions_mut().insert(operation);
        request
    }

    /// Sends a request and waits for the head of its answer.
    async fn open(&self, mut request: Request<RequestBody>, by: Instant) -> Result<Response<S::Body>, NoAnswer> {
        let not_sent = |cause| NoAnswer { cause, left: false };
        // A timer that is over would let a service through that is ready at once.
        if Instant::now() >= by {
            return Err(not_sent(Cause::TimedOut));
        }
        let service = match timeout_at(by, self.service.readied()).await {
            Ok(Ok(service)) => service,
            Ok(Err(error)) => return Err(not_sent(Cause::Failed(error))),
            Err(_) => return Err(not_sent(Cause::TimedOut)),
        };
        request.extensions_mut().insert(Deadline::at(by.into_std()));
        match timeout_at(by, service.carry(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(NoAnswer { left: !never_left(&*error), cause: Cause::Failed(error) }),
            Err(_) => Err(NoAnswer { left: true, cause: Cause::TimedOut }),
        }
    }
}

fn told(operation: Operation, started: Instant, answer: &Result<Answer, NoAnswer>) {
    let elapsed_ms = started.elapsed().as_millis();
    match answer {
        Ok(Answer::Success(Ok(body))) => debug!(%operation, elapsed_ms, bytes = body.len(), "provider_answered"),
        Ok(Answer::Success(Err(fault))) => debug!(%operation, elapsed_ms, %fault, "provider_answer_lost"),
        Ok(Answer::Refusal(refusal)) => {
            let (status, local) = (refusal.status.as_u16(), refusal.local.is_some());
            debug!(%operation, elapsed_ms, status, local, "provider_refused");
        }
        Err(none) => {
            let (timed_out, left) = (matches!(none.cause, Cause::TimedOut), none.left);
            debug!(%operation, elapsed_ms, timed_out, left, "provider_gave_no_answer");
        }
    }
}
