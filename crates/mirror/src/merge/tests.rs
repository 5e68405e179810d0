use super::*;
use crate::{Lineage, SpecHash};
use rstest::rstest;

const X: u8 = 1;
const Y: u8 = 2;
const Z: u8 = 3;

fn agreement(seq: u64, text: u8) -> Agreement {
    let spec = SpecHash::new(1, [text; 32]);
    Agreement { seq, spec }
}

fn one() -> Partner {
    Partner {
        lineage: Lineage("one".into()),
        generation: 1,
    }
}

/// One object of both sites; `agreed` is known to both.
fn copy(text: u8, agreed: Option<(u64, u8)>) -> Replica {
    Replica {
        lineage: Lineage("one".into()),
        generation: 1,
        partner: Some(one()),
        spec: SpecHash::new(1, [text; 32]),
        agreed: agreed.map(|(seq, text)| agreement(seq, text)),
        confirmed: true,
        leaving: false,
    }
}

fn take(seq: u64, text: u8, keep: bool) -> Act {
    let agreed = agreement(seq, text);
    Act::Take { agreed, keep }
}

fn note(seq: u64, text: u8, confirmed: bool) -> Act {
    Act::Note {
        agreed: agreement(seq, text),
        partner: one(),
        confirmed,
    }
}

/// Each side, and what it does: as far as it acts at all, the other one waits for it.
#[rstest]
#[case::agreed((X, Some((1, X))), (X, Some((1, X))), Act::Nothing, Act::Nothing)]
#[case::one_edited((X, Some((1, X))), (Y, Some((1, X))), take(2, Y, false), Act::Wait(Waiting::PeerFollows))]
#[case::edited_again((Y, Some((2, Y))), (Z, Some((1, X))), take(3, Z, false), note(2, Y, true))]
#[case::edited_back((Y, Some((2, Y))), (X, Some((2, Y))), take(3, X, false), Act::Wait(Waiting::PeerFollows))]
#[case::both_edited((Y, Some((1, X))), (Z, Some((1, X))), Act::Wait(Waiting::PeerYields), take(2, Y, true))]
#[case::both_the_same((Y, Some((1, X))), (Y, Some((1, X))), note(2, Y, false), note(2, Y, false))]
#[case::one_has_noted((Y, Some((2, Y))), (Y, Some((1, X))), Act::Nothing, note(2, Y, true))]
#[case::each_took_the_others((Y, Some((2, Y))), (Z, Some((2, Z))), Act::Wait(Waiting::PeerYields), take(3, Y, true))]
fn what_the_leads_side_and_the_other_one_do(
    #[case] (one, one_agreed): (u8, Option<(u64, u8)>),
    #[case] (other, other_agreed): (u8, Option<(u64, u8)>),
    #[case] lead: Act,
    #[case] follower: Act,
) {
    // Nobody is seen to have noted what it has not.
    let confirmed = one_agreed == other_agreed;
    let seen = |text, agreed| Replica {
        confirmed,
        ..copy(text, agreed)
    };
    let (one, other) = (seen(one, one_agreed), seen(other, other_agreed));
    assert_eq!(
        decide(Some(&one), &Peer::Replica(other.clone()), Lead::Here),
        lead
    );
    assert_eq!(decide(Some(&other), &Peer::Replica(one), Lead::There), follower);
}

#[test]
fn without_a_lead_nobody_yields() {
    let (one, other) = (copy(Y, Some((1, X))), copy(Z, Some((1, X))));
    let act = decide(Some(&one), &Peer::Replica(other), Lead::Nobody);
    assert_eq!(act, Act::Wait(Waiting::NoLead));
}

#[rstest]
#[case::new_here(copy(X, None), Act::Wait(Waiting::PeerFollows))]
#[case::deleted_there(copy(X, Some((1, X))), Act::Delete)]
#[case::edited_since(copy(Y, Some((1, X))), Act::Wait(Waiting::DeletedAtPeer))]
#[case::perhaps_another(Replica { confirmed: false, ..copy(X, Some((1, X))) }, Act::Wait(Waiting::DeletedAtPeer))]
#[case::leaving(Replica { leaving: true, ..copy(X, None) }, Act::Release)]
fn what_is_absent_at_the_peer_counts_only_when_all_was_seen(#[case] local: Replica, #[case] act: Act) {
    assert_eq!(decide(Some(&local), &Peer::Absent, Lead::Here), act);
    let unseen = decide(
        Some(&Replica {
            confirmed: false,
            ..local
        }),
        &Peer::Unknown,
        Lead::Here,
    );
    assert_eq!(unseen, Act::Wait(Waiting::PeerUnknown));
}

