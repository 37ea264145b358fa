//! Faults: what the simulator does instead of answering well.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

/// Most faults that may wait at the same time.
pub const MAX_FAULTS: usize = 1000;

/// A fault that waits for a request, of one method to one path.
///
/// The faults that wait are tried in the order in which they were added; the first that matches is used.
/// Requests to `/_sim/` never meet one.
///
/// ```
/// use http::{Method, StatusCode};
/// use superduperai_sim::{Answer, Fault, Then};
///
/// let busy = Answer::new(StatusCode::TOO_MANY_REQUESTS).header("retry-after", "1");
/// let busy = Fault::new(Method::POST, "/api/v1/file/generate-image", busy).times(2);
/// let lost = Fault::new(Method::GET, "/api/v1/file/*", Then::DropBefore);
/// # let _ = (busy, lost);
/// ```
#[must_use]
#[derive(Clone, Debug)]
pub struct Fault {
    method: Method,
    path: String,
    times: u32,
    then: Then,
}

/// What happens to a request that a fault was waiting for.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum Then {
    /// It gets this answer, and the work is not done.
    Answer(Answer),
    /// It is handled normally, that much later.
    Delay(Duration),
    /// The work is done, and the connection closed without an answer.
    DropBefore,
    /// The work is done, and the connection closed after so many bytes of the answer's body.
    DropAfter(usize),
    /// It is never answered, and the work is not done.
    Hang,
}

/// A scripted answer.
#[must_use]
#[derive(Clone, Debug)]
pub struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The faults that wait.
#[derive(Debug, Default)]
pub(crate) struct Faults(VecDeque<Fault>);

impl Fault {
    /// A fault for the next such request. A path matches in full, without its query; a `*` at its end matches any rest.
    pub fn new(method: Method, path: impl Into<String>, then: impl Into<Then>) -> Self {
        Self { method, path: path.into(), times: 1, then: then.into() }
    }

    /// How many such requests it waits for; one.
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    fn matches(&self, method: &Method, path: &str) -> bool {
        let matches = match self.path.strip_suffix('*') {
            Some(start) => path.starts_with(start),
            None => path == self.path,
        };
        matches && self.method == method
    }
}

impl Answer {
    /// An answer without a body.
    pub fn new(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// Adds a header field.
    ///
    /// # Panics
    ///
    /// If name or value is not one.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("the name of a header field");
        let value = HeaderValue::from_str(value).expect("the value of a header field");
        self.headers.append(name, value);
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}

impl From<Answer> for Then {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

impl From<StatusCode> for Then {
    fn from(status: StatusCode) -> Self {
        Self::Answer(Answer::new(status))
    }
}

impl Faults {
    /// Adds a fault, unless too many wait.
    pub(crate) fn add(&mut self, fault: Fault) -> bool {
        let room = self.0.len() < MAX_FAULTS;
        if room && fault.times > 0 {
            self.0.push_back(fault);
        }
        room
    }

    /// Uses up one time of the first fault that matches.
    pub(crate) fn take(&mut self, method: &Method, path: &str) -> Option<Then> {
        let found = self.0.iter().position(|one| one.matches(method, path))?;
        let fault = self.0.get_mut(found)?;
        fault.times -= 1;
        let then = fault.then.clone();
        if fault.times == 0 {
            self.0.remove(found);
        }
        Some(then)
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(path: &str, then: Then) -> Fault {
        Fault::new(Method::GET, path, then)
    }

    #[test]
    fn the_first_that_matches_is_used_as_often_as_it_says() {
        let mut faults = Faults::default();
        faults.add(fault("/a", Then::Hang).times(2));
        faults.add(fault("/*", Then::DropBefore));
        let mut take = |path| faults.take(&Method::GET, path);
        assert!(matches!(take("/a"), Some(Then::Hang)));
        assert!(matches!(take("/a"), Some(Then::Hang)));
        assert!(matches!(take("/a"), Some(Then::DropBefore)));
        assert!(take("/a").is_none());
    }

    #[test]
    fn method_and_path_must_match_in_full_unless_starred() {
        let mut faults = Faults::default();
        faults.add(fault("/a/*", Then::Hang));
        faults.add(fault("/b", Then::Hang));
        assert!(faults.take(&Method::POST, "/b").is_none());
        assert!(faults.take(&Method::GET, "/b/1").is_none());
        assert!(faults.take(&Method::GET, "/a").is_none());
        assert!(faults.take(&Method::GET, "/a/1").is_some());
    }

    #[test]
    fn waiting_faults_are_bounded() {
        let mut faults = Faults::default();
        for _ in 0..MAX_FAULTS {
            assert!(faults.add(fault("/", Then::Hang)));
        }
        assert!(!faults.add(fault("/", Then::Hang)));
        faults.clear();
        assert!(faults.take(&Method::GET, "/").is_none());
    }
}
