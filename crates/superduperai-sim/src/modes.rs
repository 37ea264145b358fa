//! The switches of the event streams.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::span;

/// How event streams behave: independent switches, all of which may be set at once.
///
/// The default is the provider on a good day: events for every job, a heartbeat comment, no faults. A change
/// made while streams are open reaches them with their next event, save for `hang_524`, `cut`, `buffer`
/// and `test`, which are read when a stream is opened.
///
/// ```
/// use std::time::Duration;
/// use superduperai_sim::{Cut, EventMode, Lie};
///
/// let awful = EventMode::default()
///     .duplicate(true)
///     .file_first(true)
///     .late(Duration::from_secs(2))
///     .lies(Lie::ALL)
///     .cut(Cut::AfterEvents(5));
/// assert_ne!(awful, EventMode::default());
/// ```
#[must_use]
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventMode {
    pub(crate) publish: bool,
    pub(crate) heartbeat: bool,
    pub(crate) only_with_project: bool,
    #[serde(with = "span::option")]
    pub(crate) hang_524: Option<Duration>,
    pub(crate) cut: Option<Cut>,
    #[serde(with = "span")]
    pub(crate) late: Duration,
    pub(crate) duplicate: bool,
    pub(crate) file_first: bool,
    pub(crate) lies: Vec<Lie>,
    pub(crate) documented: bool,
    pub(crate) buffer: Option<usize>,
    pub(crate) test: bool,
}

/// Where a stream's connection is dropped.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// This many whole events go out; the next one is cut in its middle.
    AfterEvents(usize),
    /// This many bytes of the stream go out, heartbeats counted.
    AfterBytes(usize),
}

/// An untruth, sent when a job starts.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lie {
    /// A `file` event with a `url`, which answers 404, for the job that is still running.
    EarlyFile,
    /// A `task` event with status `error` for the job that is still running.
    EarlyError,
    /// A finished `file` and a failed `task` of somebody else's job.
    Foreign,
    /// An event of an unknown type, and one of a known type whose object is a bare string.
    Unknown,
    /// A `file` event whose JSON ends in its middle.
    Broken,
}

impl Lie {
    /// Every lie there is.
    pub const ALL: [Self; 5] = [Self::EarlyFile, Self::EarlyError, Self::Foreign, Self::Unknown, Self::Broken];
}

impl Default for EventMode {
    fn default() -> Self {
        Self {
            publish: true,
            heartbeat: true,
            only_with_project: false,
            hang_524: None,
            cut: None,
            late: Duration::ZERO,
            duplicate: false,
            file_first: false,
            lies: Vec::new(),
            documented: false,
            buffer: None,
            test: false,
        }
    }
}

impl EventMode {
    /// Answers 200 with headers, and then nothing ever, not even a comment.
    pub fn silent() -> Self {
        Self::default().publish(false).heartbeat(false)
    }

    /// Sends heartbeat comments, and no event.
    pub fn heartbeat_only() -> Self {
        Self::default().publish(false)
    }

    /// Whether events are sent at all.
    pub fn publish(mut self, on: bool) -> Self {
        self.publish = on;
        self
    }

    /// Whether heartbeat comments are sent.
    pub fn heartbeat(mut self, on: bool) -> Self {
        self.heartbeat = on;
        self
    }

    /// Whether files made without a project never emit anything.
    pub fn only_with_project(mut self, on: bool) -> Self {
        self.only_with_project = on;
        self
    }

    /// Answers 524 with `error code: 524`, after hanging for this long.
    pub fn hang_524(mut self, after: Duration) -> Self {
        self.hang_524 = Some(after);
        self
    }

    /// Drops each stream's connection there.
    pub fn cut(mut self, cut: Cut) -> Self {
        self.cut = Some(cut);
        self
    }

    /// How long after the state changed its event is published.
    pub fn late(mut self, late: Duration) -> Self {
        self.late = late;
        self
    }

    /// Whether each event is sent twice.
    pub fn duplicate(mut self, on: bool) -> Self {
        self.duplicate = on;
        self
    }

    /// Whether a job's `file` event comes before all of its `task` events.
    pub fn file_first(mut self, on: bool) -> Self {
        self.file_first = on;
        self
    }

    /// Which untruths are told when a job starts.
    pub fn lies(mut self, lies: impl IntoIterator<Item = Lie>) -> Self {
        self.lies = lies.into_iter().collect();
        self
    }

    /// Whether events take the form that is only documented: `render_progress` with a `file_id`, a short `task`, and
    /// `render_result` instead of `file`.
    pub fn documented(mut self, on: bool) -> Self {
        self.documented = on;
        self
    }

    /// Holds bytes back until this many are there; `usize::MAX` holds them until the stream is cut.
    pub fn buffer(mut self, bytes: usize) -> Self {
        self.buffer = Some(bytes);
        self
    }

    /// Whether a stream is one `test` event and an end.
    pub fn test(mut self, on: bool) -> Self {
        self.test = on;
        self
    }
}
