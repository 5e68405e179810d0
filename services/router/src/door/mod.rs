//! What nginx asks at the front door: who may come in (`/auth`), and a change of password (`/password`).

mod auth;
mod password;
mod text;

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, put},
};
use govuc_wire::token::SessionKey;

pub use text::Texts;

use crate::{providers::Providers, relay::Admitted, sign_in::SignIn, telemetry::Metrics, tickets::Tickets};

/// What the answers are made from.
pub struct Door {
    pub sign_in: SignIn,
    pub providers: Providers,
    pub session_key: SessionKey,
    pub tickets: Arc<Tickets<Admitted>>,
    /// Where the relay listens, at every address that a ticket can have.
    pub relay_port: u16,
    /// The own site, and the peer.
    pub site: String,
    pub peer: String,
    pub texts: Texts,
    pub metrics: Metrics,
}

/// Both endpoints. nginx passes only `/password` on to the public.
pub fn routes(door: Arc<Door>) -> Router {
    Router::new()
        .route("/auth", get(auth::answer))
        .route("/password", put(password::answer))
        .with_state(door)
}
