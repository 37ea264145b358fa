//! What the heads of event streams that are kept alive must say (pure).

use http::{HeaderMap, HeaderValue, header};

use super::layer::CacheControl;
use crate::head::ACCEL_BUFFERING;

/// Lets nobody on the way store, transform or hold back the stream (SSE-41).
pub(super) fn prepare(headers: &mut HeaderMap, own: CacheControl) {
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    if own == CacheControl::Kept && headers.contains_key(header::CACHE_CONTROL) {
        return;
    }
    if let Some(value) = cache_control(headers) {
        headers.insert(header::CACHE_CONTROL, value);
    }
}

/// What has to be said instead of what is there, if anything.
fn cache_control(headers: &HeaderMap) -> Option<HeaderValue> {
    let lines: Vec<_> = headers.get_all(header::CACHE_CONTROL).iter().map(HeaderValue::as_bytes).collect();
    if lines.is_empty() {
        return Some(HeaderValue::from_static("no-cache, no-transform"));
    }
    let directives = lines.iter().flat_map(|line| line.split(|byte| *byte == b','));
    if directives.map(<[u8]>::trim_ascii).any(|name| name.eq_ignore_ascii_case(NO_TRANSFORM)) {
        return None;
    }
    // One line, for those who look at no more than the first.
    let said = lines.into_iter().chain([NO_TRANSFORM]).filter(|line| !line.is_empty());
    HeaderValue::from_bytes(&said.collect::<Vec<_>>().join(&b", "[..])).ok()
}

const NO_TRANSFORM: &[u8] = b"no-transform";

#[cfg(test)]
mod tests {
    use super::*;

    // SSE-41
    #[test]
    fn nobody_on_the_way_is_to_transform_it() {
        let table: [(&[&'static str], &str); 6] = [
            (&[], "no-cache, no-transform"),
            (&["no-store"], "no-store, no-transform"),
            (&["no-cache", "private"], "no-cache, private, no-transform"),
            (&[""], "no-transform"),
            (&["private,No-Transform"], "private,No-Transform"),
            (&["max-age=0, no-transform-not"], "max-age=0, no-transform-not, no-transform"),
        ];
        for (lines, expected) in table {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::CACHE_CONTROL, HeaderValue::from_static(line));
            }
            prepare(&mut headers, CacheControl::Completed);
            assert_eq!(headers.get_all(header::CACHE_CONTROL).iter().collect::<Vec<_>>(), [expected]);
        }
    }

    #[test]
    fn what_an_answer_says_of_caches_stays_where_that_is_wanted() {
        for (said, expected) in [(Some("no-store"), "no-store"), (None, "no-cache, no-transform")] {
            let mut headers = HeaderMap::new();
            headers.extend(said.map(|said| (header::CACHE_CONTROL, HeaderValue::from_static(said))));
            prepare(&mut headers, CacheControl::Kept);
            assert_eq!(headers[header::CACHE_CONTROL], expected);
            assert_eq!(headers[ACCEL_BUFFERING], "no");
        }
    }
}
