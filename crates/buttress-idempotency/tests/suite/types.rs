use std::convert::Infallible;

use buttress_idempotency::{
    Idempotency, IdempotencyLayer, MemoryStore, RequestBody, ResponseBody, ResponseFuture, Scoped, Unscoped,
};
use bytes::Bytes;
use http_body_util::Full;

use crate::common::{Far, FindScope, Handler};

fn cloned<T: Clone + Send + Sync + 'static>() {}
fn shared<T: Send + Sync + 'static>() {}
fn sent<T: Send + 'static>() {}

/// A body that may go from thread to thread, but not be looked at from two.
type Unsync = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

#[test]
fn what_servers_hold_can_be_held() {
    cloned::<IdempotencyLayer<MemoryStore, Unscoped>>();
    cloned::<Idempotency<Handler, MemoryStore, Unscoped>>();
    cloned::<Idempotency<Handler, Far, Scoped<FindScope>>>();
    sent::<ResponseFuture<Handler, Full<Bytes>, crate::common::Script, MemoryStore>>();
    sent::<ResponseFuture<Handler, Full<Bytes>, crate::common::Script, Far>>();
}

#[test]
fn bodies_are_sync_where_theirs_is_and_send_always() {
    shared::<RequestBody<Full<Bytes>>>();
    shared::<ResponseBody<Full<Bytes>, MemoryStore>>();
    sent::<RequestBody<Unsync>>();
    sent::<ResponseBody<Unsync, MemoryStore>>();
    // Also over a store whose futures are boxed, and no more than Send.
    shared::<ResponseBody<Full<Bytes>, Far>>();
}
