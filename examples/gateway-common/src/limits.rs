//! What each user and each address may ask for.

use std::time::Duration;

use buttress_rate_limit::{ClientAddr, Head, InvalidLimits, Key, KeyBy, Limit, Quota, RateLimitLayer, by};
use http::Method;

use crate::{Settings, users::Known};

/// The limits that are set.
///
/// Who has neither a key nor a guest's cookie is nobody yet: its address is counted, and stands for it where jobs are made.
pub(crate) fn layer(settings: &Settings) -> Result<RateLimitLayer, InvalidLimits> {
    let address = || client_addr(settings);
    let creating = |name, quota, path: &'static str| {
        let limit = Limit::new(name, quota, by_user().or(address()));
        limit.only_for(move |head| head.method() == Method::POST && head.path() == path)
    };
    let mut limits: Vec<Limit> = [
        settings.user_limit.map(|quota| Limit::new("user", quota, by_user())),
        settings.ip_limit.map(|quota| Limit::new("address", quota, address())),
        settings.image_limit.map(|quota: Quota| creating("images", quota, "/api/images")),
        settings.video_limit.map(|quota: Quota| creating("videos", quota, "/api/videos")),
    ]
    .into_iter()
    .flatten()
    .collect();
    // So that the stack is the same with all of them off, and nobody is counted.
    let off = limits.is_empty();
    if off {
        limits.push(Limit::new("off", Quota::new(1, SECOND).expect("one a second"), address()));
    }
    let layer = RateLimitLayer::new(limits)?;
    let layer = layer.exempt(move |head| off || !head.path().starts_with("/api/"));
    Ok(layer.event_streams(|head| head.path().ends_with("/events")))
}

/// Where a request comes from, as far as it is known.
pub(crate) fn client_addr(settings: &Settings) -> ClientAddr {
    ClientAddr::behind(settings.client_addr_header, settings.trusted_proxies.iter().copied())
}

const SECOND: Duration = Duration::from_secs(1);

fn by_user() -> impl KeyBy {
    by(|head: &Head<'_>| head.extensions().get::<Known>()?.user().map(|user| Key::text(user.as_str())))
}
