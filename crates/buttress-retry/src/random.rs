//! Chance that can be repeated: the SplitMix64 sequence of Steele, Lea and Flood (2014), shared without a lock.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// A source of draws. Calls that share it never share a draw.
#[derive(Debug)]
pub(crate) struct Random(AtomicU64);

const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

impl Random {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The keys of the standard library's maps are drawn by the system.
    pub(crate) fn unforeseen() -> Self {
        Self::seeded(RandomState::new().hash_one(GAMMA))
    }

    pub(crate) fn draw(&self) -> u64 {
        let mut z = self.0.fetch_add(GAMMA, Ordering::Relaxed).wrapping_add(GAMMA);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// A draw as a wait: any from zero up to and including `longest` is equally likely.
pub(crate) fn within(longest: Duration, draw: u64) -> Duration {
    let longest = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
    let nanos = ((u128::from(longest) + 1) * u128::from(draw)) >> 64;
    Duration::from_nanos(u64::try_from(nanos).expect("a part of a 64-bit number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_the_published_one() {
        // The first numbers of SplitMix64 with the seed 1234567, as its reference implementation prints them.
        let random = Random::seeded(1_234_567);
        let drawn = [(); 3].map(|()| random.draw());
        assert_eq!(drawn, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn two_sources_without_a_seed_differ() {
        assert_ne!(Random::unforeseen().draw(), Random::unforeseen().draw());
    }

    #[test]
    fn a_draw_covers_the_whole_wait_and_no_more() {
        let longest = Duration::from_nanos(9);
        assert_eq!(within(longest, 0), Duration::ZERO);
        assert_eq!(within(longest, u64::MAX), longest);
        assert_eq!(within(Duration::ZERO, u64::MAX), Duration::ZERO);
        assert_eq!(within(Duration::MAX, u64::MAX), Duration::from_nanos(u64::MAX));
    }
}
