//! What is done to an answer, once it is decided.

use std::task::{Context, Poll, ready};

use buttress_core::Problem;
use bytes::Bytes;
use http::{Extensions, HeaderValue, Response, header::ACCEPT, response::Parts};
use http_body::Body;

use crate::{
    BoxError, Enveloped, Raw, ResponseBody,
    asked::{Asked, Standing},
    codes,
    decide::{Facts, Media, Method, Turn, Verdict, verdict},
    envelope::{self, wrapped_len},
    foreign::{self, Foreign},
    headers::{self, Seen, X_ENVELOPE},
    negotiate::Form,
    read::{End, Read, Reading},
    status, telemetry,
    wrapped::Early,
};

type Answer<B> = Response<ResponseBody<B>>;

/// An answer, or what has to be read before there is one.
#[derive(Debug)]
pub(crate) enum Settled<B> {
    Now(Answer<B>),
    Later(Box<Pending<B>>),
}

/// An answer whose body is being read.
#[derive(Debug)]
pub(crate) struct Pending<B> {
    // Taken when the reading has ended.
    kept: Option<(Parts, Reading<B>)>,
    why: Why,
}

#[derive(Clone, Copy, Debug)]
enum Why {
    /// It is a failure, and this is its type.
    Failure(Media, Shape),
    /// It may be a failure that says it is none.
    Look(Seen),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Envelope,
    ProblemDetails,
    Legacy,
}

#[inline]
pub(crate) fn settle<B>(response: Response<B>, asked: &Asked) -> Settled<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    if is_marked(response.extensions()) {
        return pass(response);
    }
    let seen = headers::look(response.headers());
    let facts = Facts {
        status: response.status(),
        media: seen.media,
        encoded: seen.encoded,
        empty: seen.media == Media::Missing && has_no_data(response.body()),
    };
    let verdict = verdict(asked.method, &facts);
    if verdict == Verdict::Pass {
        return pass(response);
    }
    match asked.standing(response.extensions()) {
        None => settle_new(response, verdict, &seen, asked, false),
        Some(standing) => settle_by_route(response, verdict, &seen, asked, &standing),
    }
}

/// The answer to a request whose handler panicked.
pub(crate) fn panicked<B>(asked: &Asked) -> Answer<B> {
    let (mut parts, ()) = Response::new(()).into_parts();
    parts.extensions.insert(codes::INTERNAL.problem("something went wrong on our side"));
    let shape = match asked.standing(&parts.extensions).map(|standing| standing.turn) {
        Some(Turn::Legacy(_)) => old_shape_of(asked),
        _ => shape_of(asked),
    };
    render(parts, asked, shape, true)
}

fn has_no_data(body: &impl Body) -> bool {
    body.is_end_stream() || body.size_hint().exact() == Some(0)
}

#[inline]
fn is_marked(extensions: &Extensions) -> bool {
    !extensions.is_empty() && (extensions.get::<Enveloped>().is_some() || extensions.get::<Raw>().is_some())
}

#[inline]
fn pass<B: Body>(response: Response<B>) -> Settled<B> {
    Settled::Now(response.map(ResponseBody::passed))
}

#[cold]
fn settle_by_route<B>(
    mut response: Response<B>,
    verdict: Verdict,
    seen: &Seen,
    asked: &Asked,
    standing: &Standing,
) -> Settled<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    if standing.dual {
        headers::vary(response.headers_mut(), ACCEPT);
        headers::vary(response.headers_mut(), X_ENVELOPE);
    }
    match standing.turn {
        Turn::Raw => pass(response),
        Turn::New => settle_new(response, verdict, seen, asked, standing.look),
        Turn::Legacy(_) if verdict == Verdict::NotModified => pass(response),
        Turn::Legacy(by) => {
            let id = asked.id(response.headers());
            telemetry::legacy(standing.route.as_deref(), by, id.as_ref());
            let (parts, body) = response.into_parts();
            if verdict == Verdict::Failure && parts.extensions.get::<Problem>().is_some() {
                return Settled::Now(render(parts, asked, old_shape_of(asked), true));
            }
            pass(Response::from_parts(parts, body))
        }
    }
}

#[inline]
fn settle_new<B>(mut response: Response<B>, verdict: Verdict, seen: &Seen, asked: &Asked, look: bool) -> Settled<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    match verdict {
        Verdict::Pass => pass(response),
        Verdict::NotModified => {
            headers::weaken(response.headers_mut());
            pass(response)
        }
        Verdict::WrapHead => {
            let length = headers::stated_length(response.headers()).map(wrapped_len);
            headers::success(response.headers_mut(), seen, length);
            pass(response)
        }
        Verdict::Wrap if look && worth_a_look(response.body(), asked) => {
            let (parts, body) = response.into_parts();
            later(parts, body, Why::Look(*seen), asked)
        }
        Verdict::Wrap => Settled::Now(wrap(response, seen, asked)),
        Verdict::Failure => fail(response, seen, asked),
    }
}

#[inline]
fn wrap<B: Body>(mut response: Response<B>, seen: &Seen, asked: &Asked) -> Answer<B> {
    let exact = response.body().size_hint().exact();
    succeed(response.headers_mut(), seen, exact);
    mark(response.extensions_mut(), asked);
    response.map(ResponseBody::wrapped)
}

