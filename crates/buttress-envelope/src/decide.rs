//! What becomes of an answer: passed on, wrapped, or told as a failure. Pure.

use http::StatusCode;

use crate::negotiate::Wish;

/// As much of the method as matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Head,
    Connect,
    Other,
}

/// What the `Content-Type` of an answer means for the envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    /// There is none.
    Missing,
    /// `application/json`.
    Json,
    /// Another type that is JSON: `application/geo+json`.
    JsonSuffix,
    /// `application/problem+json`.
    Problem,
    /// `text/plain`.
    Text,
    /// Event streams, lines of JSON, pages, pictures, and everything else.
    Other,
}

impl Media {
    /// Reads a `Content-Type`.
    #[inline]
    pub(crate) fn of(value: &[u8]) -> Self {
        if value == b"application/json" {
            return Self::Json;
        }
        let end = value.iter().position(|b| *b == b';').unwrap_or(value.len());
        let essence = value[..end].trim_ascii();
        let is = |name: &[u8]| essence.eq_ignore_ascii_case(name);
        if is(b"application/json") {
            Self::Json
        } else if is(b"application/problem+json") {
            Self::Problem
        } else if is(b"text/plain") {
            Self::Text
        } else if essence.len() > 5 && essence[essence.len() - 5..].eq_ignore_ascii_case(b"+json") {
            Self::JsonSuffix
        } else {
            Self::Other
        }
    }

    pub(crate) fn is_json(self) -> bool {
        matches!(self, Self::Json | Self::JsonSuffix | Self::Problem)
    }
}

/// What is known of an answer without reading its body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) status: StatusCode,
    pub(crate) media: Media,
    /// Whether there is a `Content-Encoding` other than identity.
    pub(crate) encoded: bool,
    /// Whether the body is known to have no data; asked only where there is no type.
    pub(crate) empty: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Goes on as it is.
    Pass,
    /// Goes on as it is, but for an `ETag` that has to match that of the wrapped answer.
    NotModified,
    /// A success whose body is wrapped.
    Wrap,
    /// The answer to a HEAD whose GET would be wrapped.
    WrapHead,
    /// A failure, told in one shape.
    Failure,
}

/// The table of what is passed on (ENV-6).
#[inline]
pub(crate) fn verdict(method: Method, facts: &Facts) -> Verdict {
    // Most answers are this one.
    if facts.status == StatusCode::OK && facts.media == Media::Json && method == Method::Other && !facts.encoded {
        return Verdict::Wrap;
    }
    of_the_table(method, facts)
}

fn of_the_table(method: Method, facts: &Facts) -> Verdict {
    match facts.status.as_u16() {
        400..=599 => Verdict::Failure,
        304 => Verdict::NotModified,
        // No content, a form to empty, a part of something.
        204..=206 => Verdict::Pass,
        200..=299 if method == Method::Connect || facts.encoded => Verdict::Pass,
        200..=299 => success(method, facts),
        _ => Verdict::Pass,
    }
}

fn success(method: Method, facts: &Facts) -> Verdict {
    let json = matches!(facts.media, Media::Json | Media::JsonSuffix);
    let nothing = facts.media == Media::Missing && facts.empty;
    match method {
        Method::Head if json => Verdict::WrapHead,
        // Every answer to a HEAD is empty: that says nothing of the GET.
        Method::Head => Verdict::Pass,
        _ if json || nothing => Verdict::Wrap,
        _ => Verdict::Pass,
    }
}

/// Which shape the answers of a route have.
///
/// # Examples
///
/// ```
/// use buttress_envelope::{EnvelopeLayer, Mode};
///
/// let layer = EnvelopeLayer::new().mode(Mode::Dual).route("/metrics", Mode::Raw);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// Every answer is an envelope.
    New,
    /// Answers go out as they did before there was an envelope; each is counted and logged.
    ///
    /// A [`Problem`](buttress_core::Problem), which no old client knows, is told as `{"error", "details"?}`, the most
    /// frequent of the old shapes.
    Legacy,
    /// The caller chooses: by the header `x-envelope: new` or `legacy`, else by a parameter of its `Accept`,
    /// `application/json;envelope=new`. Who does not choose is an old client and gets the legacy shape: the clients
    /// that this mode is for cannot be changed, those that know of the envelope can.
    Dual,
    /// Answers are no business of the envelope: passed on, and neither counted nor logged.
    Raw,
}

