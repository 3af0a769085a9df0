//! What a model costs, by time: versions of its price, each in force from a date on. Pure.

use infergate_actors::money::Price;

/// A model's price in its versions. What is charged for an exchange is the version in force when it
/// began, whatever comes into force before it ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    first: Price,
    /// By rising dates.
    later: Vec<Version>,
}

/// A price that is in force from a date on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Version {
    from_ms: u64,
    price: Price,
}

impl Prices {
    /// A price that has always been in force.
    pub fn new(first: Price) -> Self {
        Self { first, later: Vec::new() }
    }

    /// Adds a version that is in force from `from_ms` on, in milliseconds since 1970: later than
    /// those before it.
    pub(super) fn change(&mut self, from_ms: u64, price: Price) {
        self.later.push(Version { from_ms, price });
    }

    /// The version in force at `wall_ms`, in milliseconds since 1970.
    pub fn at(&self, wall_ms: u64) -> &Price {
        let in_force = self.later.iter().rev().find(|version| version.from_ms <= wall_ms);
        in_force.map_or(&self.first, |version| &version.price)
    }

    /// All versions by time, each with when it comes into force, in milliseconds since 1970; the
    /// first has always been.
    pub fn versions(&self) -> impl Iterator<Item = (Option<u64>, &Price)> {
        let later = self.later.iter().map(|version| (Some(version.from_ms), &version.price));
        std::iter::once((None, &self.first)).chain(later)
    }

    /// Whether some version charges nothing.
    pub fn is_free_at_some_time(&self) -> bool {
        self.versions().any(|(_, price)| price.is_free())
    }
}

#[cfg(test)]
mod tests {
    use infergate_actors::money::Rates;

    use super::*;

    fn price(input: u64) -> Price {
        Price { base: Rates { input, ..Rates::default() }, tiers: Vec::new() }
    }

    #[test]
    fn a_version_is_in_force_from_its_date_on() {
        let mut prices = Prices::new(price(1));
        prices.change(100, price(2));
        prices.change(200, price(3));
        for (at, input) in [(0, 1), (99, 1), (100, 2), (199, 2), (200, 3), (u64::MAX, 3)] {
            assert_eq!(prices.at(at).base.input, input, "{at}");
        }
        let from: Vec<_> = prices.versions().map(|(from, _)| from).collect();
        assert_eq!(from, [None, Some(100), Some(200)]);
        assert!(!prices.is_free_at_some_time() && Prices::default().is_free_at_some_time());
    }
}
