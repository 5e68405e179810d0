//! How a hold goes on, from what is known: pure.

use govuc_api::{Hold, HoldState, HoldStatus};
use govuc_roles::State;
use govuc_wire::{preamble::HoldOrder, status::Status};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};

use crate::mail_store::status::Copy;

/// What is known when it is decided how to go on.
pub struct Known<'a> {
    pub store: &'a str,
    pub own: &'a Copy,
    pub peer: &'a Copy,
    pub leases: bool,
    pub etcd_answers: bool,
}

/// How it goes on.
#[derive(Debug, PartialEq)]
pub struct Next {
    /// What the guard is told.
    pub order: Option<HoldOrder>,
    pub status: HoldStatus,
}

/// `previous` is what the object's status says of the hold that was asked for last.
pub fn next(asked: &Hold, previous: Option<&HoldStatus>, known: &Known<'_>, now: Timestamp) -> Next {
    let status = previous
        .filter(|previous| previous.id == asked.id)
        .cloned()
        .unwrap_or_else(|| HoldStatus {
            id: asked.id.clone(),
            state: HoldState::Pending,
            message: String::new(),
            to: asked.to.clone(),
            asked_at: None,
            held_at: None,
            finished_at: None,
        });
    if status.state.is_final() {
        return Next { order: None, status };
    }
    let own = &known.own.site;
    if asked.to != *own {
        let message = format!(
            "spec.hold.to is {}, and this is the cluster of {own}: a hold is a site's own, since nobody else is reached. \
             Remedy: ask for it in the cluster of {}",
            asked.to, asked.to
        );
        return refused(status, message, now);
    }
    if !known.leases {
        let message = "spec.roles.mode of Platform is TwoSite: the site that is assigned a store serves without any etcd";
        return refused(status, message, now);
    }
    match &known.own.said {
        Ok(said) => {
            begun(&asked.id, said, &status, now).unwrap_or_else(|| begins(asked, said, status, known, now))
        }
        Err(error) => waits(
            asked,
            status,
            format!("the guard at {own} does not answer: {error}"),
            now,
        ),
    }
}

/// What the guard says of it once it was begun.
fn begun(operation: &str, said: &Status, status: &HoldStatus, now: Timestamp) -> Option<Next> {
    let hold = said.hold.as_ref().filter(|hold| hold.operation == operation)?;
    let mut status = status.clone();
    status.held_at.get_or_insert(Time(now));
    if !hold.open {
        let message = "the roles' etcd answers again and has this site as the primary";
        return Some(Next {
            order: None,
            status: ended(status, HoldState::Settled, message, now),
        });
    }
    status.state = HoldState::Held;
    status.message = if said.state == State::Quarantine.name() {
        "the roles' etcd answers again and has the other site as the primary: what was stored here is merged there".to_owned()
    } else if said.gate_open {
        format!(
            "{} serves without the roles' etcd: what it stores is nowhere else",
            said.site
        )
    } else {
        format!("{} is {}: it does not serve just now", said.site, said.state)
    };
    Some(Next { order: None, status })
}

/// Why nobody has to be held, or may be.
fn in_the_way(known: &Known<'_>) -> Option<String> {
    let (store, own, peer) = (known.store, &known.own.site, &known.peer.site);
    if known.peer.said.as_ref().is_ok_and(|said| said.gate_open) {
        return Some(format!(
            "{peer} answers, and serves store {store}: with a hold both sites would. Remedy: see why {own} does not reach the \
             roles' etcd"
        ));
    }
    known.etcd_answers.then(|| {
        format!(
            "the roles' etcd answers, so that it decides who serves. Remedy: wait a minute; if nobody serves then, kubectl govuc \
             failover {store} --force --to {own}"
        )
    })
}

