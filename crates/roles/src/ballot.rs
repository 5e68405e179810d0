//! The two numbers that order everything.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Raised by a person only: a forced failover, a hold, a repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Era(pub u64);

/// Raised at every acquisition of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Term(pub u64);

/// `(era, term)`. The era is compared first: what a person decided outranks every acquisition before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ballot {
    pub era: Era,
    pub term: Term,
}

impl Ballot {
    /// Below every ballot that anybody may hold: eras and terms are counted from 1.
    pub const NONE: Ballot = Ballot::new(0, 0);

    pub const fn new(era: u64, term: u64) -> Self {
        Self {
            era: Era(era),
            term: Term(term),
        }
    }
}

impl fmt::Display for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "era {} term {}", self.era.0, self.term.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_era_outranks_any_term() {
        assert!(Ballot::new(2, 1) > Ballot::new(1, 99));
    }

    #[test]
    fn within_an_era_the_term_decides() {
        assert!(Ballot::new(1, 2) > Ballot::new(1, 1));
    }

    #[test]
    fn nobody_holds_less_than_the_first_ballot() {
        assert!(Ballot::NONE < Ballot::new(1, 1));
    }
}
