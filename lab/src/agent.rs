//! The process that runs the lab's own controllers inside a site's machine.

use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::controllers::{self, Settings};
use crate::lab::{Lab, LabName};
use crate::network::Site;

/// Runs the controllers of `site` until the process is told to end.
pub async fn run(name: &LabName, site: Site) -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(
            // A killed API server is what a lab is for: the client would tell of each request it did not answer.
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| "info,kube_client=off".into()),
        )
        .with_ansi(false)
        .init();
    let lab = Lab::open(name)?;
    let folder = lab.folder.site(site);
    let stop = CancellationToken::new();
    let settings = Settings {
        site: site.to_string(),
        kubeconfig: folder.kubeconfig("admin"),
        volumes_root: folder.volumes(),
        load_balancer_pool: lab
            .network
            .load_balancers(site)
            .context("the witness runs no controllers")?,
        wan_interface: "wan0".to_owned(),
        pod_interface_prefix: "veth".to_owned(),
        node_name: site.to_string(),
        stop: stop.clone(),
    };
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        terminate.recv().await;
        stop.cancel();
    });
    loop {
        match controllers::run(settings.clone()).await {
            Ok(()) => return Ok(()),
            // A killed API server is part of the lab's business; nobody else restarts this process.
            Err(error) => tracing::warn!("the controllers start again: {error:#}"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
