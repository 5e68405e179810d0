//! The plain HTTP port for the kubelet and Prometheus.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    isolation::{ISOLATED, Isolation},
    providers::{Chain, Providers},
    telemetry::Metrics,
};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// How often the directory is asked whether it is there.
const PERIOD: Duration = Duration::from_secs(5);

/// Whether either provider answers: a router that can ask nobody should be sent nobody.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Asks the directory over and over, until cancelled.
    pub async fn watch(self, providers: Providers, stop: CancellationToken) {
        loop {
            let answer = providers
                .ask(|directory| async move { directory.context_csn().await })
                .await;
            if let Err(error) = &answer {
                tracing::warn!(error = %Chain(error), "no directory can be asked");
            }
            self.0.store(answer.is_ok(), Ordering::Relaxed);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PERIOD) => {}
            }
        }
    }
}

/// `isolation` is known where stores are held by lease: nobody else can tell a lost site from a lost line.
pub fn routes(readiness: Readiness, isolation: Option<Isolation>, metrics: Metrics) -> Router {
    let ready = move || {
        let isolated = isolation.as_ref().is_some_and(Isolation::is_isolated);
        let ready = readiness.is_ready();
        async move {
            if isolated {
                (StatusCode::SERVICE_UNAVAILABLE, ISOLATED)
            } else if ready {
                (StatusCode::OK, "ok")
            } else {
                (StatusCode::SERVICE_UNAVAILABLE, "no directory can be asked")
            }
        }
    };
    let metrics = move || {
        let text = metrics.text();
        async move {
            match text {
                Ok(text) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
                Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            }
        }
    };
    Router::new()
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

/// Serves routes until cancelled.
pub async fn serve(listener: TcpListener, routes: Router, stop: CancellationToken) -> std::io::Result<()> {
    axum::serve(listener, routes)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}
