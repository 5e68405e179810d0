//! Whether a site takes the lead: pure.

use std::time::Duration;

use govuc_etcd::roles::LeadReading;
use govuc_roles::{Term, timing::Moment};

use super::ASSIGNED_TERM;
use crate::maintenance::Place;

/// How long the first site has for becoming the very first lead, so that a new service begins where people expect it.
const HEAD_START: Duration = Duration::from_secs(60);

/// What a site brings to an election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidacy {
    pub place: Place,
    /// The highest term that its own directory knows; none while that does not answer.
    pub written: Option<u64>,
    /// Since when it has seen that nobody leads.
    pub vacant: Moment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Wait,
    /// Under this term.
    Take(Term),
}

impl Candidacy {
    /// What is to be done about what etcd says.
    pub fn step(&self, reading: &LeadReading, now: Moment) -> Step {
        // An earlier process of this site is waited out like anybody else: its lease was not granted to this one (R7).
        if reading.lead.is_some() {
            return Step::Wait;
        }
        // Who can write nothing is of no use as the lead.
        let Some(written) = self.written else {
            return Step::Wait;
        };
        let first_ever = reading.term.is_none();
        if first_ever && self.place == Place::Second && now.since(self.vacant) < HEAD_START {
            return Step::Wait;
        }
        Step::Take(reading.next_term(written.max(ASSIGNED_TERM)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use govuc_etcd::{Revision, roles::Versioned};
    use govuc_roles::{
        Site,
        record::{LeadRecord, LeadTermRecord, Session},
    };
    use rstest::rstest;

    fn reading(term: Option<u64>, held: bool) -> LeadReading {
        LeadReading {
            lead: held.then(|| LeadRecord {
                site: Site::try_from("pdsa1".to_owned()).unwrap(),
                session: Session("s".to_owned()),
                term: Term(term.unwrap_or(0)),
            }),
            term: term.map(|term| Versioned {
                record: LeadTermRecord { term: Term(term) },
                revision: Revision(7),
            }),
        }
    }

    #[rstest]
    #[case::somebody_leads(Place::First, Some(4), true, Some(4), 900, Step::Wait)]
    #[case::nobody_does(Place::First, Some(4), false, Some(4), 0, Step::Take(Term(5)))]
    #[case::nobody_does_at_the_second(Place::Second, Some(4), false, Some(4), 0, Step::Take(Term(5)))]
    #[case::its_directory_is_away(Place::First, Some(4), false, None, 900, Step::Wait)]
    #[case::its_directory_knows_more(Place::First, Some(2), false, Some(6), 0, Step::Take(Term(7)))]
    #[case::there_was_never_one(Place::First, None, false, Some(0), 0, Step::Take(Term(2)))]
    #[case::the_second_waits_for_the_first(Place::Second, None, false, Some(0), 59, Step::Wait)]
    #[case::but_not_for_ever(Place::Second, None, false, Some(0), 60, Step::Take(Term(2)))]
    fn a_site_takes_the_lead_that_nobody_has(
        #[case] place: Place,
        #[case] term: Option<u64>,
        #[case] held: bool,
        #[case] written: Option<u64>,
        #[case] vacant_for: u64,
        #[case] step: Step,
    ) {
        let at = |seconds| Moment::new(Duration::from_secs(seconds));
        let candidacy = Candidacy {
            place,
            written,
            vacant: at(1000),
        };
        assert_eq!(candidacy.step(&reading(term, held), at(1000 + vacant_for)), step);
    }
}
