//! The codes of recorded problems: names in a record, and constants in a program.

use std::sync::{Mutex, PoisonError};

use buttress_core::ProblemCode;

static KNOWN: Mutex<Vec<ProblemCode>> = Mutex::new(Vec::new());

/// A server has a few dozen of them; beyond this none is learnt any more.
const MOST: usize = 500;

/// The code of this name, as long as it could be one. Each name that was never seen before is kept for good.
pub(crate) fn code(name: &str) -> Option<ProblemCode> {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(code) = known.iter().find(|code| code.as_str() == name) {
        return Some(*code);
    }
    if known.len() >= MOST || !is_code(name) {
        return None;
    }
    let code = ProblemCode::new(Box::leak(name.into()));
    known.push(code);
    Some(code)
}

fn is_code(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.len() <= 63 && name.starts_with(|first: char| first.is_ascii_lowercase()) && name.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_codes_are_codes_and_others_are_not() {
        for good in ["a", "rate_limited", "v2", &"a".repeat(63)] {
            assert_eq!(code(good).unwrap().as_str(), good);
            assert_eq!(code(good), code(good));
        }
        for bad in ["", "_a", "2a", "A", "a-b", "\u{e9}", &"a".repeat(64)] {
            assert_eq!(code(bad), None, "{bad}");
        }
    }
}
