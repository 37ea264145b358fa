//! An answer as bytes, for stores. Pure.

use std::{error::Error, fmt};

use buttress_core::Problem;
use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::{chunks::Chunks, known};

/// A recorded answer: what a [`Kept::Whole`](crate::Kept) says, before it is sealed.
///
/// # Examples
///
/// ```
/// use buttress_idempotency::Answer;
/// use http::{HeaderMap, StatusCode};
///
/// let answer = Answer { status: StatusCode::CREATED, body: "made".into(), ..Answer::default() };
/// assert_eq!(Answer::decode(answer.encode())?, answer);
/// # Ok::<(), buttress_idempotency::InvalidAnswer>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "handlers that settle themselves make it")]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// The recorded part of its headers.
    pub headers: HeaderMap,
    /// The problem that it tells of, for layers further out.
    pub problem: Option<Problem>,
    /// Its whole body.
    pub body: Bytes,
    /// The recorded part of its trailers.
    pub trailers: HeaderMap,
}

/// Of what is written below.
const VERSION: u8 = 1;

impl Answer {
    /// The answer as bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut chunks = Chunks::default();
        chunks.push(self.body.clone());
        encode(self.status, &self.headers, self.problem.as_ref(), &chunks, &self.trailers).into()
    }

    /// The answer of these bytes, which it shares.
    ///
    /// # Errors
    ///
    /// When they are not what [`encode`](Self::encode) makes.
    pub fn decode(bytes: Bytes) -> Result<Self, InvalidAnswer> {
        let mut bytes = bytes;
        if bytes.try_get_u8()? != VERSION {
            return Err(InvalidAnswer(()));
        }
        let status = StatusCode::from_u16(bytes.try_get_u16()?)?;
        let headers = fields(&mut bytes)?;
        let trailers = fields(&mut bytes)?;
        let problem = match text(&mut bytes)? {
            none if none.is_empty() => None,
            told => Problem::from_problem_json(&told, known::code),
        };
        Ok(Self { status, headers, problem, body: bytes, trailers })
    }
}

/// Version, status, head, trailers, problem, and the body as the rest.
pub(crate) fn encode(
    status: StatusCode,
    headers: &HeaderMap,
    problem: Option<&Problem>,
    body: &Chunks,
    trailers: &HeaderMap,
) -> Vec<u8> {
    let fields = |map: &HeaderMap| map.iter().map(|(name, value)| name.as_str().len() + value.len() + 8).sum::<usize>();
    let problem = problem.map_or_else(Bytes::new, |problem| problem.to_problem_json(None));
    let mut out = Vec::with_capacity(15 + fields(headers) + fields(trailers) + problem.len() + body.len());
    out.push(VERSION);
    out.extend(status.as_u16().to_be_bytes());
    for map in [headers, trailers] {
        out.extend((map.len() as u32).to_be_bytes());
        for (name, value) in map {
            put(&mut out, name.as_str().as_bytes());
            put(&mut out, value.as_bytes());
        }
    }
    put(&mut out, &problem);
    body.iter().for_each(|chunk| out.extend_from_slice(chunk));
    out
}

fn put(out: &mut Vec<u8>, text: &[u8]) {
    out.extend((text.len() as u32).to_be_bytes());
    out.extend_from_slice(text);
}

fn fields(bytes: &mut Bytes) -> Result<HeaderMap, InvalidAnswer> {
    let count = bytes.try_get_u32()? as usize;
    // Each takes eight bytes at least: a count that lies reserves nothing.
    if count > bytes.len() / 8 {
        return Err(InvalidAnswer(()));
    }
    // One more than there are: the mark of a replay joins them.
    let mut map = HeaderMap::try_with_capacity(if count > 0 { count + 1 } else { 0 }).map_err(|_| InvalidAnswer(()))?;
    for _ in 0..count {
        let name = HeaderName::from_bytes(&text(bytes)?)?;
        map.try_append(name, HeaderValue::from_maybe_shared(text(bytes)?)?)?;
    }
    Ok(map)
}

fn text(bytes: &mut Bytes) -> Result<Bytes, InvalidAnswer> {
    let len = bytes.try_get_u32()? as usize;
    if len > bytes.len() {
        return Err(InvalidAnswer(()));
    }
    Ok(bytes.split_to(len))
}

/// Bytes that are no [`Answer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidAnswer(());

impl fmt::Display for InvalidAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the recorded answer cannot be read")
    }
}

impl Error for InvalidAnswer {}

macro_rules! from {
    ($($error:ty),*) => {$(
        impl From<$error> for InvalidAnswer {
            fn from(_: $error) -> Self {
                Self(())
            }
        }
    )*};
}

from!(
    bytes::TryGetError,
    http::header::InvalidHeaderName,
    http::header::InvalidHeaderValue,
    http::header::MaxSizeReached,
    http::status::InvalidStatusCode
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map(pairs: &[(String, Vec<u8>)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value).unwrap());
        }
        map
    }

    fn pairs() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
        prop::collection::vec(("[a-z][a-z-]{0,12}", prop::collection::vec(0x20_u8..0x7f, 0..30)), 0..5)
    }

    proptest! {
        // IDM-6
        #[test]
        fn what_is_encoded_is_decoded(
            status in 100_u16..=999, head in pairs(), tail in pairs(), body: Vec<u8>, failed: bool,
        ) {
            const CODE: buttress_core::ProblemCode = buttress_core::ProblemCode::new("teapot");
            let problem = failed.then(|| Problem::new(StatusCode::IM_A_TEAPOT, CODE, "short").detail("stout", true));
            let answer = Answer {
                problem,
                status: StatusCode::from_u16(status).unwrap(),
                headers: map(&head),
                body: body.into(),
                trailers: map(&tail),
            };
            prop_assert_eq!(Answer::decode(answer.encode()).unwrap(), answer);
        }

        #[test]
        fn any_bytes_are_an_answer_or_an_error(bytes: Vec<u8>, cut in 0_usize..60) {
            let _ = Answer::decode(bytes.into());
            let whole = Answer { headers: map(&[("etag".into(), b"1".to_vec())]), ..Answer::default() }.encode();
            let _ = Answer::decode(whole.slice(..cut.min(whole.len())));
        }
    }

    #[test]
    fn a_count_that_lies_is_an_error_and_reserves_nothing() {
        let bytes = [1, 0, 200, 255, 255, 255, 255, 0, 0, 0, 0];
        assert!(Answer::decode(Bytes::copy_from_slice(&bytes)).is_err());
    }
}
