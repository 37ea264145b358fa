//! The extensions of a request, kept for another try.

use buttress_core::{CorrelationId, Deadline, Notes, PeerAddr};
use http::Extensions;

use crate::Repeat;

/// Those of the kit have a place of their own: to copy all takes three allocations. That is done only where there is
/// another one.
#[derive(Debug, Default)]
pub(crate) struct Extras {
    id: Option<CorrelationId>,
    notes: Option<Notes>,
    deadline: Option<Deadline>,
    peer: Option<PeerAddr>,
    repeat: Option<Repeat>,
    // All of them, or none.
    all: Extensions,
}

impl Extras {
    #[inline]
    pub(crate) fn fill(&mut self, extensions: &Extensions) {
        let left = &mut extensions.len();
        // The peer first: it is in every request that a host hands on.
        copy(&mut self.peer, extensions, left);
        copy(&mut self.id, extensions, left);
        copy(&mut self.deadline, extensions, left);
        copy(&mut self.notes, extensions, left);
        copy(&mut self.repeat, extensions, left);
        if *left > 0 {
            self.all = extensions.clone();
        }
    }

    pub(crate) fn id(&self) -> Option<&CorrelationId> {
        self.id.as_ref()
    }

    pub(crate) fn notes(&self) -> Option<&Notes> {
        self.notes.as_ref()
    }

    pub(crate) fn to_extensions(&self) -> Extensions {
        if !self.all.is_empty() {
            return self.all.clone();
        }
        let mut extensions = Extensions::new();
        put(&mut extensions, self.id.as_ref());
        put(&mut extensions, self.notes.as_ref());
        put(&mut extensions, self.deadline.as_ref());
        put(&mut extensions, self.peer.as_ref());
        put(&mut extensions, self.repeat.as_ref());
        extensions
    }
}

#[inline]
fn copy<T: Clone + Send + Sync + 'static>(place: &mut Option<T>, extensions: &Extensions, left: &mut usize) {
    if *left > 0
        && let Some(found) = extensions.get::<T>()
    {
        *place = Some(found.clone());
        *left -= 1;
    }
}

fn put<T: Clone + Send + Sync + 'static>(extensions: &mut Extensions, kept: Option<&T>) {
    if let Some(kept) = kept {
        extensions.insert(kept.clone());
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::time::Instant;

    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Foreign(u8);

    #[test]
    fn they_come_back_whatever_is_among_them() {
        let id: CorrelationId = "b7d1".parse().unwrap();
        let (notes, deadline) = (Notes::default(), Deadline::at(Instant::now().into_std()));
        let peer = PeerAddr(SocketAddr::from(([192, 0, 2, 7], 4711)));
        for among in 0..64_u8 {
            let has = |bit: u8| among & (1 << bit) != 0;
            let mut given = Extensions::new();
            has(0).then(|| given.insert(id.clone()));
            has(1).then(|| given.insert(notes.clone()));
            has(2).then(|| given.insert(deadline));
            has(3).then(|| given.insert(peer));
            has(4).then(|| given.insert(Repeat::Always));
            has(5).then(|| given.insert(Foreign(7)));
            let mut extras = Extras::default();
            extras.fill(&given);
            let back = extras.to_extensions();
            assert_eq!(back.len(), given.len(), "{among:b}");
            assert_eq!((back.get(), extras.id()), (has(0).then_some(&id), has(0).then_some(&id)));
            assert_eq!((back.get::<Notes>().is_some(), extras.notes().is_some()), (has(1), has(1)));
            assert_eq!((back.get::<Deadline>(), back.get::<PeerAddr>()), (given.get(), given.get()));
            assert_eq!((back.get::<Repeat>(), back.get::<Foreign>()), (given.get(), given.get()));
        }
    }
}
