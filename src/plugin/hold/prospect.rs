//! What a hold would mean for a store, as far as its object shows: pure.

use std::fmt;

use govuc_api::{CopyState, HoldState, Lack, MailStore};
use kube::ResourceExt;
use serde::Serialize;

use crate::{
    mail_store::recorded::lack,
    plugin::stores::{copy, served_last, serves, unreachable},
};

/// What a hold would mean for one store, as far as its object shows.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Prospect {
    pub store: String,
    pub to: String,
    /// The site that must not serve; absent while no operator has made the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<String>,
    /// Who had the store when the roles' etcd answered last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub served_last: Option<String>,
    /// In which term.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub term: Option<i64>,
    /// What the copy at `to` lacked then.
    pub lacks: Lack,
    /// The sites whose copy does not answer, or does not serve.
    pub unreachable: Vec<String>,
    /// Why it would not be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
}

/// What nobody but the person can see to.
pub fn warning(prospect: &Prospect) -> String {
    let other = prospect.other.as_deref().unwrap_or("the other site");
    format!(
        "make sure that {other} does not serve: if it does, both take mail, and what each took is merged afterwards"
    )
}

/// Why it would not be done, as far as the object shows: in the words of field, value, rule and remedy. What the roles' etcd
/// says is the operator's to see.
fn refusal(store: &MailStore, to: &str) -> Option<String> {
    let name = store.name_any();
    let status = store.status.clone().unwrap_or_default();
    let target = copy(store, to);
    let other = status.sites.iter().find(|copy| copy.name != to);
    if let Some(hold) = status.hold.filter(|hold| hold.state == HoldState::Pending) {
        return Some(format!(
            "hold {} is under way. Remedy: wait for its end: kubectl get mailstore {name} -o jsonpath='{{.status.hold}}'",
            hold.id
        ));
    }
    if serves(target) {
        return Some(format!(
            "--to is {to}, which serves already. Remedy: nothing is to be done"
        ));
    }
    if let Some(other) = other.filter(|other| serves(Some(other))) {
        return Some(format!(
            "--to is {to}, while {} answers and serves: with a hold both sites would. Remedy: see why {to} does not reach the \
             roles' etcd: kubectl get platform platform -o yaml",
            other.name
        ));
    }
    if target.is_some_and(|copy| copy.state == CopyState::Quarantine) {
        let other = other.map_or("the other site", |other| other.name.as_str());
        return Some(format!(
            "--to is {to}, whose copy was passed over by a failover, and lacks what {other} has stored since. Remedy: bring \
             {other} back"
        ));
    }
    None
}

impl Prospect {
    pub fn of(store: &MailStore, to: &str) -> Self {
        let status = store.status.clone().unwrap_or_default();
        let volume = copy(store, to).and_then(|copy| copy.volume.as_deref());
        let recorded = status.recorded.as_ref();
        let other = status.sites.iter().find(|copy| copy.name != to);
        Self {
            store: store.name_any(),
            to: to.to_owned(),
            other: other.map(|copy| copy.name.clone()),
            served_last: served_last(&status),
            term: recorded.map(|recorded| recorded.term),
            lacks: lack(recorded, volume),
            unreachable: unreachable(&status),
            refusal: refusal(store, to),
        }
    }
}

