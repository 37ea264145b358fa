use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use http::{header::HOST, request::Parts};

pub(crate) type FindKey = dyn for<'a> Fn(&'a Parts) -> Option<Cow<'a, str>> + Send + Sync;

/// Which circuit a request belongs to, and how many circuits there may be (CBK-15).
///
/// A request without a key goes by the circuit without a key. When a new key comes and there is no room, circuits that
/// have been idle for long go first, then the closed ones that were used least recently. An open circuit stays: its
/// service is still down. If nothing but open ones is left, new keys share the circuit without a key. A circuit takes 1 KB
/// and its window: up to 2 KB of time, or 3 bits for each call.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use buttress_circuit_breaker::{Keys, by_host};
///
/// // For each host, and apart for what draws pictures and for the rest.
/// let keys = Keys::new(|parts| {
///     let host = by_host(parts)?;
///     let draws = parts.uri.path().starts_with("/images");
///     Some(if draws { format!("{host} images").into() } else { host })
/// });
/// let keys = keys.at_most(200).idle_after(Duration::from_secs(3_600));
/// ```
#[must_use]
#[derive(Clone)]
pub struct Keys {
    pub(crate) find: Arc<FindKey>,
    pub(crate) most: usize,
    pub(crate) idle: Duration,
}

impl Keys {
    /// At most 1 000 circuits, idle after 10 minutes.
    pub fn new(find: impl for<'a> Fn(&'a Parts) -> Option<Cow<'a, str>> + Send + Sync + 'static) -> Self {
        Self { find: Arc::new(find), most: 1_000, idle: Duration::from_secs(600) }
    }

    /// One circuit for each host: [`by_host`].
    pub fn hosts() -> Self {
        Self::new(by_host)
    }

    /// At most so many circuits: from 1 to 100 000.
    pub fn at_most(self, circuits: usize) -> Self {
        Self { most: circuits, ..self }
    }

    /// A circuit that no call has used for so long is forgotten when room is wanted or a new key comes, unless it is held
    /// open by force or disabled.
    pub fn idle_after(self, time: Duration) -> Self {
        Self { idle: time, ..self }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("at_most", &self.most).field("idle_after", &self.idle).finish_non_exhaustive()
    }
}

/// The host and port that a request goes to, in lower case: of its target, else of its `Host` header.
#[must_use]
pub fn by_host(parts: &Parts) -> Option<Cow<'_, str>> {
    let authority = match parts.uri.authority() {
        Some(authority) => authority.as_str(),
        None => parts.headers.get(HOST)?.to_str().ok()?,
    };
    // Credentials are no part of the host, and must not show in events.
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let lower = !host.bytes().any(|byte| byte.is_ascii_uppercase());
    Some(if lower { Cow::Borrowed(host) } else { Cow::Owned(host.to_ascii_lowercase()) })
}
