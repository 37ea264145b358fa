//! What is done to an answer, once it is decided.

use buttress_core::Problem;
use http::{Extensions, Response, StatusCode, header::ACCEPT, response::Parts};
use http_body::Body;

use crate::{
    BoxError, Enveloped, Raw, ResponseBody,
    asked::{Asked, Standing},
    codes,
    decide::{Facts, Media, Method, Turn, Verdict, verdict},
    envelope::wrapped_len,
    headers::{self, Seen, X_ENVELOPE},
    pending::{Pending, Why},
    render::{Answer, mark, old_shape_of, render, shape_of, with_problem},
    telemetry,
};

/// What becomes of an answer whose head is as it should be.
#[derive(Debug)]
enum Fate {
    Pass,
    /// The body is wrapped.
    Wrap,
    /// Head and body are made anew, or may have to be.
    Rewrite(Rewrite),
}

#[derive(Clone, Copy, Debug)]
enum Rewrite {
    /// It may be a failure that says it is none.
    Look,
    Failure,
    /// A failure for an old client.
    Old,
}

/// An answer, or what has to be read before there is one.
#[derive(Debug)]
pub(crate) enum Settled<B> {
    Now(Answer<B>),
    Later(Box<Pending<B>>),
}

/// Whether an answer is wrapped and nothing of its head changes, as it is with most.
#[inline]
pub(crate) fn is_plain<B>(response: &Response<B>, asked: &Asked) -> bool {
    response.status() == StatusCode::OK
        && headers::only_json(response.headers())
        && asked.is_plain()
        && !is_marked(response.extensions())
}

/// Decides, and changes what has to be changed.
// Apart, so that what has to be done for most answers stays short.
#[inline(never)]
pub(crate) fn settle<B>(mut response: Response<B>, asked: &Asked) -> Settled<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    match fate(&mut response, asked) {
        Fate::Pass => Settled::Now(response.map(ResponseBody::passed)),
        Fate::Wrap => Settled::Now(response.map(ResponseBody::wrapped)),
        Fate::Rewrite(why) => rewrite(response, why, asked),
    }
}

/// Decides, and changes the head in place.
fn fate<B: Body>(response: &mut Response<B>, asked: &Asked) -> Fate {
    if is_marked(response.extensions()) {
        return Fate::Pass;
    }
    let seen = headers::look(response.headers());
    let facts = Facts {
        status: response.status(),
        media: seen.media,
        encoded: seen.encoded,
        empty: seen.media == Media::Missing && has_no_data(response.body()),
    };
    let verdict = verdict(asked.caller.method, &facts);
    if verdict == Verdict::Pass {
        return Fate::Pass;
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

#[cold]
fn settle_by_route<B: Body>(
    response: &mut Response<B>,
    verdict: Verdict,
    seen: &Seen,
    asked: &Asked,
    standing: &Standing,
) -> Fate {
    if standing.dual {
        headers::vary(response.headers_mut(), ACCEPT);
        headers::vary(response.headers_mut(), X_ENVELOPE);
    }
    match standing.turn {
        Turn::Raw => Fate::Pass,
        Turn::New => settle_new(response, verdict, seen, asked, standing.look),
        Turn::Legacy(_) if verdict == Verdict::NotModified => Fate::Pass,
        Turn::Legacy(by) => {
            let id = asked.id(response.headers());
            telemetry::legacy(standing.route.as_deref(), by, id.as_ref());
            let problem = response.extensions().get::<Problem>();
            let told = verdict == Verdict::Failure && problem.is_some();
            if told { Fate::Rewrite(Rewrite::Old) } else { Fate::Pass }
        }
    }
}

fn settle_new<B: Body>(response: &mut Response<B>, verdict: Verdict, seen: &Seen, asked: &Asked, look: bool) -> Fate {
    match verdict {
        Verdict::Pass => Fate::Pass,
        Verdict::NotModified => {
            headers::weaken(response.headers_mut());
            Fate::Pass
        }
        Verdict::WrapHead => {
            let length = headers::stated_length(response.headers()).map(wrapped_len);
            headers::success(response.headers_mut(), seen, length);
            Fate::Pass
        }
        Verdict::Wrap if look && worth_a_look(response.body(), asked) => Fate::Rewrite(Rewrite::Look),
        Verdict::Wrap => {
            let exact = response.body().size_hint().exact();
            headers::success(response.headers_mut(), seen, exact.map(wrapped_len));
            mark(response.extensions_mut(), asked);
            Fate::Wrap
        }
        Verdict::Failure => Fate::Rewrite(Rewrite::Failure),
    }
}

/// What is longer than the limit is no short report of a failure.
fn worth_a_look(body: &impl Body, asked: &Asked) -> bool {
    body.size_hint().lower() <= asked.settings.bytes as u64
}

#[cold]
fn rewrite<B>(response: Response<B>, why: Rewrite, asked: &Asked) -> Settled<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let (parts, body) = response.into_parts();
    let seen = headers::look(&parts.headers);
    match why {
        Rewrite::Look => later(parts, body, Why::Look(seen), asked),
        Rewrite::Old => Settled::Now(render(parts, asked, old_shape_of(asked), true)),
        Rewrite::Failure => fail(parts, body, &seen, asked),
    }
}

fn fail<B>(parts: Parts, body: B, seen: &Seen, asked: &Asked) -> Settled<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let shape = shape_of(asked);
    if parts.extensions.get::<Problem>().is_some() {
        return Settled::Now(render(parts, asked, shape, true));
    }
    let readable = seen.media != Media::Other && !seen.encoded && asked.caller.method != Method::Head;
    if readable && !body.is_end_stream() {
        return later(parts, body, Why::Failure(seen.media, shape), asked);
    }
    // The answer to a HEAD cannot know what its GET would say.
    let known = asked.caller.method != Method::Head;
    Settled::Now(render(with_problem(parts, None), asked, shape, known))
}

fn later<B>(parts: Parts, body: B, why: Why, asked: &Asked) -> Settled<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    Settled::Later(Box::new(Pending::new(parts, body, why, asked.settings)))
}
