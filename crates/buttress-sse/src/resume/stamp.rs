//! Gives foreign events the ids by which readers resume (pure).

use std::time::Duration;

use bytes::Bytes;

use crate::{
    Cursor, DecodeError, Decoder, Frame, Message,
    encode::{Aside, Block},
};

/// Takes a foreign stream apart at its borders.
///
/// What a reader would see of an event is kept: name, data, and a reconnection time that came
/// before it. Its own id gives way to the cursor; comments and unknown fields are left out.
#[derive(Debug)]
pub(crate) struct Stamp {
    decoder: Decoder,
    retry: Option<Duration>,
}

/// An event without an id.
#[derive(Debug)]
pub(crate) struct Draft {
    message: Message,
    retry: Option<Duration>,
}

impl Stamp {
    pub(crate) fn new(max_event: usize) -> Self {
        Self { decoder: Decoder::new().max_line(max_event).max_event(max_event), retry: None }
    }

    /// The next event that ends in `chunk`, whose front is used up.
    pub(crate) fn next(&mut self, chunk: &mut Bytes) -> Result<Option<Draft>, DecodeError> {
        while let Some(frame) = self.decoder.decode(chunk)? {
            match frame {
                Frame::Message(message) => return Ok(Some(Draft { message, retry: self.retry.take() })),
                Frame::Retry(wait) => self.retry = Some(wait),
                Frame::Comment => {}
            }
        }
        Ok(None)
    }
}

impl Draft {
    pub(crate) fn encode_at(&self, cursor: &Cursor) -> Bytes {
        let mut buffer = [0; Cursor::MAX_LEN];
        let Message { name, data, id: _ } = &self.message;
        let name = Some(name.as_bytes()).filter(|name| !name.is_empty());
        let (id, data) = (Some(cursor.write(&mut buffer)), Some(data.as_bytes()));
        let aside = self.retry.map(|wait| Aside { comment: None, retry: Some(wait) });
        Block { aside: aside.as_ref(), id, name, data }.encode()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamped(stream: &str) -> Vec<String> {
        let mut stamp = Stamp::new(100);
        let mut chunk = Bytes::copy_from_slice(stream.as_bytes());
        let mut cursor = "e-0".parse::<Cursor>().unwrap();
        let mut events = Vec::new();
        while let Some(draft) = stamp.next(&mut chunk).unwrap() {
            cursor = cursor.at(cursor.offset() + 1);
            events.push(String::from_utf8(draft.encode_at(&cursor).into()).unwrap());
        }
        events
    }

    #[test]
    fn what_a_reader_sees_is_kept_and_the_id_is_the_cursor() {
        let table = [
            ("data: a\n\n", vec!["id: e-1\ndata: a\n\n"]),
            ("id: own\nevent: x\r\ndata: a\rdata:b\n\n", vec!["id: e-1\nevent: x\ndata: a\ndata: b\n\n"]),
            ("retry: 5\n\n: c\n\ndata\n\ndata: b\n\n", vec!["retry: 5\nid: e-1\ndata: \n\n", "id: e-2\ndata: b\n\n"]),
            ("id: alone\n\ndata: cut off\n", vec![]),
        ];
        for (stream, events) in table {
            assert_eq!(stamped(stream), events, "{stream:?}");
        }
    }
}
