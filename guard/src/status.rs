//! What the guard says of itself.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use govuc_roles::{self as roles, State, record::Unmerged};
use govuc_wire::status::{Hold, Merge, Replication, ReplicationState, Role, Status};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::watch,
};

use crate::{
    config::Slot,
    merge::{self, Merge as Merger},
    relay::Relay,
    turn::View,
};

pub struct Reporter {
    pub slot: Slot,
    pub view: watch::Receiver<View>,
    pub relay: Arc<Relay>,
    pub merge: Arc<Merger>,
}

impl Reporter {
    pub fn status(&self) -> Status {
        Status {
            merge: self.merge.progress().map(said),
            ..status(&self.slot, &self.view.borrow(), self.relay.last_error())
        }
    }

    /// Writes one JSON document.
    pub async fn write(&self, stream: &mut (impl AsyncWrite + Unpin)) -> std::io::Result<()> {
        let text = serde_json::to_vec(&self.status())?;
        stream.write_all(&text).await?;
        stream.shutdown().await
    }
}

fn status(slot: &Slot, view: &View, last_error: Option<String>) -> Status {
    let replication = view.state.serves().then(|| Replication {
        state: match view.state {
            State::Paired(_) => ReplicationState::Paired,
            _ => ReplicationState::Alone,
        },
        since: unix_seconds(view.since),
        last_error,
    });
    Status {
        store: slot.store.to_string(),
        site: slot.site.to_string(),
        role: match view.role {
            roles::Role::Primary => Role::Primary,
            roles::Role::Follower | roles::Role::Quarantined => Role::Follower,
        },
        state: view.state.name().to_owned(),
        era: view.highest.ballot.era.0,
        term: view.highest.ballot.term.0,
        primary: view.highest.holder.as_ref().map(ToString::to_string),
        volume: view.copy.volume.0.clone(),
        incarnation: view.copy.incarnation,
        gate_open: view.state.serves(),
        replication,
        merge: None,
        hold: view.hold.as_ref().map(|hold| Hold {
            operation: hold.operation.0.clone(),
            open: hold.open,
        }),
        assignment_error: view.assignment_error.clone(),
    }
}

fn said((passed_over, progress): (Unmerged, merge::Progress)) -> Merge {
    let merge::Progress {
        owners,
        done,
        counts,
        last_error,
        ..
    } = progress;
    Merge {
        site: passed_over.site.to_string(),
        volume: passed_over.volume.0,
        owners,
        owners_done: done,
        folders: counts.folders_made,
        messages: counts.appended,
        known: counts.known,
        expunged: counts.expunged,
        last_error,
    }
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use govuc_roles::{Ballot, Evidence, Site, SlotCopy, VolumeId};

    fn site(name: &str) -> Site {
        Site::try_from(name.to_owned()).unwrap()
    }

    fn view(state: State) -> View {
        View {
            state,
            role: roles::Role::Primary,
            highest: Evidence {
                ballot: Ballot::new(1, 2),
                holder: Some(site("pdsa1")),
            },
            copy: SlotCopy {
                volume: VolumeId("v".into()),
                incarnation: 3,
            },
            since: UNIX_EPOCH + std::time::Duration::from_secs(7),
            deadline: None,
            hold: None,
            assignment_error: None,
        }
    }

    fn slot() -> Slot {
        Slot {
            store: "mail-1".to_owned().try_into().unwrap(),
            site: site("pdsa1"),
            peer: site("pdsa2"),
        }
    }

    #[test]
    fn a_primary_says_since_when_it_is_alone_and_why() {
        let status = status(&slot(), &view(State::Alone), Some("it broke".into()));
        assert!(status.gate_open);
        let replication = status.replication.unwrap();
        assert_eq!(replication.state, ReplicationState::Alone);
        assert_eq!(replication.since, 7);
        assert_eq!(replication.last_error.as_deref(), Some("it broke"));
    }

    #[test]
    fn a_slot_that_does_not_serve_says_nothing_of_replication() {
        for state in [State::Boot, State::Follower, State::Promoting, State::Fenced] {
            let status = status(&slot(), &view(state), None);
            assert!(!status.gate_open && status.replication.is_none());
        }
    }
}
