//! The requests of an event source, one for each attempt and each redirect on its way.

use http::{
    HeaderValue, Request, Response, Uri,
    header::{ACCEPT, CACHE_CONTROL, LOCATION},
};

use crate::{EventSourceError, EventSourceErrorKind as Kind, head::LAST_EVENT_ID, redirect};

/// What the caller asks for, and where the way there has led so far.
#[derive(Debug)]
pub(crate) struct Attempt<B> {
    template: Request<B>,
    hop: Option<Hop>,
}

#[derive(Debug)]
struct Hop {
    uri: Uri,
    /// Another origin was on the way: no credentials from here on, also not back home.
    left_home: bool,
    count: u8,
}

impl<B> Attempt<B> {
    /// The requests that are like `template`, and the id from which it wants to go on.
    pub(crate) fn new(mut template: Request<B>) -> (Self, Option<HeaderValue>) {
        let headers = template.headers_mut();
        let seed = headers.remove(LAST_EVENT_ID);
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("text/event-stream"));
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
        (Self { template, hop: None }, seed)
    }

    pub(crate) fn is_safe(&self) -> bool {
        self.template.method().is_safe()
    }

    /// Begins at the caller's address again.
    pub(crate) fn restart(&mut self) {
        self.hop = None;
    }

    /// The next request, with the last id if there is one (SSE-21).
    pub(crate) fn request(&self, last_id: &str) -> Result<Request<B>, EventSourceError>
    where
        B: Clone,
    {
        let mut request = self.template.clone();
        if let Some(hop) = &self.hop {
            *request.uri_mut() = hop.uri.clone();
            if hop.left_home {
                redirect::remove_credentials(request.headers_mut());
            }
        }
        if !last_id.is_empty() {
            let id = HeaderValue::from_bytes(last_id.as_bytes());
            let id = id.map_err(|error| EventSourceError::new(Kind::LastEventId, error))?;
            request.headers_mut().insert(LAST_EVENT_ID, id);
        }
        Ok(request)
    }

    /// Makes the next request go where the answer points to (SSE-24).
    pub(crate) fn follow<R>(&mut self, response: &Response<R>) -> Result<(), EventSourceError> {
        let (from, left_home, count) = match &self.hop {
            Some(Hop { uri, left_home, count }) => (uri, *left_home, *count),
            None => (self.template.uri(), false, 0),
        };
        if count == MAX_REDIRECTS || !redirect::keeps_method(response.status(), self.template.method()) {
            return Err(Kind::Redirect.into());
        }
        let location = response.headers().get(LOCATION).ok_or(Kind::Redirect)?;
        let uri = redirect::resolve(from, location.as_bytes()).ok_or(Kind::Redirect)?;
        let left_home = left_home || !redirect::is_same_origin(from, &uri);
        self.hop = Some(Hop { uri, left_home, count: count + 1 });
        Ok(())
    }
}

const MAX_REDIRECTS: u8 = 10;
