//! The three-way merge.

use crate::{Agreement, Partner, Peer, Replica};

/// Where the lead is, as this side knows it. Of two edits its cluster's stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lead {
    Here,
    There,
    /// Nobody leads, or it is not known who does.
    Nobody,
}

/// What is done to the own cluster's object. Nothing is ever done to the other one's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    Nothing,
    /// Nothing for now, and people are told why.
    Wait(Waiting),
    /// Notes what both agree on, with which object of the peer, and whether that one has noted the same.
    Note {
        agreed: Agreement,
        partner: Partner,
        confirmed: bool,
    },
    /// Makes the object with the peer's spec, with the peer's as its partner, and with this agreement, unconfirmed.
    Create(Agreement),
    /// Puts the peer's spec, the peer's as the partner, and this agreement, unconfirmed. When `keep`, only after the own spec was
    /// put aside where people find it: both were edited.
    Take {
        agreed: Agreement,
        keep: bool,
    },
    /// Drops what was agreed: the peer has lost it, and makes the object anew.
    Forget,
    Delete,
    /// Lets an object go that was deleted here.
    Release,
}

/// Why the two are not the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Waiting {
    /// The peer is to do the same as was done here.
    PeerFollows,
    /// Both were edited: the lead's cluster stands, which is this one, so the peer yields.
    PeerYields,
    /// Both were edited, and nobody knows who leads.
    NoLead,
    /// It was deleted at the peer after it had been edited here: a person decides.
    DeletedAtPeer,
    /// It was deleted here after it had been edited at the peer: a person decides there.
    EditedAtPeer,
    /// The specs can't be compared: the other operator reads them by another schema.
    PeerSchemaDiffers,
    /// The peer is not to be seen, or not completely.
    PeerUnknown,
}

/// What to do to `local`, the own cluster's object, of which what was seen last at the peer is `peer`.
pub fn decide(local: Option<&Replica>, peer: &Peer, lead: Lead) -> Act {
    match (local, peer) {
        (Some(local), _) if local.leaving => leave(local, peer),
        (None, Peer::Replica(peer)) => arrive(peer),
        (None, Peer::Absent | Peer::Lost) => Act::Nothing,
        (_, Peer::Unknown) => Act::Wait(Waiting::PeerUnknown),
        // What is gone may be another object than the one it was agreed with.
        (Some(local), Peer::Absent | Peer::Lost) if local.agreed.is_some() && !local.confirmed => {
            Act::Wait(Waiting::DeletedAtPeer)
        }
        (Some(local), Peer::Lost) if local.agreed.is_some() => Act::Forget,
        (Some(local), Peer::Absent | Peer::Lost) => outlive(local, local.agreed.as_ref()),
        (Some(local), Peer::Replica(peer)) => merge(local, peer, lead),
    }
}

/// It goes once the peer can't take it for new: what was never noted as having been at both sites is made again where it is not. A
/// peer that is away has noted all but what was made or edited in the moment before it went.
fn leave(local: &Replica, peer: &Peer) -> Act {
    match peer {
        // It has noted it, and forgets nothing.
        _ if local.confirmed => Act::Release,
        Peer::Unknown => Act::Wait(Waiting::PeerUnknown),
        Peer::Absent | Peer::Lost => Act::Release,
        Peer::Replica(peer) if peer.leaving || has_noted(peer, local) => Act::Release,
        // Made there by somebody else: that is not what was deleted here.
        Peer::Replica(peer) if !is_partner(local, peer) && !is_partner(peer, local) => Act::Release,
        Peer::Replica(_) => Act::Wait(Waiting::PeerFollows),
    }
}

/// Whether the peer knows of the last agreement that is known here, or of a later one: what it has beyond that is an edit. One with an
/// earlier object of this name says nothing of this one.
fn has_noted(peer: &Replica, local: &Replica) -> bool {
    is_partner(peer, local)
        && match (&peer.agreed, &local.agreed) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(theirs), Some(ours)) => theirs.seq > ours.seq || theirs == ours,
        }
}

fn arrive(peer: &Replica) -> Act {
    match &peer.agreed {
        // It was here, and somebody deleted it.
        Some(agreed) if agreed.spec == peer.spec => Act::Wait(Waiting::PeerFollows),
        Some(_) => Act::Wait(Waiting::EditedAtPeer),
        None if peer.leaving => Act::Nothing,
        None => Act::Create(Agreement {
            seq: 1,
            spec: peer.spec.clone(),
        }),
    }
}

/// The peer's is gone.
fn outlive(local: &Replica, agreed: Option<&Agreement>) -> Act {
    match agreed {
        None => Act::Wait(Waiting::PeerFollows),
        Some(agreed) if agreed.spec == local.spec => Act::Delete,
        Some(_) => Act::Wait(Waiting::DeletedAtPeer),
    }
}

