//! What is kept of a request for its answer.

use std::{borrow::Cow, time::Duration};

use buttress_core::{CorrelationId, Notes};
use http::{Extensions, HeaderMap, HeaderValue, Request, header::ACCEPT};

use crate::{
    EnvelopeHandle, Mode, Route,
    decide::{Method, Turn, turn},
    headers::X_ENVELOPE,
    negotiate::{self, Form, Wish},
};

/// How long and how much of a body is read, and what is told of successes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) bytes: usize,
    pub(crate) time: Duration,
    pub(crate) mark: bool,
}

#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) settings: Settings,
    pub(crate) caller: Caller,
}

/// What is known of a request once it has gone.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) method: Method,
    /// `None` where it takes a closer look.
    form: Option<Form>,
    id: Option<CorrelationId>,
    // Boxed, as most servers have one mode for all routes.
    varied: Option<Box<Varied>>,
}

/// What is needed where not every route is new.
#[derive(Debug)]
struct Varied {
    handle: EnvelopeHandle,
    route: Option<Route>,
    notes: Option<Notes>,
    wish: Option<Wish>,
}

/// How the answer to one request is to be.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) turn: Turn,
    /// Whether the caller has a choice of shapes.
    pub(crate) dual: bool,
    /// Whether a success is looked into.
    pub(crate) look: bool,
    pub(crate) route: Option<Cow<'static, str>>,
}

impl Caller {
    #[inline]
    pub(crate) fn at_sight<B>(request: &Request<B>) -> Self {
        let method = match *request.method() {
            http::Method::HEAD => Method::Head,
            http::Method::CONNECT => Method::Connect,
            _ => Method::Other,
        };
        Self { method, form: form_at_sight(request.headers()), id: request.extensions().get().cloned(), varied: None }
    }

    #[inline]
    pub(crate) fn needs_closer_look(&self, handle: &EnvelopeHandle) -> bool {
        self.form.is_none() || handle.varies()
    }

    /// Adds what takes a closer look, which is seldom.
    pub(crate) fn look_closer<B>(&mut self, request: &Request<B>, handle: &EnvelopeHandle) {
        if self.form.is_none() {
            self.form = Some(form(request.headers()));
        }
        if handle.varies() {
            self.varied = Some(Box::new(Varied::new(request.headers(), request.extensions(), handle)));
        }
    }
}

impl Asked {
    /// How failures are written.
    pub(crate) fn form(&self) -> Form {
        self.caller.form.unwrap_or_default()
    }

    /// Whether a success is wrapped and nothing else.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.caller.method == Method::Other && self.caller.varied.is_none() && !self.settings.mark
    }

    /// The id of the request; else the one that the answer says.
    pub(crate) fn id(&self, answer: &HeaderMap) -> Option<CorrelationId> {
        let said = || answer.get(CorrelationId::HEADER).and_then(|value| CorrelationId::try_from(value).ok());
        self.caller.id.clone().or_else(said)
    }

    /// How the answer is to be, by the route that the answer or the request says. `None`: new, like all.
    pub(crate) fn standing(&self, answer: &Extensions) -> Option<Standing> {
        let varied = self.caller.varied.as_ref()?;
        let route = varied.route(answer);
        let (mode, look) = varied.handle.standing(route.as_deref());
        Some(Standing { turn: turn(mode, varied.wish), dual: mode == Mode::Dual, look, route })
    }
}

/// Found by a walk: a look-up hashes, which costs as much as eight fields, and most callers name it among their first.
#[inline]
fn form_at_sight(headers: &HeaderMap) -> Option<Form> {
    match headers.iter().find(|(name, _)| **name == ACCEPT) {
        None => Some(Form::Envelope),
        // Where no field has a second line, the first is all there is.
        Some((_, line)) => {
            (headers.len() == headers.keys_len() && negotiate::is_plain(line.as_bytes())).then_some(Form::Envelope)
        }
    }
}

#[inline(never)]
fn form(headers: &HeaderMap) -> Form {
    negotiate::form(headers.get_all(ACCEPT).iter().map(HeaderValue::as_bytes))
}

impl Varied {
    #[inline(never)]
    fn new(headers: &HeaderMap, extensions: &Extensions, handle: &EnvelopeHandle) -> Self {
        let said = headers.get(X_ENVELOPE).and_then(|value| negotiate::wish_of(value.as_bytes()));
        let accept = || negotiate::wish(headers.get_all(ACCEPT).iter().map(HeaderValue::as_bytes));
        Self {
            handle: handle.clone(),
            route: extensions.get().cloned(),
            notes: extensions.get().cloned(),
            wish: said.or_else(accept),
        }
    }

    /// The answer knows best: whoever routed wrote it last.
    fn route(&self, answer: &Extensions) -> Option<Cow<'static, str>> {
        let route = answer.get::<Route>().or(self.route.as_ref()).map(Route::pattern);
        route.or_else(|| self.notes.as_ref()?.read(|noted| noted.route.clone()))
    }
}
