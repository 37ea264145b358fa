use std::borrow::Cow;

use buttress_core::Notes;
use http::{Method, Request};
use percent_encoding::percent_decode_str;

/// What there is at an address. Names and ids as they stand in the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Page,
    Asset(String),
    Images,
    Videos,
    Uploads,
    Job(String),
    JobResult(String),
    JobEvents(String),
    Models,
    OpenApi,
    Health,
    Metrics,
}

/// Finds the route of a request, for its handler as an extension, and for the layers of the kit in the notes.
pub(crate) fn find<B>(mut request: Request<B>) -> Request<B> {
    let Some(route) = Route::at(request.uri().path()) else { return request };
    if let Some(notes) = Notes::of(request.extensions()) {
        notes.write(|noted| noted.route = Some(Cow::Borrowed(route.pattern())));
    }
    request.extensions_mut().insert(route);
    request
}

impl Route {
    fn at(path: &str) -> Option<Self> {
        // One more than the longest route has: what is longer fits none.
        let mut segments = [None; 5];
        for (place, segment) in segments.iter_mut().zip(path.strip_prefix('/')?.split('/')) {
            *place = Some(segment);
        }
        let name = |name: &str| Some(name.to_owned()).filter(|name| !name.is_empty());
        Some(match segments {
            [Some(""), None, ..] => Self::Page,
            [Some("openapi.json"), None, ..] => Self::OpenApi,
            [Some("healthz"), None, ..] => Self::Health,
            [Some("metrics"), None, ..] => Self::Metrics,
            [Some("assets"), Some(asset), None, ..] => Self::Asset(name(asset)?),
            [Some("api"), Some("images"), None, ..] => Self::Images,
            [Some("api"), Some("videos"), None, ..] => Self::Videos,
            [Some("api"), Some("uploads"), None, ..] => Self::Uploads,
            [Some("api"), Some("models"), None, ..] => Self::Models,
            [Some("api"), Some("jobs"), Some(id), None, _] => Self::Job(name(id)?),
            [Some("api"), Some("jobs"), Some(id), Some("result"), None] => Self::JobResult(name(id)?),
            [Some("api"), Some("jobs"), Some(id), Some("events"), None] => Self::JobEvents(name(id)?),
            _ => return None,
        })
    }

    fn pattern(&self) -> &'static str {
        match self {
            Self::Page => "/",
            Self::Asset(_) => "/assets/{name}",
            Self::Images => "/api/images",
            Self::Videos => "/api/videos",
            Self::Uploads => "/api/uploads",
            Self::Job(_) => "/api/jobs/{id}",
            Self::JobResult(_) => "/api/jobs/{id}/result",
            Self::JobEvents(_) => "/api/jobs/{id}/events",
            Self::Models => "/api/models",
            Self::OpenApi => "/openapi.json",
            Self::Health => "/healthz",
            Self::Metrics => "/metrics",
        }
    }

    /// The methods that it takes, as the header `Allow` names them, and whether this is one of them.
    pub(crate) fn takes(&self, method: &Method) -> Result<(), &'static str> {
        match self {
            Self::Images | Self::Videos | Self::Uploads if method == Method::POST => Ok(()),
            Self::Images | Self::Videos | Self::Uploads => Err("POST"),
            _ if method == Method::GET || method == Method::HEAD => Ok(()),
            _ => Err("GET,HEAD"),
        }
    }
}

/// The text behind a segment of a path, if it is text.
pub(crate) fn decoded(segment: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(segment).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_has_its_route() {
        let table = [
            ("/", Route::Page),
            ("/openapi.json", Route::OpenApi),
            ("/healthz", Route::Health),
            ("/metrics", Route::Metrics),
            ("/assets/page.js", Route::Asset("page.js".into())),
            ("/api/images", Route::Images),
            ("/api/videos", Route::Videos),
            ("/api/uploads", Route::Uploads),
            ("/api/models", Route::Models),
            ("/api/jobs/j-1", Route::Job("j-1".into())),
            ("/api/jobs/j-1/result", Route::JobResult("j-1".into())),
            ("/api/jobs/%2e%2e/events", Route::JobEvents("%2e%2e".into())),
        ];
        for (path, route) in table {
            assert_eq!(Route::at(path), Some(route), "{path}");
        }
    }

    #[test]
    fn what_is_nearly_an_address_is_none() {
        for path in [
            "",
            "*",
            "//",
            "/api",
            "/api/",
            "/api/images/",
            "//api/images",
            "/api/jobs",
            "/api/jobs/",
            "/api/jobs//result",
            "/api/jobs/j/result/",
            "/api/jobs/j/result/x",
            "/api/jobs/j/result/x/y/z",
            "/assets",
            "/assets/",
            "/Healthz",
        ] {
            assert_eq!(Route::at(path), None, "{path}");
        }
    }
}
