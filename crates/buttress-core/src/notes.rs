use std::{
    borrow::Cow,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use http::Extensions;

/// What the parts of a server know about one request, gathered for its log line.
///
/// A request extension, put there by whoever writes the line. A clone is the same notes, so that handlers, clients and
/// spawned tasks can write into them for as long as the request lasts; what comes later is lost. Layers that find none
/// write nothing. Nothing in here may be a secret.
///
/// # Examples
///
/// ```
/// use buttress_core::Notes;
///
/// let notes = Notes::default();
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(notes.clone());
///
/// // Somewhere below:
/// if let Some(notes) = Notes::of(request.extensions()) {
///     notes.write(|noted| {
///         noted.provider = Some("superduperai".into());
///         noted.retries += 1;
///     });
/// }
/// assert_eq!(notes.read(|noted| noted.retries), 1);
/// ```
#[derive(Clone)]
pub struct Notes(Arc<Mutex<Noted>>);

/// Whether there have ever been notes in this process.
static MADE: AtomicBool = AtomicBool::new(false);

/// The content of [`Notes`]: what is not known is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Noted {
    /// The pattern of the route, `/api/jobs/{id}` for instance: never the path, which has no bound.
    pub route: Option<Cow<'static, str>>,
    /// Whose request it is.
    pub user_id: Option<Cow<'static, str>>,
    /// Who did the work behind this server.
    pub provider: Option<Cow<'static, str>>,
    /// What the work cost: an amount, and an ISO 4217 code or `credits`.
    pub cost: Option<(f64, Cow<'static, str>)>,
    /// How often calls that leave were tried again, over all of them.
    pub retries: u32,
    /// How the circuit breaker stood for the last call that leaves: `closed`, `open`, `half_open`, …
    pub breaker: Option<Cow<'static, str>>,
    /// What became of the idempotency key: `first`, `replayed`, `in_progress`, …
    pub idempotency: Option<Cow<'static, str>>,
}

impl Default for Notes {
    fn default() -> Self {
        // Looked at before: what is only read, all processors can keep.
        if !MADE.load(Ordering::Relaxed) {
            MADE.store(true, Ordering::Relaxed);
        }
        Self(Arc::default())
    }
}

impl Notes {
    /// The notes of a request, if somebody writes its line. Where nobody ever does, this looks nothing up.
    #[must_use]
    #[inline]
    pub fn of(extensions: &Extensions) -> Option<&Self> {
        // Whoever has a request with notes has seen it come from where they were made, and that flag with it.
        if MADE.load(Ordering::Relaxed) { extensions.get() } else { None }
    }

    /// Writes into the notes. `write` runs under a lock: let it be short.
    pub fn write(&self, write: impl FnOnce(&mut Noted)) {
        // Whoever panicked while writing left at worst one field out: the rest is as true as before.
        write(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Reads from the notes. `read` runs under a lock: let it be short.
    pub fn read<T>(&self, read: impl FnOnce(&Noted) -> T) -> T {
        read(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.read(|noted| f.debug_tuple("Notes").field(noted).finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_on_another_thread_writes_into_the_same_notes() {
        let notes = Notes::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let notes = notes.clone();
                scope.spawn(move || (0..100).for_each(|_| notes.write(|noted| noted.retries += 1)));
            }
        });
        assert_eq!(notes.read(|noted| noted.retries), 400);
    }

    #[test]
    fn they_are_found_where_they_were_put_whoever_made_them() {
        let notes = std::thread::spawn(Notes::default).join().unwrap();
        let mut extensions = Extensions::new();
        assert!(Notes::of(&extensions).is_none());
        extensions.insert(notes);
        assert!(Notes::of(&extensions).is_some());
    }

    #[test]
    fn a_panic_while_writing_spoils_nothing() {
        let notes = Notes::default();
        let writer = notes.clone();
        let panicked = std::thread::spawn(move || writer.write(|_| panic!("on purpose"))).join();
        assert!(panicked.is_err());
        notes.write(|noted| noted.route = Some("/x".into()));
        assert_eq!(notes.read(|noted| noted.route.clone()).as_deref(), Some("/x"));
    }
}