fn merge(local: &Replica, peer: &Replica, lead: Lead) -> Act {
    if local.spec.schema() != peer.spec.schema() {
        return Act::Wait(Waiting::PeerSchemaDiffers);
    }
    if local.spec == peer.spec {
        return agree(local, peer);
    }
    let base = base(local, peer);
    let restored = is_behind(local, peer) || is_behind(peer, local);
    if let Some(base) = base
        && !restored
        && is_news(local, peer, base)
    {
        return note(local, peer, base.clone());
    }
    if peer.leaving {
        // Two that knew of different leads took each other's: what the peer deleted is not what is here.
        return match (base, &local.agreed, &peer.agreed) {
            (None, Some(_), Some(_)) => note(local, peer, next(local, peer, peer)),
            _ => outlive(local, base),
        };
    }
    match base {
        Some(base) if base.spec == local.spec => Act::Take {
            agreed: next(local, peer, peer),
            keep: false,
        },
        Some(base) if base.spec == peer.spec => Act::Wait(Waiting::PeerFollows),
        _ => match lead {
            Lead::Here => Act::Wait(Waiting::PeerYields),
            Lead::Nobody => Act::Wait(Waiting::NoLead),
            Lead::There => Act::Take {
                agreed: next(local, peer, peer),
                keep: true,
            },
        },
    }
}

/// They are the same, by whichever way.
fn agree(local: &Replica, peer: &Replica) -> Act {
    match later(local, peer) {
        Some(later) if later.spec == local.spec && is_news(local, peer, later) => {
            note(local, peer, later.clone())
        }
        Some(later) if later.spec == local.spec => match peer.leaving {
            true => Act::Delete,
            false => Act::Nothing,
        },
        _ => note(local, peer, next(local, peer, local)),
    }
}

/// What both come from: the later of what each has noted. One that only one side has noted counts if it was agreed with this very
/// object; else either is new, or was made anew in a cluster that had lost it.
fn base<'a>(local: &'a Replica, peer: &'a Replica) -> Option<&'a Agreement> {
    match (&local.agreed, &peer.agreed) {
        // What was restored comes from what it had then, and the other one has gone on from there.
        (ours, _) if is_behind(local, peer) => ours.as_ref(),
        (_, theirs) if is_behind(peer, local) => theirs.as_ref(),
        (Some(_), None) if !is_partner(local, peer) => None,
        (None, Some(_)) if !is_partner(peer, local) => None,
        // Restored from before it was deleted and made anew.
        (Some(_), Some(_)) if !is_partner(local, peer) && !is_partner(peer, local) => None,
        _ => later(local, peer),
    }
}

/// Whether `one` is from before what the other has seen of it: only a cluster restored from a backup has such.
fn is_behind(one: &Replica, other: &Replica) -> bool {
    let Some(seen) = other.partner.as_ref().filter(|seen| seen.lineage == one.lineage) else {
        return false;
    };
    let forgotten = match (&one.agreed, &other.agreed) {
        (Some(has), Some(had)) => other.confirmed && has.seq < had.seq,
        _ => false,
    };
    forgotten || one.generation < seen.generation
}

fn is_partner(one: &Replica, other: &Replica) -> bool {
    one.partner
        .as_ref()
        .is_some_and(|seen| seen.lineage == other.lineage)
}

fn later<'a>(local: &'a Replica, peer: &'a Replica) -> Option<&'a Agreement> {
    match (&local.agreed, &peer.agreed) {
        // Two that knew of different leads took each other's.
        (Some(one), Some(other)) if one.seq == other.seq && one.spec != other.spec => None,
        (Some(one), Some(other)) => Some(if one.seq >= other.seq { one } else { other }),
        (one, other) => one.as_ref().or(other.as_ref()),
    }
}

fn note(local: &Replica, peer: &Replica, agreed: Agreement) -> Act {
    Act::Note {
        confirmed: is_confirmed(local, peer, &agreed),
        partner: peer.as_partner(),
        agreed,
    }
}

fn is_news(local: &Replica, peer: &Replica, agreed: &Agreement) -> bool {
    local.agreed.as_ref() != Some(agreed)
        || !is_partner(local, peer)
        || is_confirmed(local, peer, agreed) && !local.confirmed
}

/// The peer has noted it, and of this very object.
fn is_confirmed(local: &Replica, peer: &Replica, agreed: &Agreement) -> bool {
    is_partner(peer, local) && peer.agreed.as_ref() == Some(agreed)
}

fn next(local: &Replica, peer: &Replica, with: &Replica) -> Agreement {
    let seq = |copy: &Replica| copy.agreed.as_ref().map_or(0, |agreed| agreed.seq);
    Agreement {
        seq: seq(local).max(seq(peer)) + 1,
        spec: with.spec.clone(),
    }
}

#[cfg(test)]
mod tests {
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
}
