//! What pods can count on: each other, names, addresses, volumes, user namespaces.

use anyhow::{bail, ensure};
use serde_json::{Value, json};

use super::bench::{Bench, eventually, namespace, pod};
use crate::network::Site;
use crate::suites::Report;

const NAMESPACE: &str = "pods";

pub async fn run(report: &mut Report, bench: &Bench, image: &str) -> anyhow::Result<()> {
    report
        .check(
            "pods: start under Pod Security restricted, with a volume, a user namespace and Services",
            async {
                for site in Site::DATA_CENTRES {
                    bench.apply(site, &objects(image))?;
                }
                Site::DATA_CENTRES
                    .into_iter()
                    .try_for_each(|site| bench.wait_for_pods(site, NAMESPACE))
            },
        )
        .await;
    report
        .check(
            "pods: a Service is reached by its name and by its address",
            async {
                let name = address_of(bench, "server.pods.svc.cluster.local")?;
                let cluster_ip = bench.field(
                    Site::Pdsa1,
                    &["-n", NAMESPACE, "service", "server"],
                    "{.spec.clusterIP}",
                )?;
                ensure!(
                    name.contains(&cluster_ip),
                    "the name gives {name}, not {cluster_ip}"
                );
                dials(bench, Site::Pdsa1, &format!("tcp:{cluster_ip}:80"), true).await
            },
        )
        .await;
    report
        .check(
            "pods: a LoadBalancer address is reached from the other site",
            async {
                let path = "{.status.loadBalancer.ingress[0].ip}";
                let address = bench.field(Site::Pdsa2, &["-n", NAMESPACE, "service", "public"], path)?;
                let pool = bench.lab()?.network.load_balancers(Site::Pdsa2);
                let inside = pool.is_some_and(|(first, last)| {
                    address
                        .parse()
                        .is_ok_and(|ip: std::net::Ipv4Addr| first <= ip && ip <= last)
                });
                ensure!(inside, "address {address:?} is not of the pool {pool:?}");
                dials(bench, Site::Pdsa1, &format!("tcp:{address}:80"), true).await
            },
        )
        .await;
    report
        .check("pods: nothing outside the lab is reached", async {
            let machine = crate::site::machine(&bench.lab()?, Site::Pdsa1)?;
            let output = machine.exec(&["ip", "route", "get", "192.0.2.1"])?;
            let route = String::from_utf8_lossy(&output.stdout).into_owned();
            ensure!(
                route.contains("dev nowhere"),
                "an address outside is routed: {route}"
            );
            dials(bench, Site::Pdsa1, "tcp:192.0.2.1:443", false).await
        })
        .await;
    report
        .check(
            "pods: a volume belongs to the pod's group and is writable",
            async {
                let folder = volume_folder(bench, Site::Pdsa1)?;
                let machine = crate::site::machine(&bench.lab()?, Site::Pdsa1)?;
                let output = machine.exec(&["stat", "-c", "%g", &folder])?;
                let group = String::from_utf8_lossy(&output.stdout).trim().to_owned();
                ensure!(group == "7000", "{folder} has group {group}, not 7000");
                Ok(())
            },
        )
        .await;
    report
        .check("pods: a user namespace maps root to nobody of the host", async {
            let map = bench.kubectl(
                Site::Pdsa1,
                &[
                    "exec",
                    "-n",
                    NAMESPACE,
                    "keeper",
                    "--",
                    "cat",
                    "/proc/self/uid_map",
                ],
            );
            let words: Vec<String> = map?.split_whitespace().map(str::to_owned).collect();
            match words.as_slice() {
                [inside, outside, _] if inside == "0" && outside != "0" => Ok(()),
                other => bail!("uid_map is {other:?}"),
            }
        })
        .await;
    report
        .check("pods: the audit log has every write and no read", async {
            let log = std::fs::read_to_string(bench.lab()?.folder.site(Site::Pdsa1).log("audit"))?;
            ensure!(
                log.contains("/api/v1/namespaces/pods/pods"),
                "no write of the pods is in it"
            );
            ensure!(
                !log.contains(r#""verb":"get""#) && !log.contains(r#""verb":"watch""#),
                "it has reads"
            );
            Ok(())
        })
        .await;
    Ok(())
}

/// The folder on the site's disk that is the volume of the pod `keeper`.
pub fn volume_folder(bench: &Bench, site: Site) -> anyhow::Result<String> {
    let volume = bench.field(site, &["-n", NAMESPACE, "pvc", "data"], "{.spec.volumeName}")?;
    bench.field(site, &["pv", &volume], "{.spec.local.path}")
}

async fn dials(bench: &Bench, site: Site, target: &str, open: bool) -> anyhow::Result<()> {
    eventually(vec![open], || {
        bench.dial(site, NAMESPACE, "client", &[target.to_owned()])
    })
    .await
}

fn address_of(bench: &Bench, name: &str) -> anyhow::Result<String> {
    bench.kubectl(
        Site::Pdsa1,
        &["exec", "-n", NAMESPACE, "client", "--", "getent", "hosts", name],
    )
}

fn objects(image: &str) -> Vec<Value> {
    let mut keeper = pod(NAMESPACE, "keeper", image, &["tcp:8080"]);
    keeper["spec"]["hostUsers"] = json!(false);
    keeper["spec"]["volumes"] = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
    keeper["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "data", "mountPath": "/data"}]);
    let service = |name: &str, kind: &str| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": NAMESPACE, "name": name},
            "spec": {"type": kind, "selector": {"app": "server"}, "ports": [{"port": 80, "targetPort": 8080}]}})
    };
    vec![
        namespace(NAMESPACE),
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"namespace": NAMESPACE, "name": "data"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}),
        keeper,
        pod(NAMESPACE, "server", image, &["tcp:8080"]),
        pod(NAMESPACE, "client", image, &["tcp:8080"]),
        service("server", "ClusterIP"),
        service("public", "LoadBalancer"),
    ]
}
