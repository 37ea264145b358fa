use std::{
    fmt,
    marker::PhantomData,
    num::NonZeroUsize,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use serde::de::DeserializeOwned;
use tower_layer::Layer;
use tower_service::Service;

use crate::{ApiError, BoxError, DecodeFuture, decode_future::unsent};

/// Gives a client the data of an answer, or the failure that it tells: a service of requests whose response is a `T`.
///
/// What an answer says is read as [`decode_answer`](crate::decode_answer) does, with or without an envelope, up to
/// [1 MiB](Self::limit) of it. What is not read is dropped. It waits for as long as the answer takes: put a time-out
/// around it.
///
/// # Errors
///
/// Those of [`Decode`].
///
/// # Examples
///
/// ```
/// use std::convert::Infallible;
/// use buttress_envelope::{ApiError, DecodeLayer, EnvelopeLayer, NOT_FOUND};
/// use buttress_core::Body;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use tower::{ServiceBuilder, ServiceExt};
///
/// // Somebody's server.
/// async fn answer(request: Request<()>) -> Result<Response<Body<Full<bytes::Bytes>>>, Infallible> {
///     if request.uri() != "/sizes" {
///         return Ok(ApiError::new(NOT_FOUND, "no such thing").into_response(None));
///     }
///     let mut answer = Response::new(Body::full("[1,2]"));
///     answer.headers_mut().insert("content-type", "application/json".parse().expect("is a header value"));
///     Ok(answer)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = ServiceBuilder::new()
///     .layer(DecodeLayer::<Vec<u8>>::new())
///     .layer(EnvelopeLayer::new())
///     .service_fn(answer);
///
/// let sizes = client.clone().oneshot(Request::get("/sizes").body(())?).await?;
/// assert_eq!(sizes, [1, 2]);
///
/// let error = client.oneshot(Request::get("/colours").body(())?).await.unwrap_err();
/// assert_eq!((error.code(), error.retryable()), ("not_found", false));
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct DecodeLayer<T> {
    limit: NonZeroUsize,
    data: PhantomData<fn() -> T>,
}

impl<T> DecodeLayer<T> {
    /// A layer that reads at most 1 MiB of an answer.
    pub fn new() -> Self {
        Self { limit: NonZeroUsize::new(1024 * 1024).expect("more than nothing"), data: PhantomData }
    }

    /// How many bytes of an answer are read at most. Data beyond that is an error; a failure beyond that is told by its
    /// status and header fields.
    pub fn limit(mut self, bytes: NonZeroUsize) -> Self {
        self.limit = bytes;
        self
    }
}

impl<T> Default for DecodeLayer<T> {
    fn default() -> Self {
        Self::new()
    }
}

// By hand, as `T` is not there.
impl<T> Clone for DecodeLayer<T> {
    fn clone(&self) -> Self {
        Self { limit: self.limit, data: PhantomData }
    }
}

impl<T> fmt::Debug for DecodeLayer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecodeLayer").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl<S, T> Layer<S> for DecodeLayer<T> {
    type Service = Decode<S, T>;

    fn layer(&self, inner: S) -> Decode<S, T> {
        Decode { inner, layer: self.clone() }
    }
}

/// A client whose answers are data. Made by [`DecodeLayer`].
///
/// # Errors
///
/// The failure that an answer tells, `internal` for data of another form and for data beyond the limit, each with its
/// cause as the source. An error of the client below, or of the body half-way, is what [`problem_of`](crate::problem_of)
/// knows it for, a time-out for instance, else `unavailable`; it is the source. One of `poll_ready` is final.
///
/// # Cancel safety
///
/// A future that is dropped drops the call or the body that it reads, and nothing else is left.
pub struct Decode<S, T> {
    inner: S,
    layer: DecodeLayer<T>,
}

impl<S: Clone, T> Clone for Decode<S, T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S: fmt::Debug, T> fmt::Debug for Decode<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decode").field("inner", &self.inner).field("layer", &self.layer).finish()
    }
}

impl<S, T, ReqB, ResB> Service<Request<ReqB>> for Decode<S, T>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    S::Error: Into<BoxError>,
    ResB: Body,
    ResB::Error: Into<BoxError>,
    T: DeserializeOwned,
{
    type Response = T;
    type Error = ApiError;
    type Future = DecodeFuture<S::Future, ResB, T>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ApiError>> {
        self.inner.poll_ready(cx).map_err(unsent)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        DecodeFuture::new(self.inner.call(request), self.layer.limit.get())
    }
}