#[rstest]
#[case::new_there(copy(X, None), Act::Create(agreement(1, X)))]
#[case::deleted_here(copy(X, Some((1, X))), Act::Wait(Waiting::PeerFollows))]
#[case::edited_there_since(copy(Y, Some((1, X))), Act::Wait(Waiting::EditedAtPeer))]
#[case::gone_in_a_moment(Replica { leaving: true, ..copy(X, None) }, Act::Nothing)]
fn what_is_absent_here_is_made_if_it_was_never_here(#[case] peer: Replica, #[case] act: Act) {
    assert_eq!(decide(None, &Peer::Replica(peer), Lead::Nobody), act);
}

#[rstest]
#[case::it_has_noted(Some((1, X)), Act::Release)]
#[case::it_has_not(None, Act::Wait(Waiting::PeerFollows))]
fn what_was_deleted_goes_once_the_peer_knows_it_was_at_both(
    #[case] noted: Option<(u64, u8)>,
    #[case] act: Act,
) {
    let local = Replica {
        leaving: true,
        confirmed: false,
        ..copy(X, Some((1, X)))
    };
    let peer = Peer::Replica(copy(X, noted));
    assert_eq!(decide(Some(&local), &peer, Lead::Here), act);
    // Of what it has noted before it needs no sight.
    let confirmed = Replica {
        confirmed: true,
        ..local
    };
    assert_eq!(decide(Some(&confirmed), &Peer::Unknown, Lead::Here), Act::Release);
}

#[test]
fn two_that_were_made_by_two_people_are_no_edits_of_one() {
    let one = copy(X, Some((1, Y)));
    let other = Replica {
        lineage: Lineage("two".into()),
        ..copy(Y, None)
    };
    let act = |lead| decide(Some(&one), &Peer::Replica(other.clone()), lead);
    assert_eq!(act(Lead::Here), Act::Wait(Waiting::PeerYields));
    assert_eq!(act(Lead::There), take(2, Y, true));
}

/// The first one was restored from before the second agreement.
#[rstest]
#[case::as_it_was((X, (1, X)), (Y, (2, Y)), take(3, Y, false), Act::Wait(Waiting::PeerFollows))]
#[case::edited_there_since((X, (1, X)), (Z, (2, Y)), take(3, Z, false), Act::Wait(Waiting::PeerFollows))]
#[case::edited_after_it((Z, (1, X)), (Y, (2, Y)), take(3, Y, true), Act::Wait(Waiting::PeerYields))]
#[case::the_same_again((Y, (1, X)), (Y, (2, Y)), note(2, Y, true), Act::Nothing)]
fn what_was_restored_comes_up_to_the_other_one(
    #[case] (text, agreed): (u8, (u64, u8)),
    #[case] (gone_on, later): (u8, (u64, u8)),
    #[case] restored: Act,
    #[case] lead: Act,
) {
    let (one, other) = (copy(text, Some(agreed)), copy(gone_on, Some(later)));
    let act = decide(Some(&one), &Peer::Replica(other.clone()), Lead::There);
    assert_eq!(act, restored);
    assert_eq!(decide(Some(&other), &Peer::Replica(one), Lead::Here), lead);
}

/// Its second spec had been taken over there, and it has its first one again.
#[test]
fn a_generation_that_was_counted_back_is_no_edit() {
    let restored = copy(X, Some((1, X)));
    let seen = Partner {
        generation: 2,
        ..one()
    };
    let gone_on = Replica {
        partner: Some(seen),
        confirmed: false,
        ..copy(Y, Some((2, Y)))
    };
    let act = decide(Some(&restored), &Peer::Replica(gone_on.clone()), Lead::Here);
    assert_eq!(act, take(3, Y, false));
    let act = decide(Some(&gone_on), &Peer::Replica(restored), Lead::There);
    assert_eq!(act, Act::Wait(Waiting::PeerFollows));
}

#[rstest]
#[case::agreed(copy(X, Some((1, X))), Act::Forget)]
#[case::edited_since(copy(Y, Some((1, X))), Act::Forget)]
#[case::perhaps_another(Replica { confirmed: false, ..copy(X, Some((1, X))) }, Act::Wait(Waiting::DeletedAtPeer))]
#[case::never_agreed(copy(X, None), Act::Wait(Waiting::PeerFollows))]
#[case::leaving(Replica { leaving: true, ..copy(X, Some((1, X))) }, Act::Release)]
fn what_a_restored_peer_has_lost_is_made_there_anew(#[case] local: Replica, #[case] act: Act) {
    assert_eq!(decide(Some(&local), &Peer::Lost, Lead::There), act);
}

#[test]
fn specs_of_two_schemas_are_not_compared() {
    let local = copy(X, Some((1, X)));
    let mut peer = copy(X, Some((1, X)));
    peer.spec = SpecHash::new(2, [X; 32]);
    let act = decide(Some(&local), &Peer::Replica(peer), Lead::Here);
    assert_eq!(act, Act::Wait(Waiting::PeerSchemaDiffers));
}
