//! What a guard says of itself (ALPN `govuc-status/1`): one JSON document.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    pub store: String,
    pub site: String,
    pub role: Role,
    /// A state of the protocol: `Boot`, `Follower`, `Promoting`, `Alone`, `Paired`, `Held`, `Fenced`.
    pub state: String,
    /// The highest `(era, term)` on the volume, and who holds it if known.
    pub era: u64,
    pub term: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<String>,
    pub volume: String,
    pub incarnation: u64,
    pub gate_open: bool,
    /// Absent at a follower.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication: Option<Replication>,
    /// At a primary whose store has a copy that was passed over, until that is merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<Merge>,
    /// The last hold that was begun at this copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// Why the assigned role is not honoured, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignment_error: Option<String>,
}

/// A person had this copy serve without the roles' etcd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub operation: String,
    /// The roles' etcd does not know yet: what was stored in it may be nowhere else.
    pub open: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    Primary,
    Follower,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replication {
    pub state: ReplicationState,
    /// Since when, in Unix seconds.
    pub since: u64,
    /// Why the relay failed last, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// How far the merge of a copy is that was passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Merge {
    pub site: String,
    pub volume: String,
    /// Whose mail there is; absent until that copy is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owners: Option<u64>,
    /// Of whom everything is here.
    pub owners_done: u64,
    /// Made here for what it had alone.
    pub folders: u64,
    pub messages: u64,
    /// Messages that were here already, or had been.
    pub known: u64,
    /// Messages that had been deleted there.
    pub expunged: u64,
    /// Why the last attempt failed, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReplicationState {
    /// The peer has all that is stored.
    Paired,
    /// The peer may lack something.
    Alone,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_followers_status_leaves_out_what_it_has_not() {
        let status = Status {
            store: "mail-1".into(),
            site: "pdsa2".into(),
            role: Role::Follower,
            state: "Follower".into(),
            era: 1,
            term: 1,
            primary: Some("pdsa1".into()),
            volume: "v".into(),
            incarnation: 3,
            gate_open: false,
            replication: None,
            merge: None,
            hold: None,
            assignment_error: None,
        };
        let json = r#"{"store":"mail-1","site":"pdsa2","role":"Follower","state":"Follower","era":1,"term":1,"primary":"pdsa1","volume":"v","incarnation":3,"gateOpen":false}"#;
        assert_eq!(serde_json::to_string(&status).unwrap(), json);
        assert_eq!(serde_json::from_str::<Status>(json).unwrap(), status);
    }
}
