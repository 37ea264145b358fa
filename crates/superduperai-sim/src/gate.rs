//! In front of the routes: bounds and logs each request, and lets the script have its way with it.

use std::{convert::Infallible, error::Error, fmt, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    response::IntoResponse,
};
use http::{Request, Response, request::Parts};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tower_service::Service;

use crate::{Answer, Then, cut, detail::Refusal, world::World};

/// Most bytes of an upload, and of any other request's body.
const MAX_UPLOAD: usize = 50 << 20;
const MAX_BODY: usize = 1 << 20;

#[derive(Clone, Debug)]
pub(crate) struct Gate {
    pub(crate) world: Arc<World>,
    pub(crate) router: Router,
}

/// Tells the server to close the connection without an answer.
#[derive(Debug)]
pub(crate) struct Dropped;

impl Gate {
    pub(crate) async fn pass(self, request: Request<Incoming>) -> Result<Response<Body>, Dropped> {
        let (head, body) = request.into_parts();
        let Some(body) = collect(&head, body).await? else {
            return Ok(Refusal::too_large().into_response());
        };
        if head.uri.path().starts_with("/_sim/") {
            return Ok(self.handle(head, body).await);
        }
        let token = self.world.live().settings.token.clone();
        self.world.log().push(&head, &body, &token);
        let fault = self.world.faults().take(&head.method, head.uri.path());
        match fault {
            None => Ok(self.handle(head, body).await),
            Some(Then::Answer(answer)) => Ok(scripted(answer)),
            Some(Then::Delay(delay)) => {
                tokio::time::sleep(delay).await;
                Ok(self.handle(head, body).await)
            }
            Some(Then::DropBefore) => {
                self.handle(head, body).await;
                Err(Dropped)
            }
            Some(Then::DropAfter(n)) => Ok(cut::after_bytes(self.handle(head, body).await, n)),
            Some(Then::Hang) => std::future::pending().await,
        }
    }

    async fn handle(mut self, head: Parts, body: Bytes) -> Response<Body> {
        let request = Request::from_parts(head, Body::from(body));
        let answer: Result<_, Infallible> = self.router.call(request).await;
        answer.unwrap_or_else(|never| match never {})
    }
}

/// The whole body; none if it is too long.
async fn collect(head: &Parts, body: Incoming) -> Result<Option<Bytes>, Dropped> {
    let upload = head.uri.path() == "/api/v1/file/upload";
    let limit = if upload { MAX_UPLOAD } else { MAX_BODY };
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(Some(body.to_bytes())),
        Err(err) if err.is::<http_body_util::LengthLimitError>() => Ok(None),
        // The client went away in the middle of it.
        Err(_) => Err(Dropped),
    }
}

fn scripted(answer: Answer) -> Response<Body> {
    let Answer { status, headers, body } = answer;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is to be dropped")
    }
}

impl Error for Dropped {}
