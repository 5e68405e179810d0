//! What the router counts.

use std::sync::Arc;

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    sign_ins: Family<SignInLabels, Counter>,
    remembered: Counter,
    password_changes: Family<OutcomeLabels, Counter>,
    connections: Family<SignInLabels, Counter>,
    sessions: Gauge,
    lookups: Family<LookupLabels, Counter>,
    asked_peer: Family<OutcomeLabels, Counter>,
    isolated: Gauge,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SignInLabels {
    protocol: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct LookupLabels {
    map: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

/// A session that is being carried, counted until it is dropped.
pub struct Session(Gauge);

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("govuc_router");
        let sign_ins = Family::default();
        let remembered = Counter::default();
        let password_changes = Family::default();
        let connections = Family::default();
        let sessions = Gauge::default();
        let lookups = Family::default();
        let asked_peer = Family::default();
        let isolated = Gauge::default();
        registry.register(
            "sign_ins",
            "Passwords presented at the front door",
            sign_ins.clone(),
        );
        registry.register(
            "sign_ins_remembered",
            "Sign-ins that needed no bind because the same password was right a moment ago",
            remembered.clone(),
        );
        registry.register(
            "password_changes",
            "Password changes asked for",
            password_changes.clone(),
        );
        registry.register(
            "connections",
            "Connections carried to a store or to submission",
            connections.clone(),
        );
        registry.register("sessions", "Connections being carried now", sessions.clone());
        registry.register("lookups", "Questions of Postfix", lookups.clone());
        registry.register(
            "directory_asked_peer",
            "Questions put to the peer's directory, by what kept the own one from answering",
            asked_peer.clone(),
        );
        registry.register(
            "isolated",
            "Whether this site has reached neither a majority of the roles' etcd nor the other site for a minute",
            isolated.clone(),
        );
        Self {
            registry: Arc::new(registry),
            sign_ins,
            remembered,
            password_changes,
            connections,
            sessions,
            lookups,
            asked_peer,
            isolated,
        }
    }
}

impl Metrics {
    pub fn signed_in(&self, protocol: &'static str, outcome: &'static str) {
        self.sign_ins
            .get_or_create(&SignInLabels { protocol, outcome })
            .inc();
    }

    pub fn remembered(&self) {
        self.remembered.inc();
    }

    pub fn changed_password(&self, outcome: &'static str) {
        self.password_changes
            .get_or_create(&OutcomeLabels { outcome })
            .inc();
    }

    pub fn connected(&self, protocol: &'static str, outcome: &'static str) {
        self.connections
            .get_or_create(&SignInLabels { protocol, outcome })
            .inc();
    }

    pub fn session(&self) -> Session {
        self.sessions.inc();
        Session(self.sessions.clone())
    }

    pub fn looked_up(&self, map: &'static str, outcome: &'static str) {
        self.lookups.get_or_create(&LookupLabels { map, outcome }).inc();
    }

    pub fn asked_peer(&self, outcome: &'static str) {
        self.asked_peer.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    pub fn isolated(&self, isolated: bool) {
        self.isolated.set(isolated.into());
    }

    /// All metrics as OpenMetrics text.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.0.dec();
    }
}
