use std::fmt;

use crate::RecordKey;

/// A key for the calls that one operation makes to others: the same on each try, another for each operation (IDM-27).
///
/// As text it has 32 hexadecimal digits. That of an operation with a key follows from scope, operation and key, so that it
/// is the same again after a restart, and on every server with the same [`Secret`](crate::Secret).
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "random")] {
/// use buttress_idempotency::CallKey;
///
/// let key = CallKey::random();
/// assert_eq!(key.to_string().len(), 32);
/// assert!((1..1_000).contains(&key.number(1_000)));
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallKey([u8; 16]);

impl CallKey {
    /// A key for an operation that has none.
    ///
    /// # Panics
    ///
    /// When the operating system has no random numbers.
    #[cfg(feature = "random")]
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the operating system has random numbers");
        Self(bytes)
    }

    /// Answers tell where a record lies: the key for calls is another one.
    pub(crate) fn of(key: &RecordKey) -> Self {
        let hash = blake3::derive_key("buttress-idempotency 2026-11 key for calls", key.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        Self(bytes)
    }

    /// The key as a number from 1 up to, but not including, `below`: for providers that know an operation by a number.
    ///
    /// Two keys have the same number once in `below` times. It is 1 when there is no other.
    #[must_use]
    pub fn number(&self, below: u64) -> u64 {
        let all = u128::from_be_bytes(self.0);
        let range = u128::from(below.saturating_sub(1).max(1));
        (all % range) as u64 + 1
    }
}

impl fmt::Display for CallKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for CallKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallKey({self})")
    }
}
