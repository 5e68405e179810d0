//! What etcd says of the store, read again whenever something has changed and every few seconds besides.

use std::sync::{Arc, PoisonError};

use govuc_etcd::{
    Error, Revision, Watch,
    roles::{Registered, Registration, prefix},
};
use govuc_roles::{Era, Event, record::EraRecord, timing};
use tokio::time;

use super::{Lease, PACE, unix_now};
use crate::turn::Message;

/// What has been said of etcd, so that it is said once.
#[derive(PartialEq, Eq)]
enum Heard {
    Well,
    Nothing,
}

impl Lease {
    /// For ever.
    pub(super) async fn follow(self: Arc<Self>) {
        let copy = self.identity.copy.clone();
        let mut registration = Some(Registration::new(
            self.store.clone(),
            self.identity.site.clone(),
            copy,
        ));
        let mut heard = Heard::Well;
        let mut watch: Option<Watch> = None;
        loop {
            match self.look(&mut registration).await {
                Ok(revision) => {
                    if heard == Heard::Nothing {
                        tracing::info!("etcd says again who holds the store");
                        heard = Heard::Well;
                    }
                    if watch.is_none() {
                        let prefix = prefix(&self.store);
                        watch = self
                            .roles
                            .etcd()
                            .watch(&prefix, revision.next(), timing::ATTEMPT)
                            .await
                            .ok();
                    }
                }
                Err(error) => {
                    if heard == Heard::Well {
                        tracing::warn!(%error, "etcd does not say who holds the store");
                        heard = Heard::Nothing;
                    }
                    watch = None;
                    time::sleep(PACE).await;
                    continue;
                }
            }
            let changed = async {
                match &mut watch {
                    Some(watch) => watch.next().await.is_ok(),
                    None => std::future::pending().await,
                }
            };
            // A watch that breaks off is opened anew after the next look.
            if let Ok(false) = time::timeout(timing::READ_AGAIN, changed).await {
                watch = None;
                time::sleep(PACE).await;
            }
        }
    }

    async fn look(&self, registration: &mut Option<Registration>) -> Result<Revision, Error> {
        if let Some(start) = registration {
            match self.roles.register(start, timing::ATTEMPT).await? {
                Registered::Latest => {
                    *registration = None;
                    self.events.send(Event::Registered);
                }
                // It lacks what the copy of this name has had, so it is another one (R7).
                Registered::Restored { known } => {
                    tracing::warn!(?known, "the volume was restored from a snapshot");
                    self.events.message(Message::Restored);
                    std::future::pending::<()>().await;
                }
            }
        }
        self.tell_reading().await
    }

    /// Reads the store's keys and tells the turn.
    pub(super) async fn tell_reading(&self) -> Result<Revision, Error> {
        let (found, mut reading) = loop {
            let sent = self.clock.now();
            let found = self.roles.read(&self.store, timing::ATTEMPT).await?;
            if let Some(reading) = found.for_roles(sent) {
                break (found, reading);
            }
            let first = EraRecord {
                era: Era(1),
                cluster: uuid::Uuid::new_v4().to_string(),
            };
            match self
                .roles
                .put_era(&first, Revision::ABSENT, timing::ATTEMPT)
                .await
            {
                // Another guard was faster.
                Ok(_) | Err(Error::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        };
        if let Some(term) = found.lead_term {
            self.leads.admit(term.0);
        }
        *self.expected.lock().unwrap_or_else(PoisonError::into_inner) = Some(found.expected());
        // What was not begun in time is not begun any more.
        reading.want = reading.want.filter(|want| unix_now() <= want.not_after);
        self.events.send(Event::Read(reading));
        Ok(found.revision)
    }
}
