//! Maintenance windows: when they are, and what waits for them.
//!
//! A plan is applied as it is, but for the pods of a part that serves: these are replaced only in this site's turn of a window,
//! and only while the other site is seen well. Everything here is pure; who reconciles looks at the other site.

pub mod announced;
mod recurrence;
pub mod rollout;
pub mod schedule;
mod window;

use std::{future::Future, time::Duration};

use govuc_api::{PendingRestart, Platform, conditions::reasons};
use k8s_openapi::jiff::{SignedDuration, Timestamp};

pub use schedule::{Place, Schedule, Turn};
pub use window::{Opening, told};

use crate::{
    conditions::Word,
    part::objects::{Applied, Objects},
};

/// When this site may restart what runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows {
    place: Place,
    when: When,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum When {
    /// Platform has no `maintenance`.
    Always,
    Scheduled(Schedule),
    /// Nobody knows when: so not at all.
    Unknown(schedule::Error),
    /// The sites would not take turns; why, for people.
    Barred(String),
}

/// Whether restarts may begin now.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Gate {
    Open,
    /// It is this site's turn: they may if the other site is well.
    OurTurn(Opening),
    Shut(Wait),
}

/// Why restarts wait, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// One of the reasons of the condition `UpgradePending`.
    pub reason: &'static str,
    /// For people.
    pub why: String,
    /// This site's turn, the present or the next one.
    pub turn: Option<Opening>,
}

/// What of a plan is applied now, and what waits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rollout {
    pub objects: Objects,
    /// Empty when nothing waits.
    pub held: Held,
}

/// Restarts that wait.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Held {
    pub pending: Vec<PendingRestart>,
    wait: Option<Wait>,
}

/// How soon is looked again whether the other site is well.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

impl Windows {
    pub fn of(platform: &Platform, place: Place, now: Timestamp) -> Self {
        let when = match &platform.spec.maintenance {
            None => When::Always,
            Some(spec) => Schedule::of(spec, now).map_or_else(When::Unknown, When::Scheduled),
        };
        Self { place, when }
    }

    /// What is wrong with them.
    pub fn fault(&self) -> Option<String> {
        match &self.when {
            When::Unknown(error) => Some(error.to_string()),
            When::Always | When::Scheduled(_) | When::Barred(_) => None,
        }
    }

    /// The same, but never as long as the sites differ in something with which turns go. Without windows there are no turns.
    pub fn barred_by(self, difference: Option<&str>) -> Self {
        match (self.when, difference) {
            (When::Scheduled(_), Some(difference)) => Self {
                when: When::Barred(difference.to_owned()),
                ..self
            },
            (when, _) => Self { when, ..self },
        }
    }

    /// Of every window the present or next time.
    pub fn next(&self, now: Timestamp) -> Vec<Opening> {
        match &self.when {
            When::Scheduled(schedule) => schedule.openings(now, 1),
            When::Always | When::Unknown(_) | When::Barred(_) => Vec::new(),
        }
    }

    /// A part whose certificate ends before that is restarted with its new one at any time: an expired one stops it for all.
    /// The sites were made on one day, so their days differ.
    fn certificates_due(&self, now: Timestamp) -> Timestamp {
        let days = match self.place {
            Place::First => 30,
            Place::Second => 25,
        };
        now + SignedDuration::from_hours(24 * days)
    }

    /// Whether what concerns both sites, such as moving a store, may begin now.
    pub fn may_begin(&self, now: Timestamp) -> Result<(), Wait> {
        match self.gate(now) {
            Gate::Open | Gate::OurTurn(_) => Ok(()),
            Gate::Shut(wait) => Err(wait),
        }
    }

    fn gate(&self, now: Timestamp) -> Gate {
        let schedule = match &self.when {
            When::Always => return Gate::Open,
            When::Scheduled(schedule) => schedule,
            When::Unknown(error) => return Gate::Shut(Wait::without_turn(reasons::WINDOWS_INVALID, error)),
            When::Barred(why) => return Gate::Shut(Wait::without_turn(reasons::SITES_DIFFER, why)),
        };
        match schedule.turn(self.place, now) {
            Turn::Now(turn) => Gate::OurTurn(turn),
            Turn::Next(turn) => Gate::Shut(Wait {
                reason: reasons::AWAITING_WINDOW,
                why: format!(
                    "this site's turn in window {} begins {}",
                    turn.window,
                    told(turn.from)
                ),
                turn: Some(turn),
            }),
            Turn::Never => Gate::Shut(Wait::without_turn(
                reasons::NO_WINDOW,
                "no maintenance window comes any more: add one to spec.maintenance.windows of Platform",
            )),
        }
    }
}

