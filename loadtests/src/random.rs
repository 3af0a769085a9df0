//! A small seeded generator for latencies, faults and moments to kill at. Not for secrets. Pure, but
//! for [`Random::from_system`].
//!
//! The algorithm is `SplitMix64` (Steele, Lea and Flood, "Fast splittable pseudorandom number
//! generators", 2014).

/// A stream of numbers that its seed determines.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A stream with a seed from the operating system, which is returned beside it so that it can be
    /// printed and used again.
    pub fn from_system() -> (Self, u64) {
        let seed = getrandom::u64().unwrap_or(0x1f3d_5b79);
        (Self(seed), seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `low` to `high`, both included; `low` when the range is empty.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        let width = u128::from(high.saturating_sub(low)) + 1;
        let offset = (u128::from(self.number()) * width) >> 64;
        low.saturating_add(u64::try_from(offset).unwrap_or(0))
    }

    /// Whether something of probability `per_million` out of a million happens.
    pub fn happens(&mut self, per_million: u32) -> bool {
        self.between(1, 1_000_000) <= u64::from(per_million)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_in_their_range_and_reach_both_ends() {
        let mut random = Random::new(7);
        let drawn: Vec<u64> = (0..2_000).map(|_| random.between(3, 5)).collect();
        assert!(drawn.iter().all(|number| (3..=5).contains(number)));
        assert!(drawn.contains(&3) && drawn.contains(&5));
        assert_eq!(random.between(9, 2), 9);
    }

    #[test]
    fn certain_things_happen_and_impossible_ones_do_not() {
        let mut random = Random::new(1);
        assert!((0..1_000).all(|_| random.happens(1_000_000)));
        assert!((0..1_000).all(|_| !random.happens(0)));
    }
}
