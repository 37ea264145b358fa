use crate::window::{Counts, Sample};

/// The results of the last so many calls: three bits for each, in a ring.
#[derive(Debug)]
pub(crate) struct CountWindow {
    size: usize,
    next: usize,
    calls: usize,
    failed: Bits,
    slow: Bits,
    local: Bits,
}

impl CountWindow {
    pub(crate) fn new(size: usize) -> Self {
        Self { size, next: 0, calls: 0, failed: Bits::new(size), slow: Bits::new(size), local: Bits::new(size) }
    }

    pub(crate) fn push(&mut self, sample: Sample) {
        let Sample { failed, slow, local } = sample;
        self.failed.set(self.next, failed);
        self.slow.set(self.next, slow);
        self.local.set(self.next, local);
        self.move_on(1);
    }

    /// Pushes as many quick successes, 64 at a time.
    pub(crate) fn succeed(&mut self, calls: u64) {
        // More than the ring holds push each other out.
        let mut left = usize::try_from(calls).unwrap_or(usize::MAX).min(self.size);
        while left > 0 {
            let run = left.min(self.size - self.next);
            for bits in [&mut self.failed, &mut self.slow, &mut self.local] {
                bits.clear(self.next, self.next + run);
            }
            self.move_on(run);
            left -= run;
        }
    }

    fn move_on(&mut self, calls: usize) {
        self.next = (self.next + calls) % self.size;
        self.calls = (self.calls + calls).min(self.size);
    }

    pub(crate) fn sum(&self) -> Counts {
        Counts { calls: self.calls as u64, failures: self.failed.ones, slow: self.slow.ones, local: self.local.ones }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.size);
    }
}

/// Bits that know how many of them are set.
#[derive(Debug)]
struct Bits {
    words: Box<[u64]>,
    ones: u64,
}

impl Bits {
    fn new(size: usize) -> Self {
        Self { words: vec![0; size.div_ceil(64)].into(), ones: 0 }
    }

    fn set(&mut self, at: usize, on: bool) {
        let word = &mut self.words[at / 64];
        let was = *word >> (at % 64) & 1;
        *word = *word & !(1 << (at % 64)) | u64::from(on) << (at % 64);
        self.ones = self.ones - was + u64::from(on);
    }

    /// Clears from here up to, and without, there.
    fn clear(&mut self, from: usize, to: usize) {
        let (first, last) = (from / 64, (to - 1) / 64);
        for (at, word) in self.words[first..=last].iter_mut().enumerate() {
            let mut hit = u64::MAX;
            if at == 0 {
                hit &= u64::MAX << (from % 64);
            }
            if first + at == last {
                hit &= u64::MAX >> (63 - (to - 1) % 64);
            }
            self.ones -= u64::from((*word & hit).count_ones());
            *word &= !hit;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        // CBK-3, D1: it slides from the first call on, however many there were.
        #[test]
        fn it_is_what_counting_every_result_anew_would_give(
            size in 1..200_usize,
            steps in proptest::collection::vec((any::<(bool, bool, bool)>(), 0..300_u64), 1..200),
        ) {
            let mut window = CountWindow::new(size);
            let mut exact = VecDeque::new();
            for ((failed, slow, local), successes) in steps {
                let sample = Sample { failed, slow, local };
                window.succeed(successes);
                exact.extend((0..successes).map(|_| Sample::SUCCESS));
                window.push(sample);
                exact.push_back(sample);
                while exact.len() > size {
                    exact.pop_front();
                }
                let mut sum = Counts::default();
                exact.iter().for_each(|sample| sum += Counts::from(*sample));
                prop_assert_eq!(window.sum(), sum);
            }
        }
    }
}