impl Wait {
    fn without_turn(reason: &'static str, why: impl ToString) -> Self {
        Self {
            reason,
            why: why.to_string(),
            turn: None,
        }
    }

    fn for_peer(turn: Opening, why: &str) -> Self {
        Self {
            reason: reasons::PEER_NOT_READY,
            why: format!(
                "it is this site's turn in window {} until {}, and the other site is not seen well: {why}",
                turn.window,
                told(turn.until)
            ),
            turn: Some(turn),
        }
    }
}

impl Rollout {
    /// `peer` is asked only when it is this site's turn and something is to be restarted; its error is for people.
    pub async fn of(
        planned: Objects,
        running: &Applied,
        windows: &Windows,
        now: Timestamp,
        peer: impl Future<Output = Result<(), String>>,
    ) -> Self {
        let due = windows.certificates_due(now);
        let restarts = rollout::restarts(&planned, running, due);
        if restarts.is_empty() {
            return Self::at_once(planned);
        }
        let wait = match windows.gate(now) {
            Gate::Open => return Self::at_once(planned),
            Gate::Shut(wait) => wait,
            Gate::OurTurn(turn) => match peer.await {
                Ok(()) => return Self::at_once(planned),
                Err(why) => Wait::for_peer(turn, &why),
            },
        };
        Self {
            objects: rollout::held(planned, running, due),
            held: Held {
                pending: rollout::pending(restarts, &wait),
                wait: Some(wait),
            },
        }
    }

    fn at_once(objects: Objects) -> Self {
        Self {
            objects,
            held: Held::default(),
        }
    }
}

impl Held {
    /// What the condition `UpgradePending` says; it is absent when nothing waits.
    pub fn word(&self) -> Option<Word> {
        let wait = self.wait.as_ref()?;
        let what: Vec<String> = self
            .pending
            .iter()
            .map(|restart| format!("{} ({})", restart.part, restart.change))
            .collect();
        // First what is the same for all: a long list is cut.
        Some(Word::yes(
            wait.reason,
            format!("{}. To be restarted: {}", wait.why, what.join("; ")),
        ))
    }

