//! A failover that a person has decided on, from what is asked of a MailStore to its end: pure.
//!
//! As with a switchover, the guards carry it out and etcd has everything that ends it. What is asked raises the era, so that
//! nobody who decided before takes the store meanwhile, and whoever had it leaves it at the sight of that.

mod course;
mod refusal;

use govuc_api::{Failover, FailoverState, FailoverStatus, RecordedCopies};
use k8s_openapi::jiff::Timestamp;

use self::course::Course;
use super::{
    asked::{Heard, Step},
    status::Copy,
};

/// What is known when it is decided how to go on.
pub struct Known<'a> {
    pub store: &'a str,
    pub own: &'a Copy,
    pub peer: &'a Copy,
    pub etcd: Heard<'a>,
    pub recorded: Option<&'a RecordedCopies>,
}

/// How it goes on.
#[derive(Debug, PartialEq)]
pub struct Next {
    pub step: Option<Step>,
    /// What is to be said; once the step is done, if there is one.
    pub status: FailoverStatus,
}

impl Next {
    /// What is said when the step could not be carried out, for example because the era was raised for another store
    /// meanwhile. Whether it was all the same, the next look at etcd tells.
    pub fn not_passed_on(self, previous: Option<&FailoverStatus>) -> FailoverStatus {
        match previous.filter(|previous| previous.id == self.status.id) {
            Some(previous) => previous.clone(),
            None => FailoverStatus {
                message: "it is not passed on yet; that is tried again".to_owned(),
                from: None,
                lacks: None,
                era: None,
                asked_at: None,
                ..self.status
            },
        }
    }
}

/// `previous` is what the object's status says of the failover that was asked for last.
pub fn next(asked: &Failover, previous: Option<&FailoverStatus>, known: &Known<'_>, now: Timestamp) -> Next {
    let status = previous
        .filter(|previous| previous.id == asked.id)
        .cloned()
        .unwrap_or_else(|| FailoverStatus {
            id: asked.id.clone(),
            state: FailoverState::Pending,
            message: String::new(),
            from: None,
            to: asked.to.clone(),
            lacks: None,
            era: None,
            term: None,
            passed_over: None,
            asked_at: None,
            finished_at: None,
        });
    if status.state.is_final() {
        return Next { step: None, status };
    }
    let course = Course {
        asked,
        status,
        known,
        now,
    };
    let (to, own, peer) = (&asked.to, &known.own.site, &known.peer.site);
    match known.etcd {
        _ if to != own && to != peer => course.refused(format!(
            "spec.failover.to is {to}, and the sites are {own} and {peer}. Remedy: name one of them"
        )),
        Heard::TwoSite => course.refused(
            "spec.roles.mode of Platform is TwoSite: without a witness no store changes sides. Remedy: set one up \
             (kubectl govuc witness), or bring the lost site back",
        ),
        Heard::Nothing => course.goes_on(
            "the roles' etcd does not answer: without two of its three members no store changes sides; see runbook \
             RolesWithoutQuorum",
        ),
        Heard::Reading(reading) => course.with(reading),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use rstest::rstest;

    use super::refusal::tests::copy;

    #[rstest]
    #[case::no_such_site("pdsa9", Heard::Nothing, FailoverState::Refused, "pdsa1 and pdsa2")]
    #[case::no_witness("pdsa2", Heard::TwoSite, FailoverState::Refused, "TwoSite")]
    #[case::etcd_is_silent("pdsa2", Heard::Nothing, FailoverState::Pending, "RolesWithoutQuorum")]
    fn what_needs_no_etcd_to_be_told(
        #[case] to: &str,
        #[case] etcd: Heard<'static>,
        #[case] says: FailoverState,
        #[case] because: &str,
    ) {
        let now = "2026-11-24T00:00:00Z".parse().unwrap();
        let asked = Failover {
            id: "fo-1".into(),
            to: to.into(),
            not_after: Time(now),
        };
        let known = Known {
            store: "mail-1",
            own: &copy("pdsa1"),
            peer: &copy("pdsa2"),
            etcd,
            recorded: None,
        };
        let Next { step, status } = next(&asked, None, &known, now);
        assert_eq!((step, status.state), (None, says));
        assert!(status.message.contains(because), "{}", status.message);
    }
}
