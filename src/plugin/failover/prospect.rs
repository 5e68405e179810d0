//! What a failover would mean for a store, as far as its object shows: pure.

use std::fmt;

use govuc_api::{CopyState, Lack, MailStore};
use kube::ResourceExt;
use serde::Serialize;

use crate::{
    mail_store::recorded::lack,
    plugin::stores::{copy, served_last, serves, unreachable},
};

/// What a failover would mean for one store, as far as its object shows.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Prospect {
    pub store: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    pub to: String,
    pub lacks: Lack,
    /// Whether `from` keeps its lease: it serves somewhere.
    pub leased: bool,
    /// The sites whose copy does not answer, or does not serve.
    pub unreachable: Vec<String>,
    /// Why it would not be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
}

/// Why it would not be done, as far as the object shows: in the words of field, value, rule and remedy.
fn refusal(store: &MailStore, to: &str) -> Option<String> {
    let name = store.name_any();
    let status = store.status.clone().unwrap_or_default();
    let failover = status.failover.filter(|failover| !failover.state.is_final());
    let switchover = status
        .switchover
        .filter(|switchover| !switchover.state.is_final());
    let under_way = failover
        .map(|failover| failover.id)
        .or(switchover.map(|switchover| switchover.id));
    let target = copy(store, to);
    let other = status.sites.iter().find(|copy| copy.name != to);
    if let Some(operation) = under_way {
        return Some(format!(
            "operation {operation} is under way. Remedy: wait for its end: kubectl get mailstore {name} -o wide"
        ));
    }
    if serves(target) {
        return Some(format!(
            "--to is {to}, which is the primary already, and serves. Remedy: nothing is to be done"
        ));
    }
    if let Some(other) = other.filter(|other| serves(Some(other))) {
        return Some(format!(
            "--to is {to}, while {} serves and can be reached: nothing has to be given up. Remedy: kubectl govuc switchover \
             {name} --to {to}, which loses nothing, once the copies are in step",
            other.name
        ));
    }
    match target {
        Some(copy) if copy.state == CopyState::Unknown => Some(format!(
            "--to is {to}, whose guard does not answer, or does not know its role: only a copy that is up can be primary. \
             Remedy: kubectl -n govuc-mail get pod {name}-0 in the cluster of {to}"
        )),
        Some(copy) if copy.volume.is_some() => None,
        _ => Some(format!(
            "--to is {to}, where store {name} has no volume as far as is known. Remedy: see kubectl get mailstore {name} \
             -o yaml in the cluster of {to}"
        )),
    }
}

impl Prospect {
    pub fn of(store: &MailStore, to: &str) -> Self {
        let status = store.status.clone().unwrap_or_default();
        let volume = copy(store, to).and_then(|copy| copy.volume.as_deref());
        let recorded = status.recorded.as_ref();
        Self {
            store: store.name_any(),
            from: served_last(&status),
            to: to.to_owned(),
            leased: recorded.is_some_and(|recorded| recorded.leased),
            lacks: lack(recorded, volume),
            unreachable: unreachable(&status),
            refusal: refusal(store, to),
        }
    }
}

impl fmt::Display for Prospect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Prospect { store, to, lacks, .. } = self;
        write!(f, "mailstore.1govuc.gov.my/{store} to {to}")?;
        if let Some(from) = self.from.as_ref().filter(|from| *from != to) {
            write!(f, " from {from}")?;
        }
        if let Some(refusal) = &self.refusal {
            return write!(f, ": can't be. {refusal}");
        }
        for site in &self.unreachable {
            if self.leased && self.from.as_ref() == Some(site) {
                let warning = "can't be reached from here and keeps its lease: it serves, and what it stores until it is told to leave \
                               is missing too";
                write!(f, "\n  {site} {warning}")?;
            } else {
                write!(f, "\n  {site} does not answer, or does not serve")?;
            }
        }
        write!(f, "\n  what would be missing at {to}: {}", lacks.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use govuc_api::Extent;
    use rstest::rstest;
    use serde_json::{Value, json};

    /// As the operator of pdsa2 says it when pdsa1 was lost while alone.
    fn lost() -> Value {
        json!({
            "primary": "pdsa1",
            "sites": [
                {"name": "pdsa2", "volume": "b", "state": "Follower"},
                {"name": "pdsa1", "volume": "a", "state": "Unknown"},
            ],
            "recorded": {
                "era": 1, "term": 4, "primary": "pdsa1", "leased": false, "volume": "a", "paired": false, "peerVolume": "b",
                "behindSince": "2026-11-24T00:09:00Z",
            },
        })
    }

    fn prospect(changes: impl FnOnce(&mut Value)) -> Prospect {
        let mut status = lost();
        changes(&mut status);
        let store: MailStore = serde_json::from_value(json!({
            "apiVersion": "1govuc.gov.my/v1alpha1", "kind": "MailStore", "metadata": {"name": "mail-1"},
            "spec": {"preferredSite": "pdsa1"}, "status": status,
        }))
        .unwrap();
        Prospect::of(&store, "pdsa2")
    }

    #[test]
    fn what_would_be_missing_is_said_beforehand() {
        let text = prospect(|_| {}).to_string();
        assert_eq!(
            text,
            "mailstore.1govuc.gov.my/mail-1 to pdsa2 from pdsa1\n  \
             pdsa1 does not answer, or does not serve\n  \
             what would be missing at pdsa2: what pdsa1 has stored since 2026-11-24T00:09:00Z; how many changes is not known"
        );
        let in_step = prospect(|status| status["recorded"]["paired"] = json!(true));
        assert_eq!(in_step.lacks.extent, Extent::Nothing);
        assert!(in_step.refusal.is_none());
        let cut_off = prospect(|status| status["recorded"]["leased"] = json!(true)).to_string();
        assert!(
            cut_off.contains("pdsa1 can't be reached from here and keeps its lease"),
            "{cut_off}"
        );
        let silent = prospect(|status| status["recorded"] = Value::Null);
        assert_eq!(silent.lacks.extent, Extent::Unknown);
    }

    #[rstest]
    #[case::the_primary_serves(
        |s: &mut Value| s["sites"][1]["state"] = json!("Alone"), "kubectl govuc switchover mail-1 --to pdsa2")]
    #[case::it_is_there_already(|s: &mut Value| s["sites"][0]["state"] = json!("Alone"), "primary already")]
    #[case::its_guard_is_silent(
        |s: &mut Value| s["sites"][0]["state"] = json!("Unknown"), "guard does not answer")]
    #[case::it_has_no_volume(
        |s: &mut Value| s["sites"][0]["volume"] = Value::Null, "no volume")]
    #[case::nothing_is_known(|s: &mut Value| *s = json!({}), "no volume")]
    #[case::a_switchover_is_under_way(
        |s: &mut Value| s["switchover"] = json!({"id": "sw-0", "state": "Draining", "to": "pdsa2"}), "sw-0")]
    #[case::a_failover_is_under_way(
        |s: &mut Value| s["failover"] = json!({"id": "fo-0", "state": "Pending", "to": "pdsa2"}), "fo-0")]
    fn what_can_be_refused_beforehand_is(#[case] change: fn(&mut Value), #[case] because: &str) {
        let refusal = prospect(change).refusal.unwrap();
        assert!(
            refusal.contains(because) && refusal.contains("Remedy: "),
            "{refusal}"
        );
    }
}
