//! What the roles' etcd keeps, most of it of stores, as its keys' JSON values.
//!
//! Only a holder changes `state` and `lease`, each time by a transaction that compares what it read; a person or the
//! lead puts `want`. Of the lead itself there are two keys more, and each site has one of its own. `docs/protocol.md`
//! has the keys.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Ballot, Era, Site, SlotCopy, Term, VolumeId};

/// Which process of a guard. Random, made at its start: a lease is honoured only by the process it was granted to (R7).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Session(pub String);

/// `/govuc/era`: raised by a person only.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EraRecord {
    pub era: Era,
    /// Which formation of the etcd this is: another one's records are another history.
    pub cluster: String,
}

/// `/govuc/stores/X/state`: who holds the store, and what the other copy has. It outlives the lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateRecord {
    pub era: Era,
    pub term: Term,
    /// Absent after a hand-over, until it is taken.
    pub holder: Option<Holder>,
    /// Whether `peer` has all that is stored. Set false before the first change is stored without it (R2).
    pub paired: bool,
    /// The copy that is paired, or was last under this ballot.
    pub peer: Option<SlotCopy>,
    /// While alone: how long the peer has been behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<Behind>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hand_over: Option<HandOver>,
    /// A volume that may hold stored mail which the holder lacks: it was passed over by a forced or late promotion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmerged: Option<Unmerged>,
    /// The volume that was `unmerged` last and is not any more: the holder has all that it had. Only by this its slot
    /// knows that it may forget it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<Merged>,
}

/// The slot that holds a store.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Holder {
    pub site: Site,
    pub volume: VolumeId,
    pub session: Session,
}

/// How far the follower is behind, as the holder measured it itself, so that nobody compares clocks.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Behind {
    pub seconds: u64,
}

/// A planned hand-over: its point of no return, and its receipt.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HandOver {
    pub to: Site,
    pub to_volume: VolumeId,
    pub from: Site,
    pub from_volume: VolumeId,
    /// SHA-256 over both copies' mailboxes, which were equal.
    pub digest: String,
    /// Of the operation that asked for it; absent when the guard was told to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationId>,
}

/// A copy that was passed over while it may have been ahead.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Unmerged {
    pub site: Site,
    pub volume: VolumeId,
    /// The last term that copy served.
    pub term: Term,
}

/// A copy that was passed over, after its merge.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Merged {
    pub site: Site,
    pub volume: VolumeId,
    pub counts: MergeCounts,
}

/// What became of what a copy had that was passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MergeCounts {
    /// Folders that were made for it.
    pub folders: u64,
    /// Messages that only it had.
    pub messages: u64,
    /// Messages that the holder had, or had had.
    pub known: u64,
    /// Messages that were deleted there.
    pub expunged: u64,
}

/// `/govuc/stores/X/lease`: attached to the etcd lease that the holder keeps alive.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LeaseRecord {
    pub site: Site,
    pub session: Session,
    pub era: Era,
    pub term: Term,
}

/// `/govuc/lead`: the site whose operator does what must be done once, attached to the etcd lease it keeps alive.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LeadRecord {
    pub site: Site,
    pub session: Session,
    pub term: Term,
}

/// `/govuc/leadTerm`: the highest term a lead has had. It outlives the lease, and only rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LeadTermRecord {
    pub term: Term,
}

/// `/govuc/sites/SITE`: what the site's Platform says of what both sites must have the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SiteRecord {
    /// `spec.sites`, in its order.
    pub order: Vec<Site>,
    pub domain: String,
    /// The maintenance windows, by name.
    pub windows: BTreeMap<String, WindowRecord>,
}

/// A maintenance window that a site has.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WindowRecord {
    /// Of when it is: the same at both sites if they have the same window.
    pub digest: String,
    /// Unix seconds since which the site has it as it is.
    pub since: u64,
}

/// One id from the command through etcd and guard to status and log.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OperationId(pub String);

/// `/govuc/stores/X/want`: what somebody asks of the store's guards. Used once.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Want {
    pub operation: OperationId,
    pub change: WantedChange,
    pub to: Site,
    /// The era it was asked in; a later one has outdated it.
    pub era: Era,
    /// Who asked, for people.
    pub by: String,
    /// Unix seconds after which it is not begun.
    pub not_after: u64,
}

/// Of a slot, on its volume: the last hold that was begun there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HoldRecord {
    pub operation: OperationId,
    /// Etcd has not been told: what was stored in the hold may be nowhere else.
    pub open: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WantedChange {
    /// Planned: lossless, or it does not happen.
    Switchover,
    /// A person takes the risk that is named beforehand.
    Force,
}

/// `/govuc/stores/X/outcome`: how the last `want` ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OutcomeRecord {
    pub operation: OperationId,
    pub outcome: Outcome,
    /// For people. Of a hand-over that was done: its digest, since whoever takes the store puts a state without the receipt.
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    Done,
    /// Nothing was begun.
    Refused,
    /// It was begun, and everything is as it was.
    Aborted,
}

/// `/govuc/stores/X/ended`: how earlier ones ended, newest first. The next that is asked takes the outcome's place, and may
/// have its own before the operator that asked for this one has looked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EndedRecord(pub Vec<Ended>);

/// How something that was asked ended, and who had the store then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    #[serde(flatten)]
    pub outcome: OutcomeRecord,
    /// `None`: it was handed over, and nobody took it in time.
    pub holder: Option<Site>,
    pub term: Term,
}

/// `/govuc/stores/X/slots/SITE`: the copy a slot has now. Compared and swapped at each start, so that a volume restored
/// from a snapshot is found out (R7).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SlotRecord(pub SlotCopy);

impl StateRecord {
    pub fn ballot(&self) -> Ballot {
        Ballot {
            era: self.era,
            term: self.term,
        }
    }
}

impl LeaseRecord {
    pub fn ballot(&self) -> Ballot {
        Ballot {
            era: self.era,
            term: self.term,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_reads_as_it_was_written() {
        let text = r#"{"era":1,"term":4,"holder":{"site":"pdsa1","volume":"a","session":"s"},"paired":true,"peer":{"volume":"b","incarnation":2}}"#;
        let state: StateRecord = serde_json::from_str(text).unwrap();
        assert_eq!(state.ballot(), Ballot::new(1, 4));
        assert_eq!(serde_json::to_string(&state).unwrap(), text);
    }
}
