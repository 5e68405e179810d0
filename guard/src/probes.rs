//! Plain HTTP for the kubelet and Prometheus. No probe asks a peer or a directory: their absence must restart nothing.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use tokio::{sync::oneshot, time};

use crate::{
    engine,
    metrics::Metrics,
    turn::{Events, Message},
};

#[derive(Clone)]
pub struct Probes {
    pub events: Events,
    pub engine: SocketAddr,
    pub metrics: Arc<Metrics>,
}

pub fn router(probes: Probes) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(probes)
}

/// Alive while the turn turns.
async fn livez(State(probes): State<Probes>) -> StatusCode {
    let (sender, answer) = oneshot::channel();
    probes.events.message(Message::Alive(sender));
    match time::timeout(Duration::from_secs(5), answer).await {
        Ok(Ok(())) => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Ready when the engine greets, at a follower too: it takes sync.
async fn readyz(State(probes): State<Probes>) -> (StatusCode, &'static str) {
    if engine::greets(probes.engine).await {
        (StatusCode::OK, "the engine greets\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the engine does not greet\n")
    }
}

async fn metrics(State(probes): State<Probes>) -> axum::response::Response {
    match probes.metrics.text() {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
