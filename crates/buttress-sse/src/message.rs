use std::{fmt, time::Duration};

use bytes::Bytes;

use crate::small::Small;

/// What a [`Decoder`](crate::Decoder) found, in the order of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Frame {
    /// An event.
    Message(Message),
    /// From now on, wait this long before a reconnect.
    Retry(Duration),
    /// A comment, which says no more than that the line is alive.
    Comment,
}

/// One event as it was received.
///
/// Its data shares the memory of the chunk it arrived in if it lies there as one line.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Message {
    pub(crate) name: Small,
    pub(crate) data: Text,
    pub(crate) id: Small,
}

impl Message {
    /// The event's name, `message` if it came without one.
    #[must_use]
    pub fn name(&self) -> &str {
        if self.name.len() == 0 { "message" } else { self.name.as_str() }
    }

    /// The data, its lines joined by LF.
    #[must_use]
    pub fn data(&self) -> &str {
        self.data.as_str()
    }

    /// The data as bytes, always UTF-8: what a JSON parser wants, without a copy.
    #[must_use]
    pub fn data_bytes(&self) -> &Bytes {
        &self.data.0
    }

    /// The last id seen so far, of this event or of an earlier one; empty if there is none.
    #[must_use]
    pub fn id(&self) -> &str {
        self.id.as_str()
    }

    /// The data alone, without a copy.
    #[must_use]
    pub fn into_data(self) -> Bytes {
        self.data.0
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Message");
        out.field("name", &self.name()).field("data", &self.data()).field("id", &self.id()).finish()
    }
}

/// Bytes that are UTF-8: only [`Text::decode`] makes them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Text(Bytes);

impl Text {
    /// Bytes that are no UTF-8 become U+FFFD, as in a browser (SSE-2).
    #[inline]
    pub(crate) fn decode(bytes: Bytes) -> Self {
        // The first check is the cheap one.
        if bytes.is_ascii() || str::from_utf8(&bytes).is_ok() {
            return Self(bytes);
        }
        Self(String::from_utf8_lossy(&bytes).into_owned().into())
    }

    #[cfg(feature = "resume")]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}
