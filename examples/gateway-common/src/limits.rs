//! What each user and each address may ask for.

use buttress_rate_limit::{ClientAddr, Head, InvalidLimits, Key, KeyBy, Limit, Quota, RateLimitLayer, by};
use http::Method;

use crate::{Settings, users::Known};

/// The limits that are set; `None` if all of them are off.
///
/// Who has neither a key nor a guest's cookie is nobody yet: its address is counted, and stands for it where jobs are made.
pub(crate) fn layer(settings: &Settings) -> Result<Option<RateLimitLayer>, InvalidLimits> {
    let address = || ClientAddr::behind(settings.client_addr_header, settings.trusted_proxies.iter().copied());
    let creating = |name, quota, path: &'static str| {
        let limit = Limit::new(name, quota, by_user().or(address()));
        limit.only_for(move |head| head.method() == Method::POST && head.path() == path)
    };
    let limits: Vec<Limit> = [
        settings.user_limit.map(|quota| Limit::new("user", quota, by_user())),
        settings.ip_limit.map(|quota| Limit::new("address", quota, address())),
        settings.image_limit.map(|quota: Quota| creating("images", quota, "/api/images")),
        settings.video_limit.map(|quota: Quota| creating("videos", quota, "/api/videos")),
    ]
    .into_iter()
    .flatten()
    .collect();
    if limits.is_empty() {
        return Ok(None);
    }
    let layer = RateLimitLayer::new(limits)?;
    let layer = layer.exempt(|head| !head.path().starts_with("/api/"));
    Ok(Some(layer.event_streams(|head| head.path().ends_with("/events"))))
}

fn by_user() -> impl KeyBy {
    by(|head: &Head<'_>| head.extensions().get::<Known>()?.user().map(|user| Key::text(user.as_str())))
}
