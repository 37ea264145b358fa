use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::{ResponseBody, ResponseFuture, line::Line, settings::Settings};

/// The service of a [`RequestLogLayer`](crate::RequestLogLayer).
///
/// It is ready when the inner service is. Errors of readiness belong to no request and make no line.
///
/// # Cancel safety
///
/// A future or a body that is dropped writes its line then and there: `client_left`, or what was the case if the answer
/// was whole already.
#[derive(Clone, Debug)]
pub struct RequestLog<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> RequestLog<S> {
    pub(crate) fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for RequestLog<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: Body,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let mut line = Line::open(&self.settings, &mut request);
        if let Some(find) = &self.settings.route {
            request = line.find_route(&**find, request);
        }
        let watched = line.watch();
        let future = self.inner.call(request);
        watched.went_well();
        ResponseFuture::new(future, line)
    }
}
