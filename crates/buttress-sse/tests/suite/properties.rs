use buttress_sse::{Decoder, Event, EventId, EventName};
use bytes::Bytes;
use proptest::{collection::vec, prelude::*, sample::Index};
use std::time::Duration;

use crate::common::{Seen, decode, named};

/// Streams in which something happens: pieces of the grammar, in any order, and any bytes.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            &b"data"[..], b"event", b"id", b"retry", b"other", b":", b": ", b"\n", b"\r", b"\r\n", b"12", b"\0", b"\xEF\xBB\xBF",
        ]).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..9),
    ];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn cut<'a>(stream: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    at.extend([0, stream.len()]);
    at.sort_unstable();
    at.windows(2).map(|ends| &stream[ends[0]..ends[1]]).collect()
}

proptest! {
    // SSE-1
    #[test]
    fn any_chunking_gives_the_same_frames(stream in streams(), cuts in vec(any::<Index>(), 0..9)) {
        prop_assert_eq!(decode(cut(&stream, &cuts)), decode([&stream[..]]));
    }

    // SSE-13, SSE-14
    #[test]
    fn no_bytes_panic_and_limits_do_not_depend_on_the_chunks(
        stream in streams(), cuts in vec(any::<Index>(), 0..9), line in 0..30_usize, event in 0..30_usize,
    ) {
        let run = |chunks: Vec<&[u8]>| {
            let mut decoder = Decoder::new().max_line(line).max_event(event);
            let mut seen = Vec::new();
            for chunk in chunks {
                let mut chunk = Bytes::copy_from_slice(chunk);
                loop {
                    match decoder.decode(&mut chunk) {
                        Ok(Some(frame)) => seen.push(frame),
                        Ok(None) => break,
                        Err(error) => return (seen, Some(error)),
                    }
                }
            }
            (seen, None)
        };
        prop_assert_eq!(run(cut(&stream, &cuts)), run(vec![&stream[..]]));
    }

    // SSE-40
    #[test]
    fn what_is_encoded_is_decoded(
        events in vec((any::<String>(), "[^\r\n]{1,9}", "[^\r\n\0]{0,9}", any::<u32>(), any::<String>()), 0..5),
        cuts in vec(any::<Index>(), 0..9),
    ) {
        let mut stream = Vec::new();
        let mut expected = Vec::new();
        for (data, name, id, retry, comment) in events {
            let wait = Duration::from_millis(retry.into());
            let event = Event::data(data.clone()).name(EventName::new(name.clone()).unwrap()).retry(wait);
            let event = event.id(EventId::new(id.clone()).unwrap()).comment(comment.clone());
            stream.extend_from_slice(&event.encode());
            let lines = |text: &str| text.replace("\r\n", "\n").replace('\r', "\n");
            expected.extend(lines(&comment).split('\n').map(|_| Seen::Comment));
            expected.extend([Seen::Retry(wait), named(&name, &lines(&data), &id)]);
        }
        prop_assert_eq!(decode(cut(&stream, &cuts)), expected);
    }
}
