//! Which headers of an answer are recorded. Pure.

use std::{error::Error, fmt};

use buttress_core::CorrelationId;
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Recorded unless said otherwise (IDM-16): what describes the answer, not its delivery.
///
/// Records tell these by their places here: the list grows at its end alone.
static USUAL: [HeaderName; 13] = [
    header::CACHE_CONTROL,
    header::CONTENT_DISPOSITION,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LOCATION,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::ETAG,
    header::EXPIRES,
    header::LAST_MODIFIED,
    header::LINK,
    header::LOCATION,
    header::VARY,
];

/// Never recorded, whoever asks for it: secrets, what belongs to one connection, and what is true of one request alone.
const NEVER: [HeaderName; 18] = [
    header::AUTHORIZATION,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::COOKIE,
    header::DATE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::SET_COOKIE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    CorrelationId::HEADER,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("set-cookie2"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

/// The headers that are recorded.
#[derive(Clone, Debug, Default)]
pub(crate) struct AllowList {
    more: Vec<HeaderName>,
}

impl AllowList {
    pub(crate) fn add(&mut self, name: HeaderName) -> Result<(), NotStorable> {
        if is_never_stored(&name) {
            return Err(NotStorable(name));
        }
        self.more.push(name);
        Ok(())
    }

    /// The fields of an answer's head that are recorded. What `Connection` names is the connection's.
    #[inline]
    pub(crate) fn filter<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = Field<'a>> {
        let nominates = headers.keys().any(|name| *name == header::CONNECTION);
        let has = |field: &Field<'_>| field.place.is_some() || self.more.contains(field.name);
        headers
            .iter()
            .map(Field::of)
            .filter(move |field| has(field) && !(nominates && is_nominated(headers, field.name)))
    }
}

/// A field that is recorded.
#[derive(Clone, Copy)]
pub(crate) struct Field<'a> {
    /// Among the usual ones.
    pub(crate) place: Option<u8>,
    pub(crate) name: &'a HeaderName,
    pub(crate) value: &'a HeaderValue,
}

impl<'a> Field<'a> {
    #[inline]
    pub(crate) fn of((name, value): (&'a HeaderName, &'a HeaderValue)) -> Self {
        Self { place: place(name), name, value }
    }
}

/// The place of a name among the usual ones.
fn place(name: &HeaderName) -> Option<u8> {
    USUAL.iter().position(|usual| usual == name).map(|place| place as u8)
}

/// The usual name at a place.
pub(crate) fn at_place(place: u8) -> Option<HeaderName> {
    USUAL.get(usize::from(place)).cloned()
}

/// Trailers are the work of the service, by names of its own: all that may be recorded is.
pub(crate) fn filter_trailers(trailers: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for (name, value) in trailers.iter().filter(|(name, _)| !is_never_stored(name)) {
        kept.append(name.clone(), value.clone());
    }
    kept
}

fn is_never_stored(name: &HeaderName) -> bool {
    let text = name.as_str();
    NEVER.contains(name) || text.starts_with("ratelimit") || text.starts_with("x-ratelimit")
}

fn is_nominated(headers: &HeaderMap, name: &HeaderName) -> bool {
    let lines = headers.get_all(header::CONNECTION).iter();
    let mut named = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    named.any(|named| named.trim_ascii().eq_ignore_ascii_case(name.as_str().as_bytes()))
}

/// A header that is never recorded: a secret, or what is true of one connection or one request alone (IDM-16).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotStorable(HeaderName);

impl fmt::Display for NotStorable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the header {} is never recorded", self.0)
    }
}

impl Error for NotStorable {}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs.map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    // IDM-16
    #[test]
    fn secrets_and_what_is_of_one_connection_cannot_even_be_listed() {
        for name in ["set-cookie", "authorization", "connection", "keep-alive", "te", "trailer", "transfer-encoding"] {
            assert!(AllowList::default().add(HeaderName::from_static(name)).is_err(), "{name}");
        }
        for name in ["upgrade", "date", "x-correlation-id", "ratelimit", "ratelimit-policy", "x-ratelimit-limit"] {
            assert!(AllowList::default().add(HeaderName::from_static(name)).is_err(), "{name}");
        }
    }

    fn kept(list: &AllowList, all: &HeaderMap) -> HeaderMap {
        let mut kept = HeaderMap::new();
        list.filter(all).for_each(|field| _ = kept.append(field.name, field.value.clone()));
        kept
    }

    #[test]
    fn usual_names_have_places() {
        for name in &USUAL {
            assert_eq!(at_place(place(name).unwrap()).as_ref(), Some(name));
        }
        assert_eq!((place(&header::DATE), at_place(USUAL.len() as u8)), (None, None));
    }

    // IDM-16
    #[test]
    fn what_the_connection_header_names_is_not_recorded() {
        let mut list = AllowList::default();
        list.add(HeaderName::from_static("x-hop")).unwrap();
        list.add(HeaderName::from_static("x-kept")).unwrap();
        let all = headers(&[("connection", "close, X-Hop"), ("x-hop", "1"), ("x-kept", "2"), ("x-other", "3")]);
        assert_eq!(kept(&list, &all), headers(&[("x-kept", "2")]));
    }

    #[test]
    fn fields_of_several_lines_keep_all_of_them() {
        let mut all = headers(&[("link", "<a>")]);
        all.append("link", "<b>".parse().unwrap());
        assert_eq!(kept(&AllowList::default(), &all), all);
    }
}
