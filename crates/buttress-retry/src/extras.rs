//! The extensions of a request, kept for another try.

use buttress_core::{Attempt, CorrelationId, Deadline, Notes, PeerAddr};
use http::Extensions;
use tokio::time::Instant;

use crate::{Repeat, open::Limits};

/// Looks extensions of a request up, and none when there is none left.
pub(crate) struct Lookup<'a> {
    extensions: &'a Extensions,
    left: usize,
    peer: Option<&'a PeerAddr>,
}

impl<'a> Lookup<'a> {
    #[inline]
    pub(crate) fn new(extensions: &'a Extensions) -> Self {
        let mut left = extensions.len();
        // What is alone is most often the peer, which is in every request that a host hands on.
        let peer = if left == 1 { find(extensions, &mut left) } else { None };
        Self { extensions, left, peer }
    }

    /// Whether it is somebody else who tries again.
    #[inline]
    pub(crate) fn is_nested(&self) -> bool {
        self.left > 0 && Attempt::of(self.extensions).is_some()
    }

    #[inline]
    pub(crate) fn deadline(&mut self) -> Option<Instant> {
        find(self.extensions, &mut self.left).map(|deadline: &Deadline| Instant::from_std(deadline.instant()))
    }
}

#[inline]
fn find<'a, T: Clone + Send + Sync + 'static>(extensions: &'a Extensions, left: &mut usize) -> Option<&'a T> {
    let found = if *left > 0 { extensions.get() } else { None };
    *left -= usize::from(found.is_some());
    found
}

/// Those of the kit have a place of their own: to copy all takes three allocations and more. That is done where there is
/// another one, as far as a few looks tell.
#[derive(Debug, Default)]
pub(crate) struct Extras {
    id: Option<CorrelationId>,
    notes: Option<Notes>,
    deadline: Option<Instant>,
    peer: Option<PeerAddr>,
    repeat: Option<Repeat>,
    // All of them, or none.
    all: Extensions,
}

impl Extras {
    /// Keeps what is there; the deadline was looked up before.
    #[inline]
    pub(crate) fn fill(&mut self, lookup: Lookup<'_>, limits: Limits) {
        let Lookup { extensions, left, peer } = lookup;
        self.deadline = limits.deadline;
        keep(&mut self.peer, peer);
        if left > 0 {
            self.fill_others(extensions, left);
        }
    }

    fn fill_others(&mut self, extensions: &Extensions, mut left: usize) {
        let id = find(extensions, &mut left);
        let notes = Notes::of(extensions);
        left -= usize::from(notes.is_some());
        // Of two that are left, one is of somebody else as a rule: a peer and a mark are seldom alone with each other.
        let peer = if left == 1 { find(extensions, &mut left) } else { None };
        let repeat = if left == 1 { find(extensions, &mut left) } else { None };
        if left > 0 {
            self.all = extensions.clone();
            return;
        }
        keep(&mut self.id, id);
        keep(&mut self.notes, notes);
        keep(&mut self.peer, peer);
        keep(&mut self.repeat, repeat);
    }

    pub(crate) fn id(&self) -> Option<&CorrelationId> {
        self.id.as_ref().or_else(|| self.all.get())
    }

    pub(crate) fn notes(&self) -> Option<&Notes> {
        self.notes.as_ref().or_else(|| self.all.get())
    }

    pub(crate) fn to_extensions(&self) -> Extensions {
        let mut extensions = self.all.clone();
        if extensions.is_empty() {
            put(&mut extensions, self.id.clone());
            put(&mut extensions, self.notes.clone());
            put(&mut extensions, self.peer);
            put(&mut extensions, self.repeat);
        }
        put(&mut extensions, self.deadline.map(|deadline| Deadline::at(deadline.into_std())));
        extensions
    }
}

#[inline]
fn keep<T: Clone>(place: &mut Option<T>, found: Option<&T>) {
    if let Some(found) = found {
        *place = Some(found.clone());
    }
}

fn put<T: Clone + Send + Sync + 'static>(extensions: &mut Extensions, kept: Option<T>) {
    if let Some(kept) = kept {
        extensions.insert(kept);
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Foreign(u8);

    #[test]
    fn they_come_back_whatever_is_among_them() {
        let id: CorrelationId = "b7d1".parse().unwrap();
        let (notes, deadline) = (Notes::default(), Instant::now());
        let peer = PeerAddr(SocketAddr::from(([192, 0, 2, 7], 4711)));
        for among in 0..64_u8 {
            let has = |bit: u8| among & (1 << bit) != 0;
            let mut given = Extensions::new();
            has(0).then(|| given.insert(id.clone()));
            has(1).then(|| given.insert(notes.clone()));
            has(2).then(|| given.insert(Deadline::at(deadline.into_std())));
            has(3).then(|| given.insert(peer));
            has(4).then(|| given.insert(Repeat::Always));
            has(5).then(|| given.insert(Foreign(7)));
            let mut extras = Extras::default();
            let mut lookup = Lookup::new(&given);
            let deadline = lookup.deadline();
            extras.fill(lookup, Limits { given: deadline, deadline, by: None });
            let back = extras.to_extensions();
            assert_eq!(back.len(), given.len(), "{among:b}");
            assert_eq!((back.get(), extras.id()), (has(0).then_some(&id), has(0).then_some(&id)));
            assert_eq!((back.get::<Notes>().is_some(), extras.notes().is_some()), (has(1), has(1)));
            assert_eq!((back.get::<Deadline>(), back.get::<PeerAddr>()), (given.get(), given.get()));
            assert_eq!((back.get::<Repeat>(), back.get::<Foreign>()), (given.get(), given.get()));
        }
    }
}
