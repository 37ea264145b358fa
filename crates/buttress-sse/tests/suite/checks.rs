//! What must hold for any bytes. Tests call it with bytes drawn at random, and the fuzz targets with those they find.

use buttress_sse::{Border, DecodeError, Decoder, Event, Frame};
use bytes::Bytes;

/// Splits bytes into a stream and the chunks in which it comes, both of their choosing.
pub(crate) fn split(input: &[u8]) -> (&[u8], Vec<&[u8]>) {
    let (sizes, stream) = input.split_at(input.len().min(4));
    let mut chunks = Vec::new();
    let mut rest = stream;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        // Mostly small; an empty chunk now and then, but never for ever.
        let size = usize::from(size % 9).max(usize::from(chunks.last().is_some_and(|chunk: &&[u8]| chunk.is_empty())));
        let (chunk, after) = rest.split_at(size.min(rest.len()));
        chunks.push(chunk);
        rest = after;
    }
    (stream, chunks)
}

/// A decoder gives the same frames, id, time and error in any chunking, and its messages survive being encoded again.
pub(crate) fn decoder(input: &[u8]) {
    let (stream, chunks) = split(input);
    for limit in [Decoder::DEFAULT_MAX_LINE, usize::from(input.first().copied().unwrap_or(0))] {
        let decoder = || Decoder::new().max_line(limit).max_event(limit);
        let whole = decode(decoder(), [stream]);
        assert_eq!(decode(decoder(), chunks.iter().copied()), whole, "in chunks");
        assert_eq!(decode(decoder(), stream.chunks(1)), whole, "byte by byte");
        for frame in &whole.frames {
            if let Frame::Message(message) = frame {
                let encoded = Event::data(message.data().to_owned()).encode();
                let again = decode(Decoder::new(), [&encoded[..]]).frames;
                assert!(matches!(&again[..], [Frame::Message(again)] if again.data() == message.data()));
            }
        }
    }
}

/// A border is where it is said to be, and something written there changes no event.
pub(crate) fn border(input: &[u8]) {
    let (stream, chunks) = split(input);
    border_in(stream, &chunks);
    border_in(stream, &stream.chunks(1).collect::<Vec<_>>());
}

fn border_in(stream: &[u8], chunks: &[&[u8]]) {
    let mut border = Border::new();
    let mut at = 0;
    // Something is written on the border before the first byte, too: without the mark, which it would spoil.
    let mut written = vec![COMMENT];
    let unmarked = stream.strip_prefix(MARK).unwrap_or(stream);
    let mut to_skip = stream.len() - unmarked.len();
    for chunk in chunks {
        border.follow(chunk);
        at += chunk.len();
        assert_eq!(border.is_border(), is_border(&stream[..at]), "after {at} bytes");
        let skipped = to_skip.min(chunk.len());
        to_skip -= skipped;
        written.push(&chunk[skipped..]);
        if border.is_border() {
            written.push(COMMENT);
        }
    }
    let expected = without_comments(decode(Decoder::new(), [stream]));
    assert_eq!(without_comments(decode(Decoder::new(), written.iter().copied())), expected, "as chunks");
    assert_eq!(without_comments(decode(Decoder::new(), [&written.concat()[..]])), expected, "as one");
}

/// What a border is, in the plainest words: the last line, if there is one, is blank and has ended.
fn is_border(sent: &[u8]) -> bool {
    let text = sent.strip_prefix(MARK).unwrap_or(sent);
    // CRLF, CR and LF are one and the same.
    let mut plain = Vec::new();
    let mut before = 0;
    for &byte in text {
        match (before, byte) {
            (b'\r', b'\n') => {}
            (_, b'\r') => plain.push(b'\n'),
            _ => plain.push(byte),
        }
        before = byte;
    }
    matches!(plain[..], [] | [b'\n'] | [.., b'\n', b'\n'])
}

/// All that a stream said.
#[derive(Debug, PartialEq)]
pub(crate) struct Said {
    frames: Vec<Frame>,
    error: Option<DecodeError>,
    id: String,
}

fn decode<'a>(mut decoder: Decoder, chunks: impl IntoIterator<Item = &'a [u8]>) -> Said {
    let mut frames = Vec::new();
    let mut error = None;
    for chunk in chunks {
        let mut chunk = Bytes::copy_from_slice(chunk);
        while error.is_none() {
            match decoder.decode(&mut chunk) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(failed) => error = Some(failed),
            }
        }
    }
    Said { frames, error, id: decoder.last_event_id().to_owned() }
}

fn without_comments(mut said: Said) -> Said {
    said.frames.retain(|frame| *frame != Frame::Comment);
    said
}

const COMMENT: &[u8] = b":\n\n";
const MARK: &[u8] = b"\xEF\xBB\xBF";
