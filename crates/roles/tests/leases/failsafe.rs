//! R5 from both ends, and an etcd that has gone back.

use govuc_roles::{Action::*, Ballot, Event, PeerAnswer, Stale, State};

use crate::slot::*;

fn paired_with() -> State {
    State::Paired(peers_copy())
}

/// Etcd has said nothing for so long that the peer was asked, and it has promised.
fn promised() -> Slot {
    let mut slot = paired();
    assert_eq!(slot.look_at(LATER + 5), [KeepAlive, AskPeer]);
    let extended = Extend {
        deadline: at(LATER + 16),
    };
    slot.expect(
        Event::Promised { sent: at(LATER + 5) },
        &[extended],
        paired_with(),
    )
}

#[test]
fn a_paired_primary_asks_its_peer_every_second_while_etcd_is_silent() {
    let slot = promised();
    let slot = slot.expect_at(LATER + 6, &[AskPeer], paired_with());
    slot.expect_at(LATER + 8, &[KeepAlive, AskPeer], paired_with());
}

#[test]
fn a_paired_primary_whose_lease_is_not_kept_asks_its_peer_though_etcd_is_heard() {
    let mut slot = paired();
    slot.now = LATER + 4;
    let mut slot = slot.expect_read(&Etcd::mine(my_state()), &[], paired_with());
    assert_eq!(slot.look_at(LATER + 5), [KeepAlive, AskPeer]);
}

#[test]
fn after_a_promise_the_peer_is_asked_until_etcd_has_kept_the_lease() {
    let mut slot = promised();
    slot.now = LATER + 6;
    let slot = slot.expect_read(&Etcd::mine(my_paired_state()), &[], paired_with());
    let slot = slot.expect_at(LATER + 7, &[AskPeer], paired_with());
    let mut slot = slot.kept_until(LATER + 8);
    assert_eq!(slot.look_at(LATER + 9), [KeepAlive]);
}

#[test]
fn without_a_promise_the_deadline_shuts_the_gate() {
    let mut slot = paired();
    slot.look_at(LATER + 10);
    slot.expect_at(LATER + 11, &fence(), State::Fenced);
}

#[test]
fn who_is_not_paired_has_no_use_for_a_promise() {
    let mut slot = alone();
    assert_eq!(slot.look_at(LATER + 5), [KeepAlive]);
    slot.expect(Event::Promised { sent: at(LATER + 5) }, &[], State::Alone);
}

#[test]
fn a_follower_that_can_not_keep_the_lease_alive_promises_though_it_has_just_heard_etcd() {
    let slot = follower().expect_read(&Etcd::of_the_peer(), &[], State::Follower);
    let asked = Event::Asked(Ballot::new(1, 4));
    let slot = slot.expect(asked, &[AnswerPeer(PeerAnswer::KeepAlive)], State::Follower);
    let asked = Event::AskedInVain(Ballot::new(1, 4));
    slot.expect(asked, &[AnswerPeer(PeerAnswer::Promise)], State::Follower);
    let declines = [AnswerPeer(PeerAnswer::Decline)];
    follower().expect(Event::AskedInVain(Ballot::new(1, 3)), &declines, State::Follower);
}

#[test]
fn a_follower_without_etcd_promises_and_keeps_it() {
    let mut slot = follower();
    slot.now = LATER + 5;
    let asked = Event::Asked(Ballot::new(1, 4));
    let slot = slot.expect(asked, &[AnswerPeer(PeerAnswer::Promise)], State::Follower);
    let mut slot = slot.expect_read(&Etcd::of_the_peer(), &[], State::Follower);
    slot.now = LATER + 19;
    let slot = slot.expect_read(&Etcd::free(), &[], State::Follower);
    let actions = [
        CloseIncoming,
        Acquire {
            revision: 40,
            state: my_state(),
        },
    ];
    slot.expect_at(LATER + 20, &actions, State::Candidate);
}

#[test]
fn a_follower_with_etcd_keeps_the_lease_alive_for_its_peer() {
    let mut slot = follower();
    slot.read(&Etcd::of_the_peer());
    let asked = Event::Asked(Ballot::new(1, 4));
    slot.expect(asked, &[AnswerPeer(PeerAnswer::KeepAlive)], State::Follower);
}

#[test]
fn who_is_not_the_follower_of_that_ballot_declines() {
    let declines = [AnswerPeer(PeerAnswer::Decline)];
    follower().expect(Event::Asked(Ballot::new(1, 3)), &declines, State::Follower);
    candidate().expect(Event::Asked(Ballot::new(1, 4)), &declines, State::Candidate);
}

#[test]
fn a_lease_that_ran_out_in_a_silent_etcd_is_taken_anew_for_the_same_term() {
    let mut slot = promised();
    slot.now = LATER + 8;
    let ran_out = Etcd {
        lease: None,
        ..Etcd::mine(my_paired_state())
    };
    let slot = slot.expect_read(&ran_out, &[], paired_with());
    let again = Acquire {
        revision: 41,
        state: my_paired_state(),
    };
    let slot = slot.expect(Event::LeaseLost, &[again], paired_with());
    let slot = slot.expect(Event::LeaseLost, &[], paired_with());
    let extended = Extend {
        deadline: at(LATER + 19),
    };
    slot.expect(
        Event::Acquired { sent: at(LATER + 8) },
        &[extended],
        paired_with(),
    );
}

#[test]
fn a_lease_that_ran_out_without_a_promise_is_lost() {
    let mut slot = paired();
    slot.now = LATER + 8;
    let ran_out = Etcd {
        lease: None,
        ..Etcd::mine(my_paired_state())
    };
    slot.read(&ran_out);
    slot.expect(Event::LeaseLost, &fence(), State::Fenced);
}

#[test]
fn a_promise_covers_no_more_than_the_deadline_it_gave() {
    let mut slot = promised();
    slot.now = LATER + 16;
    slot.expect(Event::LeaseLost, &fence(), State::Fenced);
}

#[test]
fn etcd_restored_from_an_old_snapshot_is_taken_for_silent() {
    let mut slot = paired();
    slot.now = LATER + 3;
    let stale = Stale::Older {
        claimed: Ballot::new(1, 4),
        seen: Ballot::new(1, 5),
    };
    let slot = slot.expect_read(&Etcd::free(), &[Distrust(stale)], paired_with());
    assert!(slot.machine.is_regressed());
    let slot = slot.expect(Event::LeaseLost, &[], paired_with());
    slot.expect_at(LATER + 3, &[KeepAlive, AskPeer], paired_with());
}

#[test]
fn an_etcd_that_has_gone_back_within_a_term_is_not_believed_either() {
    let mut slot = follower();
    let alone = Etcd {
        revision: 41,
        ..Etcd::of_the_peer().with(|state| state.paired = false)
    };
    slot.read(&alone);
    let stale = Stale::Rewound(Ballot::new(1, 4));
    slot.expect_read(&Etcd::free(), &[Distrust(stale)], State::Follower);
}

#[test]
fn what_a_forgetful_etcd_asks_is_not_done() {
    let mut slot = paired();
    slot.now = LATER + 1;
    let asked = Etcd::of_the_peer().wants(crate::wants::switchover(peer()));
    slot.read(&asked);
    assert_eq!(*slot.machine.state(), paired_with());
}
