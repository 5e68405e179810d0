//! What there is in both clusters, and what people have said.

use std::collections::BTreeSet;

use govuc_mirror::{Act, Agreement, Lead, Lineage, Peer, Replica, SpecHash, Waiting, decide};

/// A rule that is left out, to see that it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// What was not seen is taken for absent.
    IncompleteIsAbsent,
    /// Nobody notes what both agree on.
    NothingNoted,
    /// Each side counts its own note only, as `base` in M2 of the first design.
    OwnNoteOnly,
    /// The loser's spec is not put aside.
    NothingKept,
    /// What was deleted goes at once.
    NothingHeld,
    /// What was seen to be the same is taken for noted by the peer.
    NothingConfirmed,
    /// What was made in two clusters by two people is one object.
    OneLineage,
    /// What a restored cluster has is taken for an edit.
    RestoredIsEdited,
    /// What a restored cluster lacks is taken for deleted.
    LostIsDeleted,
}

/// Which edits, of all that there were: a bit each. An object stands for several when two people wrote the same.
pub type Edits = u16;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Object {
    pub copy: Replica,
    pub edits: Edits,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Sight {
    Nothing,
    Absent,
    Lost,
    Object(Object),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cluster {
    pub object: Option<Object>,
    /// What it saw last of the other one.
    pub sight: Sight,
    pub lead: Lead,
    /// Put aside where people find it.
    pub kept: Edits,
    /// What its people deleted.
    pub deleted: Edits,
    /// Every text that it has had, and that its people deleted: a bit each.
    pub texts: u8,
    pub deleted_texts: u8,
    pub backup: Option<Backup>,
    /// It was, and the other one has not made good yet what it lacks.
    pub restored: bool,
}

/// What of a cluster is on another disk.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Backup {
    object: Option<Object>,
    kept: Edits,
    texts: u8,
    deleted_texts: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub clusters: [Cluster; 2],
    /// What people may still do, how often the lead may change, and how often a cluster may be restored from a backup.
    pub edits: u8,
    pub deletions: u8,
    pub leads: u8,
    pub restores: u8,
    /// Edits so far, which numbers them and the objects' lineages.
    pub made: u8,
    /// Copies that the mirror made, which numbers their lineages.
    pub copies: u8,
    /// Edits that a person has edited or deleted again, knowing of them.
    pub superseded: Edits,
    /// Edits of one text that a cluster saw at both sites: whoever knows of one knows of the others.
    pub same: BTreeSet<Edits>,
    /// The mirror made what that cluster's people had deleted.
    pub resurrected: bool,
}

impl World {
    pub fn new(edits: u8, deletions: u8, leads: u8) -> Self {
        let cluster = |lead| Cluster {
            object: None,
            sight: Sight::Nothing,
            lead,
            kept: 0,
            deleted: 0,
            texts: 0,
            deleted_texts: 0,
            backup: None,
            restored: false,
        };
        Self {
            clusters: [cluster(Lead::Here), cluster(Lead::There)],
            edits,
            deletions,
            leads,
            restores: 0,
            made: 0,
            copies: 0,
            superseded: 0,
            same: BTreeSet::new(),
            resurrected: false,
        }
    }

    /// Somebody writes this spec: a new object, or a change of the one that is there.
    pub fn write(&mut self, at: usize, text: u8) {
        let edit: Edits = 1 << self.made;
        let spec = spec(text);
        self.clusters[at].texts |= 1 << text;
        self.made += 1;
        self.edits -= 1;
        let mut known = 0;
        match &mut self.clusters[at].object {
            Some(object) => {
                known = object.edits;
                object.copy.spec = spec;
                object.copy.generation += 1;
                object.edits = edit;
            }
            None => {
                self.clusters[at].object = Some(Object {
                    copy: Replica {
                        lineage: Lineage(self.made.to_string()),
                        generation: 1,
                        partner: None,
                        spec,
                        agreed: None,
                        confirmed: false,
                        leaving: false,
                    },
                    edits: edit,
                });
            }
        }
        self.supersede(known);
    }

    pub fn delete(&mut self, at: usize, mutant: Option<Mutant>) {
        self.deletions -= 1;
        let cluster = &mut self.clusters[at];
        let Some(object) = &mut cluster.object else { return };
        let known = object.edits;
        cluster.deleted |= known;
        cluster.deleted_texts |= text_of(&object.copy.spec);
        object.copy.leaving = true;
        if mutant == Some(Mutant::NothingHeld) {
            cluster.object = None;
        }
        self.supersede(known);
    }

    pub fn look(&mut self, at: usize) {
        let other = &self.clusters[1 - at];
        let sight = match &other.object {
            None if other.restored => Sight::Lost,
            None => Sight::Absent,
            Some(object) => Sight::Object(object.clone()),
        };
        let own = self.clusters[at].object.as_ref();
        let is_agreed = own.is_some_and(|object| object.copy.agreed.is_some());
        // Nothing is left to be made good.
        if sight != Sight::Lost || !is_agreed {
            self.clusters[1 - at].restored = false;
        }
        self.clusters[at].sight = sight;
    }

    /// Not in the moment before it has noted that the peer has it too, or in which it goes: of what a backup from then has it can't be
    /// told what came of it.
    pub fn can_back_up(&self, at: usize) -> bool {
        let object = self.clusters[at].object.as_ref();
        object.is_none_or(|object| object.copy.agreed.is_some() && !object.copy.leaving)
    }

    pub fn back_up(&mut self, at: usize) {
        let cluster = &mut self.clusters[at];
        cluster.backup = Some(Backup {
            object: cluster.object.clone(),
            kept: cluster.kept,
            texts: cluster.texts,
            deleted_texts: cluster.deleted_texts,
        });
    }

    /// What was nowhere else is lost with the disk, and it is forgotten what was there meanwhile.
    pub fn restore(&mut self, at: usize, backup: Backup) {
        self.restores -= 1;
        let there =
            |cluster: &Cluster| cluster.kept | cluster.object.as_ref().map_or(0, |object| object.edits);
        let before = there(&self.clusters[at]);
        let cluster = &mut self.clusters[at];
        *cluster = Cluster {
            object: backup.object,
            sight: Sight::Nothing,
            lead: cluster.lead,
            kept: backup.kept,
            // What was deleted there may come back: the other one may not have heard of it yet.
            deleted: 0,
            texts: backup.texts,
            deleted_texts: backup.deleted_texts,
            backup: None,
            restored: true,
        };
        let after = there(&self.clusters[0]) | there(&self.clusters[1]);
        self.supersede(before & !after);
    }

    pub fn act(&self, at: usize, mutant: Option<Mutant>) -> Act {
        let cluster = &self.clusters[at];
        let mut local = cluster.object.as_ref().map(|object| object.copy.clone());
        let mut peer = match &cluster.sight {
            Sight::Nothing if mutant == Some(Mutant::IncompleteIsAbsent) => Peer::Absent,
            Sight::Nothing => Peer::Unknown,
            Sight::Absent => Peer::Absent,
            Sight::Lost if mutant == Some(Mutant::LostIsDeleted) => Peer::Absent,
            Sight::Lost => Peer::Lost,
            Sight::Object(object) => Peer::Replica(object.copy.clone()),
        };
        if let (Some(local), Peer::Replica(peer)) = (&mut local, &mut peer) {
            match mutant {
                Some(Mutant::OwnNoteOnly) if !local.leaving => peer.agreed.clone_from(&local.agreed),
                Some(Mutant::NothingConfirmed) => local.confirmed = local.agreed.is_some(),
                Some(Mutant::RestoredIsEdited) => {
                    peer.confirmed = false;
                    for seen in [&mut local.partner, &mut peer.partner].into_iter().flatten() {
                        seen.generation = 0;
                    }
                }
                Some(Mutant::OneLineage) => peer.lineage.clone_from(&local.lineage),
                _ => {}
            }
        }
        match decide(local.as_ref(), &peer, cluster.lead) {
            Act::Note { .. } if mutant == Some(Mutant::NothingNoted) => Act::Nothing,
            Act::Take { agreed, .. } if mutant == Some(Mutant::NothingKept) => {
                Act::Take { agreed, keep: false }
            }
            act => act,
        }
    }

    /// Carries an act out. When `broken_off`, only the first of its writes.
    pub fn carry_out(&mut self, at: usize, act: &Act, broken_off: bool) {
        let theirs = self.clusters[1 - at].texts;
        let deleted_there = self.clusters[1 - at].deleted_texts;
        let mut known = 0;
        let cluster = &mut self.clusters[at];
        let seen = match &cluster.sight {
            Sight::Object(object) => Some(object.clone()),
            _ => None,
        };
        match (act, &mut cluster.object, seen) {
            (
                Act::Note {
                    agreed,
                    partner,
                    confirmed,
                },
                Some(object),
                seen,
            ) => {
                object.copy.partner = Some(partner.clone());
                object.copy.confirmed = *confirmed;
                object.copy.agreed = Some(agreed.clone());
                if let Some(seen) = seen.filter(|seen| seen.copy.spec == object.copy.spec) {
                    object.edits |= seen.edits;
                    self.same.insert(object.edits);
                }
            }
            (Act::Create(agreed), None, Some(seen)) => {
                self.resurrected |= cluster.deleted & seen.edits != 0;
                cluster.texts |= text_of(&seen.copy.spec);
                self.copies += 1;
                let lineage = Lineage(format!("copy {}", self.copies));
                cluster.object = Some(taken(seen, lineage, 1, agreed));
            }
            (Act::Take { agreed, keep }, Some(object), Some(seen)) => {
                if *keep {
                    cluster.kept |= object.edits;
                } else if theirs & text_of(&object.copy.spec) != 0 {
                    // The peer's came after the peer had had this very text.
                    known = object.edits;
                }
                if !(*keep && broken_off) {
                    cluster.texts |= text_of(&seen.copy.spec);
                    let lineage = object.copy.lineage.clone();
                    let generation = object.copy.generation + 1;
                    cluster.object = Some(taken(seen, lineage, generation, agreed));
                }
            }
            (Act::Forget, Some(object), _) => {
                object.copy.partner = None;
                object.copy.agreed = None;
                object.copy.confirmed = false;
            }
            (Act::Delete | Act::Release, Some(object), _) => {
                // Changed, and changed back to what the peer's people deleted.
                if deleted_there & text_of(&object.copy.spec) != 0 {
                    known = object.edits;
                }
                cluster.object = None;
            }
            (Act::Nothing | Act::Wait(_), ..) => {}
            (act, object, seen) => unreachable!("{act:?} of {object:?} and {seen:?}"),
        }
        self.supersede(known);
    }

    /// Somebody who knew of these edits has changed or deleted what they made.
    fn supersede(&mut self, edits: Edits) {
        self.superseded |= edits;
        loop {
            let before = self.superseded;
            for same in self.same.iter().filter(|same| **same & before != 0) {
                self.superseded |= same;
            }
            if self.superseded == before {
                return;
            }
        }
    }

    /// Edits that nobody has taken back, and that are nowhere.
    pub fn lost(&self) -> Edits {
        let mut there = self.superseded;
        for cluster in &self.clusters {
            there |= cluster.kept | cluster.object.as_ref().map_or(0, |object| object.edits);
        }
        !there & ((1 << self.made) - 1)
    }

    /// A person is asked to decide: it was edited at one site and deleted at the other.
    pub fn is_a_persons(&self, mutant: Option<Mutant>) -> bool {
        (0..2).any(|at| self.act(at, mutant) == Act::Wait(Waiting::DeletedAtPeer))
    }
}

pub fn spec(text: u8) -> SpecHash {
    SpecHash::new(1, [text; 32])
}

fn text_of(wanted: &SpecHash) -> u8 {
    let bits = (0..8).filter(|text| spec(*text) == *wanted).map(|text| 1 << text);
    bits.sum()
}

fn taken(seen: Object, lineage: Lineage, generation: i64, agreed: &Agreement) -> Object {
    Object {
        copy: Replica {
            lineage,
            generation,
            partner: Some(seen.copy.as_partner()),
            spec: seen.copy.spec,
            agreed: Some(agreed.clone()),
            confirmed: false,
            leaving: false,
        },
        edits: seen.edits,
    }
}
