//! The fields of the event that is being received (pure).

use std::mem;

use bytes::Bytes;

use crate::message::{Message, Text};

/// What the lines since the last blank one have set.
#[derive(Debug, Default)]
pub(crate) struct Block {
    data: Data,
    name: Option<Bytes>,
    id: Option<Bytes>,
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
    pub(crate) fn push_data(&mut self, line: Bytes) {
        self.data = match mem::take(&mut self.data) {
            Data::None => Data::One(line),
            Data::One(first) => {
                let mut lines = Vec::with_capacity(2 * (first.len() + line.len() + 1));
                lines.extend_from_slice(&first);
                Data::Many(join(lines, &line))
            }
            Data::Many(lines) => Data::Many(join(lines, &line)),
        };
    }

    pub(crate) fn set_name(&mut self, name: Bytes) {
        self.name = Some(name);
    }

    /// Without effect when it holds NUL (SSE-9).
    pub(crate) fn set_id(&mut self, id: Bytes) {
        if memchr::memchr(0, &id).is_none() {
            self.id = Some(id);
        }
    }

    /// Bytes held until the block ends.
    pub(crate) fn len(&self) -> usize {
        let data = match &self.data {
            Data::None => 0,
            Data::One(line) => line.len(),
            Data::Many(lines) => lines.len(),
        };
        data + self.name.as_ref().map_or(0, Bytes::len) + self.id.as_ref().map_or(0, Bytes::len)
    }

    /// Ends the block at its blank line: the id is committed in any case (SSE-9), a message is
    /// made only if there was a data line (SSE-7), and the name is forgotten (SSE-8).
    pub(crate) fn dispatch(&mut self, last_id: &mut LastId) -> Option<Message> {
        if let Some(id) = self.id.take() {
            *last_id = LastId { text: Text::decode(id), attached: true };
        }
        let name = self.name.take();
        let data = match mem::take(&mut self.data) {
            Data::None => return None,
            Data::One(line) => line,
            Data::Many(lines) => lines.into(),
        };
        let name = name.map(Text::decode).unwrap_or_default();
        Some(Message { name, data: Text::decode(data), id: last_id.text.clone() })
    }
}

/// The id that holds until another comes.
#[derive(Debug, Default)]
pub(crate) struct LastId {
    pub(crate) text: Text,
    /// It still lies in a chunk of the stream and keeps all of it alive.
    attached: bool,
}

impl LastId {
    /// Lets go of the chunk, which may be much larger than the id and is to be used again.
    pub(crate) fn detach(&mut self) {
        if mem::take(&mut self.attached) {
            self.text = self.text.detach();
        }
    }
}

fn join(mut lines: Vec<u8>, line: &[u8]) -> Vec<u8> {
    lines.push(b'\n');
    lines.extend_from_slice(line);
    lines
}
