//! What may cross threads, and what servers may hold: checked by the compiler.

fn shared<T: Send + Sync + 'static>() {}
fn cloned<T: Clone + Send + Sync + 'static>() {}

#[test]
fn what_travels_with_a_request_or_an_answer_can_be_an_extension() {
    cloned::<buttress_core::Problem>();
    cloned::<buttress_core::CorrelationId>();
    cloned::<buttress_core::PeerAddr>();
    cloned::<buttress_sse::Heartbeat>();
}

#[test]
fn bodies_are_send_and_sync_where_their_inner_body_is() {
    shared::<buttress_core::Body<http_body_util::Full<bytes::Bytes>>>();
    shared::<buttress_sse::EventBody>();
    shared::<buttress_sse::HeartbeatBody<http_body_util::Full<bytes::Bytes>>>();
    type Full = http_body_util::Full<bytes::Bytes>;
    shared::<buttress_idempotency::RequestBody<Full>>();
    shared::<buttress_idempotency::ResponseBody<Full, buttress_idempotency::MemoryStore>>();
}

#[test]
fn layers_can_be_shared_and_cloned() {
    use buttress_idempotency::{IdempotencyLayer, MemoryStore, Unscoped};

    cloned::<IdempotencyLayer<MemoryStore, Unscoped>>();
}

#[test]
fn clients_and_stores_can_be_shared_and_cloned() {
    type Adapter = buttress_superduperai::SuperDuperAi<buttress_superduperai::Transport>;
    cloned::<Adapter>();
    cloned::<buttress_provider::ProviderService<Adapter>>();
    cloned::<buttress_sse::MemoryLog>();
    cloned::<buttress_idempotency::MemoryStore>();
    cloned::<gateway_common::Gateway>();
    shared::<buttress_sse::Publisher>();
}

#[test]
fn layers_can_be_shared_and_cloned_and_their_bodies_sent() {
    cloned::<buttress_rate_limit::RateLimitLayer>();
    cloned::<buttress_rate_limit::MemoryStore>();
    cloned::<buttress_rate_limit::ThrottleLayer>();
    cloned::<buttress_rate_limit::Tab>();
    shared::<buttress_rate_limit::ResponseBody<http_body_util::Full<bytes::Bytes>>>();
}

#[test]
fn errors_can_be_boxed_and_sent() {
    shared::<buttress_provider::ProviderError>();
    shared::<buttress_config::ConfigError>();
    shared::<buttress_superduperai::TransportError>();
    shared::<buttress_sse::DecodeError>();
    shared::<buttress_rate_limit::InvalidLimits>();
    shared::<buttress_rate_limit::InvalidQuota>();
}
