use std::{convert::Infallible, future::ready};

use buttress_core::{Notes, Problem};
use gateway_common::{Answer, empty, failed, not_allowed};
use http::{Extensions, Method, Request, StatusCode, Uri, request::Parts};
use http_body::Body;
use http_body_util::{BodyDataStream, BodyExt};
use warp::{Filter, Rejection, Reply, ext, path::FullPath, reject::Reject, reply::Response};

/// Names the route for the layers of the kit, and lets these methods through: `allowed` is a value of `Allow`.
pub(crate) fn at(
    route: &'static str,
    allowed: &'static str,
) -> impl Filter<Extract = (), Error = Rejection> + Clone + use<> {
    let check = move |method: Method, notes: Option<Notes>| {
        if let Some(notes) = notes {
            notes.write(|noted| noted.route = Some(route.into()));
        }
        let takes = allowed.split(',').any(|allowed| method == allowed);
        ready(if takes { Ok(()) } else { Err(warp::reject::custom(NotAllowed(allowed))) })
    };
    warp::method().and(ext::optional::<Notes>()).and_then(check).untuple_one()
}

/// All that layers and server found out about a request: warp gives a filter one type of extension at a time.
#[derive(Clone)]
struct Known(Extensions);

/// Keeps the extensions of a request together for [`parts`].
pub(crate) fn keep_extensions<B>(mut request: Request<B>) -> Request<B> {
    let known = Known(request.extensions().clone());
    request.extensions_mut().insert(known);
    request
}

/// warp panics at an address without a path, which is that of a CONNECT. No route is at `*` either.
pub(crate) fn with_a_path<B>(mut request: Request<B>) -> Request<B> {
    if request.uri().path_and_query().is_none() {
        *request.uri_mut() = Uri::from_static("*");
    }
    request
}

/// The headers of the request, and what is known about it.
pub(crate) fn parts() -> impl Filter<Extract = (Parts,), Error = Rejection> + Clone {
    warp::header::headers_cloned().and(ext::get::<Known>()).map(|headers, Known(extensions)| {
        let (mut parts, ()) = Request::new(()).into_parts();
        (parts.headers, parts.extensions) = (headers, extensions);
        parts
    })
}

/// What stands behind the question mark, if there is one.
pub(crate) fn query() -> impl Filter<Extract = (Option<String>,), Error = Infallible> + Clone {
    warp::query::raw().map(Some).or(warp::any().map(|| None)).unify()
}

/// warp takes `/api/images/` for `/api/images`; the other hosts do not.
pub(crate) fn without_slash_at_the_end() -> impl Filter<Extract = (), Error = Rejection> + Clone {
    let check = |path: FullPath| {
        let fits = path.as_str() == "/" || !path.as_str().ends_with('/');
        ready(if fits { Ok(()) } else { Err(warp::reject::not_found()) })
    };
    warp::path::full().and_then(check).untuple_one()
}

/// The answer of a handler as warp takes it: whole, or as a stream. Of a problem the envelope makes the answer.
///
/// A handler that fails answers. It does not reject, for warp would try the other routes then.
pub(crate) async fn reply(answer: Result<Answer, Problem>) -> Response {
    let (parts, body) = answer.unwrap_or_else(failed).into_parts();
    let reply = if body.size_hint().exact().is_some() {
        let whole = body.collect().await.unwrap_or_else(|never| match never {});
        Response::new(whole.to_bytes().into())
    } else {
        warp::reply::stream(BodyDataStream::new(body)).into_response()
    };
    Response::from_parts(parts, reply.into_body())
}

/// The answer where no route fits. The envelope finds the words.
pub(crate) async fn told(rejection: Rejection) -> Result<Response, Infallible> {
    let answer = match rejection.find::<NotAllowed>() {
        Some(NotAllowed(allowed)) => not_allowed(allowed),
        None if rejection.is_not_found() => empty(StatusCode::NOT_FOUND),
        None => empty(StatusCode::INTERNAL_SERVER_ERROR),
    };
    Ok(reply(Ok(answer)).await)
}

/// There is a route, for other methods.
#[derive(Debug)]
struct NotAllowed(&'static str);

impl Reject for NotAllowed {}