fn begins(asked: &Hold, said: &Status, status: HoldStatus, known: &Known<'_>, now: Timestamp) -> Next {
    let (store, own, peer) = (known.store, &known.own.site, &known.peer.site);
    if status.state == HoldState::Held {
        return forgotten(asked, status, known, now);
    }
    // Once the guard was told it may have begun, and says so next.
    if let Some(message) = in_the_way(known) {
        return match status.asked_at {
            None => refused(status, message, now),
            Some(_) => waits(asked, status, message, now),
        };
    }
    if said.state == State::Quarantine.name() {
        let message = format!(
            "the copy at {own} was passed over by a failover, and lacks what {peer} has stored since. Remedy: bring {peer} back"
        );
        return refused(status, message, now);
    }
    let Time(not_after) = asked.not_after;
    if now > not_after {
        return expired(status, now);
    }
    let order = HoldOrder {
        store: store.to_owned(),
        operation: asked.id.clone(),
        not_after: u64::try_from(not_after.as_second()).unwrap_or_default(),
    };
    let mut status = status;
    status.asked_at.get_or_insert(Time(now));
    status.message =
        format!("{own} is told to serve; it begins once the roles' etcd has not answered it for 15 s");
    Next {
        order: Some(order),
        status,
    }
}

/// It was begun, and the volume that is there now knows nothing of it.
fn forgotten(asked: &Hold, status: HoldStatus, known: &Known<'_>, now: Timestamp) -> Next {
    let message = format!(
        "the guard at {} knows of it no more: its copy was merged and made anew, or was lost",
        known.own.site
    );
    if !known.etcd_answers {
        return waits(asked, status, message, now);
    }
    Next {
        order: None,
        status: ended(status, HoldState::Settled, message, now),
    }
}

fn waits(asked: &Hold, mut status: HoldStatus, message: String, now: Timestamp) -> Next {
    let Time(not_after) = asked.not_after;
    if now > not_after && status.state == HoldState::Pending {
        return expired(status, now);
    }
    status.message = message;
    Next { order: None, status }
}

fn expired(status: HoldStatus, now: Timestamp) -> Next {
    let why = match status.message.as_str() {
        "" => "the time until which it might begin had passed before the guard could be told".to_owned(),
        last => format!("it was not begun in time; the last that was known: {last}"),
    };
    Next {
        order: None,
        status: ended(status, HoldState::Expired, why, now),
    }
}

fn refused(status: HoldStatus, message: impl Into<String>, now: Timestamp) -> Next {
    Next {
        order: None,
        status: ended(status, HoldState::Refused, message, now),
    }
}

