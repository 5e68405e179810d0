//! Who may talk to a cluster: its certificates and its kubeconfigs.

use std::fs;

use anyhow::Context as _;

use super::Plan;
use crate::certificates::{Authority, Credential, Subject, token_key};
use crate::kubeconfig::{self, Context};
use crate::lab::Lab;
use crate::network::Site;

/// Makes everything, unless the site has it from an earlier life.
pub fn create(plan: &Plan) -> anyhow::Result<()> {
    let last = plan.folder.kubeconfig("admin");
    if last.exists() {
        return Ok(());
    }
    let pki = plan.folder.join("pki");
    let (site, network) = (plan.site, plan.network);
    let ca = Authority::create(&pki, "ca", &format!("{site}-ca"))?;
    let front_proxy = Authority::create(&pki, "front-proxy-ca", &format!("{site}-front-proxy"))?;
    token_key(&pki)?;
    let names = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "localhost",
    ];
    let addresses = [
        std::net::Ipv4Addr::LOCALHOST,
        network.machine(site),
        network.wan(site),
        network.api_service(site),
    ];
    let apiserver = Subject::Server {
        name: "kube-apiserver",
        names: &names,
        addresses: &addresses,
    };
    ca.issue(&apiserver)?.write(&pki, "apiserver")?;
    let kubelet = Subject::Server {
        name: site.name(),
        names: &[site.name()],
        addresses: &[network.machine(site)],
    };
    ca.issue(&kubelet)?.write(&pki, "kubelet-serving")?;
    let masters = Some("system:masters");
    let to_kubelet = Subject::Client {
        user: "kube-apiserver-kubelet-client",
        group: masters,
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
        ("admin", "admin", masters),
    ] {
        let context = context(plan.site, plan, ca.issue(&Subject::Client { user, group })?)?;
        kubeconfig::write(&plan.folder.kubeconfig(file), &[context])?;
    }
    Ok(())
}

fn context(site: Site, plan: &Plan, credential: Credential) -> anyhow::Result<Context<'static>> {
    let authority = plan.folder.pki("ca.crt");
    Ok(Context {
        name: site.name(),
        server: format!("https://{}:6443", plan.network.machine(site)),
        authority: fs::read_to_string(&authority).with_context(|| authority.display().to_string())?,
        credential,
    })
}

/// Contexts `pdsa1` and `pdsa2` of one user, with a certificate of each cluster's own authority.
pub fn contexts(lab: &Lab, user: &str, group: Option<&str>) -> anyhow::Result<Vec<Context<'static>>> {
    let each = |site: Site| {
        let folder = lab.folder.site(site);
        let ca = Authority::open(&folder.join("pki"), "ca")?;
        let authority = folder.pki("ca.crt");
        Ok(Context {
            name: site.name(),
            server: format!("https://{}:6443", lab.network.machine(site)),
            authority: fs::read_to_string(&authority).with_context(|| authority.display().to_string())?,
            credential: ca.issue(&Subject::Client { user, group })?,
        })
    };
    Site::DATA_CENTRES.into_iter().map(each).collect()
}
