use buttress_core::Attempt;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, request::Parts};

use crate::settings::Common;

/// The head of a request, kept for another try.
#[derive(Debug)]
pub(crate) struct Head {
    method: Method,
    uri: Uri,
    version: Version,
    fields: Fields,
    extensions: Extensions,
}

/// Header fields, kept in their order. Not a map: that would be two allocations, and mostly for nothing. A few have a
/// place of their own.
#[derive(Debug, Default)]
struct Fields {
    few: [Option<Field>; FEW],
    more: Vec<Field>,
}

type Field = (HeaderName, HeaderValue);

const FEW: usize = 6;

impl Head {
    pub(crate) fn copy(parts: &Parts) -> Self {
        let fields = Fields::copy(&parts.headers);
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
        *headers = self.fields.to_map();
        common.number(headers, attempt);
        request
    }
}

impl Fields {
    fn copy(headers: &HeaderMap) -> Self {
        let mut fields = Self::default();
        let mut rest = headers.iter();
        for (place, (name, value)) in fields.few.iter_mut().zip(&mut rest) {
            *place = Some((name.clone(), value.clone()));
        }
        fields.more.extend(rest.map(|(name, value)| (name.clone(), value.clone())));
        fields
    }

    fn to_map(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in self.few.iter().flatten().chain(&self.more) {
            headers.append(name, value.clone());
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_in_their_order_however_many_there_are() {
        for count in 0..3 * FEW {
            let mut headers = HeaderMap::new();
            for i in 0..count {
                let name = HeaderName::from_bytes(format!("x-{}", i % 4).as_bytes()).unwrap();
                headers.append(name, HeaderValue::from(i));
            }
            assert_eq!(Fields::copy(&headers).to_map(), headers, "{count}");
        }
    }
}
