//! Where the role comes from: a task that tells the turn who is assigned the store.

use std::{path::PathBuf, time::Duration};

use govuc_roles::Event;

use crate::{
    config::{RoleSource, Slot, StoreConfig},
    turn::{Events, Message},
};

/// How often the file is looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The assignment in `store.json`, written by the operator; a changed file is a changed assignment.
pub struct StaticAssignment {
    pub path: PathBuf,
    pub slot: Slot,
    pub events: Events,
}

impl StaticAssignment {
    /// For ever. A file that makes no sense changes no role, and the status says so.
    pub async fn follow(self) {
        let mut last = Vec::new();
        loop {
            if let Ok(text) = std::fs::read(&self.path)
                && text != last
            {
                self.take(&text);
                last = text;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    fn take(&self, text: &[u8]) {
        match StoreConfig::parse(&self.path, text) {
            Ok(StoreConfig {
                slot,
                role: RoleSource::Assignment(assignment),
            }) if slot == self.slot => {
                self.events.message(Message::SourceError(None));
                self.events.send(Event::Assigned(assignment));
            }
            Ok(_) => self.refuse(format!(
                "{}: store, site, peer and where the role comes from can't change while the guard runs; restart it",
                self.path.display()
            )),
            Err(error) => self.refuse(error.to_string()),
        }
    }

    fn refuse(&self, error: String) {
        tracing::error!(%error, "the assignment is not taken");
        self.events.message(Message::SourceError(Some(error)));
    }
}
