//! A keyed hash of keys to 64 bits, which stand for the key in the memory store. Pure but for its random numbers.
//!
//! Multilinear hashing (Dietzfelbinger 1996; section 3 of Thorup, "High Speed Hashing for Integers and Strings", 2015): the
//! high half of `a0 + a1*w1 + a2*w2 + …` modulo 2^128, where `w` are the words of the key and `a` are random. Texts of each
//! length, and keys of each other kind, have an `a0` of their own. So whoever chooses two keys without knowing the random
//! numbers finds them equal with a chance of 2^-64, and every key goes to every place with the same chance. Nothing that a
//! caller can see depends on a hash beyond that.
//!
//! The sums of keys in a row are a row as well, and at some distances, which one process in a hundred has, it would come
//! to few places only. So the high half is multiplied with the low one, made odd, which makes of a row what dice would. For
//! given low halves that is one to one, and the high half is as random whatever the low ones are: the chances stay as they
//! were.
//!
//! Longer texts and keys of two parts are hashed in blocks. The hashes of these are the coefficients of a polynomial, and
//! what it is at a random point, modulo the prime 2^61 - 1, is hashed once more, with other random numbers. The chance is
//! then up to 2^-59 for each block.

use std::hash::{BuildHasher, RandomState};

use crate::key::{Key, Part};

/// So many words are hashed in one go.
const BLOCK: usize = 8;

/// The longest text that is one block.
const SHORT: usize = 8 * BLOCK;

const PRIME: u64 = (1 << 61) - 1;

/// The random numbers.
#[derive(Debug)]
pub(crate) struct Hasher {
    /// What the sum begins with: for texts of each length,
    texts: [u128; SHORT + 1],
    /// and for other keys.
    numbers: u128,
    v4: u128,
    v6: u128,
    nothing: u128,
    blocks: u128,
    polynomials: u128,
    factors: [u128; BLOCK],
    /// The point at which polynomials are looked at, and the factor of what they are there.
    point: u64,
    last_factor: u128,
}

/// A hash of blocks under way.
#[derive(Clone, Copy)]
struct Blocks<'a> {
    hasher: &'a Hasher,
    /// The polynomial of those before this one.
    before: u64,
    sum: u128,
    words: usize,
}

impl Hasher {
    /// With numbers of its own, out of the randomness that the system gave this process.
    pub(crate) fn new() -> Self {
        let (random, mut count) = (RandomState::new(), 0_u64);
        let mut half = || {
            count += 1;
            random.hash_one(count)
        };
        let mut number = || u128::from(half()) << 64 | u128::from(half());
        Self {
            texts: std::array::from_fn(|_| number()),
            numbers: number(),
            v4: number(),
            v6: number(),
            nothing: number(),
            blocks: number(),
            polynomials: number(),
            factors: std::array::from_fn(|_| number()),
            point: high_half(number()) % PRIME,
            last_factor: number(),
        }
    }

    #[inline(always)]
    pub(crate) fn hash(&self, key: &Key<'_>) -> u64 {
        match (key.first, key.second) {
            (Part::Bytes(bytes), Part::Nothing) if bytes.len() <= SHORT => self.text(bytes),
            (Part::V4(addr), Part::Nothing) => self.words(self.v4, [addr.into()]),
            _ => self.other(key),
        }
    }

    /// The same of keys that are less usual.
    #[inline(never)]
    fn other(&self, key: &Key<'_>) -> u64 {
        match (key.first, key.second) {
            (Part::Nothing, Part::Nothing) => self.words(self.nothing, []),
            (Part::Number(number), Part::Nothing) => self.words(self.numbers, [number]),
            (Part::V6 { high, low, prefix }, Part::Nothing) => self.words(self.v6, [prefix.into(), high, low]),
            _ => self.in_blocks(key),
        }
    }

    #[inline]
    fn words<const N: usize>(&self, start: u128, words: [u64; N]) -> u64 {
        mixed(self.factors.iter().zip(words).fold(start, add))
    }

