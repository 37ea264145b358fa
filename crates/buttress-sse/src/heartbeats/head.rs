//! What the heads of event streams that are kept alive must say (pure).

use http::{HeaderMap, HeaderValue, header};

use crate::head::ACCEL_BUFFERING;

/// Lets nobody on the way store, transform or hold back the stream (SSE-41).
pub(super) fn prepare(headers: &mut HeaderMap) {
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
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
            prepare(&mut headers);
            assert_eq!(headers.get_all(header::CACHE_CONTROL).iter().collect::<Vec<_>>(), [expected]);
        }
    }
}
