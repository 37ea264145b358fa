use buttress_core::CorrelationId;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{baggage::BAGGAGE, trace_context::TRACEPARENT};

/// The names under which callers send an id, in the order in which they decide.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    names: Vec<HeaderName>,
    /// A bit for each length that a name has which is looked for. It tells most names apart at once.
    lengths: u64,
    /// The place of the name under which ids go on.
    own: Option<usize>,
}

/// What one walk over the header fields of a request finds.
///
/// One walk instead of a look-up for each name: a look-up hashes the name byte by byte, which costs as much as a walk over
/// the fields that requests have.
#[derive(Default)]
pub(crate) struct Seen<'a> {
    /// What the caller sent as an id. The first name that is there decides.
    pub(crate) theirs: Option<Line<'a>>,
    /// Whether there is a trace or baggage to be read.
    pub(crate) carries: bool,
}

/// A line, or several, that are to be an id.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    /// Where its name stands among those that are accepted.
    pub(crate) place: usize,
    value: &'a HeaderValue,
    doubled: bool,
}

impl Accepted {
    pub(crate) fn new(names: Vec<HeaderName>, own: &HeaderName) -> Self {
        let lengths = names.iter().chain([&TRACEPARENT, &BAGGAGE]).fold(0, |bits, name| bits | length_bit(name));
        let own = names.iter().position(|name| name == own);
        Self { names, lengths, own }
    }

    pub(crate) fn names(&self) -> &[HeaderName] {
        &self.names
    }

    /// Whether the name of this place is the one under which ids go on.
    #[inline]
    pub(crate) fn is_own(&self, place: Option<usize>) -> bool {
        self.own == place
    }
}

#[inline]
fn length_bit(name: &HeaderName) -> u64 {
    1 << (name.as_str().len() % 64)
}

impl<'a> Seen<'a> {
    #[inline]
    pub(crate) fn of(headers: &'a HeaderMap, accepted: &Accepted) -> Self {
        let mut seen = Self::default();
        for (name, value) in headers {
            if accepted.lengths & length_bit(name) != 0 {
                seen.note(name, value, accepted);
            }
        }
        seen
    }

    /// Apart from the walk, which is the shorter for it.
    #[inline(never)]
    fn note(&mut self, name: &HeaderName, value: &'a HeaderValue, accepted: &Accepted) {
        if let Some(place) = accepted.names.iter().position(|accepted| accepted == name) {
            self.theirs = Some(match self.theirs {
                Some(first) if first.place < place => first,
                Some(first) if first.place == place => Line { doubled: true, ..first },
                _ => Line { place, value, doubled: false },
            });
        }
        self.carries |= *name == TRACEPARENT || *name == BAGGAGE;
    }
}

impl Line<'_> {
    /// `None` where it is not an id, or more than one: a value that goes nowhere (COR-7, COR-10).
    #[inline]
    pub(crate) fn id(self) -> Option<CorrelationId> {
        if self.doubled { None } else { CorrelationId::try_from(self.value).ok() }
    }
}
