//! Some of the limits of a layer, by their places in it.

use crate::{MOST_LIMITS, core::Armed};

/// A bit for each limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Which(u8);

const _: () = assert!(MOST_LIMITS <= u8::BITS as usize, "each limit has a bit");

/// The names of some limits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names {
    list: [&'static str; MOST_LIMITS],
    len: usize,
}

impl Which {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) fn add(&mut self, index: usize) {
        self.0 |= 1 << index;
    }

    /// Another one for each set of limits.
    pub(crate) fn number(self) -> usize {
        usize::from(self.0)
    }

    pub(crate) fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// These of all limits of the layer.
    pub(crate) fn of<L>(self, limits: &[Armed<L>]) -> impl Iterator<Item = &Armed<L>> {
        limits.iter().enumerate().filter(move |(index, _)| self.0 & 1 << index != 0).map(|(_, armed)| armed)
    }
}

impl Names {
    pub(crate) fn of<L>(which: Which, limits: &[Armed<L>]) -> Self {
        let mut names = Self { list: [""; MOST_LIMITS], len: 0 };
        for (armed, place) in which.of(limits).zip(&mut names.list) {
            *place = armed.limit.name;
            names.len += 1;
        }
        names
    }

    pub(crate) fn list(&self) -> &[&'static str] {
        &self.list[..self.len]
    }
}