pub fn ended(status: HoldStatus, state: HoldState, message: impl Into<String>, now: Timestamp) -> HoldStatus {
    HoldStatus {
        state,
        message: message.into(),
        finished_at: Some(Time(now)),
        ..status
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail_store::status::tests::guard;
    use govuc_wire::status::{self as wire, Role};
    use rstest::rstest;

    const NOW: &str = "2026-11-24T00:00:00Z";

    fn now() -> Timestamp {
        NOW.parse().unwrap()
    }

    /// What a case changes. To begin with pdsa1 is cut off from everything.
    struct World {
        asked: Hold,
        own: Copy,
        peer: Copy,
        leases: bool,
        etcd_answers: bool,
        previous: Option<HoldStatus>,
        now: Timestamp,
    }

    fn world() -> World {
        World {
            asked: Hold {
                id: "ho-1".into(),
                to: "pdsa1".into(),
                not_after: Time("2026-11-24T00:02:00Z".parse().unwrap()),
            },
            own: Copy {
                site: "pdsa1".into(),
                said: Ok(guard("pdsa1", Role::Follower, false)),
            },
            peer: Copy {
                site: "pdsa2".into(),
                said: Err("cut".into()),
            },
            leases: true,
            etcd_answers: false,
            previous: None,
            now: now(),
        }
    }

    impl World {
        fn next(&self) -> Next {
            let known = Known {
                store: "mail-1",
                own: &self.own,
                peer: &self.peer,
                leases: self.leases,
                etcd_answers: self.etcd_answers,
            };
            next(&self.asked, self.previous.as_ref(), &known, self.now)
        }

        /// The guard was told.
        fn told(mut self) -> Self {
            self.previous = Some(self.next().status);
            self
        }

        fn says(&mut self, state: &str, open: bool) {
            let said = self.own.said.as_mut().unwrap();
            said.state = state.into();
            said.gate_open = state == "Held";
            said.hold = Some(wire::Hold {
                operation: "ho-1".into(),
                open,
            });
        }
    }

    #[test]
    fn the_guard_of_a_site_that_is_cut_off_is_told_again_and_again() {
        let world = world().told();
        let Next { order, status } = world.next();
        let order = order.unwrap();
        assert_eq!(
            (order.store.as_str(), order.operation.as_str()),
            ("mail-1", "ho-1")
        );
        assert_eq!(order.not_after, 1_795_478_520);
        assert_eq!(
            (status.state, status.asked_at),
            (HoldState::Pending, Some(Time(now())))
        );
    }

    #[rstest]
    #[case::the_other_cluster(|w: &mut World| w.asked.to = "pdsa2".into(), "cluster of pdsa2")]
    #[case::no_leases(|w: &mut World| w.leases = false, "TwoSite")]
    #[case::the_other_site_serves(
        |w: &mut World| w.peer.said = Ok(guard("pdsa2", Role::Primary, false)), "both sites would")]
    #[case::etcd_answers(|w: &mut World| w.etcd_answers = true, "failover mail-1 --force --to pdsa1")]
    #[case::passed_over(|w: &mut World| w.own.said.as_mut().unwrap().state = State::Quarantine.name().into(), "passed over")]
    fn what_can_not_be_held_is_refused_with_the_remedy(
        #[case] change: fn(&mut World),
        #[case] because: &str,
    ) {
        let mut world = world();
        change(&mut world);
        let Next { order, status } = world.next();
        assert_eq!((order, status.state), (None, HoldState::Refused));
        assert!(status.message.contains(because), "{}", status.message);
        assert_eq!(status.finished_at, Some(Time(now())));
    }

    #[rstest]
    #[case::etcd_answers(|w: &mut World| w.etcd_answers = true, "etcd answers")]
    #[case::the_other_site_serves(
        |w: &mut World| w.peer.said = Ok(guard("pdsa2", Role::Primary, false)), "both sites would")]
    #[case::the_guard_is_silent(|w: &mut World| w.own.said = Err("gone".into()), "does not answer")]
    fn what_changes_once_the_guard_was_told_is_waited_for(
        #[case] change: fn(&mut World),
        #[case] says: &str,
    ) {
        let mut world = world().told();
        change(&mut world);
        let Next { order, status } = world.next();
        assert_eq!((order, status.state), (None, HoldState::Pending));
        assert!(status.message.contains(says), "{}", status.message);
        world.now = "2026-11-24T00:02:01Z".parse().unwrap();
        let status = world.next().status;
        assert_eq!(status.state, HoldState::Expired);
        assert!(status.message.contains("not begun in time"), "{}", status.message);
    }

    #[test]
    fn it_is_held_until_etcd_knows_however_long_that_takes() {
        let mut world = world().told();
        world.says("Held", true);
        world.now = "2026-11-25T00:00:00Z".parse().unwrap();
        let Next { order, status } = world.next();
        assert_eq!((order, status.state), (None, HoldState::Held));
        assert_eq!(status.held_at, Some(Time(world.now)));
        world.previous = Some(status);
        world.etcd_answers = true;
        world.says("Follower", true);
        assert_eq!(world.next().status.state, HoldState::Held);
        world.own.said = Err("restarts".into());
        assert_eq!(world.next().status.state, HoldState::Held);
        world.own.said = Ok(guard("pdsa1", Role::Primary, false));
        world.says("Alone", false);
        let status = world.next().status;
        assert_eq!(status.state, HoldState::Settled);
        assert_eq!(status.finished_at, Some(Time(world.now)));
    }

    #[test]
    fn it_ends_when_the_copy_was_merged_and_made_anew() {
        let mut world = world().told();
        world.says("Held", true);
        world.now = "2026-11-25T00:00:00Z".parse().unwrap();
        world = world.told();
        world.own.said = Ok(guard("pdsa1", Role::Follower, false));
        let Next { order, status } = world.next();
        assert_eq!((order, status.state), (None, HoldState::Held));
        world.etcd_answers = true;
        world.peer.said = Ok(guard("pdsa2", Role::Primary, false));
        let status = world.next().status;
        assert_eq!(status.state, HoldState::Settled);
        assert!(status.message.contains("made anew"), "{}", status.message);
    }

    #[test]
    fn what_has_ended_stays_as_it_was() {
        let mut world = world();
        world.etcd_answers = true;
        let world = world.told();
        let before = world.previous.clone().unwrap();
        assert_eq!(
            world.next(),
            Next {
                order: None,
                status: before
            }
        );
    }
}
