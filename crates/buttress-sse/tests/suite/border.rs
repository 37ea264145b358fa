use proptest::{collection::vec, prelude::*, sample::select};

use crate::checks;

/// Sizes of chunks, then pieces of the grammar in any order, and any bytes.
fn inputs() -> impl Strategy<Value = Vec<u8>> {
    let ends = select(vec![&b"\n"[..], b"\r", b"\r\n", b"\n\n", b"\r\n\r\n"]);
    let words =
        select(vec![&b"data"[..], b"data: x", b"event: y", b"id: 1", b"retry: 5", b":", b": ", b"\0", b"\xEF\xBB\xBF"]);
    let piece = prop_oneof![
        4 => ends.prop_map(<[u8]>::to_vec),
        4 => words.prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..9),
    ];
    (any::<[u8; 4]>(), any::<bool>(), vec(piece, 0..40)).prop_map(|(sizes, mark, pieces)| {
        let mark: &[u8] = if mark { b"\xEF\xBB\xBF" } else { b"" };
        [&sizes[..], mark, &pieces.concat()].concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    // SSE-1, SSE-3, SSE-43
    #[test]
    fn every_border_is_found_and_what_is_written_there_changes_no_event(input in inputs()) {
        checks::border(&input);
    }

    // SSE-1, SSE-13, SSE-14
    #[test]
    fn the_decoder_says_the_same_in_any_chunking(input in inputs()) {
        checks::decoder(&input);
    }
}

/// All texts of up to six bytes over the few that matter, byte by byte and in pieces.
// SSE-4, SSE-43
#[test]
fn short_streams_have_their_borders_right_without_exception() {
    for len in 0..=6 {
        for number in 0..5_usize.pow(len) {
            let stream = (0..len).map(|place| b"\r\n:d\xEF"[number / 5_usize.pow(place) % 5]);
            let input: Vec<_> = [1, 2, 0, 3].into_iter().chain(stream).collect();
            checks::border(&input);
        }
    }
}
