//! A failure, as the caller wants it.

use buttress_core::Problem;
use bytes::Bytes;
use http::{Extensions, HeaderValue, Response, header::ACCEPT, response::Parts};

use crate::{
    Enveloped, ResponseBody, asked::Asked, decide::Method, envelope, foreign::Foreign, headers, negotiate::Form, status,
};

pub(crate) type Answer<B> = Response<ResponseBody<B>>;

/// How a failure is written for one caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Envelope,
    ProblemDetails,
    Legacy,
}

/// Puts the problem of a failure that has none into its extensions, where outer layers look for it.
pub(crate) fn with_problem(mut parts: Parts, foreign: Option<Foreign>) -> Parts {
    let wait = headers::wait(&parts.headers);
    parts.extensions.insert(status::problem_of(parts.status, foreign, wait));
    parts
}

pub(crate) fn shape_of(asked: &Asked) -> Shape {
    match asked.form() {
        Form::Envelope => Shape::Envelope,
        Form::ProblemDetails => Shape::ProblemDetails,
    }
}

pub(crate) fn old_shape_of(asked: &Asked) -> Shape {
    match asked.form() {
        Form::Envelope => Shape::Legacy,
        Form::ProblemDetails => Shape::ProblemDetails,
    }
}

/// The failure in its extensions, as the caller wants it.
///
/// Of the answer to a HEAD the fields are those of the GET, as far as they are known.
pub(crate) fn render<B>(mut parts: Parts, asked: &Asked, shape: Shape, known: bool) -> Answer<B> {
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
    let body = if asked.caller.method == Method::Head { Bytes::new() } else { text };
    Response::from_parts(parts, ResponseBody::full(body))
}

/// Says that a success is wrapped, to those who asked for it to be said.
pub(crate) fn mark(extensions: &mut Extensions, asked: &Asked) {
    if asked.settings.mark {
        extensions.insert(Enveloped);
    }
}