fn succeed(fields: &mut http::HeaderMap, seen: &Seen, data: Option<u64>) {
    headers::success(fields, seen, data.map(wrapped_len));
}

fn mark(extensions: &mut Extensions, asked: &Asked) {
    if asked.settings.mark {
        extensions.insert(Enveloped);
    }
}

/// What is longer than the limit is no short report of a failure.
fn worth_a_look(body: &impl Body, asked: &Asked) -> bool {
    body.size_hint().lower() <= asked.settings.bytes as u64
}

#[cold]
fn fail<B>(response: Response<B>, seen: &Seen, asked: &Asked) -> Settled<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let (parts, body) = response.into_parts();
    let shape = shape_of(asked);
    if parts.extensions.get::<Problem>().is_some() {
        return Settled::Now(render(parts, asked, shape, true));
    }
    let readable = seen.media != Media::Other && !seen.encoded && asked.method != Method::Head;
    if readable && !body.is_end_stream() {
        return later(parts, body, Why::Failure(seen.media, shape), asked);
    }
    // The answer to a HEAD cannot know what its GET would say.
    let known = asked.method != Method::Head;
    Settled::Now(render(with_problem(parts, None), asked, shape, known))
}

#[cold]
fn later<B>(parts: Parts, body: B, why: Why, asked: &Asked) -> Settled<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let kept = Some((parts, Reading::new(body, asked.settings)));
    Settled::Later(Box::new(Pending { kept, why }))
}

impl<B> Pending<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    pub(crate) fn poll(&mut self, asked: &Asked, cx: &mut Context<'_>) -> Poll<Answer<B>> {
        let (_, reading) = self.kept.as_mut().expect("not polled again after it was ready");
        let read = ready!(reading.poll(cx));
        let (parts, reading) = self.kept.take().expect("it was there a moment ago");
        Poll::Ready(match self.why {
            Why::Failure(media, shape) => understood(parts, media, &read, asked, shape),
            Why::Look(seen) => looked_into(parts, reading, read, &seen, asked),
        })
    }
}

/// A failure of which the body was read, as far as it went.
fn understood<B>(parts: Parts, media: Media, read: &Read, asked: &Asked, shape: Shape) -> Answer<B> {
    if parts.status.is_server_error() {
        telemetry::masked(parts.status, &read.data, asked.id(&parts.headers).as_ref());
    }
    let foreign = match &read.end {
        End::Whole(_) if media.is_json() => Some(foreign::of_json(parts.status, &read.data)),
        // A text is cut in any case.
        End::Whole(_) | End::More if !media.is_json() => Some(foreign::of_text(&read.data)),
        _ => None,
    };
    render(with_problem(parts, foreign), asked, shape, true)
}

/// A success of which the body was read: a failure after all, or wrapped with what was read.
fn looked_into<B>(mut parts: Parts, reading: Reading<B>, read: Read, seen: &Seen, asked: &Asked) -> Answer<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let whole = matches!(read.end, End::Whole(_));
    if let Some((code, foreign)) = foreign::disguised(&read.data).filter(|_| whole) {
        parts.status = code.status();
        return render(with_problem(parts, Some(foreign)), asked, shape_of(asked), true);
    }
    let body = reading.into_body();
    let length = if whole {
        Some(read.data.len() as u64)
    } else {
        body.size_hint().exact().map(|left| left.saturating_add(read.data.len() as u64))
    };
    succeed(&mut parts.headers, seen, length);
    mark(&mut parts.extensions, asked);
    Response::from_parts(parts, ResponseBody::resumed(body, Early::from(read)))
}

/// Puts the problem of a failure that has none into its extensions, where outer layers look for it.
fn with_problem(mut parts: Parts, foreign: Option<Foreign>) -> Parts {
    let wait = headers::wait(&parts.headers);
    parts.extensions.insert(status::problem_of(parts.status, foreign, wait));
    parts
}

fn shape_of(asked: &Asked) -> Shape {
    match asked.form {
        Form::Envelope => Shape::Envelope,
        Form::ProblemDetails => Shape::ProblemDetails,
    }
}

fn old_shape_of(asked: &Asked) -> Shape {
    match asked.form {
        Form::Envelope => Shape::Legacy,
        Form::ProblemDetails => Shape::ProblemDetails,
    }
}

/// The failure in its extensions, as the caller wants it.
///
/// Of the answer to a HEAD the fields are those of the GET, as far as they are known.
fn render<B>(mut parts: Parts, asked: &Asked, shape: Shape, known: bool) -> Answer<B> {
    let id = asked.id(&parts.headers);
    let problem = parts.extensions.get::<Problem>().expect("whoever renders has put it there");
    let (text, media): (Bytes, HeaderValue) = match shape {
        Shape::Envelope => (envelope::failure_json(problem, id.as_ref()), headers::JSON),
        Shape::ProblemDetails => (problem.to_problem_json(id.as_ref()), headers::PROBLEM_JSON),
        Shape::Legacy => (envelope::legacy_json(problem), headers::JSON),
    };
    parts.status = problem.status();
    headers::failure(&mut parts.headers, problem, media, known.then_some(text.len()));
    headers::correlate(&mut parts.headers, id.as_ref());
    headers::vary(&mut parts.headers, ACCEPT);
    parts.extensions.insert(Enveloped);
    let body = if asked.method == Method::Head { Bytes::new() } else { text };
    Response::from_parts(parts, ResponseBody::full(body))
}
