use axum::{
    body::{Body, to_bytes},
    extract::{FromRequest, FromRequestParts, Path, Request},
    response::{IntoResponse, Response},
};
use buttress_core::Problem;
use gateway_common::{
    BODY_LIMIT, BODY_TIMEOUT, Context, Gateway, bad_request, not_found, parse_json, payload_too_large, verdict,
};
use http::{HeaderValue, StatusCode, header::WWW_AUTHENTICATE, request::Parts};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

/// A problem as an axum answer: the envelope renders it.
#[derive(Debug)]
pub(crate) struct Failure(Problem);

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let challenge = self.0.status() == StatusCode::UNAUTHORIZED;
        let verdict = verdict(&self.0);
        let mut response = self.0.into_response::<Body>(None).map(Body::new);
        if let Some(verdict) = verdict {
            response.extensions_mut().insert(verdict);
        }
        if challenge {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// What the gateway knows of the request.
pub(crate) struct Cx(pub(crate) Context);

impl FromRequestParts<Gateway> for Cx {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Failure> {
        Ok(Self(gateway.context(parts)?))
    }
}

/// The id in the path. One that is no text names nothing.
pub(crate) struct Id(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let id = Path::from_request_parts(parts, state).await;
        id.map(|Path(id)| Self(id)).map_err(|_| not_found("there is nothing at this address").into())
    }
}

/// A JSON body, with the gateway's own errors.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Json<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let late = |_| bad_request("the body did not arrive in time");
        let body = timeout(BODY_TIMEOUT, to_bytes(body, BODY_LIMIT)).await.map_err(late)?;
        let body = body.map_err(|error| match std::error::Error::source(&error) {
            Some(cause) if cause.is::<http_body_util::LengthLimitError>() => payload_too_large(BODY_LIMIT),
            _ => bad_request("the body broke off"),
        })?;
        Ok(Self(parse_json(&parts.headers, &body)?))
    }
}
