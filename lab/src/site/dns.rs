//! The cluster's name server: a process of the machine behind a Service without selector.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use serde_json::{Value, json};

use super::Plan;
use crate::machine::Daemon;
use crate::network::Site;

/// The domain below which everything is the Internet, and therefore at the witness. No other names lead out of the lab.
const INTERNET: &str = "example";

pub fn daemon(plan: &Plan) -> anyhow::Result<Daemon> {
    let corefile = plan.folder.join("Corefile");
    for (path, text) in [(&corefile, configuration(plan)), (&zone(plan), internet(plan))] {
        fs::write(path, text).with_context(|| path.display().to_string())?;
    }
    let flags = vec!["-conf".to_owned(), corefile.display().to_string()];
    Ok(plan.control_plane().program("coredns", flags))
}

fn configuration(plan: &Plan) -> String {
    format!(
        ".:53 {{
    bind {address}
    errors
    health 127.0.0.1:8081
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {kubeconfig}
        pods insecure
        ttl 5
    }}
    cache 5
    loadbalance
}}
{INTERNET}:53 {{
    bind {address}
    errors
    file {zone}
}}
",
        address = plan.network.machine(plan.site),
        kubeconfig = plan.folder.kubeconfig("dns").display(),
        zone = zone(plan).display(),
    )
}

fn zone(plan: &Plan) -> PathBuf {
    plan.folder.join("internet.zone")
}

/// Every domain's mail goes to one host.
fn internet(plan: &Plan) -> String {
    format!(
        "$ORIGIN {INTERNET}.
$TTL 60
@ IN SOA mail postmaster 1 3600 600 86400 60
@ IN NS mail
* IN MX 10 mail
mail IN A {}
",
        plan.network.wan(Site::Witness)
    )
}

/// What the cluster must know of it: its rights, its Service, and where that leads.
pub fn objects(plan: &Plan) -> Vec<Value> {
    let user = "system:coredns";
    vec![
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": user},
        "rules": [
            {"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": ["list", "watch"]},
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
        ]}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": user},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": user},
            "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}]}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kube-dns", "namespace": "kube-system"},
        "spec": {"clusterIP": plan.network.dns_service(plan.site), "ports": [
            {"name": "dns", "port": 53, "protocol": "UDP"},
            {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
        ]}}),
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": "kube-dns-lab", "namespace": "kube-system",
                         "labels": {"kubernetes.io/service-name": "kube-dns"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [plan.network.machine(plan.site)], "conditions": {"ready": true}}],
            "ports": [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]}),
    ]
}