    /// The last word first, since every text has one.
    #[inline]
    fn text(&self, bytes: &[u8]) -> u64 {
        let [factor, factors @ ..] = &self.factors;
        let mut sum = add(self.texts[bytes.len()], (factor, last(bytes)));
        let mut before = &bytes[..bytes.len().saturating_sub(1)];
        for factor in factors {
            let Some((word, rest)) = before.split_first_chunk() else { break };
            sum = add(sum, (factor, u64::from_le_bytes(*word)));
            before = rest;
        }
        mixed(sum)
    }

    fn in_blocks(&self, key: &Key<'_>) -> u64 {
        // Of another degree, another number of blocks is another polynomial.
        let blocks = Blocks { hasher: self, before: 1, sum: self.blocks, words: 0 };
        let value = blocks.part(&key.first).part(&key.second).value();
        mixed(add(self.polynomials, (&self.last_factor, value)))
    }
}

impl Blocks<'_> {
    /// The kind and the length first, so that no two keys are the same words.
    fn part(self, part: &Part<'_>) -> Self {
        match *part {
            Part::Nothing => self.word(0),
            Part::Number(number) => self.word(1).word(number),
            Part::Bytes(bytes) => self.bytes(bytes),
            Part::V4(addr) => self.word(3).word(addr.into()),
            Part::V6 { high, low, prefix } => self.word(4 | u64::from(prefix) << 8).word(high).word(low),
        }
    }

    fn bytes(self, bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks();
        let start = self.word(2 | (bytes.len() as u64) << 8);
        let blocks = words.iter().fold(start, |blocks, word| blocks.word(u64::from_le_bytes(*word)));
        if rest.is_empty() { blocks } else { blocks.word(last(bytes)) }
    }

    fn word(self, word: u64) -> Self {
        let Self { hasher, before, sum, words } = self;
        match hasher.factors.get(words) {
            Some(factor) => Self { hasher, before, sum: add(sum, (factor, word)), words: words + 1 },
            None => Self { hasher, before: self.value(), sum: hasher.blocks, words: 0 }.word(word),
        }
    }

    /// The polynomial of all blocks so far. Coefficients are 60 bits, below the prime.
    #[expect(clippy::cast_possible_truncation, reason = "it is below the prime")]
    fn value(self) -> u64 {
        let product = u128::from(self.before) * u128::from(self.hasher.point);
        ((product + u128::from(high_half(self.sum) >> 4)) % u128::from(PRIME)) as u64
    }
}

#[inline]
fn add(sum: u128, (factor, word): (&u128, u64)) -> u128 {
    sum.wrapping_add(factor.wrapping_mul(word.into()))
}

