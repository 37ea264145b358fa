use buttress_core::{CorrelationId, Notes};
use buttress_idempotency::CallKey;
use http::{HeaderValue, header::SET_COOKIE};

use crate::User;

/// What a handler knows of a request beside its body.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Context {
    /// Who sent it.
    pub user: User,
    /// The cookie to send, when the user is a guest who just came.
    pub cookie: Option<HeaderValue>,
    /// Ties it to its answer and to the calls it causes.
    pub correlation_id: CorrelationId,
    /// For its log line.
    pub notes: Notes,
    /// For the calls to the provider that it causes: the same on each of their tries.
    pub call_key: CallKey,
}

impl Context {
    /// Sends the cookie along with an answer, if there is one to send.
    pub fn finish<B>(self, mut response: http::Response<B>) -> http::Response<B> {
        response.headers_mut().extend(self.cookie.map(|cookie| (SET_COOKIE, cookie)));
        response
    }
}
