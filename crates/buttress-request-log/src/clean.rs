use std::borrow::Cow;

/// The longest text in a line, in bytes.
pub(crate) const MOST: usize = 256;

/// A text that fits into a line and cannot end it, colour it or turn its direction (COR-10).
///
/// What is clean already, as nearly everything is, comes back as it was.
pub(crate) fn clean(text: Cow<'static, str>) -> Cow<'static, str> {
    // Every byte is looked at, so that many are at once.
    let plain = text.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'));
    if plain && text.len() <= MOST { text } else { Cow::Owned(rewrite(&text)) }
}

fn rewrite(text: &str) -> String {
    let mut clean = String::with_capacity(text.len().min(MOST) + '…'.len_utf8());
    for char in text.chars() {
        let end = clean.len();
        if is_unsafe(char) {
            clean.extend(char.escape_unicode())
        } else {
            clean.push(char)
        }
        if clean.len() > MOST {
            clean.truncate(end);
            clean.push('…');
            break;
        }
    }
    clean
}

/// Control characters, line and paragraph separators, and those that turn the direction of what follows.
fn is_unsafe(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // COR-10
    #[test]
    fn what_could_forge_a_line_is_spelt_out() {
        for (bad, expected) in [
            ("a\r\nb", r"a\u{d}\u{a}b"),
            ("\u{1b}[31m", r"\u{1b}[31m"),
            ("a\0b\u{7f}", r"a\u{0}b\u{7f}"),
            ("\u{85}\u{2028}\u{202e}", r"\u{85}\u{2028}\u{202e}"),
            ("grün 火", "grün 火"),
            ("/jobs/{id}", "/jobs/{id}"),
        ] {
            assert_eq!(clean(bad.into()), expected);
        }
    }

    #[test]
    fn a_long_text_is_cut_between_two_characters_and_says_so() {
        let cut = clean("ü".repeat(10_000).into());
        assert_eq!(cut, "ü".repeat(MOST / 2) + "…");
        assert_eq!(clean("x".repeat(MOST).into()), "x".repeat(MOST));
        assert_eq!(clean("x".repeat(MOST + 1).into()), "x".repeat(MOST) + "…");
    }

    #[test]
    fn what_is_clean_is_not_copied() {
        assert!(matches!(clean(Cow::Borrowed("alice")), Cow::Borrowed("alice")));
    }

    proptest! {
        // COR-10
        #[test]
        fn no_text_keeps_a_control_character_or_grows_beyond_its_bound(text: String) {
            let clean = clean(text.into());
            prop_assert!(clean.len() <= MOST + '…'.len_utf8());
            prop_assert!(!clean.chars().any(is_unsafe));
        }
    }
}
