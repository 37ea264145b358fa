use std::convert::Infallible;

use buttress_core::Problem;
use bytes::Bytes;
use gateway_common::{
    Answer, Gateway, accepted, asset, empty, failed, health, json, metrics, not_allowed, nothing_here, openapi, page,
    read_json, streamed,
};
use http::{Request, StatusCode, request::Parts};
use http_body::Body;
use http_body_util::BodyDataStream;

use super::route::{Route, decoded};

/// Answers a request whose route was looked for.
pub(crate) async fn answer<B>(gateway: Gateway, request: Request<B>) -> Result<Answer, Infallible>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send> + Send + 'static,
{
    let (parts, body) = request.into_parts();
    let Some(route) = parts.extensions.get::<Route>() else { return Ok(empty(StatusCode::NOT_FOUND)) };
    if let Err(allowed) = route.takes(&parts.method) {
        return Ok(not_allowed(allowed));
    }
    Ok(handle(&gateway, route, &parts, BodyDataStream::new(body)).await.unwrap_or_else(failed))
}

async fn handle<B>(gateway: &Gateway, route: &Route, parts: &Parts, body: BodyDataStream<B>) -> Result<Answer, Problem>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send> + Send + 'static,
{
    match route {
        Route::Page => Ok(page(gateway, parts)),
        Route::Asset(name) => asset(&decoded(name).ok_or_else(nothing_here)?),
        Route::Images => {
            let cx = gateway.context(parts)?;
            let job = gateway.create_image(&cx, read_json(&parts.headers, body).await?).await?;
            Ok(accepted(&job, cx))
        }
        Route::Videos => {
            let cx = gateway.context(parts)?;
            let job = gateway.create_video(&cx, read_json(&parts.headers, body).await?).await?;
            Ok(accepted(&job, cx))
        }
        Route::Uploads => {
            let cx = gateway.context(parts)?;
            let file = gateway.upload(&cx, &parts.headers, body).await?;
            Ok(cx.finish(json(StatusCode::CREATED, &file)))
        }
        Route::Job(id) => {
            let (cx, id) = (gateway.context(parts)?, decoded(id).ok_or_else(nothing_here)?);
            Ok(json(StatusCode::OK, &gateway.job(&cx, &id)?))
        }
        Route::JobResult(id) => {
            let (cx, id) = (gateway.context(parts)?, decoded(id).ok_or_else(nothing_here)?);
            Ok(json(StatusCode::OK, &gateway.result(&cx, &id).await?))
        }
        Route::JobEvents(id) => {
            let (cx, id) = (gateway.context(parts)?, decoded(id).ok_or_else(nothing_here)?);
            Ok(streamed(gateway.events(&cx, &id, &parts.headers, parts.uri.query())?))
        }
        Route::Models => Ok(json(StatusCode::OK, &*gateway.models(&gateway.context(parts)?).await?)),
        Route::OpenApi => Ok(openapi()),
        Route::Health => health(gateway, parts),
        Route::Metrics => metrics(gateway, parts),
    }
}
