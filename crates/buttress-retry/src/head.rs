use buttress_core::Attempt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, request::Parts};

use crate::{
    extras::{Extras, Lookup},
    open::Limits,
    settings::Common,
};

/// The head of a request, kept for another try. It is empty at first, and filled in where it stays: there is too much of
/// it to be moved.
#[derive(Debug, Default)]
pub(crate) struct Head {
    // None: not filled in yet.
    method: Option<Method>,
    uri: Option<Uri>,
    version: Version,
    fields: Fields,
    extras: Extras,
}

/// Header fields, kept in their order. Not a map: that would be two allocations, and mostly for nothing. A few have a
/// place of their own.
#[derive(Debug, Default)]
struct Fields {
    few: [Option<Field>; FEW],
    more: Option<Vec<Field>>,
}

type Field = (HeaderName, HeaderValue);

const FEW: usize = 6;

impl Head {
    #[inline]
    pub(crate) fn fill(&mut self, parts: &Parts, lookup: Lookup<'_>, limits: Limits) {
        self.method = Some(parts.method.clone());
        self.uri = Some(parts.uri.clone());
        self.version = parts.version;
        self.fields.fill(&parts.headers);
        self.extras.fill(lookup, limits);
    }

    pub(crate) fn extras(&self) -> &Extras {
        &self.extras
    }

    /// The head of a later try, with this body.
    #[inline]
    pub(crate) fn request<B>(&self, body: B, attempt: Attempt, common: &Common) -> Request<B> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone().unwrap_or_default();
        *request.uri_mut() = self.uri.clone().unwrap_or_default();
        *request.version_mut() = self.version;
        *request.extensions_mut() = self.extras.to_extensions();
        attempt.mark(request.extensions_mut());
        let headers = request.headers_mut();
        *headers = self.fields.to_map();
        common.number(headers, attempt);
        request
    }
}

impl Fields {
    #[inline]
    fn fill(&mut self, headers: &HeaderMap) {
        let mut rest = headers.iter();
        for (place, (name, value)) in self.few.iter_mut().zip(&mut rest) {
            place.get_or_insert_with(|| (name.clone(), value.clone()));
        }
        if headers.len() > FEW {
            self.more = Some(rest.map(|(name, value)| (name.clone(), value.clone())).collect());
        }
    }

    fn to_map(&self) -> HeaderMap {
        let more = self.more.as_deref().unwrap_or_default();
        let mut headers = HeaderMap::with_capacity(FEW + more.len().min(64));
        for (name, value) in self.few.iter().flatten().chain(more) {
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
            let mut fields = Fields::default();
            fields.fill(&headers);
            assert_eq!(fields.to_map(), headers, "{count}");
        }
    }
}
