//! What nginx asks at the front door: who may come in (`/auth`), and a change of password (`/password`).

mod auth;
mod change;
mod form;
mod page;
mod password;
mod text;

use std::sync::Arc;

use axum::{Router, routing::get};
use govuc_wire::token::SessionKey;

pub use text::Texts;

use crate::{
    primaries::Primaries, providers::Providers, relay::Admitted, rules::RulesFile, sign_in::SignIn,
    telemetry::Metrics, tickets::Tickets,
};

/// What the answers are made from.
pub struct Door {
    pub sign_in: SignIn,
    pub providers: Providers,
    pub primaries: Primaries,
    pub session_key: SessionKey,
    pub tickets: Arc<Tickets<Admitted>>,
    /// Where the relay listens, at every address that a ticket can have.
    pub relay_port: u16,
    /// The own site, and the peer.
    pub site: String,
    pub peer: String,
    pub texts: Texts,
    pub rules: RulesFile,
    pub metrics: Metrics,
}

/// Both endpoints. nginx passes only `/password` on to the public.
pub fn routes(door: Arc<Door>) -> Router {
    Router::new()
        .route("/auth", get(auth::answer))
        .route(
            "/password",
            get(form::show).post(form::answer).put(password::answer),
        )
        .with_state(door)
}
