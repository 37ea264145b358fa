use http::{Extensions, HeaderMap, Method, Request, Uri};

/// A request without its body: what limits look at.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    extensions: &'a Extensions,
}

impl<'a> Head<'a> {
    /// The head of a request.
    #[must_use]
    pub fn of<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }

    /// Its method.
    #[must_use]
    pub fn method(&self) -> &'a Method {
        self.method
    }

    /// Its address.
    #[must_use]
    pub fn uri(&self) -> &'a Uri {
        self.uri
    }

    /// The path of its address.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.uri.path()
    }

    /// Its headers, which the caller wrote: nothing in them is a key unless somebody vouches for it (RLM-12).
    #[must_use]
    pub fn headers(&self) -> &'a HeaderMap {
        self.headers
    }

    /// Its extensions, which layers further out wrote: whoever was authenticated, for instance.
    #[must_use]
    pub fn extensions(&self) -> &'a Extensions {
        self.extensions
    }
}
