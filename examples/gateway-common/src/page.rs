use std::sync::LazyLock;

use buttress_core::{Body, Problem};
use bytes::Bytes;
use http::{
    HeaderValue, Response,
    header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS},
    request::Parts,
};

use crate::{Answer, Gateway, Settings, nothing_here};

/// Scripts and styles of our own alone; pictures and videos from wherever the provider keeps them.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data: blob: http: https:; media-src 'self' blob: http: https:; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const SCRIPT: (&str, &str) = ("text/javascript; charset=utf-8", include_str!("page/page.js"));
const EVENTS: (&str, &str) = ("text/javascript; charset=utf-8", include_str!("page/events.js"));
const STYLE: (&str, &str) = ("text/css; charset=utf-8", include_str!("page/page.css"));

/// The page with its script and style in their places.
static HTML: LazyLock<String> = LazyLock::new(|| {
    include_str!("page/index.html")
        .replace("<!-- style -->", r#"<link rel="stylesheet" href="/assets/page.css">"#)
        .replace("<!-- script -->", r#"<script type="module" src="/assets/page.js"></script>"#)
});

/// `GET /`: the demo page, with the cookie that makes a guest known again. It is for everybody; who is not let in learns
/// it from the first call.
pub fn page(gateway: &Gateway, parts: &Parts) -> Answer {
    let response = html(gateway.settings());
    match gateway.context(parts) {
        Ok(context) => context.finish(response),
        Err(_) => response,
    }
}

/// `GET /assets/{name}`: what the page is made of.
///
/// # Errors
///
/// 404 for anything else.
pub fn asset(name: &str) -> Result<Answer, Problem> {
    let (media_type, text) = match name {
        "page.js" => SCRIPT,
        "events.js" => EVENTS,
        "page.css" => STYLE,
        _ => return Err(nothing_here()),
    };
    Ok(content(media_type, text))
}

fn html(settings: &Settings) -> Answer {
    let interval = format!("data-heartbeat-ms=\"{}\"", settings.heartbeat.as_millis());
    let mut response = content("text/html; charset=utf-8", HTML.replace("data-heartbeat-ms=\"15000\"", &interval));
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn content(media_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Body::full(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn the_page_names_its_parts_and_the_heartbeat_of_this_gateway() {
        let settings = Settings { heartbeat: Duration::from_millis(250), ..Settings::default() };
        let html = html(&settings).into_body().collect().await.unwrap().to_bytes();
        let html = String::from_utf8(html.to_vec()).unwrap();
        for needed in [r#"data-heartbeat-ms="250""#, "/assets/page.js", "/assets/page.css"] {
            assert_eq!(html.matches(needed).count(), 1, "{needed}");
        }
        assert!(["page.js", "events.js", "page.css"].into_iter().all(|name| asset(name).is_ok()));
        assert_eq!(asset("../page.js").unwrap_err().status(), 404);
    }
}
