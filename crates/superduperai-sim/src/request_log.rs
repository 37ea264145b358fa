//! What the simulator received, in order, without the token.

use std::collections::{BTreeMap, VecDeque};

use http::{HeaderMap, header, request::Parts};
use serde::Serialize;

use crate::stamp;

/// Most requests kept, most bytes of all their bodies, most bytes of one; the oldest go first.
const MAX_REQUESTS: usize = 10_000;
const MAX_BYTES: usize = 32 << 20;
const MAX_BODY: usize = 64 << 10;

/// A request that the simulator received.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize)]
pub struct ReceivedRequest {
    /// The method, in capitals.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The query, if there was one.
    pub query: Option<String>,
    /// Header fields by lower-case name; values of a repeated field are joined with commas. The bearer token is `***`.
    pub headers: BTreeMap<String, String>,
    /// The body as text, at most 64 KiB of it; bytes that are no UTF-8 are replaced.
    pub body: String,
    /// When it came, RFC 3339.
    pub at: String,
}

#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    requests: VecDeque<ReceivedRequest>,
    bytes: usize,
}

impl RequestLog {
    pub(crate) fn push(&mut self, head: &Parts, body: &[u8], token: &str) {
        // An empty token stands everywhere, and hides nothing.
        let mask = |text: &str| match token {
            "" => text.to_owned(),
            token => text.replace(token, "***"),
        };
        let body = String::from_utf8_lossy(&body[..body.len().min(MAX_BODY)]);
        let request = ReceivedRequest {
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().map(mask),
            headers: headers(&head.headers, mask),
            body: mask(&body),
            at: stamp::rfc3339(),
        };
        self.bytes += request.body.len();
        self.requests.push_back(request);
        while self.requests.len() > MAX_REQUESTS || self.bytes > MAX_BYTES {
            let Some(oldest) = self.requests.pop_front() else { break };
            self.bytes -= oldest.body.len();
        }
    }

    pub(crate) fn all(&self) -> Vec<ReceivedRequest> {
        self.requests.iter().cloned().collect()
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

fn headers(headers: &HeaderMap, mask: impl Fn(&str) -> String) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers {
        let mut text = mask(&String::from_utf8_lossy(value.as_bytes()));
        if name == header::AUTHORIZATION {
            text = text.split_once(' ').map_or_else(|| "***".to_owned(), |(scheme, _)| format!("{scheme} ***"));
        }
        all.entry(name.to_string()).and_modify(|all| *all = format!("{all}, {text}")).or_insert(text);
    }
    all
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head() -> Parts {
        let request = Request::post("/x?key=secret-token")
            .header("authorization", "Bearer another-token")
            .header("accept", "a")
            .header("accept", "b");
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn no_token_is_kept_wherever_it_stands() {
        let mut log = RequestLog::default();
        log.push(&head(), b"my secret-token", "secret-token");
        let kept = log.all().remove(0);
        assert_eq!(kept.query.as_deref(), Some("key=***"));
        assert_eq!(kept.headers["authorization"], "Bearer ***");
        assert_eq!(kept.headers["accept"], "a, b");
        assert_eq!(kept.body, "my ***");
    }

    #[test]
    fn a_token_without_a_scheme_is_not_taken_for_one() {
        let mut log = RequestLog::default();
        let request = Request::get("/x").header("authorization", "another-token").body(()).unwrap();
        log.push(&request.into_parts().0, b"", "secret-token");
        assert_eq!(log.all()[0].headers["authorization"], "***");
    }

    #[test]
    fn the_log_is_bounded_in_bytes_and_entries() {
        let mut log = RequestLog::default();
        let body = vec![b'x'; MAX_BODY * 2];
        for _ in 0..=(MAX_BYTES / MAX_BODY) {
            log.push(&head(), &body, "secret-token");
        }
        assert_eq!(log.bytes, MAX_BYTES);
        for _ in 0..=MAX_REQUESTS {
            log.push(&head(), b"", "secret-token");
        }
        assert_eq!(log.all().len(), MAX_REQUESTS);
        assert_eq!(log.bytes, 0);
    }
}
