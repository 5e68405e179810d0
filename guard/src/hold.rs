//! A person's decision that this slot serves without etcd, as the operator of its site brings it.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use govuc_roles::{Event, record::OperationId};
use govuc_wire::preamble::{self, HoldAnswer, HoldOrder};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time,
};

use crate::{clock::unix_now, metrics::Reason, turn::Events};

/// The order is sent with the connection.
const PATIENCE: Duration = Duration::from_secs(5);

pub struct Holds {
    pub store: String,
    /// An assigned role needs no etcd.
    pub leased: bool,
    pub events: Events,
    /// What was taken up last: the operator asks again until it is begun.
    pub taken_up: Mutex<Option<OperationId>>,
}

impl Holds {
    /// A connection from the operator of the own site, which is authenticated.
    pub async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<(), Reason> {
        let order: HoldOrder = time::timeout(PATIENCE, preamble::read(&mut stream))
            .await
            .map_err(|_| Reason::Preamble)?
            .map_err(|_| Reason::Preamble)?;
        let answer = match self.take(order) {
            Ok(()) => HoldAnswer {
                accepted: true,
                reason: None,
            },
            Err(reason) => HoldAnswer {
                accepted: false,
                reason: Some(reason),
            },
        };
        // Whoever is gone asks again.
        let _ = preamble::write(&mut stream, &answer).await;
        Ok(())
    }

    fn take(&self, order: HoldOrder) -> Result<(), String> {
        if order.store != self.store {
            return Err(format!("this is store {}, not {}", self.store, order.store));
        }
        if !self.leased {
            return Err("its role is assigned, and needs no etcd".to_owned());
        }
        let now = unix_now().unwrap_or(u64::MAX);
        let Some(left) = order.not_after.checked_sub(now) else {
            return Err("it was to be begun earlier".to_owned());
        };
        let operation = OperationId(order.operation);
        let last = self
            .taken_up
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(operation.clone());
        if last.as_ref() == Some(&operation) {
            return Ok(());
        }
        tracing::info!(operation = operation.0, "a hold is asked for");
        self.events.send(Event::HoldAsked(operation.clone()));
        let events = self.events.clone();
        tokio::spawn(async move {
            time::sleep(Duration::from_secs(left)).await;
            events.send(Event::HoldLapsed(operation));
        });
        Ok(())
    }
}
