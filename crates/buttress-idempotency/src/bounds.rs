//! What is asked of the service below and of its answers, each in one word. What goes on without its caller moves into a
//! task, hence `Send` and `'static`.

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::RequestBody;

/// A service that can stand below.
pub(crate) trait Below<ReqB, ResB>:
    Service<Request<RequestBody<ReqB>>, Response = Response<ResB>, Future: Send + 'static, Error: Send + 'static>
    + Clone
    + Send
    + 'static
{
}

impl<S, ReqB, ResB> Below<ReqB, ResB> for S where
    S: Service<Request<RequestBody<ReqB>>, Response = Response<ResB>, Future: Send + 'static, Error: Send + 'static>
        + Clone
        + Send
        + 'static
{
}

/// A body that can be recorded.
pub(crate) trait Recordable: Body<Data: From<Bytes> + Send, Error: Send> + Send + 'static {}

impl<B> Recordable for B where B: Body<Data: From<Bytes> + Send, Error: Send> + Send + 'static {}