    /// How soon this is to be looked at again.
    pub fn again(&self, now: Timestamp) -> Option<Duration> {
        let turn = self.wait.as_ref()?.turn.as_ref()?;
        let until = Duration::try_from(turn.from.duration_since(now)).unwrap_or_default();
        Some(until.max(if turn.from <= now {
            LOOK_AGAIN
        } else {
            Duration::ZERO
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::part::{Part, Role, pod, tests::owner, workload};
    use rstest::rstest;
    use serde_json::json;

    fn windows(place: Place, end: &str, now: &str) -> Windows {
        let platform = json!({
            "apiVersion": "1govuc.gov.my/v1alpha1", "kind": "Platform", "metadata": {"name": "platform"},
            "spec": {"domain": "1govuc.gov.my", "sites": [], "maintenance": {"windows": [
                {"name": "ahad-malam", "start": "2026-12-06T01:00:00+08:00", "end": end},
            ]}},
        });
        Windows::of(&serde_json::from_value(platform).unwrap(), place, at(now))
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn plan(image: &str) -> Objects {
        let part = Part::shared(Role::Mx);
        let container = pod::container("postfix", image, pod::Needs { cpu: 1, memory: 1 });
        let spec = pod::spec(&part, 1, vec![container], Vec::new());
        Objects {
            stateful_sets: vec![workload::stateful_set(&part, spec, "", &owner())],
            ..Default::default()
        }
    }

    fn running() -> Applied {
        let mut stateful_sets = plan("1").stateful_sets;
        stateful_sets[0].status.get_or_insert_default().ready_replicas = Some(1);
        Applied {
            stateful_sets,
            ..Default::default()
        }
    }

    const END: &str = "2026-12-06T04:00:00+08:00";

    async fn rollout(windows: &Windows, now: &str, peer: Result<(), &str>) -> Rollout {
        let peer = async { peer.map_err(str::to_owned) };
        Rollout::of(plan("2"), &running(), windows, at(now), peer).await
    }

    #[rstest]
    #[case::before(Place::First, END, "2026-12-05T16:00:00Z", Ok(()), Some(reasons::AWAITING_WINDOW), 3600)]
    #[case::the_firsts_turn(Place::First, END, "2026-12-05T17:00:00Z", Ok(()), None, 0)]
    #[case::not_the_others(Place::Second, END, "2026-12-05T17:00:00Z", Ok(()), Some(reasons::AWAITING_WINDOW), 5400)]
    #[case::the_others_turn(Place::Second, END, "2026-12-05T18:30:00Z", Ok(()), None, 0)]
    #[case::the_peer_is_ill(
        Place::First,
        END,
        "2026-12-05T17:00:00Z",
        Err("cut"),
        Some(reasons::PEER_NOT_READY),
        30
    )]
    #[case::over(Place::First, END, "2026-12-06T00:00:00Z", Ok(()), Some(reasons::NO_WINDOW), 0)]
    #[case::of_nought(Place::First, "2026-12-06T01:00:00+08:00", "2026-12-05T17:00:00Z", Ok(()), Some(reasons::WINDOWS_INVALID), 0)]
    #[tokio::test]
    async fn a_restart_waits_for_this_sites_turn_and_for_a_peer_that_is_well(
        #[case] place: Place,
        #[case] end: &str,
        #[case] now: &str,
        #[case] peer: Result<(), &str>,
        #[case] waits: Option<&str>,
        #[case] again: u64,
    ) {
        let rollout = rollout(&windows(place, end, now), now, peer).await;
        let expected = if waits.is_some() { "1" } else { "2" };
        assert_eq!(rollout.objects, plan(expected));
        let word = rollout.held.word();
        assert_eq!(word.as_ref().map(|word| word.reason), waits);
        let pending: Vec<_> = rollout
            .held
            .pending
            .iter()
            .map(|restart| restart.reason.as_str())
            .collect();
        assert_eq!(pending, Vec::from_iter(waits));
        let looked_at = rollout.held.again(at(now)).unwrap_or_default();
        assert_eq!(looked_at, Duration::from_secs(again));
        if let Some(word) = word {
            assert!(
                word.message.contains("mx (image of postfix: 2 for 1)"),
                "{}",
                word.message
            );
        }
    }

    #[tokio::test]
    async fn where_the_sites_differ_nothing_is_restarted_in_a_turn() {
        let now = "2026-12-05T17:00:00Z";
        let difference = "spec.sites is another at pdsa2";
        let windows = |difference| windows(Place::First, END, now).barred_by(difference);
        let barred = rollout(&windows(Some(difference)), now, Ok(())).await;
        assert_eq!(barred.objects, plan("1"));
        let word = barred.held.word().unwrap();
        assert_eq!(word.reason, reasons::SITES_DIFFER);
        assert!(word.message.starts_with(difference), "{}", word.message);
        assert_eq!(rollout(&windows(None), now, Ok(())).await.objects, plan("2"));
        assert_eq!(
            windows(Some(difference)).may_begin(at(now)).unwrap_err().reason,
            reasons::SITES_DIFFER
        );
    }

    #[tokio::test]
    async fn without_windows_nothing_waits_and_nobody_is_asked() {
        let platform: Platform = serde_json::from_value(json!({
            "apiVersion": "1govuc.gov.my/v1alpha1", "kind": "Platform", "metadata": {"name": "platform"},
            "spec": {"domain": "1govuc.gov.my", "sites": []},
        }))
        .unwrap();
        let now = at("2026-12-05T16:00:00Z");
        // There are no turns that sites could take wrong.
        let windows = Windows::of(&platform, Place::First, now).barred_by(Some("the order"));
        let nobody = async { panic!("the peer was asked") };
        let rollout = Rollout::of(plan("2"), &running(), &windows, now, nobody).await;
        assert_eq!((rollout.objects, rollout.held), (plan("2"), Held::default()));
    }

    #[tokio::test]
    async fn a_plan_that_restarts_nothing_goes_out_at_any_time_and_nobody_is_asked() {
        let now = "2026-12-05T17:00:00Z";
        let nobody = async { panic!("the peer was asked") };
        let rollout = Rollout::of(
            plan("1"),
            &running(),
            &windows(Place::First, END, now),
            at(now),
            nobody,
        )
        .await;
        assert_eq!((rollout.objects, rollout.held), (plan("1"), Held::default()));
    }
}
