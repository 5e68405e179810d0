//! On which store an agency's mail is placed: pure, decided once.

use std::collections::BTreeSet;

/// A store as placement sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub name: String,
    pub preferred_site: String,
    /// Users it takes.
    pub capacity: u32,
    /// Users its agencies expect.
    pub committed: u32,
    /// One agency has it for itself.
    pub dedicated: bool,
}

/// What an agency asks of its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand<'a> {
    pub preferred_site: &'a str,
    pub users: u32,
    /// For itself.
    pub dedicated: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placed {
    /// On one that is there.
    On(String),
    /// On one to be made, of this name.
    New(String),
}

/// Shared: the fullest that fits, so that stores fill up one after the other; a new one when none fits. Dedicated: a new one.
pub fn place(demand: Demand<'_>, candidates: &[Candidate]) -> Placed {
    let fits = |store: &&Candidate| {
        !store.dedicated
            && store.preferred_site == demand.preferred_site
            && store.committed.saturating_add(demand.users) <= store.capacity
    };
    let fullest = candidates
        .iter()
        .filter(|_| !demand.dedicated)
        .filter(fits)
        // Of equals the first by name, in whatever order they came.
        .max_by(|a, b| a.committed.cmp(&b.committed).then_with(|| b.name.cmp(&a.name)));
    match fullest {
        Some(store) => Placed::On(store.name.clone()),
        None => Placed::New(unused_name(candidates)),
    }
}

fn unused_name(candidates: &[Candidate]) -> String {
    let taken: BTreeSet<&str> = candidates.iter().map(|store| store.name.as_str()).collect();
    let mut number = 1;
    loop {
        let name = format!("mail-{number}");
        if !taken.contains(name.as_str()) {
            return name;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn store(name: &str, site: &str, committed: u32) -> Candidate {
        Candidate {
            name: name.into(),
            preferred_site: site.into(),
            capacity: 1000,
            committed,
            dedicated: false,
        }
    }

    fn shared(users: u32) -> Demand<'static> {
        Demand {
            preferred_site: "pdsa1",
            users,
            dedicated: false,
        }
    }

    fn on(name: &str) -> Placed {
        Placed::On(name.into())
    }

    fn new(name: &str) -> Placed {
        Placed::New(name.into())
    }

    #[rstest]
    #[case::the_first_of_all(shared(10), vec![], new("mail-1"))]
    #[case::the_fullest(shared(10), vec![store("mail-1", "pdsa1", 100), store("mail-2", "pdsa1", 900)], on("mail-2"))]
    #[case::the_fullest_that_fits(shared(200), vec![store("mail-1", "pdsa1", 100), store("mail-2", "pdsa1", 900)], on("mail-1"))]
    #[case::exactly_full(shared(100), vec![store("mail-1", "pdsa1", 900)], on("mail-1"))]
    #[case::one_too_many(shared(101), vec![store("mail-1", "pdsa1", 900)], new("mail-2"))]
    #[case::another_site(shared(10), vec![store("mail-1", "pdsa2", 0)], new("mail-2"))]
    #[case::of_equals_the_first(shared(10), vec![store("mail-2", "pdsa1", 5), store("mail-1", "pdsa1", 5)], on("mail-1"))]
    #[case::a_gap_is_used(shared(1000), vec![store("mail-1", "pdsa1", 5), store("mail-3", "pdsa1", 5)], new("mail-2"))]
    #[case::another_agencys_own(shared(10), vec![Candidate { dedicated: true, ..store("mail-1", "pdsa1", 10) }], new("mail-2"))]
    #[case::its_own(Demand { dedicated: true, ..shared(10) }, vec![store("mail-1", "pdsa1", 0)], new("mail-2"))]
    #[case::without_overflow(shared(u32::MAX), vec![store("mail-1", "pdsa1", 5)], new("mail-2"))]
    fn a_store_is_chosen(
        #[case] demand: Demand<'_>,
        #[case] candidates: Vec<Candidate>,
        #[case] placed: Placed,
    ) {
        assert_eq!(place(demand, &candidates), placed);
    }
}
