use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Path, Request},
    response::{IntoResponse, Response},
};
use buttress_core::Problem;
use gateway_common::{Context, Gateway, failed, nothing_here, read_json};
use http::request::Parts;
use serde::de::DeserializeOwned;

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
        failed(self.0).map(Body::new)
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
        id.map(|Path(id)| Self(id)).map_err(|_| nothing_here().into())
    }
}

/// A JSON body, with the gateway's own errors.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Json<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        Ok(Self(read_json(&parts.headers, body.into_data_stream()).await?))
    }
}
