//! Certificates are renewed in a running site: all of them at once, as they would be a year after its installation.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use govuc_wire::names::{MAIL_NAMESPACE, MTA_NAMESPACE};
use rustls::pki_types::CertificateDer;

use super::main_job::exchange;
use crate::network::Site;
use crate::service::part::{self, Part};
use crate::service::people::{ALI, SITI};
use crate::service::store;
use crate::service::{Door, Kind, Service};

/// The site whose certificates are renewed. It has a primary store of one agency and the copy of the other's.
const RENEWED: Site = Site::Pdsa1;
/// Every shared part with a certificate; the gateway ends no TLS.
const SHARED: [(&str, &str); 5] = [
    (MAIL_NAMESPACE, "directory"),
    (MAIL_NAMESPACE, "filter"),
    (MAIL_NAMESPACE, "front-door"),
    (MTA_NAMESPACE, "mx"),
    (MTA_NAMESPACE, "submission"),
];
/// The engines restart one by one, on a small machine.
const LIMIT: Duration = Duration::from_secs(180);

/// Every certificate of a site is lost at once. The operator issues new ones, slapd, HAProxy, nginx and Postfix show
/// them to whoever dials, the routers beside them find every store and account with them, and meanwhile the other site
/// takes and gives mail without a single failure.
pub async fn mail_goes_on_while_a_site_renews_its_certificates(service: &Service) -> anyhow::Result<String> {
    // What was cut before may still be catching up, and a message is looked for in both copies.
    for person in [ALI, SITI] {
        store::in_step(service, &service.store_of(person).await?).await?;
    }
    let start = Instant::now();
    let before = kept(service).await?;
    for (namespace, name) in before.keys() {
        let secret = format!("tls-{name}");
        service
            .kubectl
            .run(RENEWED, &["-n", namespace, "delete", "secret", &secret])?;
    }
    let renewed = AtomicBool::new(false);
    let renew = async {
        let shown = renewal(service, &before).await;
        renewed.store(true, Ordering::Relaxed);
        shown
    };
    let write = async {
        let mut messages = 0;
        while !renewed.load(Ordering::Relaxed) {
            let (from, to) = if messages % 2 == 0 {
                (ALI, SITI)
            } else {
                (SITI, ALI)
            };
            exchange(service, from, to, Site::Pdsa2, Site::Pdsa2)
                .await
                .with_context(|| format!("message {messages} at the other site"))?;
            messages += 1;
        }
        anyhow::Ok(messages)
    };
    let ((), messages) = tokio::try_join!(renew, write)?;
    let seconds = start.elapsed().as_secs_f64();
    exchange(service, ALI, SITI, RENEWED, RENEWED).await?;
    exchange(service, SITI, ALI, RENEWED, RENEWED).await?;
    Ok(format!(
        "{} certificates in {seconds:.0} s, {messages} messages meanwhile",
        before.len()
    ))
}

/// The guards take their new certificates up without a restart, as soon as the kubelet has brought them.
pub async fn guards_show_their_new_certificates(service: &Service) -> anyhow::Result<String> {
    let stores = stores(service).await?;
    until_shown(
        service,
        stores.iter().map(|store| (MAIL_NAMESPACE, store.as_str())),
    )
    .await?;
    for store in &stores {
        let field = |object: &str, path: &str| {
            let path = format!("jsonpath={path}");
            let words = ["-n", MAIL_NAMESPACE, "get", object, "-o", &path];
            service.kubectl.run(RENEWED, &words)
        };
        // Both in UTC and of one form, so that the earlier one is the lesser text.
        let started = field(
            &format!("pod/{store}-0"),
            "{.status.containerStatuses[0].state.running.startedAt}",
        )?;
        let issued = field(&format!("secret/tls-{store}"), "{.metadata.creationTimestamp}")?;
        ensure!(
            !started.is_empty() && started < issued,
            "{store} was started at {started:?}, after its certificate was issued at {issued:?}"
        );
    }
    Ok(format!("{} stores", stores.len()))
}

/// Returns once each part has a certificate that differs from the one before, every shared part shows it, and the site
/// is Ready.
async fn renewal(
    service: &Service,
    before: &BTreeMap<(&'static str, String), CertificateDer<'static>>,
) -> anyhow::Result<()> {
    let start = Instant::now();
    for ((namespace, name), old) in before {
        while part::certificate(service, RENEWED, namespace, name).map_or(true, |new| new == *old) {
            ensure!(
                start.elapsed() < LIMIT,
                "{name} has no new certificate after {LIMIT:?}"
            );
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
    until_shown(service, SHARED.into_iter()).await?;
    service.ready(RENEWED, Kind::Platform, 1, LIMIT).await
}

/// The certificates of all parts of the site, by namespace and name.
async fn kept(
    service: &Service,
) -> anyhow::Result<BTreeMap<(&'static str, String), CertificateDer<'static>>> {
    let stores = stores(service).await?;
    let shared = SHARED.map(|(namespace, name)| (namespace, name.to_owned()));
    let stores = stores.into_iter().map(|store| (MAIL_NAMESPACE, store));
    shared
        .into_iter()
        .chain(stores)
        .map(|(namespace, name)| {
            let certificate = part::certificate(service, RENEWED, namespace, &name)?;
            Ok(((namespace, name), certificate))
        })
        .collect()
}

async fn stores(service: &Service) -> anyhow::Result<Vec<String>> {
    let mut stores = vec![service.store_of(ALI).await?, service.store_of(SITI).await?];
    stores.sort();
    stores.dedup();
    Ok(stores)
}

/// Waits until each of these parts shows the certificate that the cluster keeps for it.
async fn until_shown<'a>(
    service: &Service,
    parts: impl Iterator<Item = (&'static str, &'a str)>,
) -> anyhow::Result<()> {
    let start = Instant::now();
    for (namespace, name) in parts {
        let kept = part::certificate(service, RENEWED, namespace, name)?;
        loop {
            let shown = shown(service, namespace, name).await;
            match shown {
                Ok(shown) if shown.iter().all(|certificate| *certificate == kept) => break,
                other if start.elapsed() > LIMIT => {
                    let old = other.with_context(|| format!("{name} can't be dialled"))?.len();
                    bail!("{name} still shows another certificate after {LIMIT:?} ({old} ports)");
                }
                _ => tokio::time::sleep(Duration::from_millis(500)).await,
            }
        }
    }
    Ok(())
}

/// What a part shows at each of its ports.
async fn shown(
    service: &Service,
    namespace: &str,
    name: &str,
) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let first = |shown: Option<&[CertificateDer<'static>]>| {
        let first = shown.and_then(<[_]>::first).cloned();
        first.context("it shows no certificate")
    };
    let of_stream = |stream: &crate::service::Stream| first(stream.get_ref().1.peer_certificates());
    match name {
        "front-door" => {
            let door: Door = service.door(RENEWED).await?;
            let mut shown = Vec::new();
            for port in [993, 465, 443] {
                shown.push(of_stream(&door.tls(port).await?)?);
            }
            Ok(shown)
        }
        "mx" => Ok(vec![of_stream(
            service.mx(RENEWED).await?.relay().await?.stream(),
        )?]),
        _ => {
            // Any part's will do: it is shown before the other side decides whom to let in.
            let own = part::material(service, RENEWED, MTA_NAMESPACE, "mx")?;
            let part = Part {
                site: RENEWED,
                namespace,
                name,
            };
            Ok(vec![of_stream(&part.dial(service, own.client(&[])?).await?)?])
        }
    }
}
