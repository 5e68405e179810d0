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
mod tests;
