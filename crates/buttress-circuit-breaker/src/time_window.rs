use crate::window::Counts;

/// The results of the last so many buckets of time, the running one among them, in a ring.
#[derive(Debug)]
pub(crate) struct TimeWindow {
    ring: Box<[Counts]>,
    /// The running bucket, counted from the beginning of time.
    bucket: u64,
    sum: Counts,
}

impl TimeWindow {
    pub(crate) fn new(buckets: usize) -> Self {
        Self { ring: vec![Counts::default(); buckets].into(), bucket: 0, sum: Counts::default() }
    }

    /// Makes `bucket` the running one, if it is later. However late it is, the ring is swept at most once.
    pub(crate) fn advance(&mut self, bucket: u64) {
        let steps = bucket.saturating_sub(self.bucket).min(self.len());
        for step in 0..steps {
            let place = self.place(bucket - step);
            self.sum -= std::mem::take(&mut self.ring[place]);
        }
        self.bucket = self.bucket.max(bucket);
    }

    /// Adds to a bucket; what is too old for the window is let go.
    pub(crate) fn add(&mut self, bucket: u64, counts: Counts) {
        self.advance(bucket);
        if bucket + self.len() > self.bucket {
            let place = self.place(bucket);
            self.ring[place] += counts;
            self.sum += counts;
        }
    }

    pub(crate) fn sum(&self) -> Counts {
        self.sum
    }

    pub(crate) fn bucket(&self) -> u64 {
        self.bucket
    }

    pub(crate) fn clear(&mut self) {
        self.ring.fill(Counts::default());
        self.sum = Counts::default();
    }

    fn len(&self) -> u64 {
        self.ring.len() as u64
    }

    fn place(&self, bucket: u64) -> usize {
        usize::try_from(bucket % self.len()).expect("below the length of a slice")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;
    use crate::window::Sample;

    /// Keeps every result with its bucket, and counts anew each time.
    #[derive(Default)]
    struct Exact {
        results: VecDeque<(u64, Counts)>,
        bucket: u64,
    }

    impl Exact {
        fn sum(&self, buckets: u64) -> Counts {
            let mut sum = Counts::default();
            let recent = self.results.iter().filter(|(bucket, _)| bucket + buckets > self.bucket);
            recent.for_each(|(_, counts)| sum += *counts);
            sum
        }
    }

    proptest! {
        // CBK-3, D6: results of the past come late as well, since threads are.
        #[test]
        fn it_is_what_counting_every_result_anew_would_give(
            buckets in 1..70_u64,
            steps in proptest::collection::vec((0..4_u64, 0..40_u64, any::<(bool, bool, bool)>(), 0..50_u64), 1..400),
        ) {
            let mut window = TimeWindow::new(buckets as usize);
            let mut exact = Exact::default();
            for (jump, back, (failed, slow, local), successes) in steps {
                // Sometimes far.
                let at = exact.bucket + if jump == 3 { back * 5 } else { jump };
                window.advance(at);
                exact.bucket = at;
                let late = at.saturating_sub(back);
                for (bucket, counts) in [
                    (at, Counts::from(Sample { failed, slow, local })),
                    (late, Counts::successes(successes)),
                ] {
                    window.add(bucket, counts);
                    exact.results.push_back((bucket, counts));
                }
                prop_assert_eq!(window.sum(), exact.sum(buckets));
            }
        }
    }
}
