use buttress_core::Attempt;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, request::Parts};

use crate::settings::Common;

/// The head of a request, kept for another try.
#[derive(Debug)]
pub(crate) struct Head {
    method: Method,
    uri: Uri,
    version: Version,
    // Not a map: that would be two allocations, and most of them for nothing.
    fields: Vec<(HeaderName, HeaderValue)>,
    extensions: Extensions,
}

impl Head {
    pub(crate) fn copy(parts: &Parts) -> Self {
        let mut fields = Vec::with_capacity(parts.headers.len());
        fields.extend(parts.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        Self {
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            version: parts.version,
            fields,
            extensions: parts.extensions.clone(),
        }
    }

    pub(crate) fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// The head of a later try, with this body.
    pub(crate) fn request<B>(&self, body: B, attempt: Attempt, common: &Common) -> Request<B> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.version_mut() = self.version;
        *request.extensions_mut() = self.extensions.clone();
        request.extensions_mut().insert(attempt);
        let headers = request.headers_mut();
        *headers = self.headers();
        common.number(headers, attempt);
        request
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.fields {
            headers.append(name, value.clone());
        }
        headers
    }
}
