//! Idempotency keys on every route that creates something.

use std::{
    fmt,
    task::{Context, Poll, ready},
};

use buttress_idempotency::{Detached, Idempotency, InvalidSetting, MemoryStore, Scoped};
use http::{Method, Request};
use tower_layer::Layer;
use tower_service::Service;

use crate::idempotency::{FindScope, Keys, for_uploads};

/// The header fields of a key.
const KEY: [&str; 2] = ["idempotency-key", "x-idempotency-key"];

/// Lets a request with an idempotency key start its job once. Forms with files may be longer than other bodies, and take
/// longer to arrive. On routes that create nothing a key means nothing.
#[derive(Clone)]
pub struct OnceLayer {
    jobs: Keys,
    uploads: Keys,
}

impl OnceLayer {
    pub(crate) fn new(keys: Keys) -> Result<Self, InvalidSetting> {
        Ok(Self { uploads: for_uploads(keys.clone())?, jobs: keys })
    }

    /// The runs that go on without their callers.
    pub(crate) fn detached(&self) -> Detached {
        self.jobs.detached()
    }
}

impl fmt::Debug for OnceLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnceLayer").finish_non_exhaustive()
    }
}

impl<S: Clone> Layer<S> for OnceLayer {
    type Service = Once<S>;

    fn layer(&self, inner: S) -> Once<S> {
        Once { jobs: self.jobs.layer(inner.clone()), uploads: self.uploads.layer(inner) }
    }
}

type Keyed<S> = Idempotency<S, MemoryStore, Scoped<FindScope>>;

/// The service of a [`OnceLayer`].
#[derive(Clone)]
pub struct Once<S> {
    jobs: Keyed<S>,
    uploads: Keyed<S>,
}

impl<S, B> Service<Request<B>> for Once<S>
where
    Keyed<S>: Service<Request<B>>,
{
    type Response = <Keyed<S> as Service<Request<B>>>::Response;
    type Error = <Keyed<S> as Service<Request<B>>>::Error;
    type Future = <Keyed<S> as Service<Request<B>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // Which of the two it will be is not known yet. Routes are always ready: no place is held in vain.
        ready!(self.jobs.poll_ready(cx))?;
        self.uploads.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match request.uri().path() {
            "/api/images" | "/api/videos" if request.method() == Method::POST => self.jobs.call(request),
            "/api/uploads" if request.method() == Method::POST => self.uploads.call(request),
            _ => {
                // What the host says of an address that is none, or takes no such method, is not to be recorded.
                for name in KEY {
                    request.headers_mut().remove(name);
                }
                self.jobs.call(request)
            }
        }
    }
}

impl<S> fmt::Debug for Once<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").finish_non_exhaustive()
    }
}
