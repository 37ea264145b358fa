use http::{HeaderMap, HeaderName};

/// Which names a request's headers may have: one bit for all names of the same length and last letter, about.
///
/// To look a name up means to hash it byte by byte. Where there are [`FEW`], one glance at all of them costs less and
/// spares nearly all look-ups of names that are not there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names(u64);

/// Of more names than these, look-ups cost less than a glance.
const FEW: usize = 8;

impl Names {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        if headers.keys_len() > FEW {
            return Self(u64::MAX);
        }
        Self(headers.keys().fold(0, |bits, name| bits | bit(name)))
    }

    /// False only if the name is not there.
    pub(crate) fn may_have(self, name: &HeaderName) -> bool {
        self.0 & bit(name) != 0
    }
}

#[inline(always)]
fn bit(name: &HeaderName) -> u64 {
    let bytes = name.as_str().as_bytes();
    let last = bytes.last().copied().unwrap_or_default();
    // Mixed so that hardly a usual name shares its bit with those that are asked for: see the test.
    1 << ((bytes.len() + 3 * usize::from(last)) % 64)
}

#[cfg(test)]
mod tests {
    use buttress_core::CorrelationId;
    use http::{HeaderValue, header};

    use super::*;
    use crate::{baggage::BAGGAGE, trace_context::TRACEPARENT};

    #[test]
    fn what_is_there_is_never_denied() {
        let mut headers = HeaderMap::new();
        for name in [header::HOST, CorrelationId::HEADER, TRACEPARENT, BAGGAGE, header::ACCEPT] {
            headers.append(&name, HeaderValue::from_static("1"));
            headers.append(&name, HeaderValue::from_static("2"));
            assert!(headers.keys().all(|name| Names::of(&headers).may_have(name)));
        }
    }

    #[test]
    fn what_a_browser_sends_spares_every_look_up() {
        let browser = "host connection content-length content-type cache-control pragma accept accept-encoding \
            accept-language cookie origin referer user-agent sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform \
            sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-user upgrade-insecure-requests dnt priority \
            if-none-match if-modified-since x-requested-with authorization te range x-forwarded-for forwarded \
            x-forwarded-proto x-forwarded-host x-real-ip transfer-encoding via";
        for asked in [CorrelationId::HEADER, HeaderName::from_static("x-request-id"), TRACEPARENT, BAGGAGE] {
            for name in browser.split_whitespace() {
                assert_ne!(bit(&asked), bit(&name.parse().unwrap()), "{asked} {name}");
            }
        }
    }

    #[test]
    fn among_many_names_any_may_be_there() {
        let mut headers = HeaderMap::new();
        for at in 0..=FEW {
            assert!(!Names::of(&headers).may_have(&TRACEPARENT), "{at}");
            headers.insert(format!("x-{at}").parse::<HeaderName>().unwrap(), HeaderValue::from_static("1"));
        }
        assert!(Names::of(&headers).may_have(&TRACEPARENT));
    }
}
