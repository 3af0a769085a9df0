//! Numbers that look random and follow from a seed or from bytes: for drawing lots and for spreading
//! sessions, not for secrets. Pure.

/// A stream of numbers: the `SplitMix64` generator of Steele, Lea and Flood, "Fast splittable
/// pseudorandom number generators", 2014.
#[derive(Clone, Debug)]
pub struct Lots(u64);

/// The step of the generator: the golden ratio's fraction.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Lots {
    /// The stream that belongs to `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    #[inline]
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// A number below `bound`, by taking the upper half of a product: uniform within 2^-32 or so
    /// for bounds as small as a tier's weights.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.draw()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or_default()
    }
}

/// A number that has nothing to do with `number` at first sight, and is the same for the same.
#[inline]
pub fn mix(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The same number for the same bytes, on every machine and in every version.
pub fn of_bytes(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let folded = words.iter().fold(mix(bytes.len() as u64), |folded, word| {
        mix(folded.wrapping_add(STEP) ^ u64::from_le_bytes(*word))
    });
    let last = rest.iter().fold(0, |last: u64, byte| last << 8 | u64::from(*byte));
    mix(folded.wrapping_add(STEP) ^ last)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn bytes_that_differ_have_different_numbers_which_never_change() {
        let texts = ["", "\0", "\0\0", "a", "b", "ab", "ba", "abcdefgh", "abcdefgh\0", "bbcdefgh"];
        let numbers: HashSet<u64> = texts.iter().map(|text| of_bytes(text.as_bytes())).collect();
        assert_eq!(numbers.len(), texts.len());
        assert_eq!(of_bytes(b"a session"), of_bytes(b"a session"));
        assert_eq!(of_bytes(b"conversation 7"), KNOWN);
    }

    /// Written down once: a change would move every session to another provider.
    const KNOWN: u64 = 2_007_016_519_241_088_343;

    #[test]
    fn lots_stay_below_their_bound_and_reach_all_of_it() {
        let mut lots = Lots::new(7);
        let drawn: HashSet<u64> = (0..1_000).map(|_| lots.below(10)).collect();
        assert_eq!(drawn, (0..10).collect());
        assert_eq!(lots.below(0), 0);
    }
}
