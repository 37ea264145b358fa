//! What must hold for any bytes: the fuzzer calls it, too.

use buttress_idempotency::{Key, KeyForm};

/// The parser of keys against what a key is.
pub(crate) fn key(input: &[u8]) {
    let strict = Key::parse(input, KeyForm::Strict);
    let lenient = Key::parse(input, KeyForm::Lenient);
    if let Ok(key) = &strict {
        assert_eq!(Ok(key), lenient.as_ref(), "what is strict is lenient, and the same key");
    }
    let Ok(key) = lenient else { return };
    let key = key.as_bytes();
    assert!((1..=Key::MAX_LEN).contains(&key.len()));
    assert!(key.iter().all(|byte| matches!(byte, 0x20..=0x7e)));
    let mut quoted = vec![b'"'];
    for byte in key {
        if matches!(byte, b'"' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(*byte);
    }
    quoted.push(b'"');
    let again = Key::parse(&quoted, KeyForm::Strict).expect("a key in quotes is one");
    assert_eq!(again.as_bytes(), key, "and the same one");
}