impl fmt::Display for Prospect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Prospect { store, to, .. } = self;
        write!(f, "mailstore.1govuc.gov.my/{store} at {to}")?;
        if let Some(refusal) = &self.refusal {
            return write!(f, ": can't be. {refusal}");
        }
        for site in &self.unreachable {
            write!(f, "\n  {site} does not answer, or does not serve")?;
        }
        let served = self.served_last.as_deref().unwrap_or("not known");
        write!(
            f,
            "\n  who had it when the roles' etcd answered here last: {served}"
        )?;
        if let Some(term) = self.term {
            write!(f, ", term {term}")?;
        }
        write!(
            f,
            "\n  what was missing at {to} then: {}\n  what {} has stored since then, if it has served, is missing too",
            self.lacks.message,
            self.other.as_deref().unwrap_or("the other site"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use govuc_api::Extent;
    use rstest::rstest;
    use serde_json::{Value, json};

    /// As the operator of pdsa1 says it when pdsa1 is cut off from everything.
    fn cut_off() -> Value {
        json!({
            "primary": "pdsa2",
            "sites": [
                {"name": "pdsa1", "volume": "a", "state": "Follower"},
                {"name": "pdsa2", "volume": "b", "state": "Unknown"},
            ],
            "recorded": {
                "era": 1, "term": 4, "primary": "pdsa2", "leased": true, "volume": "b", "paired": false, "peerVolume": "a",
                "behindSince": "2026-11-24T00:09:00Z",
            },
        })
    }

    fn prospect(changes: impl FnOnce(&mut Value)) -> Prospect {
        let mut status = cut_off();
        changes(&mut status);
        let store: MailStore = serde_json::from_value(json!({
            "apiVersion": "1govuc.gov.my/v1alpha1", "kind": "MailStore", "metadata": {"name": "mail-1"},
            "spec": {"preferredSite": "pdsa1"}, "status": status,
        }))
        .unwrap();
        Prospect::of(&store, "pdsa1")
    }

    #[test]
    fn what_is_known_is_said_beforehand_and_who_must_not_serve() {
        let behind = prospect(|_| {});
        assert_eq!(
            behind.to_string(),
            "mailstore.1govuc.gov.my/mail-1 at pdsa1\n  \
             pdsa2 does not answer, or does not serve\n  \
             who had it when the roles' etcd answered here last: pdsa2, term 4\n  \
             what was missing at pdsa1 then: what pdsa2 has stored since 2026-11-24T00:09:00Z; how many changes is not known\n  \
             what pdsa2 has stored since then, if it has served, is missing too"
        );
        assert!(
            warning(&behind).starts_with("make sure that pdsa2 does not serve: if it does, both take mail")
        );
        let in_step = prospect(|status| status["recorded"]["paired"] = json!(true));
        assert_eq!(in_step.lacks.extent, Extent::Nothing);
        assert_eq!(in_step.refusal, None);
        let unknown = prospect(|status| *status = json!({}));
        assert_eq!((unknown.lacks.extent, &unknown.refusal), (Extent::Unknown, &None));
        assert!(warning(&unknown).contains("the other site does not serve"));
    }

    #[rstest]
    #[case::a_guard_that_is_silent_may_come_back(|s: &mut Value| s["sites"][0]["state"] = json!("Unknown"))]
    #[case::the_last_one_was_refused(
        |s: &mut Value| s["hold"] = json!({"id": "ho-0", "state": "Refused", "to": "pdsa1"}))]
    #[case::it_was_held_and_the_gate_is_shut(
        |s: &mut Value| s["hold"] = json!({"id": "ho-0", "state": "Held", "to": "pdsa1"}))]
    #[case::a_failover_can_not_end_without_etcd(
        |s: &mut Value| s["failover"] = json!({"id": "fo-0", "state": "Pending", "to": "pdsa1"}))]
    fn what_the_operator_may_still_do_is_asked_of_it(#[case] change: fn(&mut Value)) {
        assert_eq!(prospect(change).refusal, None);
    }

    #[rstest]
    #[case::the_other_site_serves(|s: &mut Value| s["sites"][1]["state"] = json!("Alone"), "both sites would")]
    #[case::the_other_site_is_held(|s: &mut Value| s["sites"][1]["state"] = json!("Held"), "both sites would")]
    #[case::it_serves(|s: &mut Value| s["sites"][0]["state"] = json!("Paired"), "serves already")]
    #[case::it_is_held(|s: &mut Value| s["sites"][0]["state"] = json!("Held"), "serves already")]
    #[case::passed_over(|s: &mut Value| s["sites"][0]["state"] = json!("Quarantine"), "bring pdsa2 back")]
    #[case::one_is_under_way(
        |s: &mut Value| s["hold"] = json!({"id": "ho-0", "state": "Pending", "to": "pdsa1"}), "ho-0")]
    fn what_can_be_refused_beforehand_is(#[case] change: fn(&mut Value), #[case] because: &str) {
        let refusal = prospect(change).refusal.unwrap();
        assert!(
            refusal.contains(because) && refusal.contains("Remedy: "),
            "{refusal}"
        );
    }
}
