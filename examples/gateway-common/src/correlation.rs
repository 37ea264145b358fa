use std::task::{Context, Poll};

use buttress_core::CorrelationId;
use http::{HeaderMap, Request};
use tower_service::Service;
use tracing::{Instrument, info_span};
use uuid::Uuid;

tokio::task_local! {
    static CURRENT: CorrelationId;
}

/// The caller's correlation id where it is a good one, else a new UUIDv7.
pub fn correlation_id(headers: &HeaderMap) -> CorrelationId {
    let mut given = headers.get_all(CorrelationId::HEADER).iter();
    let kept = match (given.next(), given.next()) {
        (Some(only), None) => CorrelationId::try_from(only).ok(),
        _ => None,
    };
    kept.unwrap_or_else(|| {
        let mut buffer = Uuid::encode_buffer();
        let text = Uuid::now_v7().hyphenated().encode_lower(&mut buffer);
        text.parse().expect("a UUID is made of hexadecimal digits and dashes")
    })
}

/// Runs a future under a correlation id, which goes out with every call to the provider and into every log line.
pub async fn correlate<F: Future>(id: CorrelationId, future: F) -> F::Output {
    let span = info_span!("correlated", correlation_id = %id);
    CURRENT.scope(id, future.instrument(span)).await
}

/// A client that sends the current correlation id with every request.
#[derive(Clone, Debug)]
pub(crate) struct Correlated<S>(pub(crate) S);

impl<S: Service<Request<B>>, B> Service<Request<B>> for Correlated<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        if let Ok(id) = CURRENT.try_with(CorrelationId::to_header_value) {
            request.headers_mut().insert(CorrelationId::HEADER, id);
        }
        self.0.call(request)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn given(values: &[&'static str]) -> CorrelationId {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CorrelationId::HEADER, HeaderValue::from_static(value));
        }
        correlation_id(&headers)
    }

    #[test]
    fn a_good_id_is_kept_and_any_other_replaced() {
        assert_eq!(given(&["kept-1"]).as_str(), "kept-1");
        for bad in [&["two words"][..], &[""], &[], &["one", "two"]] {
            let id = given(bad);
            let uuid: Uuid = id.as_str().parse().expect("a UUID stands in");
            assert_eq!(uuid.get_version_num(), 7);
        }
    }
}
