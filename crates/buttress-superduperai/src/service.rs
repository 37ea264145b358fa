use std::future::poll_fn;

use bytes::Buf;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::{BoxError, RequestBody};

/// Any tower service that carries HTTP requests, from a bare client to a whole stack of layers.
///
/// Implemented for every `Service<http::Request<RequestBody>, Response = http::Response<B>>` that is
/// `Clone + Send + Sync + 'static`, with futures that are `Send` and errors that can be boxed; there is nothing to
/// implement by hand. Each call goes to a clone of its own, after that clone said that it is ready.
///
/// # Examples
///
/// ```
/// use std::convert::Infallible;
/// use buttress_superduperai::{ApiUrl, RequestBody, SuperDuperAi, Token};
/// use http::{Request, Response};
///
/// // Anything that answers requests will do.
/// let canned = tower::service_fn(|_: Request<RequestBody>| async {
///     Ok::<_, Infallible>(Response::new(String::from("{}")))
/// });
/// let provider = SuperDuperAi::new(ApiUrl::new("https://example.com")?, Token::new("token")?, canned);
/// # let _ = provider;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait HttpService: Clone + Send + Sync + 'static + sealed::Sealed {
    /// The body of an answer.
    #[doc(hidden)]
    type Body: Body<Data: Buf, Error: Into<BoxError>> + Send;

    /// A clone that is ready for one call.
    #[doc(hidden)]
    fn readied(&self) -> impl Future<Output = Result<Self, BoxError>> + Send;

    /// The one call that `self` is ready for.
    #[doc(hidden)]
    fn carry(
        self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<Self::Body>, BoxError>> + Send;
}

impl<S, B> HttpService for S
where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body + Send,
    B::Data: Buf,
    B::Error: Into<BoxError>,
{
    type Body = B;

    async fn readied(&self) -> Result<Self, BoxError> {
        let mut service = self.clone();
        poll_fn(|cx| service.poll_ready(cx)).await.map_err(Into::into)?;
        Ok(service)
    }

    fn carry(mut self, request: Request<RequestBody>) -> impl Future<Output = Result<Response<B>, BoxError>> + Send {
        let answer = self.call(request);
        async move { answer.await.map_err(Into::into) }
    }
}

mod sealed {
    use http::Request;
    use tower_service::Service;

    use crate::RequestBody;

    #[expect(unnameable_types, reason = "nobody else implements it")]
    pub trait Sealed {}

    impl<S: Service<Request<RequestBody>>> Sealed for S {}
}
