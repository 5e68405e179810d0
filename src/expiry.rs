//! The metric of when certificates end: those that the operator keeps, and its own.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use k8s_openapi::jiff::Timestamp;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
};

use crate::part::Role;

/// Whose a certificate is. There are only so many: no name that people choose is among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    Authority,
    PeerAuthority,
    RolesAuthority,
    Operator,
    /// Those with which the roles' etcd is asked.
    RolesClient,
    /// Of stores there is one figure: of that one which ends first.
    Part(Role),
}

/// In Unix seconds. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Expiry {
    pub(crate) ends: Family<PartLabels, Gauge>,
    stores: Arc<Mutex<BTreeMap<String, Timestamp>>>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct PartLabels {
    part: &'static str,
}

impl Holder {
    fn label(self) -> &'static str {
        match self {
            Holder::Authority => "authority",
            Holder::PeerAuthority => "peer-authority",
            Holder::RolesAuthority => "roles-authority",
            Holder::Operator => "operator",
            Holder::RolesClient => "roles-client",
            Holder::Part(role) => role.label(),
        }
    }
}

impl Expiry {
    /// When it ends. `None`: there is none, so nothing is said of it any more.
    pub fn say(&self, holder: Holder, end: Option<Timestamp>) {
        let labels = PartLabels { part: holder.label() };
        match end {
            Some(end) => {
                self.ends.get_or_create(&labels).set(end.as_second());
            }
            None => {
                self.ends.remove(&labels);
            }
        }
    }

    /// The same of a store's, which is not named.
    pub fn say_of_store(&self, store: &str, end: Option<Timestamp>) {
        let Some(end) = end else { return };
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        stores.insert(store.to_owned(), end);
        self.say(Holder::Part(Role::Store), stores.values().min().copied());
    }

    /// Says nothing any more of stores that are gone.
    pub fn keep_stores(&self, is_there: impl Fn(&str) -> bool) {
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        stores.retain(|store, _| is_there(store));
        self.say(Holder::Part(Role::Store), stores.values().min().copied());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;

    fn at(second: i64) -> Option<Timestamp> {
        Timestamp::from_second(second).ok()
    }

    fn told(metrics: &Metrics) -> Vec<String> {
        let text = metrics.text().unwrap();
        let lines = text
            .lines()
            .filter_map(|line| line.strip_prefix("govuc_certificate_expiry_seconds"));
        let mut lines: Vec<String> = lines.map(str::to_owned).collect();
        lines.sort();
        lines
    }

    #[test]
    fn each_holder_has_its_end_until_there_is_none() {
        let metrics = Metrics::default();
        let expiry = metrics.expiry();
        expiry.say(Holder::Authority, at(7));
        expiry.say(Holder::Part(Role::FrontDoor), at(8));
        expiry.say(Holder::Part(Role::FrontDoor), at(9));
        assert_eq!(
            told(&metrics),
            [r#"{part="authority"} 7"#, r#"{part="front-door"} 9"#]
        );
        expiry.say(Holder::Authority, None);
        assert_eq!(told(&metrics), [r#"{part="front-door"} 9"#]);
    }

    #[test]
    fn of_stores_the_first_end_is_told_and_no_name() {
        let metrics = Metrics::default();
        let expiry = metrics.expiry();
        expiry.say_of_store("mail-1", at(20));
        expiry.say_of_store("mail-2", at(10));
        assert_eq!(told(&metrics), [r#"{part="store"} 10"#]);
        expiry.say_of_store("mail-2", at(30));
        assert_eq!(told(&metrics), [r#"{part="store"} 20"#], "it was renewed");
        expiry.keep_stores(|store| store == "mail-2");
        assert_eq!(told(&metrics), [r#"{part="store"} 30"#]);
        expiry.keep_stores(|_| false);
        assert_eq!(told(&metrics), Vec::<String>::new());
    }
}
