//! Metrics, logs, and the plain HTTP port for the kubelet and Prometheus.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use axum::{Router, http::header, routing::get};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::{expiry::Expiry, lead::Lead};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the operator counts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    writes: Family<WriteLabels, Counter>,
    reconciles: Family<ReconcileLabels, Counter>,
    durations: Family<KindLabels, Histogram>,
    leading: Gauge,
    members: Gauge,
    sites_differ: Gauge,
    mirror_waiting: Family<KindLabels, Gauge>,
    mirror_stopped: Family<KindLabels, Gauge>,
    lead: Gauge,
    lead_known: Gauge,
    lead_term: Gauge,
    lead_changes: Counter,
    expiry: Expiry,
    /// The site that led last, as far as is known.
    led: Arc<Mutex<Option<String>>>,
}

/// Counts a reconcile when dropped, so that one that was cancelled counts too.
pub struct Timer {
    metrics: Metrics,
    kind: &'static str,
    outcome: &'static str,
    begun: Instant,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct WriteLabels {
    verb: &'static str,
    kind: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReconcileLabels {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("govuc");
        let writes = Family::default();
        let reconciles = Family::default();
        let durations = Family::new_with_constructor(
            // 5 ms to 40 s: a reconcile with directory and store in it takes tens of milliseconds.
            (|| Histogram::new(exponential_buckets(0.005, 2.0, 14))) as fn() -> Histogram,
        );
        let leading = Gauge::default();
        registry.register("writes", "Writes to the API server", writes.clone());
        registry.register("reconciles", "Reconciles", reconciles.clone());
        registry.register(
            "reconcile_duration_seconds",
            "How long a reconcile took",
            durations.clone(),
        );
        registry.register("leading", "1 while this replica acts", leading.clone());
        let members = Gauge::default();
        registry.register(
            "roles_members",
            "How many of the three members of the roles' etcd are there, while a majority can be asked from this site",
            members.clone(),
        );
        let sites_differ = Gauge::default();
        registry.register(
            "sites_differ",
            "1 while the two sites' Platforms are known to mean different services",
            sites_differ.clone(),
        );
        let (mirror_waiting, mirror_stopped) = (Family::default(), Family::default());
        registry.register(
            "mirror_waiting",
            "Objects of this cluster that the other site does not have alike",
            mirror_waiting.clone(),
        );
        registry.register(
            "mirror_stopped",
            "1 while deletions at the other site are held back because they are many",
            mirror_stopped.clone(),
        );
        let (lead, lead_known, lead_term) = (Gauge::default(), Gauge::default(), Gauge::default());
        let lead_changes = Counter::default();
        registry.register(
            "lead",
            "1 while this site leads and acts as the lead",
            lead.clone(),
        );
        registry.register(
            "lead_known",
            "1 while it is known here which site leads",
            lead_known.clone(),
        );
        registry.register(
            "lead_term",
            "The term under which this site leads; 0 if it does not",
            lead_term.clone(),
        );
        registry.register(
            "lead_changes",
            "How often another site has come to lead",
            lead_changes.clone(),
        );
        let expiry = Expiry::default();
        registry.register_with_unit(
            "certificate_expiry",
            "When a certificate ends that the operator keeps or shows, in Unix time; of stores the first",
            Unit::Seconds,
            expiry.ends.clone(),
        );
        Self {
            expiry,
            lead,
            lead_known,
            lead_term,
            lead_changes,
            led: Arc::default(),
            registry: Arc::new(registry),
            writes,
            reconciles,
            durations,
            leading,
            members,
            sites_differ,
            mirror_waiting,
            mirror_stopped,
        }
    }
}

impl Metrics {
    pub fn wrote(&self, verb: &'static str, kind: &str, outcome: &'static str) {
        let labels = WriteLabels {
            verb,
            kind: kind.to_owned(),
            outcome,
        };
        self.writes.get_or_create(&labels).inc();
    }

    pub fn acts(&self, acting: bool) {
        self.leading.set(acting.into());
    }

    /// Who leads, as this replica knows it.
    pub fn leads(&self, lead: &Lead) {
        self.lead.set(lead.is_here().into());
        self.lead_known.set(lead.site().is_some().into());
        self.lead_term
            .set(lead.term.and_then(|term| term.try_into().ok()).unwrap_or(0));
        let Some(site) = lead.site() else { return };
        let mut led = self.led.lock().unwrap_or_else(PoisonError::into_inner);
        if led.as_deref().is_some_and(|last| last != site) {
            self.lead_changes.inc();
        }
        *led = Some(site.to_owned());
    }

    /// When certificates end.
    pub fn expiry(&self) -> &Expiry {
        &self.expiry
    }

    pub fn members(&self, present: usize) {
        self.members.set(i64::try_from(present).unwrap_or(i64::MAX));
    }

    pub fn sites_differ(&self, differ: bool) {
        self.sites_differ.set(differ.into());
    }

    pub fn mirror_waiting(&self, kind: &'static str, objects: usize) {
        let gauge = self.mirror_waiting.get_or_create(&KindLabels { kind });
        gauge.set(i64::try_from(objects).unwrap_or(i64::MAX));
    }

    pub fn mirror_stopped(&self, kind: &'static str, stopped: bool) {
        let gauge = self.mirror_stopped.get_or_create(&KindLabels { kind });
        gauge.set(stopped.into());
    }

    /// Begins to count a reconcile, as `cancelled` unless [`Timer::end`] says otherwise.
    pub fn time(&self, kind: &'static str) -> Timer {
        Timer {
            metrics: self.clone(),
            kind,
            outcome: "cancelled",
            begun: Instant::now(),
        }
    }

    /// All metrics as OpenMetrics text.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Timer {
    pub fn end(mut self, outcome: &'static str) {
        self.outcome = outcome;
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let (kind, outcome) = (self.kind, self.outcome);
        self.metrics
            .reconciles
            .get_or_create(&ReconcileLabels { kind, outcome })
            .inc();
        self.metrics
            .durations
            .get_or_create(&KindLabels { kind })
            .observe(self.begun.elapsed().as_secs_f64());
    }
}

/// Logs as JSON lines to standard error, filtered by `RUST_LOG`.
pub fn init_logs() {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,kube_client=warn"));
    tracing_subscriber::fmt()
        .json()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

/// Serves `/livez`, `/readyz` and `/metrics` until stopped. A standby is ready: it can take over.
pub async fn serve(listener: TcpListener, metrics: Metrics, stop: CancellationToken) -> std::io::Result<()> {
    let router = Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(async || "ok\n"))
        .route(
            "/metrics",
            get(async move || match metrics.text() {
                Ok(text) => Ok(([(header::CONTENT_TYPE, OPENMETRICS)], text)),
                Err(_) => Err(axum::http::StatusCode::INTERNAL_SERVER_ERROR),
            }),
        );
    axum::serve(listener, router)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_in_the_text() {
        let metrics = Metrics::default();
        metrics.wrote("apply", "Secret", "ok");
        metrics.time("Agency").end("ok");
        drop(metrics.time("Agency"));
        metrics.members(2);
        metrics.sites_differ(true);
        let text = metrics.text().unwrap();
        for line in [
            r#"govuc_writes_total{verb="apply",kind="Secret",outcome="ok"} 1"#,
            r#"govuc_reconciles_total{kind="Agency",outcome="ok"} 1"#,
            r#"govuc_reconciles_total{kind="Agency",outcome="cancelled"} 1"#,
            "govuc_roles_members 2",
            "govuc_sites_differ 1",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }
}
