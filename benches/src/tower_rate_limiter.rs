//! What tower-rate-limiter costs. It asks for a newer compiler than the kit, so it is built only on request.

use std::{net::IpAddr, time::Duration};

use buttress_core::PeerAddr;
use http::Request;
use tower::ServiceBuilder;
use tower_rate_limiter::{
    DefaultResponseFactory, GcraQuota, KeyExtractor, MemoryGcra, RateLimitError, RateLimitFields, RateLimitLayer,
};

use crate::{
    Case, Group, Operation,
    http::{bare, json, operation},
    rate_limit::{User, asked},
};

/// The same groups, with its cases in those that it has an answer to.
pub(super) fn beside(mut groups: Vec<Group>) -> Vec<Group> {
    for group in &mut groups {
        group.cases.extend(match group.name {
            "rate limit, user and address" => {
                Some(Case::new("tower-rate-limiter, twice", || twice(RateLimitFields::Disabled, plenty())))
            }
            "rate limit, user and address, told" => {
                Some(Case::new("tower-rate-limiter, twice", || twice(RateLimitFields::Draft11, plenty())))
            }
            "rate limit, refused" => Some(Case::new("tower-rate-limiter", refused)),
            _ => None,
        });
    }
    groups
}

/// A unit each microsecond, which is as fast as it goes.
fn plenty() -> GcraQuota {
    GcraQuota::new(1_000_000, Duration::from_secs(1), 1_000_000_000).expect("a quota")
}

#[derive(Clone)]
struct ByPeer;

impl KeyExtractor for ByPeer {
    type Key = IpAddr;

    fn extract<T>(&self, request: &Request<T>) -> Result<IpAddr, RateLimitError> {
        request.extensions().get::<PeerAddr>().map(|peer| peer.0.ip()).ok_or_else(no_key)
    }
}

#[derive(Clone)]
struct ByUser;

impl KeyExtractor for ByUser {
    type Key = &'static str;

    fn extract<T>(&self, request: &Request<T>) -> Result<&'static str, RateLimitError> {
        request.extensions().get::<User>().map(|user| user.0).ok_or_else(no_key)
    }
}

fn no_key() -> RateLimitError {
    RateLimitError::Key("no_key".to_owned(), "there is none".to_owned())
}

fn layer<K: KeyExtractor>(
    name: &str,
    key: K,
    fields: RateLimitFields,
    quota: GcraQuota,
) -> RateLimitLayer<K, MemoryGcra, DefaultResponseFactory> {
    let layer = RateLimitLayer::builder(key).policy_name(name).rate_limit_fields(fields);
    layer.with_policy(MemoryGcra::new(quota)).build().expect("a policy")
}

fn twice(fields: RateLimitFields, quota: GcraQuota) -> Operation {
    let (user, address) = (layer("user", ByUser, fields, quota), layer("address", ByPeer, fields, quota));
    operation(ServiceBuilder::new().layer(user).layer(address).service(bare(json(200))), asked)
}

fn refused() -> Operation {
    let hardly_any = GcraQuota::new(1, Duration::from_secs(60), 1).expect("a quota");
    let mut operation = twice(RateLimitFields::Disabled, hardly_any);
    operation();
    operation
}
