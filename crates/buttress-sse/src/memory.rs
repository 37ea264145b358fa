use std::{error::Error, fmt, sync::Arc};

use tokio::time::Instant;

use crate::{
    Cursor, InvalidRetention, Publisher, Replay, Resume, Retention,
    cursor::Epoch,
    registry::{Refused, Registry},
    retention::Checked,
    ring::Ring,
    stream::Stream,
    sync::{AtomicBool, Mutex, Ordering, lock},
};

/// Many streams of events in the memory of one process, each under a key.
///
/// Its clones are one log. It has no task of its own: what is too old is forgotten when streams
/// are created, finished and resumed.
///
/// Who may read a stream is for the handler to check, at every resume (SSE-49).
#[must_use]
#[derive(Clone, Debug)]
pub struct MemoryLog(pub(crate) Arc<Log>);

#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) retention: Checked,
    pub(crate) registry: Mutex<Registry<Arc<Stream>>>,
    pub(crate) draining: Arc<AtomicBool>,
}

impl MemoryLog {
    /// An empty log.
    ///
    /// # Errors
    ///
    /// When a bound of the retention is zero (SSE-58).
    pub fn new(retention: Retention) -> Result<Self, InvalidRetention> {
        let retention = retention.check()?;
        let registry = Mutex::new(Registry::new(retention.streams, retention.age));
        Ok(Self(Arc::new(Log { retention, registry, draining: Arc::default() })))
    }

    /// Begins a stream, and hands out the only one who can publish to it.
    ///
    /// Of two who create the same key at once, one succeeds (SSE-60).
    ///
    /// # Errors
    ///
    /// When the key is taken by a stream that is live, or finished and not forgotten yet; when
    /// the log is full of live streams; when the system has no randomness for a new epoch.
    pub fn create(&self, key: impl Into<Arc<str>>) -> Result<Publisher, CreateError> {
        let key = key.into();
        let epoch = Epoch::random().map_err(CreateError::no_randomness)?;
        let Checked { events, bytes, .. } = self.0.retention;
        let stream = Arc::new(Stream::new(epoch, Ring::new(events, bytes), self.0.draining.clone()));
        let now = Instant::now();
        let mut registry = lock(&self.0.registry);
        let expired = registry.expire(now);
        let inserted = registry.insert(key.clone(), stream.clone());
        drop(registry);
        drop(expired);
        match inserted {
            Ok(_forgotten) => Ok(Publisher::new(self.0.clone(), key, stream)),
            Err(Refused::Exists) => Err(CreateErrorKind::Exists.into()),
            Err(Refused::AllLive) => Err(CreateErrorKind::Full.into()),
        }
    }

    /// What is to be read of a stream after `cursor`, or all of it that is kept without one.
    pub fn resume_from(&self, key: &str, cursor: Option<&Cursor>) -> Resume {
        let now = Instant::now();
        let mut registry = lock(&self.0.registry);
        let expired = registry.expire(now);
        let found = registry.find(key).cloned();
        drop(registry);
        drop(expired);
        let Some(stream) = found else {
            return Resume::Unknown;
        };
        let start = stream.start(cursor);
        Replay::new(stream, start).map_or(Resume::Finished, Resume::Play)
    }

    /// Sends every reader away, for a shutdown: each body ends between two events, after a
    /// `retry:` with a random part in it. Readers that come later are sent away at once.
    ///
    /// Publishers go on, and what they publish is kept. It cannot be undone.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Release);
        let streams: Vec<_> = lock(&self.0.registry).iter().cloned().collect();
        streams.iter().for_each(|stream| stream.wake());
    }
}

impl Log {
    /// Notes that a live stream has finished.
    pub(crate) fn retire(&self, key: Arc<str>, stream: &Arc<Stream>) {
        let now = Instant::now();
        let mut registry = lock(&self.registry);
        registry.retire(key, now, |known| Arc::ptr_eq(known, stream));
        let expired = registry.expire(now);
        drop(registry);
        drop(expired);
    }
}

/// Why a stream was not created.
#[derive(Debug)]
pub struct CreateError {
    kind: CreateErrorKind,
    source: Option<getrandom::Error>,
}

/// What stood in the way of a new stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CreateErrorKind {
    /// There is a stream with this key already, live or finished.
    Exists,
    /// The log is full, and all its streams are live.
    Full,
    /// The system gave no randomness.
    NoRandomness,
}

impl CreateError {
    fn no_randomness(source: getrandom::Error) -> Self {
        Self { kind: CreateErrorKind::NoRandomness, source: Some(source) }
    }

    /// What stood in the way.
    #[must_use]
    pub fn kind(&self) -> CreateErrorKind {
        self.kind
    }
}

impl From<CreateErrorKind> for CreateError {
    fn from(kind: CreateErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            CreateErrorKind::Exists => "there is an event stream with this key",
            CreateErrorKind::Full => "too many live event streams",
            CreateErrorKind::NoRandomness => "no randomness for the epoch of an event stream",
        })
    }
}

impl Error for CreateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