/// The last eight bytes as a word; of fewer all of them.
///
/// They may overlap with the word before, which changes nothing: the length is a part of the hash.
#[inline]
fn last(bytes: &[u8]) -> u64 {
    match bytes.last_chunk() {
        Some(last) => u64::from_le_bytes(*last),
        None => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// What a sum comes to.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the low half")]
fn mixed(sum: u128) -> u64 {
    high_half(sum).wrapping_mul(sum as u64 | 1)
}

#[inline]
fn high_half(sum: u128) -> u64 {
    (sum >> 64) as u64
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, net::Ipv4Addr};

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
    fn keys_of_other_kinds_and_of_two_parts_have_other_hashes() {
        let hasher = Hasher::new();
        let network = |addr: &str, prefix| Key::network(addr.parse().unwrap(), prefix);
        let alone = [
            Key::EVERYBODY,
            Key::text(""),
            Key::bytes(&[0; 8]),
            Key::bytes(&[0; SHORT]),
            Key::bytes(&[0; SHORT + 1]),
            Key::bytes(&[0; SHORT + 8]),
            Key::number(0),
            Key::number(1),
            network("0.0.0.0", 64),
            network("0.0.0.1", 64),
            network("::", 64),
            network("::", 48),
            network("::", 128),
            network("::1", 128),
            network("1::", 64),
        ];
        let pairs = alone.iter().flat_map(|first| alone[1..].iter().map(|second| first.and(*second)));
        let keys: Vec<_> = alone.into_iter().chain(pairs).collect();
        assert_eq!(keys.iter().map(|key| hasher.hash(key)).collect::<HashSet<_>>().len(), keys.len());
    }

    // The bound of the usual keys is that of the sum, and this is the sum.
    #[test]
    fn one_block_is_the_sum_of_its_words() {
        let hasher = Hasher::new();
        let sum = |start: u128, words: &[u64]| {
            let products = words.iter().zip(&hasher.factors).map(|(word, factor)| factor.wrapping_mul((*word).into()));
            let sum = products.fold(start, u128::wrapping_add);
            ((sum >> 64) as u64).wrapping_mul(sum as u64 | 1)
        };
        let word = |text: &[u8]| text.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        let text: Vec<u8> = (1..=SHORT as u8).collect();
        for len in 0..=SHORT {
            let text = &text[..len];
            let mut words = vec![word(&text[len.saturating_sub(8)..])];
            words.extend(text[..len.saturating_sub(1)].chunks_exact(8).map(word));
            assert_eq!(hasher.hash(&Key::bytes(text)), sum(hasher.texts[len], &words), "{len} bytes");
        }
        assert_eq!(hasher.hash(&Key::number(7)), sum(hasher.numbers, &[7]));
        assert_eq!(hasher.hash(&Key::network("192.0.2.1".parse().unwrap(), 64)), sum(hasher.v4, &[0xc000_0201]));
    }

    #[test]
    fn the_polynomial_is_one_modulo_the_prime() {
        let hasher = Hasher::new();
        let (prime, point) = (u128::from(PRIME), u128::from(hasher.point));
        assert!(point < prime);
        let sums = [u128::MAX, 0, hasher.blocks];
        let value =
            sums.iter().fold(1, |before, sum| Blocks { hasher: &hasher, before, sum: *sum, words: BLOCK }.value());
        let [a, b, c] = sums.map(|sum| sum >> 68);
        let square = point * point % prime;
        let cube = square * point % prime;
        assert_eq!(u128::from(value), (cube + a * square % prime + b * point % prime + c) % prime);
    }

    #[test]
    fn nobody_knows_where_a_key_goes() {
        let key = Key::text("alice");
        assert_ne!(Hasher::new().hash(&key), Hasher::new().hash(&key));
    }

    // RLM-10: a third of the keys that so many sets are made for, with whatever random numbers.
    #[test]
    fn keys_in_a_row_fall_as_dice_would_have_them() {
        const KEYS: u32 = 20_000;
        let texts: Vec<_> = (0..KEYS).map(|i| format!("user-{i:08}")).collect();
        let in_too_full_sets = |key: &dyn Fn(u32) -> u64| {
            let mut sets = vec![0_u8; 1 << 16];
            let mut set_of = |i| {
                let set = &mut sets[(key(i) >> 48) as usize];
                *set = set.saturating_add(1);
                *set
            };
            (0..KEYS).filter(|i| set_of(*i) > 5).count()
        };
        for _ in 0..100 {
            let hasher = Hasher::new();
            let rows: [&dyn Fn(u32) -> u64; 4] = [
                &|i| hasher.hash(&Key::number(i.into())),
                &|i| hasher.hash(&Key::number(u64::from(i) << 44)),
                &|i| hasher.hash(&Key::network(Ipv4Addr::from_bits(0x0a00_0000 | i).into(), 64)),
                &|i| hasher.hash(&Key::text(&texts[i as usize])),
            ];
            for row in rows {
                // Of dice it is hardly ever one.
                assert!(in_too_full_sets(row) < 20);
            }
        }
    }
}
