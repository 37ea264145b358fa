use crate::RecordKey;

/// Something that happened to a key: for hooks and log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// Of which record, as answers and logs refer to it; `None` when the key could not be read.
    pub operation: Option<RecordKey>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened to a key.
///
/// The first ones are what a request is told, once for each request with a key; the last ones what becomes of a run, once
/// for each that began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// The request runs: it is the first with its key.
    First,
    /// The answer of the first request was replayed.
    Replayed,
    /// The first request runs still.
    InProgress,
    /// Another request has the key.
    Mismatch,
    /// Nobody knows whether the first request took effect.
    Uncertain,
    /// The answer is kept no longer.
    Expired,
    /// The answer was not kept, or cannot be read.
    NotReplayable,
    /// The key cannot be read.
    InvalidKey,
    /// There is no key where one is required.
    MissingKey,
    /// The body is too long to be compared, or broke off.
    Unread,
    /// The bodies of other requests take all the room that there is for them.
    Crowded,
    /// Nobody can be told from others.
    NoScope,
    /// The store could not be asked, or has no room: the request was refused.
    StoreDown,
    /// The store could not be asked, or has no room: the request runs without protection.
    Unprotected,
    /// A run was recorded with its answer.
    Recorded,
    /// A run was recorded without its answer.
    RecordedBare,
    /// A run took no effect, and its key is free again.
    Released,
    /// A run is uncertain.
    Doubted,
    /// A run had lost its key: its end was not recorded.
    Lost,
    /// The store could not be told how a run ended, or that it lives: once its lease has lapsed the key is uncertain, or
    /// free.
    Weakened,
    /// The caller of a run left, and it goes on without it.
    WentOn,
}

impl EventKind {
    /// A stable name, in snake_case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Replayed => "replayed",
            Self::InProgress => "in_progress",
            Self::Mismatch => "mismatch",
            Self::Uncertain => "uncertain",
            Self::Expired => "expired",
            Self::NotReplayable => "not_replayable",
            Self::InvalidKey => "invalid_key",
            Self::MissingKey => "missing_key",
            Self::Unread => "unread",
            Self::Crowded => "crowded",
            Self::NoScope => "no_scope",
            Self::StoreDown => "store_down",
            Self::Unprotected => "unprotected",
            Self::Recorded => "recorded",
            Self::RecordedBare => "recorded_bare",
            Self::Released => "released",
            Self::Doubted => "doubted",
            Self::Lost => "lost",
            Self::Weakened => "weakened",
            Self::WentOn => "went_on",
        }
    }
}
