//! Which of a cluster's replicas acts: a Lease, decided purely, written with optimistic concurrency.

use std::time::Duration;

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
    jiff::Timestamp,
};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::cluster::{self, Cluster};

/// How long a lease outlives its last renewal.
const DURATION: Duration = Duration::from_secs(15);
/// Without a renewal for this long the holder stops by itself, well before another may take over.
const DEADLINE: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_secs(2);
/// One attempt ends before the next but one would begin.
const ATTEMPT: Duration = Duration::from_secs(3);

const NAME: &str = "govuc-operator";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Acquire,
    Renew,
    Wait,
}

/// One replica's view of the lease.
pub struct Elector<'a> {
    cluster: &'a Cluster,
    namespace: &'a str,
    me: String,
    seen: Option<LeaseSpec>,
    since: Instant,
}

/// `unchanged_for` is how long *we* have observed exactly this record, by a monotonic clock: no two clocks are compared.
pub fn decide(spec: Option<&LeaseSpec>, me: &str, unchanged_for: Duration) -> Step {
    let Some(spec) = spec else {
        return Step::Acquire;
    };
    match spec.holder_identity.as_deref() {
        None | Some("") => Step::Acquire,
        Some(holder) if holder == me => Step::Renew,
        Some(_) => {
            let seconds = spec.lease_duration_seconds.unwrap_or(15).max(0).unsigned_abs();
            if unchanged_for > Duration::from_secs(seconds.into()) {
                Step::Acquire
            } else {
                Step::Wait
            }
        }
    }
}

impl<'a> Elector<'a> {
    /// `me` is the replica's own name: its pod's.
    pub fn new(cluster: &'a Cluster, namespace: &'a str, me: String) -> Self {
        Self {
            cluster,
            namespace,
            me,
            seen: None,
            since: Instant::now(),
        }
    }

    /// Waits until the lease is held. `false`: asked to stop before.
    pub async fn acquire(&mut self, stop: &CancellationToken) -> bool {
        loop {
            match timeout(ATTEMPT, self.attempt()).await {
                Ok(Ok(true)) => return true,
                Ok(Ok(false)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the lease can't be read or written"),
                Err(_) => tracing::warn!("the API server did not answer about the lease"),
            }
            tokio::select! {
                () = stop.cancelled() => return false,
                () = sleep(RETRY) => {}
            }
        }
    }

    /// Renews until asked to stop (`true`) or until the lease is lost or can't be renewed in time (`false`).
    pub async fn hold(&mut self, stop: &CancellationToken) -> bool {
        let mut renewed = Instant::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => return true,
                () = sleep(RETRY) => {}
            }
            let sent = Instant::now();
            match timeout(ATTEMPT, self.attempt()).await {
                Ok(Ok(true)) => renewed = sent,
                Ok(Ok(false)) => return false,
                Ok(Err(error)) => tracing::warn!(%error, "the lease can't be renewed"),
                Err(_) => tracing::warn!("the API server did not answer about the lease"),
            }
            if renewed.elapsed() > DEADLINE {
                return false;
            }
        }
    }

    /// Gives the lease back, so that the standby need not wait for its end.
    pub async fn release(&mut self) {
        let released = async {
            let Some(mut lease) = self.read().await? else {
                return Ok(());
            };
            if let Some(spec) = lease.spec.as_mut()
                && spec.holder_identity.as_deref() == Some(&self.me)
            {
                spec.holder_identity = None;
                self.cluster.replace(&lease).await?;
            }
            Ok::<_, cluster::Error>(())
        };
        if let Ok(Err(error)) = timeout(ATTEMPT, released).await {
            tracing::warn!(%error, "the lease was not given back");
        }
    }

    async fn attempt(&mut self) -> Result<bool, cluster::Error> {
        let lease = self.read().await?;
        let spec = lease.as_ref().and_then(|lease| lease.spec.clone());
        if spec != self.seen {
            self.seen.clone_from(&spec);
            self.since = Instant::now();
        }
        match decide(spec.as_ref(), &self.me, self.since.elapsed()) {
            Step::Wait => Ok(false),
            Step::Acquire | Step::Renew => {
                let next = next(lease, self.namespace, &self.me, Timestamp::now());
                self.cluster.replace(&next).await
            }
        }
    }

    async fn read(&self) -> Result<Option<Lease>, cluster::Error> {
        self.cluster.read::<Lease>(Some(self.namespace), NAME).await
    }
}

/// The record to write: it keeps the resourceVersion it was read with, so that of two writers one is refused.
fn next(lease: Option<Lease>, namespace: &str, me: &str, now: Timestamp) -> Lease {
    let mut lease = lease.unwrap_or_else(|| Lease {
        metadata: ObjectMeta {
            name: Some(NAME.to_owned()),
            namespace: Some(namespace.to_owned()),
            ..Default::default()
        },
        ..Default::default()
    });
    let old = lease.spec.take().unwrap_or_default();
    let mine = old.holder_identity.as_deref() == Some(me);
    lease.spec = Some(LeaseSpec {
        holder_identity: Some(me.to_owned()),
        lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
        acquire_time: if mine {
            old.acquire_time
        } else {
            Some(MicroTime(now))
        },
        renew_time: Some(MicroTime(now)),
        lease_transitions: Some(old.lease_transitions.unwrap_or(0) + i32::from(!mine)),
        ..Default::default()
    });
    lease
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn held(holder: &str) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(15),
            ..Default::default()
        }
    }

    #[rstest]
    #[case::nobody(None, 0, Step::Acquire)]
    #[case::released(Some(held("")), 0, Step::Acquire)]
    #[case::mine(Some(held("a")), 0, Step::Renew)]
    #[case::anothers(Some(held("b")), 15, Step::Wait)]
    #[case::anothers_and_silent(Some(held("b")), 16, Step::Acquire)]
    fn a_lease_is_taken_from_nobody_or_from_the_silent(
        #[case] spec: Option<LeaseSpec>,
        #[case] seconds: u64,
        #[case] step: Step,
    ) {
        assert_eq!(decide(spec.as_ref(), "a", Duration::from_secs(seconds)), step);
    }

    #[test]
    fn a_holder_stops_before_another_may_begin() {
        assert!(DEADLINE + ATTEMPT < DURATION);
    }

    #[test]
    fn a_renewal_is_no_transition() {
        let now = Timestamp::UNIX_EPOCH;
        let taken = next(None, "govuc-system", "a", now);
        let renewed = next(Some(taken.clone()), "govuc-system", "a", now);
        assert_eq!(renewed.spec.as_ref().unwrap().lease_transitions, Some(1));
        let lost = next(Some(renewed), "govuc-system", "b", now);
        assert_eq!(lost.spec.unwrap().lease_transitions, Some(2));
    }
}
