//! Chance that can be had again.

/// Numbers that follow from a seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// From here on the same seed gives the same numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// One from `from` to `to`, that one included.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.number() % (to - from + 1)
    }

    /// Any bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.number().to_le_bytes()[0]).collect()
    }

    /// `count` of `0..all`, in order; all of them where there are no more.
    pub fn sample(&mut self, count: usize, all: usize) -> Vec<usize> {
        let mut left: Vec<_> = (0..all).collect();
        // as many steps of a shuffle as are wanted
        let count = count.min(all);
        for at in 0..count {
            let other = self.between(at as u64, all as u64 - 1);
            left.swap(at, usize::try_from(other).unwrap_or(at));
        }
        left.truncate(count);
        left.sort_unstable();
        left
    }
}
