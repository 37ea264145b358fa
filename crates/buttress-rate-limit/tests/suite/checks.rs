//! What must hold for any bytes. Fuzzers call the same checks.

use std::time::SystemTime;

use buttress_core::PeerAddr;
use buttress_rate_limit::{Advice, ClientAddr, Head, ListHeader, Network, Quota};
use http::{HeaderValue, Request};

/// Whatever a caller wrote into the forwarding headers, the address is what the trusted proxy next to us appended.
pub(crate) fn forwarded(input: &[u8]) {
    for (header, name, own) in [
        (ListHeader::XForwardedFor, "x-forwarded-for", "203.0.113.9"),
        (ListHeader::Forwarded, "forwarded", "for=203.0.113.9;proto=https"),
    ] {
        let addr = ClientAddr::behind(header, Network::PRIVATE);
        let client = |peer: &str, lines: &[&[u8]]| {
            let mut request = Request::new(());
            request.extensions_mut().insert(PeerAddr(peer.parse().expect("an address")));
            for line in lines {
                request.headers_mut().append(name, HeaderValue::from_bytes(line).ok()?);
            }
            addr.find(&Head::of(&request)).ok()
        };
        let appended = [input, b", ", own.as_bytes()].concat();
        for lines in [&[appended.as_slice()][..], &[input, own.as_bytes()]] {
            if let Some(client) = client("10.0.0.1:1", lines) {
                assert_eq!(client.to_string(), "203.0.113.9");
            }
        }
        if let Some(client) = client("192.0.2.1:1", &[input]) {
            assert_eq!(client.to_string(), "192.0.2.1", "an untrusted peer");
        }
        // From inside it may say what it likes, and is taken at its word or not at all.
        let _ = client("10.0.0.1:1", &[input]);
    }
}

/// The fields of an answer are read without a panic, and what is read makes sense.
pub(crate) fn advice(input: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(input) else { return };
    let mut headers = http::HeaderMap::new();
    headers.insert("ratelimit", value.clone());
    headers.insert("ratelimit-policy", value);
    let advice = Advice::of(&headers);
    assert!(advice.policies().iter().all(|policy| policy.window.is_none_or(|window| !window.is_zero())));
    let _ = advice.wait(SystemTime::now());
}

/// What is read as a quota is printed and read back as the same.
pub(crate) fn quota(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    if let Ok(quota) = text.parse::<Quota>() {
        assert_eq!(quota.to_string().parse(), Ok(quota));
        assert!(quota.fills_in().as_secs() <= 366 * 24 * 3_600);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn forwarded(input in proptest::collection::vec(any::<u8>(), 0..200)) {
            super::forwarded(&input);
        }

        #[test]
        fn forwarded_of_likely_characters(input in r#"[ \t,;="\\\[\]:.for10a_]{0,60}"#) {
            super::forwarded(input.as_bytes());
        }

        #[test]
        fn advice(input in r#"("[a-z"\\]{0,5}"|[;=qrtw0-9:?@%., ]){0,20}"#) {
            super::advice(input.as_bytes());
        }

        #[test]
        fn quota(input in "[0-9]{0,12}/[0-9]{0,6}(s|min|h|day|ms|us|ns)?( burst [0-9]{0,12})?") {
            super::quota(input.as_bytes());
        }
    }
}
