//! Where a redirect leads, and what may be taken there (pure).

use http::{
    HeaderMap, Method, StatusCode, Uri,
    header::{AUTHORIZATION, COOKIE, HOST, PROXY_AUTHORIZATION},
    uri::PathAndQuery,
};

/// Whether the status code is one of a redirect that is followed (SSE-24).
pub(crate) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Whether the redirected request is the same but for its place. Where a browser would make a
/// `GET` of it, it is not.
pub(crate) fn keeps_method(status: StatusCode, method: &Method) -> bool {
    match status {
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => method != Method::POST,
        StatusCode::SEE_OTHER => method == Method::GET || method == Method::HEAD,
        _ => true,
    }
}

/// The address that `location` is, as seen from `base` (RFC 3986, section 5.2); `None` when it
/// is none, is empty or is not of HTTP.
pub(crate) fn resolve(base: &Uri, location: &[u8]) -> Option<Uri> {
    let location = str::from_utf8(location.trim_ascii()).ok()?;
    let location = location.split_once('#').map_or(location, |(before, _)| before);
    if location.is_empty() {
        return None;
    }
    if has_scheme(location) {
        let uri: Uri = location.parse().ok()?;
        return matches!(uri.scheme_str(), Some("http" | "https")).then_some(uri);
    }
    if location.starts_with("//") {
        return format!("{}:{location}", base.scheme_str()?).parse().ok();
    }
    let mut parts = base.clone().into_parts();
    parts.path_and_query = Some(path_and_query(base, location)?);
    Uri::from_parts(parts).ok()
}

/// Whether what is meant for one may be told to the other.
pub(crate) fn is_same_origin(one: &Uri, other: &Uri) -> bool {
    let port = |uri: &Uri| uri.port_u16().or(if uri.scheme_str() == Some("https") { Some(443) } else { Some(80) });
    let host = |uri: &Uri| uri.host().map(str::to_ascii_lowercase);
    one.scheme() == other.scheme() && host(one) == host(other) && port(one) == port(other)
}

/// Removes what is meant for the origin that was left: credentials, and all that is marked
/// as sensitive.
pub(crate) fn remove_credentials(headers: &mut HeaderMap) {
    let mut secret: Vec<_> =
        headers.iter().filter(|(_, value)| value.is_sensitive()).map(|(name, _)| name.clone()).collect();
    secret.extend([AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, HOST]);
    for name in secret {
        headers.remove(name);
    }
}

fn has_scheme(location: &str) -> bool {
    let Some((scheme, _)) = location.split_once(':') else {
        return false;
    };
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

fn path_and_query(base: &Uri, location: &str) -> Option<PathAndQuery> {
    let (path, query) = match location.split_once('?') {
        Some((path, query)) => (path, format!("?{query}")),
        None => (location, String::new()),
    };
    let path = match path {
        "" => base.path().to_owned(),
        absolute if absolute.starts_with('/') => without_dots(absolute),
        relative => {
            let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
            without_dots(&format!("{folder}/{relative}"))
        }
    };
    (path + &query).parse().ok()
}

/// The absolute path without `.` and `..` (RFC 3986, section 5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                // It names a folder.
                if is_last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    // SSE-24; RFC 3986, section 5.4
    #[test]
    fn locations_are_resolved_as_in_the_table_of_the_standard() {
        let base: Uri = "http://a/b/c/d?q".parse().unwrap();
        let table = [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g/"),
            ("?y", "http://a/b/c/d?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("g#s", "http://a/b/c/g"),
            ("g?y#s", "http://a/b/c/g?y"),
            (".", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../g", "http://a/g"),
            ("../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            ("..g", "http://a/b/c/..g"),
            ("./../g", "http://a/b/g"),
            ("g/./h", "http://a/b/c/g/h"),
            ("g/../h", "http://a/b/c/h"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
            ("HTTPS://other:8443/x?y", "https://other:8443/x?y"),
        ];
        for (location, expected) in table {
            assert_eq!(resolve(&base, location.as_bytes()).unwrap(), expected, "{location}");
        }
    }

    // SSE-24
    #[test]
    fn what_leads_nowhere_is_no_place() {
        let base: Uri = "http://a/b".parse().unwrap();
        for location in ["", " ", "#x", "ftp://a/b", "javascript:alert(1)", "http://", "a b", "//", "mailto:x"] {
            assert_eq!(resolve(&base, location.as_bytes()), None, "{location:?}");
        }
        assert_eq!(resolve(&base, b"\xFF"), None);
        // A request that names no host has no scheme to lend.
        let bare: Uri = "/b".parse().unwrap();
        assert_eq!(resolve(&bare, b"//other/x"), None);
        assert_eq!(resolve(&bare, b"c").unwrap(), "/c");
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let same = |one: &str, other: &str| is_same_origin(&one.parse().unwrap(), &other.parse().unwrap());
        assert!(same("http://a/x", "http://A:80/y") && same("https://a", "https://a:443/y") && same("/x", "/y"));
        for other in ["https://a/", "http://b/", "http://a:81/", "/x"] {
            assert!(!same("http://a/", other), "{other}");
        }
    }

    #[test]
    fn credentials_and_what_is_marked_sensitive_stay_behind() {
        let mut secret = HeaderValue::from_static("k");
        secret.set_sensitive(true);
        let mut headers = HeaderMap::new();
        for name in ["authorization", "cookie", "proxy-authorization", "host", "x-open"] {
            headers.append(name, HeaderValue::from_static("v"));
        }
        headers.append("x-api-key", secret);
        remove_credentials(&mut headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-open"]);
    }

    #[test]
    fn a_redirect_that_would_change_the_method_is_known() {
        let keeps = |status, method: Method| keeps_method(StatusCode::from_u16(status).unwrap(), &method);
        for status in [301, 302, 303, 307, 308] {
            assert!(is_redirect(StatusCode::from_u16(status).unwrap()) && keeps(status, Method::GET), "{status}");
            assert_eq!(keeps(status, Method::POST), status >= 307, "{status}");
        }
        assert!(keeps(302, Method::PUT) && !keeps(303, Method::PUT));
        assert!(![300, 304, 305, 306].iter().any(|status| is_redirect(StatusCode::from_u16(*status).unwrap())));
    }

    proptest! {
        #[test]
        fn any_location_is_read_without_a_panic(location: Vec<u8>, path in "[./a]{0,20}") {
            let base = "https://a/b/c?q".parse().unwrap();
            resolve(&base, &location);
            let uri = resolve(&base, format!("x{path}").as_bytes()).unwrap();
            prop_assert!(is_same_origin(&base, &uri));
            prop_assert!(!uri.path().split('/').any(|segment| segment == "." || segment == ".."));
        }
    }
}
