//! Mail goes on without those who only arrange it.

use anyhow::ensure;

use super::main_job::exchange;
use crate::network::Site;
use crate::service::people::{ALI, SITI};
use crate::service::{Service, client};
use crate::site;

/// Mail goes both ways while no operator runs at either site.
pub async fn mail_goes_on_without_operators(service: &Service) -> anyhow::Result<String> {
    for site in Site::DATA_CENTRES {
        service.kubectl.run(
            site,
            &["-n", "govuc-system", "scale", "deployment/govuc", "--replicas=0"],
        )?;
        service.kill_operators(site)?;
    }
    let sent = both_ways(service).await;
    for site in Site::DATA_CENTRES {
        service.kubectl.run(
            site,
            &["-n", "govuc-system", "scale", "deployment/govuc", "--replicas=2"],
        )?;
        let status = [
            "-n",
            "govuc-system",
            "rollout",
            "status",
            "deployment/govuc",
            "--timeout=120s",
        ];
        service.kubectl.run(site, &status)?;
    }
    sent
}

/// Mail goes both ways while a site's API server is dead.
pub async fn mail_goes_on_without_an_api_server(service: &Service) -> anyhow::Result<String> {
    // Asked beforehand: afterwards there is nobody to ask.
    let doors = [service.door(Site::Pdsa1).await?, service.door(Site::Pdsa2).await?];
    site::kill_program(&service.lab, Site::Pdsa1, "kube-apiserver")?;
    ensure!(
        service
            .kubectl
            .run(Site::Pdsa1, &["get", "--raw", "/readyz"])
            .is_err(),
        "the API server still answers"
    );
    let mut slowest: f64 = 0.0;
    let mut sent = Ok(());
    for (from, to, at, read) in [(ALI, SITI, 0, 1), (SITI, ALI, 1, 0), (ALI, SITI, 1, 0)] {
        let message = crate::service::mail::Message::new(from, to, "Ujian / Test")?;
        let gone = async {
            crate::service::mail::send(&doors[at], from, to, &message).await?;
            crate::service::mail::read(&doors[read], to, &message).await
        };
        match gone.await {
            Ok(seconds) => slowest = slowest.max(seconds),
            Err(error) => sent = Err(error),
        }
    }
    site::revive_program(&service.lab, Site::Pdsa1, "kube-apiserver")?;
    site::wait_for_api(&client(&service.lab.folder.kubeconfig(), Site::Pdsa1).await?).await?;
    sent?;
    Ok(format!("three messages, the slowest read after {slowest:.1} s"))
}

async fn both_ways(service: &Service) -> anyhow::Result<String> {
    let there = exchange(service, ALI, SITI, Site::Pdsa1, Site::Pdsa2).await?;
    let back = exchange(service, SITI, ALI, Site::Pdsa2, Site::Pdsa1).await?;
    Ok(format!("read after {there:.1} and {back:.1} s"))
}
