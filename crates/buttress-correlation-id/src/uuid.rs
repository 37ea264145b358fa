/// The counter's last value: it has the 12 bits of `rand_a` and the first 6 of `rand_b`.
const LAST: u32 = (1 << 18) - 1;

/// A clock that falls back by more than this many milliseconds was set, not corrected.
const CORRECTION: u64 = 10_000;

/// Makes UUIDs of version 7, each greater than the one before (RFC 9562 sections 5.7 and 6.2, method 1; COR-11).
///
/// 48 bits of milliseconds, 18 bits of counter, 56 bits at random. In a new millisecond the counter begins at random in
/// its lower half, which leaves room for 131 072 more; a counter that is full moves the time on by a millisecond.
/// A clock that falls back a little is waited for, counting; one that falls back by more than ten seconds is followed.
#[derive(Debug)]
pub(crate) struct Sequence {
    millis: u64,
    counter: u32,
}

impl Sequence {
    pub(crate) const fn new() -> Self {
        Self { millis: 0, counter: 0 }
    }

    /// The next UUID, at `now` in milliseconds since 1970.
    pub(crate) fn next(&mut self, now: u64, mut random: impl FnMut() -> u64) -> [u8; 16] {
        let set_back = now.saturating_add(CORRECTION) < self.millis;
        if now > self.millis || set_back {
            self.begin(now, &mut random);
        } else if self.counter == LAST {
            self.begin(self.millis + 1, &mut random);
        } else {
            self.counter += 1;
        }
        self.compose(random())
    }

    fn begin(&mut self, millis: u64, mut random: impl FnMut() -> u64) {
        self.millis = millis;
        self.counter = random() as u32 & (LAST >> 1);
    }

    fn compose(&self, random: u64) -> [u8; 16] {
        let counter = u64::from(self.counter);
        let high = self.millis << 16 | 0x7000 | counter >> 6;
        let low = 0b10 << 62 | (counter & 0x3f) << 56 | random >> 8;
        (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use buttress_core::CorrelationId;
    use proptest::prelude::*;

    use super::*;

    fn millis(uuid: [u8; 16]) -> u64 {
        u64::from_be_bytes(uuid[..8].try_into().unwrap()) >> 16
    }

    // COR-11
    #[test]
    fn the_layout_is_that_of_the_rfc() {
        // RFC 9562 appendix A.6: 017F22E2-79B0-7CC3-98C4-DC0C0C07398F
        let mut sequence = Sequence { millis: 0x017F_22E2_79B0, counter: 0xCC3 << 6 | 0x17 };
        let uuid = sequence.next(0x017F_22E2_79B0, || 0xC4DC_0C0C_0739_8F00);
        assert_eq!(CorrelationId::from_uuid(uuid).as_str(), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    }

    // COR-11
    #[test]
    fn a_full_counter_moves_the_time_on() {
        let mut sequence = Sequence { millis: 5, counter: LAST };
        assert_eq!(millis(sequence.next(5, || 0)), 6);
        assert_eq!(millis(sequence.next(5, || 0)), 6);
        assert_eq!(millis(sequence.next(7, || 0)), 7);
    }

    // COR-11
    #[test]
    fn a_clock_that_was_corrected_is_waited_for_and_one_that_was_set_is_followed() {
        let mut sequence = Sequence::new();
        assert_eq!(millis(sequence.next(50_000, || 0)), 50_000);
        assert_eq!(millis(sequence.next(40_000, || 0)), 50_000);
        assert_eq!(millis(sequence.next(39_999, || 0)), 39_999);
    }

    proptest! {
        // COR-11
        #[test]
        fn each_is_greater_than_the_one_before_and_of_version_7(
            steps in prop::collection::vec((0_u64..3, any::<u64>()), 1..200), start in 0_u64..1 << 47
        ) {
            let (mut sequence, mut now, mut last) = (Sequence::new(), start, [0; 16]);
            for (step, random) in steps {
                now += step;
                let uuid = sequence.next(now, || random);
                prop_assert!(uuid > last);
                prop_assert_eq!((uuid[6] >> 4, uuid[8] >> 6), (7, 0b10));
                last = uuid;
            }
        }
    }
}
