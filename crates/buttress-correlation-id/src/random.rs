use std::{
    cell::RefCell,
    hash::{BuildHasher, RandomState},
};

use crate::uuid::Sequence;

/// So many numbers are drawn between two visits to the operating system.
const DRAWS: u32 = 1 << 16;

thread_local! {
    static GENERATOR: RefCell<Generator> = RefCell::new(Generator { random: Random::seeded(), sequence: Sequence::new() });
}

/// What a thread makes its ids with.
pub(crate) struct Generator {
    pub(crate) random: Random,
    pub(crate) sequence: Sequence,
}

/// Works with this thread's generator.
pub(crate) fn with_generator<T>(work: impl FnOnce(&mut Generator) -> T) -> T {
    GENERATOR.with(|generator| work(&mut generator.borrow_mut()))
}

/// xoshiro256++ (Blackman and Vigna), seeded by the operating system and again after [`DRAWS`].
///
/// Its numbers are unique and evenly spread, not secret: ids grant nothing (COR-12).
pub(crate) struct Random {
    state: [u64; 4],
    left: u32,
}

impl Random {
    fn seeded() -> Self {
        Self { state: seed(), left: DRAWS }
    }

    pub(crate) fn next(&mut self) -> u64 {
        if self.left == 0 {
            *self = Self::seeded();
        }
        self.left -= 1;
        let [a, b, c, d] = self.state;
        let drawn = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        drawn
    }
}

fn seed() -> [u64; 4] {
    let mut bytes = [0; 32];
    match getrandom::fill(&mut bytes) {
        Ok(()) => std::array::from_fn(|i| {
            u64::from_le_bytes(bytes[8 * i..8 * (i + 1)].try_into().expect("eight bytes make a word"))
        }),
        // No reason to fail a request: the standard library has keys of its own for its hash maps.
        Err(_) => std::array::from_fn(|i| RandomState::new().hash_one(i)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_reference_implementation() {
        let mut random = Random { state: [1, 2, 3, 4], left: DRAWS };
        let drawn: Vec<u64> = (0..6).map(|_| random.next()).collect();
        let reference = [
            41_943_041,
            58_720_359,
            3_588_806_011_781_223,
            3_591_011_842_654_386,
            9_228_616_714_210_784_205,
            9_973_669_472_204_895_162,
        ];
        assert_eq!(drawn, reference);
    }

    #[test]
    fn a_spent_generator_seeds_itself_anew() {
        let mut random = Random { state: [1, 2, 3, 4], left: 0 };
        random.next();
        assert_eq!(random.left, DRAWS - 1);
        assert_ne!(random.state[0], 1 ^ 4 ^ 2);
    }

    #[test]
    fn two_threads_draw_different_numbers() {
        let draw = || with_generator(|generator| generator.random.next());
        let other = std::thread::spawn(draw).join().unwrap();
        assert_ne!(draw(), other);
    }
}
