//! Why a failover is not passed on to the guards: in the words of field, value, rule and remedy.

use govuc_etcd::roles::Reading;
use govuc_wire::status::{Role, Status};

use super::Known;

/// What the guard at `to` says, if its copy may be asked to take the store.
pub fn of<'a>(to: &str, known: &Known<'a>, reading: &Reading) -> Result<&'a Status, String> {
    let store = known.store;
    let (copy, other) = if known.own.site == to {
        (known.own, known.peer)
    } else {
        (known.peer, known.own)
    };
    let target = copy.said.as_ref().map_err(|error| {
        format!(
            "spec.failover.to is {to}, whose guard does not answer ({error}): only a copy that is up can be primary. Remedy: \
             kubectl -n govuc-mail get pod {store}-0 in the cluster of {to}"
        )
    })?;
    if let Some(error) = &target.assignment_error {
        return Err(format!(
            "spec.failover.to is {to}, which does not trust the roles' etcd ({error}). Remedy: keep both volumes, and bring \
             the newer etcd back; see runbook StoreWithoutPrimary"
        ));
    }
    if serves(target) {
        return Err(format!(
            "spec.failover.to is {to}, which is the primary already, and serves. Remedy: nothing is to be done"
        ));
    }
    if other.said.as_ref().is_ok_and(serves) {
        return Err(format!(
            "spec.failover.to is {to}, while {} serves and can be reached: nothing has to be given up. Remedy: kubectl govuc \
             switchover {store} --to {to}, which loses nothing, once the copies are in step",
            other.site
        ));
    }
    if reading.era.is_some() && reading.store.state.is_none() {
        return Err(format!(
            "spec.failover.to is {to}, and nobody has ever held store {store}: the preferred site takes it by itself. \
             Remedy: bring that site up"
        ));
    }
    let slots = &reading.store.slots;
    match slots.iter().find(|(site, _)| site.as_str() == to) {
        Some((_, slot)) if slot.record.0.volume.0 == target.volume => Ok(target),
        _ => Err(format!(
            "spec.failover.to is {to}, whose volume the roles' etcd does not know: a copy takes a store only once it is \
             registered there. Remedy: wait until the guard there reaches etcd: kubectl -n govuc-mail logs {store}-0"
        )),
    }
}

fn serves(status: &Status) -> bool {
    status.role == Role::Primary && status.gate_open
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use govuc_api::RecordedCopies;
    use govuc_etcd::{
        Revision,
        roles::{StoreRecords, Versioned},
    };
    use rstest::rstest;
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use crate::mail_store::{asked::Heard, status::Copy};

    /// What the operator of pdsa2 knows.
    #[derive(Clone)]
    pub struct World {
        pub own: Copy,
        pub peer: Copy,
        pub reading: Reading,
    }

    pub fn record<T: DeserializeOwned>(value: Value, revision: i64) -> Option<Versioned<T>> {
        Some(Versioned {
            record: serde_json::from_value(value).unwrap(),
            revision: Revision(revision),
        })
    }

    /// A follower at the site, on volume `b`.
    pub fn copy(site: &str) -> Copy {
        let status = json!({
            "store": "mail-1", "site": site, "role": "Follower", "state": "Follower", "era": 1, "term": 4,
            "volume": "b", "incarnation": 1, "gateOpen": false,
        });
        Copy {
            site: site.to_owned(),
            said: Ok(serde_json::from_value(status).unwrap()),
        }
    }

    fn primary(copy: &mut Copy) {
        let status = copy.said.as_mut().unwrap();
        (status.role, status.gate_open) = (Role::Primary, true);
    }

    impl World {
        /// The primary at pdsa1, on volume `a`, is gone; the copy at pdsa2 was behind.
        pub fn lost() -> Self {
            let mut slots = std::collections::BTreeMap::new();
            let site = "pdsa2".to_owned().try_into().unwrap();
            slots.insert(site, record(json!({"volume": "b", "incarnation": 1}), 3).unwrap());
            Self {
                own: copy("pdsa2"),
                peer: Copy {
                    site: "pdsa1".into(),
                    said: Err("it can't be reached".into()),
                },
                reading: Reading {
                    revision: Revision(9),
                    era: record(json!({"era": 1, "cluster": "c"}), 1),
                    lead_term: None,
                    store: StoreRecords {
                        state: record(
                            json!({
                                "era": 1, "term": 4, "holder": {"site": "pdsa1", "volume": "a", "session": "s"},
                                "paired": false, "peer": {"volume": "b", "incarnation": 1}, "behind": {"seconds": 60},
                            }),
                            5,
                        ),
                        slots,
                        ..Default::default()
                    },
                },
            }
        }

        pub fn is_taken_by(&mut self, site: &str, era: u64) {
            self.reading.store.state = record(
                json!({
                    "era": era, "term": 5, "holder": {"site": site, "volume": "b", "session": "t"}, "paired": false,
                    "peer": null, "unmerged": {"site": "pdsa1", "volume": "a", "term": 4},
                }),
                6,
            );
        }

        pub fn with<T>(&self, recorded: Option<&RecordedCopies>, look: impl FnOnce(&Known<'_>) -> T) -> T {
            look(&Known {
                store: "mail-1",
                own: &self.own,
                peer: &self.peer,
                etcd: Heard::Reading(&self.reading),
                recorded,
            })
        }
    }

    #[rstest]
    #[case::it_was_lost_while_behind(|_: &mut World| {}, None)]
    #[case::the_copy_is_not_up(
        |w: &mut World| w.own.said = Err("gone".into()), Some("whose guard does not answer (gone)"))]
    #[case::etcd_was_set_back(
        |w: &mut World| w.own.said.as_mut().unwrap().assignment_error = Some("older".into()),
        Some("does not trust the roles' etcd (older)"))]
    #[case::it_serves_already(|w: &mut World| primary(&mut w.own), Some("primary already"))]
    #[case::the_primary_is_well(
        |w: &mut World| { w.peer = copy("pdsa1"); primary(&mut w.peer) },
        Some("kubectl govuc switchover mail-1 --to pdsa2"))]
    #[case::the_primary_answers_and_does_not_serve(|w: &mut World| w.peer = copy("pdsa1"), None)]
    #[case::nobody_ever_held_it(
        |w: &mut World| w.reading.store.state = None, Some("nobody has ever held"))]
    #[case::it_has_no_volume(
        |w: &mut World| w.reading.store.slots.clear(), Some("whose volume the roles' etcd does not know"))]
    #[case::it_has_another_volume(
        |w: &mut World| w.own.said.as_mut().unwrap().volume = "c".into(),
        Some("whose volume the roles' etcd does not know"))]
    fn a_copy_is_asked_only_when_nothing_better_can_be_done(
        #[case] change: fn(&mut World),
        #[case] because: Option<&str>,
    ) {
        let mut world = World::lost();
        change(&mut world);
        let refusal = world.with(None, |known| of("pdsa2", known, &world.reading).map(drop));
        match (&refusal, because) {
            (Ok(()), None) => {}
            (Err(message), Some(because)) => {
                assert!(message.starts_with("spec.failover.to is pdsa2"), "{message}");
                assert!(
                    message.contains(because) && message.contains("Remedy: "),
                    "{message}"
                );
            }
            _ => panic!("{refusal:?}"),
        }
    }
}