/// How this one answer is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    New,
    /// With who wanted it so: `mode`, `caller` or `default`.
    Legacy(&'static str),
    Raw,
}

pub(crate) fn turn(mode: Mode, wish: Option<Wish>) -> Turn {
    match (mode, wish) {
        (Mode::New, _) | (Mode::Dual, Some(Wish::New)) => Turn::New,
        (Mode::Legacy, _) => Turn::Legacy("mode"),
        (Mode::Dual, Some(Wish::Legacy)) => Turn::Legacy("caller"),
        (Mode::Dual, None) => Turn::Legacy("default"),
        (Mode::Raw, _) => Turn::Raw,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: Method, status: u16, media: &[u8], encoded: bool, empty: bool) -> Verdict {
        let media = if media.is_empty() { Media::Missing } else { Media::of(media) };
        verdict(method, &Facts { status: StatusCode::from_u16(status).unwrap(), media, encoded, empty })
    }

    // ENV-6
    #[test]
    fn the_table_of_what_is_wrapped_holds_row_by_row() {
        use Method::{Connect, Head, Other};
        use Verdict::{Failure, NotModified, Pass, Wrap, WrapHead};
        let json = b"application/json".as_slice();
        let table = [
            (Other, 200, json, false, false, Wrap),
            (Other, 201, b"Application/JSON; charset=utf-8", false, false, Wrap),
            (Other, 202, b"application/geo+json", false, false, Wrap),
            (Other, 200, b"", false, true, Wrap),
            (Other, 200, b"", false, false, Pass),
            (Other, 200, b"application/problem+json", false, false, Pass),
            (Other, 200, json, true, false, Pass),
            (Other, 100, json, false, true, Pass),
            (Other, 101, b"", false, true, Pass),
            (Other, 103, b"", false, true, Pass),
            (Connect, 200, b"", false, true, Pass),
            (Connect, 200, json, false, false, Pass),
            (Connect, 407, b"", false, true, Failure),
            (Head, 200, json, false, true, WrapHead),
            (Head, 200, b"", false, true, Pass),
            (Head, 200, b"text/html", false, true, Pass),
            (Head, 404, b"", false, true, Failure),
            (Other, 204, json, false, true, Pass),
            (Other, 205, json, false, true, Pass),
            (Other, 206, json, false, false, Pass),
            (Other, 300, json, false, false, Pass),
            (Other, 302, b"", false, true, Pass),
            (Other, 304, json, false, true, NotModified),
            (Other, 200, b"text/event-stream", false, false, Pass),
            (Other, 200, b"application/x-ndjson", false, false, Pass),
            (Other, 200, b"application/json-seq", false, false, Pass),
            (Other, 200, b"application/jsonl", false, false, Pass),
            (Other, 200, b"text/plain", false, false, Pass),
            (Other, 200, b"image/png", false, false, Pass),
            (Other, 200, b"+json", false, false, Pass),
            (Other, 400, json, false, false, Failure),
            (Other, 599, b"image/png", true, false, Failure),
            (Other, 600, json, false, false, Pass),
        ];
        for (method, status, media, encoded, empty, expected) in table {
            let media_text = String::from_utf8_lossy(media);
            assert_eq!(of(method, status, media, encoded, empty), expected, "{method:?} {status} {media_text}");
        }
    }

    #[test]
    fn who_does_not_choose_is_an_old_client() {
        let table = [
            (Mode::New, None, Turn::New),
            (Mode::New, Some(Wish::Legacy), Turn::New),
            (Mode::Legacy, Some(Wish::New), Turn::Legacy("mode")),
            (Mode::Dual, Some(Wish::New), Turn::New),
            (Mode::Dual, Some(Wish::Legacy), Turn::Legacy("caller")),
            (Mode::Dual, None, Turn::Legacy("default")),
            (Mode::Raw, Some(Wish::New), Turn::Raw),
        ];
        for (mode, wish, expected) in table {
            assert_eq!(turn(mode, wish), expected, "{mode:?} {wish:?}");
        }
    }
}
