//! Who may write a store, asked of real guards over the real network: protocol R3 and R6, and the gate.

use std::time::Duration;

use anyhow::{Context, ensure};
use govuc_wire::names;
use govuc_wire::preamble::{self, SyncAnswer, SyncOffer};
use govuc_wire::tls::ALPN_SYNC;
use tokio::time::timeout;

use crate::network::Site;
use crate::service::Service;
use crate::service::part::{self, Part};
use crate::service::people::ALI;
use crate::service::store::sides;

/// An era and a term above any that the store has had.
const LATER: (u64, u64) = (99, 1);
/// A guard that does not answer within this does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The follower's guard refuses a primary of an older era, and says what it has seen.
pub async fn an_older_term_is_refused(service: &Service) -> anyhow::Result<String> {
    let store = service.store_of(ALI).await?;
    let (_, follower) = sides(service, &store).await?;
    let answer = offer(service, &store, follower, &store, (0, 0))
        .await?
        .context("it hung up without an answer")?;
    ensure!(
        !answer.accepted,
        "the follower took sync from era 0, term 0: {answer:?}"
    );
    ensure!(
        (answer.era, answer.term) > (0, 0),
        "it says nothing of what it has seen: {answer:?}"
    );
    Ok(answer.reason.unwrap_or_default())
}

/// Another part's certificate, of the same authority, opens no sync connection.
pub async fn another_parts_certificate_is_refused(service: &Service) -> anyhow::Result<String> {
    let store = service.store_of(ALI).await?;
    let (_, follower) = sides(service, &store).await?;
    for part in ["directory", "filter", "front-door"] {
        let answer = offer(service, &store, follower, part, (9, 9)).await?;
        ensure!(answer.is_none(), "{part} may sync: {answer:?}");
    }
    Ok("no answer, the connection is closed".to_owned())
}

/// A primary that hears of a later era from its peer shuts its gate: a session that was open is cut, and no further
/// byte reaches it. The store has no primary afterwards:
/// what its volume has seen is above what etcd says.
pub async fn higher_evidence_shuts_the_gate(service: &Service) -> anyhow::Result<String> {
    let store = service.store_of(ALI).await?;
    let (primary, _) = sides(service, &store).await?;
    let door = service.door(Site::Pdsa1).await?;
    let mut session = door.imap(ALI.login()).await?;
    session.select("INBOX").await?;
    let answer = offer(service, &store, primary, &store, LATER).await?;
    // Not `noop()`, which takes the end of the connection for an answer.
    let noop = timeout(PATIENCE, session.run_command_and_check_ok("NOOP")).await;
    ensure!(
        matches!(noop, Ok(Err(_))),
        "the session was answered {noop:?} after the gate had shut; the offer was answered {answer:?}"
    );
    ensure!(
        timeout(PATIENCE, door.imap(ALI.login()))
            .await
            .map_or(true, |login| login.is_err()),
        "a new session opened"
    );
    Ok(format!("the open session was cut; the guard answered {answer:?}"))
}

/// Dials the guard of `store` at `site` as the other site's `part`, and offers to sync. None: it hung up.
async fn offer(
    service: &Service,
    store: &str,
    site: Site,
    part: &str,
    (era, term): (u64, u64),
) -> anyhow::Result<Option<SyncAnswer>> {
    let sender = if site == Site::Pdsa1 {
        Site::Pdsa2
    } else {
        Site::Pdsa1
    };
    let material = part::material(service, sender, names::MAIL_NAMESPACE, part)?;
    let guard = Part {
        site,
        namespace: names::MAIL_NAMESPACE,
        name: store,
    };
    let mut stream = guard.dial(service, material.client(&[ALPN_SYNC])?).await?;
    let offer = SyncOffer {
        store: store.to_owned(),
        era,
        term,
        volume: "a-test".to_owned(),
        incarnation: 1,
        opening: 1,
    };
    preamble::write(&mut stream, &offer).await?;
    let answer = timeout(PATIENCE, preamble::read(&mut stream))
        .await
        .context("the guard says nothing")?;
    Ok(answer.ok())
}
