//! A person has this slot serve without etcd.

use govuc_roles::{
    Action::*,
    Ballot, Era, Event, Refusal, Role, State,
    record::{HoldRecord, OperationId, Want, WantedChange},
};
use rstest::rstest;

use crate::slot::*;

/// Etcd answered last at `LATER`, and no lease lives longer than this.
const CUT_OFF: u64 = LATER + 16;

fn operation() -> OperationId {
    OperationId("ho-1".to_owned())
}

fn record(open: bool) -> HoldRecord {
    HoldRecord {
        operation: operation(),
        open,
    }
}

fn asked() -> Event {
    Event::HoldAsked(operation())
}

/// The follower, cut off from etcd since `LATER`.
fn cut_off() -> Slot {
    let mut slot = follower();
    slot.read(&Etcd::of_the_peer());
    slot.now = CUT_OFF;
    slot
}

fn held() -> Slot {
    let mut slot = cut_off();
    slot.tell(asked());
    slot.tell(Event::EngineDown);
    slot.tell(Event::EngineUp(Role::Primary));
    assert_eq!(*slot.machine.state(), State::Held);
    slot
}

/// The guard of a slot that was held was started again.
fn restarted(record: HoldRecord) -> Slot {
    let mut slot = Slot::new(seen(4, peer()), 0);
    slot.machine = slot.machine.with_hold(Some(record));
    slot
}

/// Etcd is back for a slot that was held: its engine is on its way down, and then follows.
fn follows_again(etcd: &Etcd) -> Slot {
    let mut slot = held();
    slot.read(etcd);
    slot.tell(Event::EngineDown);
    slot.tell(Event::EngineUp(Role::Follower));
    slot
}

fn insists(era: u64) -> govuc_roles::Action {
    Insist {
        era: Era(era),
        operation: operation(),
    }
}

fn want(change: WantedChange, era: u64) -> Want {
    Want {
        operation: OperationId("fo-1".to_owned()),
        change,
        to: peer(),
        era: Era(era),
        by: String::new(),
        not_after: 0,
    }
}

#[test]
fn it_is_begun_durably_before_anything_is_served() {
    cut_off()
        .expect(
            asked(),
            &[RecordHold(record(true)), CloseIncoming, StopEngine],
            State::Promoting,
        )
        .expect(Event::EngineDown, &[StartEngine(Role::Primary)], State::Promoting)
        .expect(
            Event::EngineUp(Role::Primary),
            &[OpenGate { deadline: None }],
            State::Held,
        );
}

#[test]
fn it_waits_until_no_lease_is_left() {
    let mut slot = cut_off();
    slot.now = CUT_OFF - 1;
    slot.expect(asked(), &[], State::Follower).expect_at(
        CUT_OFF,
        &[RecordHold(record(true)), CloseIncoming, StopEngine],
        State::Promoting,
    );
}

#[rstest]
#[case::while_etcd_answers(|slot: &mut Slot| drop(slot.read(&Etcd::of_the_peer())))]
#[case::once_it_has_lapsed(|slot: &mut Slot| drop(slot.tell(Event::HoldLapsed(operation()))))]
#[case::while_a_promise_binds(
    |slot: &mut Slot| drop(slot.tell(Event::AskedInVain(Ballot::new(1, 4)))))]
fn it_is_not_begun(#[case] first: fn(&mut Slot)) {
    let mut slot = cut_off();
    slot.now = CUT_OFF - 1;
    slot.tell(asked());
    first(&mut slot);
    slot.expect_at(CUT_OFF, &[], State::Follower);
}

#[test]
fn another_hold_lapses_alone() {
    let mut slot = cut_off();
    slot.now = CUT_OFF - 1;
    slot.tell(asked());
    slot.tell(Event::HoldLapsed(OperationId("ho-0".to_owned())));
    slot.look_at(CUT_OFF);
    assert_eq!(*slot.machine.state(), State::Promoting);
}

#[test]
fn a_restarted_guard_goes_on_with_it_by_itself_once_it_is_quiet_no_more() {
    restarted(record(true))
        .expect_at(LATER - 1, &[], State::Boot)
        .expect_at(
            LATER,
            &[CloseIncoming, StartEngine(Role::Primary)],
            State::Promoting,
        );
}

#[test]
fn what_has_ended_is_not_begun_again() {
    restarted(record(false))
        .expect(asked(), &[], State::Boot)
        .expect_at(LATER + 60, &[], State::Boot);
}

#[test]
fn the_other_sites_word_ends_nothing_and_no_sync_is_taken() {
    let ballot = Ballot::new(1, 9);
    held().expect(Event::Seen(ballot), &[], State::Held).expect(
        Event::Offered { ballot, peer: peer() },
        &[Refuse(Refusal::NotFollower(State::Held))],
        State::Held,
    );
    let mut slot = follows_again(&Etcd::of_the_peer());
    let offer = Event::Offered {
        ballot: Ballot::new(1, 4),
        peer: peer(),
    };
    assert_eq!(slot.tell(offer), [Refuse(Refusal::Held)]);
}

#[test]
fn it_ends_when_etcd_answers_and_the_store_is_taken_as_ever_where_that_may_be() {
    let mut slot = held().expect_read(&Etcd::of_the_peer(), &fence(), State::Fenced);
    slot.tell(Event::EngineDown);
    slot.tell(Event::EngineUp(Role::Follower));
    // It is the copy that etcd has as in step.
    slot.read(&Etcd::free());
    assert_eq!(*slot.machine.state(), State::Candidate);
    let actions = slot.tell(Event::Acquired { sent: at(slot.now) });
    assert_eq!(
        actions,
        [Record(seen(5, me())), RecordHold(record(false)), StopEngine]
    );
}

/// The other site has gone on alone meanwhile.
fn others() -> Etcd {
    Etcd::of_the_peer().with(|state| state.paired = false)
}

#[test]
fn a_store_that_is_anothers_is_insisted_on_in_an_era_of_its_own() {
    let mut slot = follows_again(&others());
    assert_eq!(slot.read(&others()), [insists(2)]);
    assert_eq!(slot.read(&others()), []);
    slot.now += 15;
    assert_eq!(slot.read(&others()), [insists(2)]);
    // An era that was raised and in which nobody has taken it will do.
    let mut raised = others();
    raised.era = 2;
    slot.now += 15;
    assert_eq!(slot.read(&raised), [insists(2)]);
}

#[rstest]
#[case::somebody_has_decided(others().wants(want(WantedChange::Force, 2)))]
#[case::this_copy_is_passed_over_and_merged(others().with(|state| {
    state.unmerged = Some(unmerged(me(), "mine", 3));
}))]
fn it_does_not_insist_where(#[case] etcd: Etcd) {
    let mut slot = follows_again(&others());
    slot.now += 15;
    let insisted = slot
        .read(&etcd)
        .iter()
        .any(|action| matches!(action, Insist { .. }));
    assert!(!insisted);
}

#[test]
fn a_copy_that_etcd_has_passed_over_is_not_held() {
    let passed_over = others().with(|state| {
        state.unmerged = Some(unmerged(me(), "mine", 3));
    });
    let mut slot = follower();
    slot.read(&passed_over);
    slot.tell(Event::EngineDown);
    slot.now = CUT_OFF;
    assert_eq!(slot.tell(asked()), []);
    assert_eq!(*slot.machine.state(), State::Quarantine);
}

#[test]
fn sigterm_ends_it_and_the_next_process_goes_on() {
    held().expect(Event::Terminate, &fence(), State::Fenced);
}
