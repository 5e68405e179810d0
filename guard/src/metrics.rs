//! What Prometheus may read.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

pub struct Metrics {
    pub gate_open: Gauge,
    pub paired: Gauge,
    pub era: Gauge,
    pub term: Gauge,
    /// Seconds until the gate shuts unless the lease is kept, as of the last look at the clock; 0 without a lease.
    pub lease_left: Gauge<f64, AtomicU64>,
    /// Seconds that engines were kept waiting for the record that the primary is alone.
    pub withheld: Counter<f64, AtomicU64>,
    /// Whether a copy was passed over that is not merged yet.
    pub diverged: Gauge,
    pub held: Gauge,
    /// Whose mail is to be merged, and of whom all is here.
    pub merge_owners: Gauge,
    pub merge_owners_done: Gauge,
    /// Messages that merges have brought.
    pub merged_messages: Counter,
    pub states: Family<InState, Counter>,
    pub bytes: Family<Passed, Counter>,
    pub connections: Family<Carried, Gauge>,
    pub refused: Family<Refused, Counter>,
    registry: Registry,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct InState {
    pub state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Passed {
    pub direction: Direction,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Direction {
    ToEngine,
    FromEngine,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Carried {
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Kind {
    Imap,
    Lmtp,
    SyncIn,
    SyncOut,
    Merge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Refused {
    pub reason: Reason,
}

/// Why a connection was not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Reason {
    /// No certificate of a trusted CA, or no TLS.
    Tls,
    /// A certificate that may not use this protocol.
    Identity,
    /// The first line did not come or made no sense.
    Preamble,
    Gate,
    Engine,
    /// Sync was offered to a slot that is no follower.
    NotFollower,
    /// Who wants to read a copy that was passed over is not whom etcd names, or this is not that copy.
    NotPassedOver,
    /// Sync was offered under an older term.
    Stale,
    /// The engine wanted to sync and the peer could not be reached, or refused.
    Peer,
}

impl Metrics {
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("govuc_guard");
        let metrics = Self {
            gate_open: Gauge::default(),
            paired: Gauge::default(),
            era: Gauge::default(),
            term: Gauge::default(),
            lease_left: Gauge::default(),
            withheld: Counter::default(),
            diverged: Gauge::default(),
            held: Gauge::default(),
            merge_owners: Gauge::default(),
            merge_owners_done: Gauge::default(),
            merged_messages: Counter::default(),
            states: Family::default(),
            bytes: Family::default(),
            connections: Family::default(),
            refused: Family::default(),
            registry: Registry::default(),
        };
        registry.register(
            "gate_open",
            "Whether client bytes pass",
            metrics.gate_open.clone(),
        );
        registry.register(
            "paired",
            "Whether the peer has all that is stored",
            metrics.paired.clone(),
        );
        registry.register("era", "Of the highest evidence seen", metrics.era.clone());
        registry.register("term", "Of the highest evidence seen", metrics.term.clone());
        registry.register_with_unit(
            "lease_left",
            "Until the gate shuts unless the lease is kept",
            Unit::Seconds,
            metrics.lease_left.clone(),
        );
        registry.register_with_unit(
            "withheld",
            "Time in which the engine was kept waiting for the record that the primary is alone",
            Unit::Seconds,
            metrics.withheld.clone(),
        );
        registry.register(
            "held",
            "Whether this copy was held by a person and the roles' etcd does not know yet",
            metrics.held.clone(),
        );
        registry.register(
            "diverged",
            "Whether a copy that was passed over is not merged yet",
            metrics.diverged.clone(),
        );
        registry.register(
            "merge_owners",
            "Accounts at the copy that is being merged",
            metrics.merge_owners.clone(),
        );
        registry.register(
            "merge_owners_done",
            "Accounts of which all that the copy had is here",
            metrics.merge_owners_done.clone(),
        );
        registry.register(
            "merged_messages",
            "Messages that merges have brought",
            metrics.merged_messages.clone(),
        );
        registry.register("states", "Times a state was entered", metrics.states.clone());
        registry.register("bytes", "Client bytes passed", metrics.bytes.clone());
        registry.register("connections", "Connections carried", metrics.connections.clone());
        registry.register("refused", "Connections not served", metrics.refused.clone());
        Self { registry, ..metrics }
    }

    pub fn refuse(&self, reason: Reason) {
        self.refused.get_or_create(&Refused { reason }).inc();
    }

    /// Counts a connection for as long as the returned value lives.
    pub fn carry(&self, kind: Kind) -> Counted {
        let gauge = self.connections.get_or_create(&Carried { kind }).clone();
        gauge.inc();
        Counted(gauge)
    }

    /// OpenMetrics text.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

pub struct Counted(Gauge);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_counted_by_its_reason() {
        let metrics = Metrics::new();
        metrics.refuse(Reason::Stale);
        let text = metrics.text().unwrap();
        assert!(
            text.contains("govuc_guard_refused_total{reason=\"Stale\"} 1"),
            "{text}"
        );
    }

    #[test]
    fn a_connection_is_counted_while_it_lives() {
        let metrics = Metrics::new();
        let counted = metrics.carry(Kind::Imap);
        assert!(metrics.text().unwrap().contains("connections{kind=\"Imap\"} 1"));
        drop(counted);
        assert!(metrics.text().unwrap().contains("connections{kind=\"Imap\"} 0"));
    }
}
