//! The fields of the event that is being received (pure).

use std::mem;

use bytes::Bytes;

use crate::{
    message::{Message, Text},
    small::Small,
};

/// What the lines since the last blank one have set.
#[derive(Debug, Default)]
pub(crate) struct Block {
    data: Data,
    name: Small,
    id: Small,
    has_id: bool,
    /// Bytes of all values so far, also of those that others have taken the place of.
    len: usize,
}

#[derive(Debug, Default)]
enum Data {
    #[default]
    None,
    /// One line, still where it arrived.
    One(Bytes),
    /// Several lines, joined by LF.
    Many(Vec<u8>),
}

impl Block {
    #[inline]
    pub(crate) fn push_data(&mut self, line: Bytes) {
        self.len += line.len() + usize::from(self.is_event());
        match &mut self.data {
            Data::None => self.data = Data::One(line),
            Data::One(first) => {
                let mut lines = Vec::with_capacity(2 * (first.len() + line.len() + 1));
                lines.extend_from_slice(first);
                join(&mut lines, &line);
                self.data = Data::Many(lines);
            }
            Data::Many(lines) => join(lines, &line),
        }
    }

    pub(crate) fn set_name(&mut self, name: &[u8]) {
        self.len += name.len();
        self.name = Small::decode(name);
    }

    /// [`set_name`](Self::set_name), decoded already.
    #[inline]
    pub(crate) fn put_name(&mut self, name: Small) {
        self.len += name.len();
        self.name = name;
    }

    /// Without effect when it holds NUL (SSE-9).
    pub(crate) fn set_id(&mut self, id: &[u8]) {
        self.len += id.len();
        if !id.contains(&0) {
            self.id = Small::decode(id);
            self.has_id = true;
        }
    }

    /// [`set_id`](Self::set_id), decoded already and without NUL.
    #[inline]
    pub(crate) fn put_id(&mut self, id: Small) {
        self.len += id.len();
        self.id = id;
        self.has_id = true;
    }

    /// Bytes received for it; it holds no more.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether its blank line makes an event of it: only if there was a data line (SSE-7).
    pub(crate) fn is_event(&self) -> bool {
        !matches!(self.data, Data::None)
    }

    /// Ends the block at its blank line: the id is committed in any case (SSE-9), the name is
    /// forgotten (SSE-8).
    #[inline]
    pub(crate) fn end(&mut self, last_id: &mut Small) -> Message {
        if mem::take(&mut self.has_id) {
            mem::swap(last_id, &mut self.id);
        }
        self.len = 0;
        let data = match mem::take(&mut self.data) {
            Data::None => Bytes::new(),
            Data::One(line) => line,
            Data::Many(lines) => lines.into(),
        };
        Message { name: mem::take(&mut self.name), data: Text::decode(data), id: last_id.clone() }
    }
}

fn join(lines: &mut Vec<u8>, line: &[u8]) {
    lines.push(b'\n');
    lines.extend_from_slice(line);
}
