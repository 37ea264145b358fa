use std::convert::Infallible;

use gateway_common::Gateway;
use warp::{Filter, path, reply::Response};

use super::{
    filters::{at, parts, query, reply, told, without_slash_at_the_end},
    handlers,
};

const READ: &str = "GET,HEAD";
const CREATE: &str = "POST";

/// What there is at each address.
pub(crate) fn routes(gateway: &Gateway) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + use<> {
    let gateway = {
        let gateway = gateway.clone();
        warp::any().map(move || gateway.clone()).and(parts())
    };
    let body = warp::body::stream;

    let page = path::end().and(at("/", READ)).and(gateway.clone()).then(handlers::page).then(reply);
    let asset = path!("assets" / String).and(at("/assets/{name}", READ)).then(handlers::asset).then(reply);

    let images = path!("api" / "images").and(at("/api/images", CREATE)).and(gateway.clone()).and(body());
    let images = images.then(handlers::create_image).then(reply);
    let videos = path!("api" / "videos").and(at("/api/videos", CREATE)).and(gateway.clone()).and(body());
    let videos = videos.then(handlers::create_video).then(reply);
    let uploads = path!("api" / "uploads").and(at("/api/uploads", CREATE)).and(gateway.clone()).and(body());
    let uploads = uploads.then(handlers::upload).then(reply);

    let job = path!("api" / "jobs" / String).and(at("/api/jobs/{id}", READ)).and(gateway.clone());
    let job = job.then(handlers::job).then(reply);
    let result = path!("api" / "jobs" / String / "result").and(at("/api/jobs/{id}/result", READ)).and(gateway.clone());
    let result = result.then(handlers::result).then(reply);
    let events = path!("api" / "jobs" / String / "events").and(at("/api/jobs/{id}/events", READ)).and(gateway.clone());
    let events = events.and(query()).then(handlers::events).then(reply);
    let models = path!("api" / "models").and(at("/api/models", READ)).and(gateway.clone());
    let models = models.then(handlers::models).then(reply);

    let openapi = path!("openapi.json").and(at("/openapi.json", READ)).then(handlers::openapi).then(reply);
    let health = path!("healthz").and(at("/healthz", READ)).and(gateway.clone()).then(handlers::health).then(reply);
    let metrics = path!("metrics").and(at("/metrics", READ)).and(gateway).then(handlers::metrics).then(reply);

    let pages = page.or(asset).unify().or(openapi).unify().or(health).unify().or(metrics).unify();
    let creating = images.or(videos).unify().or(uploads).unify();
    let reading = job.or(result).unify().or(events).unify().or(models).unify();
    let routes = pages.or(creating).unify().or(reading).unify();
    without_slash_at_the_end().and(routes).recover(told).unify()
}
