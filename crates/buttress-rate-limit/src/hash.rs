//! A keyed hash of keys to 64 bits, which stand for the key in the memory store. Pure but for its random numbers.
//!
//! Multilinear hashing (Dietzfelbinger 1996): the high half of `a0 + a1*w1 + a2*w2 + …` modulo 2^128, where `w` are the
//! words of the key and `a` are random. Whoever chooses two keys without knowing the random numbers finds them equal with a
//! chance of 2^-64 for each [`BLOCK`] words of theirs, and every key goes to every place with the same chance. Nothing
//! that a caller can see depends on a hash beyond that.

use std::hash::{BuildHasher, RandomState};

use crate::key::{Key, Part};

/// So many words are hashed in one go; longer keys go on with the hash so far as a word.
const BLOCK: usize = 16;

/// The longest text whose words, with its length before them, are one block.
const SHORT: usize = 8 * (BLOCK - 1);

/// An address, or a prefix, with nothing in its other half.
const LOW: u64 = 4;

/// The random numbers.
#[derive(Debug)]
pub(crate) struct Hasher {
    start: u128,
    factors: [u128; BLOCK],
}

/// A hash under way.
#[derive(Clone, Copy)]
struct State<'a> {
    hasher: &'a Hasher,
    sum: u128,
    words: usize,
}

impl Hasher {
    /// With numbers of its own, out of the randomness that the system gave this process.
    pub(crate) fn new() -> Self {
        let random = RandomState::new();
        let half = |i: usize| u128::from(random.hash_one(i));
        let number = |i: usize| half(2 * i) << 64 | half(2 * i + 1);
        Self { start: number(BLOCK), factors: std::array::from_fn(number) }
    }

    #[inline]
    pub(crate) fn hash(&self, key: &Key<'_>) -> u64 {
        match (key.first, key.second) {
            (Part::Network { high: 0, low, prefix }, Part::Nothing) => {
                high_half(self.start().word(LOW | u64::from(prefix) << 8).word(low).sum)
            }
            (Part::Bytes(bytes), Part::Nothing) if bytes.len() <= SHORT => self.short(bytes),
            _ => self.any(key),
        }
    }

    fn any(&self, key: &Key<'_>) -> u64 {
        let state = self.start().part(&key.first);
        high_half(if key.second == Part::Nothing { state.sum } else { state.part(&key.second).sum })
    }

    /// The same for bytes that are one block.
    #[inline]
    fn short(&self, bytes: &[u8]) -> u64 {
        let (words, rest) = bytes.as_chunks::<8>();
        let [first, factors @ ..] = &self.factors;
        let add = |sum: u128, factor: &u128, word| sum.wrapping_add(factor.wrapping_mul(u128::from(word)));
        let mut sum = add(self.start, first, text(bytes));
        let mut factors = factors.iter();
        for (word, factor) in words.iter().zip(factors.by_ref()) {
            sum = add(sum, factor, u64::from_le_bytes(*word));
        }
        high_half(if rest.is_empty() { sum } else { add(sum, factors.next().expect("it is one block"), last(bytes)) })
    }

    #[inline]
    fn start(&self) -> State<'_> {
        State { hasher: self, sum: self.start, words: 0 }
    }
}

impl State<'_> {
    /// The kind and the length first, so that no two keys are the same words.
    #[inline]
    fn part(self, part: &Part<'_>) -> Self {
        match *part {
            Part::Nothing => self.word(0),
            Part::Bytes(bytes) => self.bytes(bytes),
            Part::Number(number) => self.word(1).word(number),
            // An IPv4 address, or a prefix of at most 64 bits, has nothing in the other half.
            Part::Network { high: 0, low, prefix } => self.word(LOW | u64::from(prefix) << 8).word(low),
            Part::Network { high, low: 0, prefix } => self.word(5 | u64::from(prefix) << 8).word(high),
            Part::Network { high, low, prefix } => self.word(2 | u64::from(prefix) << 8).word(high).word(low),
        }
    }

    #[inline]
    fn bytes(self, bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks::<8>();
        let state = words.iter().fold(self.word(text(bytes)), |state, word| state.word(u64::from_le_bytes(*word)));
        if rest.is_empty() { state } else { state.word(last(bytes)) }
    }

    #[inline]
    fn word(self, word: u64) -> Self {
        let Self { hasher, sum, words } = if self.words < BLOCK { self } else { self.next_block() };
        let factor = hasher.factors[words];
        Self { hasher, sum: sum.wrapping_add(factor.wrapping_mul(u128::from(word))), words: words + 1 }
    }

    #[cold]
    fn next_block(self) -> Self {
        let Self { hasher, sum, .. } = self;
        let so_far = u128::from(high_half(sum));
        Self { hasher, sum: hasher.start.wrapping_add(hasher.factors[0].wrapping_mul(so_far)), words: 1 }
    }
}

/// The word that stands before those of a text: its kind and its length.
#[inline]
fn text(bytes: &[u8]) -> u64 {
    3 | (bytes.len() as u64) << 8
}

/// The last eight bytes as a word; of fewer all of them.
///
/// They may overlap with the word before, which changes nothing: the length is a part of the hash.
#[inline]
fn last(bytes: &[u8]) -> u64 {
    match bytes.last_chunk::<8>() {
        Some(last) => u64::from_le_bytes(*last),
        None => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

#[inline]
fn high_half(sum: u128) -> u64 {
    (sum >> 64) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    #[test]
    fn the_same_key_has_the_same_hash_and_others_have_others() {
        let hasher = Hasher::new();
        let long: Vec<u8> = (0..=u8::MAX).cycle().take(2_000).collect();
        let mut seen = HashSet::new();
        for len in 0..long.len() {
            assert!(seen.insert(hasher.hash(&Key::bytes(&long[..len]))), "{len} bytes");
            assert_eq!(hasher.hash(&Key::bytes(&long[..len])), hasher.hash(&Key::bytes(&long.clone()[..len])));
        }
        for at in 0..long.len() {
            let mut changed = long.clone();
            changed[at] ^= 1;
            assert!(seen.insert(hasher.hash(&Key::bytes(&changed))), "byte {at}");
        }
        assert!(seen.insert(hasher.hash(&Key::number(0))) && seen.insert(hasher.hash(&Key::EVERYBODY)));
    }

    #[test]
    fn the_short_way_is_the_long_way() {
        let hasher = Hasher::new();
        let long: Vec<u8> = (0..=u8::MAX).collect();
        let network = |addr: &str| Key::network(addr.parse().unwrap(), 64);
        let texts = (0..long.len()).map(|len| Key::bytes(&long[..len]));
        for key in texts.chain([network("192.0.2.1"), network("::"), network("::1"), Key::number(7), Key::EVERYBODY]) {
            assert_eq!(hasher.hash(&key), hasher.any(&key), "{key:?}");
        }
    }

    #[test]
    fn nobody_knows_where_a_key_goes() {
        let key = Key::text("alice");
        assert_ne!(Hasher::new().hash(&key), Hasher::new().hash(&key));
    }

    #[test]
    fn neighbours_spread_over_all_places() {
        let hasher = Hasher::new();
        let mut counts = HashMap::<u64, u32>::new();
        for number in 0..64_000 {
            *counts.entry(hasher.hash(&Key::number(number)) >> 58).or_default() += 1;
        }
        assert!(counts.len() == 64 && counts.values().all(|count| (500..2_000).contains(count)), "{counts:?}");
    }
}
