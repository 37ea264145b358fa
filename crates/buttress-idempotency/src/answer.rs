//! An answer as bytes, for stores. Pure.

use std::{error::Error, fmt, iter, ops::Range};

use buttress_core::Problem;
use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::{
    chunks::Chunks,
    headers::{self, Field},
    known,
};

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

/// Of what is written below: version, status, head, trailers, problem, and the body as the rest.
const VERSION: u8 = 1;

impl Answer {
    /// The answer as bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut chunks = Chunks::default();
        chunks.push(self.body.clone());
        let draft = begin(self.status, || self.headers.iter().map(Field::of), chunks.len());
        finish(draft, Some(&self.trailers), self.problem.as_ref(), &chunks).into()
    }

    /// The answer of these bytes, which it shares.
    ///
    /// # Errors
    ///
    /// When they are not what [`encode`](Self::encode) makes.
    pub fn decode(bytes: Bytes) -> Result<Self, InvalidAnswer> {
        let mut headers = HeaderMap::new();
        let Rest { status, trailers, problem, body } = read(bytes, &mut headers)?;
        let (problem, trailers) = (problem.map(|problem| *problem), trailers.map_or_else(HeaderMap::new, |map| *map));
        Ok(Self { status, headers, problem, body, trailers })
    }
}

/// An [`Answer`] without its head, in few bytes.
pub(crate) struct Rest {
    pub(crate) status: StatusCode,
    pub(crate) trailers: Option<Box<HeaderMap>>,
    pub(crate) problem: Option<Box<Problem>>,
    pub(crate) body: Bytes,
}

/// Adds the head of a recorded answer to these headers, and tells the rest of it.
#[inline]
pub(crate) fn read(bytes: Bytes, headers: &mut HeaderMap) -> Result<Rest, InvalidAnswer> {
    let mut reader = Reader { bytes, at: 0 };
    if reader.array()? != [VERSION] {
        return Err(InvalidAnswer(()));
    }
    let status = StatusCode::from_u16(u16::from_be_bytes(reader.array()?))?;
    let count = reader.number()?;
    reader.fields(count, headers)?;
    let trailers = match reader.number()? {
        0 => None,
        count => {
            let mut trailers = Box::default();
            reader.fields(count, &mut trailers)?;
            Some(trailers)
        }
    };
    let problem = match reader.text()? {
        none if none.is_empty() => None,
        told => Problem::from_problem_json(&reader.bytes[told], known::code).map(Box::new),
    };
    Ok(Rest { status, trailers, problem, body: reader.rest() })
}

/// The beginning: version, status, and head. There is room for a body of that length.
#[inline]
pub(crate) fn begin<'a, F>(status: StatusCode, fields: impl Fn() -> F, body: usize) -> Vec<u8>
where
    F: Iterator<Item = Field<'a>>,
{
    let mut out = Vec::with_capacity(3 + room(fields()) + room(iter::empty()) + 4 + body);
    out.push(VERSION);
    out.extend_from_slice(&status.as_u16().to_be_bytes());
    put_fields(&mut out, fields());
    out
}

/// The end of what was begun: trailers, problem, and the body as the rest.
pub(crate) fn finish(
    draft: Vec<u8>,
    trailers: Option<&HeaderMap>,
    problem: Option<&Problem>,
    body: &Chunks,
) -> Vec<u8> {
    let mut out = draft;
    let problem = problem.map(|problem| problem.to_problem_json(None));
    let problem = problem.as_deref().unwrap_or_default();
    let trailers = || trailers.into_iter().flatten().map(Field::of);
    out.reserve_exact(room(trailers()) + 4 + problem.len() + body.len());
    put_fields(&mut out, trailers());
    put(&mut out, problem);
    body.iter().for_each(|chunk| out.extend_from_slice(chunk));
    out.shrink_to_fit();
    out
}

/// What fields take.
fn room<'a>(fields: impl Iterator<Item = Field<'a>>) -> usize {
    let name_room = |field: &Field<'_>| if field.place.is_some() { 1 } else { 5 + field.name.as_str().len() };
    4 + fields.map(|field| name_room(&field) + 4 + field.value.len()).sum::<usize>()
}

/// Their number, and each: the place of a usual name, or one that is none and the name itself, and the value.
fn put_fields<'a>(out: &mut Vec<u8>, fields: impl Iterator<Item = Field<'a>>) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    let mut count = 0_u32;
    for Field { place, name, value } in fields {
        count += 1;
        out.push(place.unwrap_or(SPELLED));
        if place.is_none() {
            put(out, name.as_str().as_bytes());
        }
        put(out, value.as_bytes());
    }
    out[start..start + 4].copy_from_slice(&count.to_be_bytes());
}

/// In the place of a place: the name follows.
const SPELLED: u8 = u8::MAX;

fn put(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(&(text.len() as u32).to_be_bytes());
    out.extend_from_slice(text);
}

/// Bytes, and how many of them were read.
struct Reader {
    bytes: Bytes,
    at: usize,
}

impl Reader {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], InvalidAnswer> {
        let array = *self.bytes[self.at..].first_chunk().ok_or(InvalidAnswer(()))?;
        self.at += N;
        Ok(array)
    }

    fn number(&mut self) -> Result<usize, InvalidAnswer> {
        Ok(u32::from_be_bytes(self.array()?) as usize)
    }

    /// Where a text lies.
    #[inline]
    fn text(&mut self) -> Result<Range<usize>, InvalidAnswer> {
        let len = self.number()?;
        if len > self.bytes.len() - self.at {
            return Err(InvalidAnswer(()));
        }
        let start = self.at;
        self.at += len;
        Ok(start..self.at)
    }

    fn fields(&mut self, count: usize, map: &mut HeaderMap) -> Result<(), InvalidAnswer> {
        // Each takes five bytes at least: a count that lies reserves nothing.
        if count > (self.bytes.len() - self.at) / 5 {
            return Err(InvalidAnswer(()));
        }
        // One more than there are: the mark of a replay joins them.
        map.try_reserve(count + 1)?;
        for _ in 0..count {
            let name = match self.array()? {
                [SPELLED] => {
                    let spelled = self.text()?;
                    HeaderName::from_bytes(&self.bytes[spelled])?
                }
                [place] => headers::at_place(place).ok_or(InvalidAnswer(()))?,
            };
            let value = self.text()?;
            map.try_append(name, HeaderValue::from_maybe_shared(self.bytes.slice(value))?)?;
        }
        Ok(())
    }

    fn rest(mut self) -> Bytes {
        self.bytes.advance(self.at);
        self.bytes
    }
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
