//! Who may talk to a cluster: its certificates and its kubeconfigs.

use std::fs;

use anyhow::Context as _;

use super::control_plane::ControlPlane;
use crate::certificates::{Authority, Credential, Subject, token_key};
use crate::kubeconfig::{self, Context};
use crate::paths::SiteFolder;

/// The group that may do everything.
pub const MASTERS: &str = "system:masters";

/// Makes everything, unless the cluster has it from an earlier life.
pub fn create(cluster: &ControlPlane) -> anyhow::Result<()> {
    let folder = &cluster.folder;
    if folder.kubeconfig("admin").exists() {
        return Ok(());
    }
    let pki = folder.join("pki");
    let site = cluster.site;
    let ca = Authority::create(&pki, "ca", &format!("{site}-ca"))?;
    let front_proxy = Authority::create(&pki, "front-proxy-ca", &format!("{site}-front-proxy"))?;
    token_key(&pki)?;
    let service = "kubernetes.default.svc.cluster.local";
    let names = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        service,
        "localhost",
    ];
    let addresses = [
        vec![cluster.address, std::net::Ipv4Addr::LOCALHOST],
        cluster.aliases.clone(),
    ]
    .concat();
    let apiserver = Subject::Server {
        name: "kube-apiserver",
        names: &names,
        addresses: &addresses,
    };
    ca.issue(&apiserver)?.write(&pki, "apiserver")?;
    let kubelet = Subject::Server {
        name: site.name(),
        names: &[site.name()],
        addresses: &[cluster.address],
    };
    ca.issue(&kubelet)?.write(&pki, "kubelet-serving")?;
    let to_kubelet = Subject::Client {
        user: "kube-apiserver-kubelet-client",
        group: Some(MASTERS),
    };
    ca.issue(&to_kubelet)?.write(&pki, "apiserver-kubelet")?;
    front_proxy
        .issue(&Subject::Client {
            user: "front-proxy-client",
            group: None,
        })?
        .write(&pki, "front-proxy")?;
    let node = format!("system:node:{site}");
    // The administrator's comes last: that it is there tells that all are.
    for (file, user, group) in [
        ("controller-manager", "system:kube-controller-manager", None),
        ("scheduler", "system:kube-scheduler", None),
        ("proxy", "system:kube-proxy", None),
        ("kubelet", &*node, Some("system:nodes")),
        ("dns", "system:coredns", None),
        ("admin", "admin", Some(MASTERS)),
    ] {
        let credential = ca.issue(&Subject::Client { user, group })?;
        let context = Context {
            name: site.name(),
            server: cluster.server(),
            authority: authority(folder)?,
            credential,
        };
        kubeconfig::write(&folder.kubeconfig(file), &[context])?;
    }
    Ok(())
}

/// A cluster as `user`, with a certificate that is made on the spot.
pub fn context(cluster: &ControlPlane, user: &str, group: Option<&str>) -> anyhow::Result<Context<'static>> {
    let ca = Authority::open(&cluster.folder.join("pki"), "ca")?;
    let credential: Credential = ca.issue(&Subject::Client { user, group })?;
    let authority = authority(&cluster.folder)?;
    Ok(Context {
        name: cluster.site.name(),
        server: cluster.server(),
        authority,
        credential,
    })
}

fn authority(folder: &SiteFolder) -> anyhow::Result<String> {
    let path = folder.pki("ca.crt");
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}
