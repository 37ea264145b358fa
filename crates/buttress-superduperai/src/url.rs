use std::{fmt, str::FromStr, sync::Arc};

use http::{
    Uri,
    uri::{Authority, PathAndQuery, Scheme},
};
use thiserror::Error;

/// Where the provider's API is: `https://dev-editor.superduperai.co`, with a port or a base path if need be.
///
/// The paths of the API are appended to it. A clone shares its text.
///
/// # Examples
///
/// ```
/// use buttress_superduperai::ApiUrl;
///
/// let url = ApiUrl::new("http://127.0.0.1:8080/behind/a/proxy/")?;
/// assert_eq!(url.to_string(), "http://127.0.0.1:8080/behind/a/proxy");
/// assert!(ApiUrl::new("https://user:password@example.com").is_err());
/// # Ok::<(), buttress_superduperai::InvalidApiUrl>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ApiUrl {
    scheme: Scheme,
    authority: Authority,
    base: Arc<str>,
}

/// A text that cannot be an [`ApiUrl`]. It does not repeat the text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0}, for instance https://dev-editor.superduperai.co")]
pub struct InvalidApiUrl(&'static str);

impl ApiUrl {
    /// Checks an address.
    ///
    /// # Errors
    ///
    /// When it is no absolute `http` or `https` URL, or has a user, a query or a fragment.
    pub fn new(text: &str) -> Result<Self, InvalidApiUrl> {
        // `Uri` would drop it in silence.
        if text.contains('#') {
            return Err(InvalidApiUrl("an API address has no fragment"));
        }
        let uri: Uri = text.parse().map_err(|_| InvalidApiUrl("an API address is an absolute URL"))?;
        let parts = uri.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(InvalidApiUrl("an API address is an absolute URL"));
        };
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err(InvalidApiUrl("an API address starts with http:// or https://"));
        }
        check_authority(&authority)?;
        Ok(Self { scheme, authority, base: base(parts.path_and_query)? })
    }

    /// The address of one call; `path` starts with a slash.
    pub(crate) fn join(&self, path: &str) -> Uri {
        let path = [&*self.base, path].concat();
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path)
            .build()
            .expect("the base was checked, and the paths of the API are plain ASCII")
    }
}

fn check_authority(authority: &Authority) -> Result<(), InvalidApiUrl> {
    let text = authority.as_str();
    if text.contains('@') {
        return Err(InvalidApiUrl("an API address has no user"));
    }
    let port = text.strip_prefix(authority.host()).and_then(|rest| rest.strip_prefix(':'));
    match port.map(str::parse::<u16>) {
        None | Some(Ok(1..)) if !authority.host().is_empty() => Ok(()),
        None | Some(Ok(1..)) => Err(InvalidApiUrl("an API address has a host")),
        Some(_) => Err(InvalidApiUrl("the port of an API address is from 1 to 65535")),
    }
}

fn base(path: Option<PathAndQuery>) -> Result<Arc<str>, InvalidApiUrl> {
    let Some(path) = path else {
        return Ok("".into());
    };
    if path.query().is_some() {
        return Err(InvalidApiUrl("an API address has no query"));
    }
    if path.path().len() > 1_024 {
        return Err(InvalidApiUrl("the path of an API address is short"));
    }
    Ok(path.path().trim_end_matches('/').into())
}

/// # Errors
///
/// As for [`ApiUrl::new`].
impl FromStr for ApiUrl {
    type Err = InvalidApiUrl;

    fn from_str(text: &str) -> Result<Self, InvalidApiUrl> {
        Self::new(text)
    }
}

impl fmt::Display for ApiUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.base)
    }
}

impl fmt::Debug for ApiUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ApiUrl").field(&self.to_string()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_host_port_and_base_path_are_kept() {
        let table = [
            ("https://dev-editor.superduperai.co", "https://dev-editor.superduperai.co/api/v1/file"),
            ("https://dev-editor.superduperai.co/", "https://dev-editor.superduperai.co/api/v1/file"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/api/v1/file"),
            ("http://[::1]:8080/a/b/", "http://[::1]:8080/a/b/api/v1/file"),
        ];
        for (text, joined) in table {
            assert_eq!(ApiUrl::new(text).unwrap().join("/api/v1/file").to_string(), joined);
        }
    }

    #[test]
    fn what_is_no_address_of_an_api_is_refused() {
        let table = [
            "",
            "dev-editor.superduperai.co",
            "/api",
            "ftp://example.com",
            "https://",
            "https://user@example.com",
            "https://user:secret@example.com",
            "https://example.com?token=secret",
            "https://example.com/#secret",
            "https://example.com:0",
            "https://example.com:99999",
            "https://example.com:",
            "https://exa mple.com",
            "file:///etc/passwd",
        ];
        for text in table {
            let error = ApiUrl::new(text).expect_err(text);
            assert!(!format!("{error} {error:?}").contains("secret"));
        }
        assert!(ApiUrl::new(&format!("https://example.com/{}", "x".repeat(2_000))).is_err());
    }
}
